"""Ready-made models: model files that ship with the package, each with a card that says what it is for and how good."""

from narrows.ready.catalogue import (
    DEFAULT,
    FOLDER,
    Figure,
    ReadyModel,
    TrainingData,
    choose_ready_model,
    choose_ready_models,
    find_ready_model,
    is_ready_name,
    ready_models,
)

__all__ = [
    "DEFAULT",
    "FOLDER",
    "Figure",
    "ReadyModel",
    "TrainingData",
    "choose_ready_model",
    "choose_ready_models",
    "find_ready_model",
    "is_ready_name",
    "ready_models",
]
