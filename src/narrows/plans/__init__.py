"""Training plans: from items and options to a training task, and from its result to a trained model.

    TrainingData, options -> plan_TOOL -> TrainingPlan -> run_plan -> Fitted: a TrainedModel

Of scikit-learn, only isotonic regression is used, for calibration.
"""

from narrows.plans.training_plan import (
    Fitted,
    TrainingData,
    TrainingOptions,
    TrainingPlan,
    run_plan,
    training_identity,
    training_record,
)

__all__ = [
    "Fitted",
    "TrainingData",
    "TrainingOptions",
    "TrainingPlan",
    "run_plan",
    "training_identity",
    "training_record",
]
