"""The training plan of codecs."""

from narrows.codec.learning.objective import CodecNetwork
from narrows.codec.learning.training import check_trainable, prepare_training
from narrows.models.item_checks import plain_numbers
from narrows.plans.defaults import default_crop
from narrows.plans.training_plan import Fitted, TrainingData, TrainingOptions, TrainingPlan
from narrows.training.runtime import choose_device
from narrows.training.task import Trained
from narrows.training.torch_state import default_torch_state


@default_torch_state()
def plan_codec(data: TrainingData, options: TrainingOptions) -> TrainingPlan[CodecNetwork]:
    """Return the plan to train a codec.

    Raises
    ------
    DataError
        If the items are rows of a table.
    """
    items = plain_numbers(data.items, "codec")
    check_trainable(items)
    crop = default_crop(items, flat=False)
    training = prepare_training(items, options.settings("codec", items), crop, choose_device(options.device))

    def finish(trained: Trained[CodecNetwork]) -> Fitted:
        model = training.model(trained, data.user_axes, options.device)
        return Fitted(model, interrupted=trained.interrupted)

    return TrainingPlan(training.task, finish)
