"""The training plan of codecs."""

from narrows.codec.learning.objective import CodecNetwork
from narrows.codec.learning.training import check_trainable, prepare_training
from narrows.codec.model import CodecModel
from narrows.data import Items
from narrows.data.masks import without_fill
from narrows.data.units import check_unit
from narrows.errors import ParameterError
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
    items, init = plain_numbers(data.items, "codec"), options.init_model
    check_trainable(items)
    if init is not None:
        items = check_fits(items, init)
    crop, device = default_crop(items, flat=False), choose_device(options.device)
    training = prepare_training(items, options.settings("codec", items), crop, device, init)

    def finish(trained: Trained[CodecNetwork]) -> Fitted:
        model = training.model(trained, data.user_axes, options.device)
        return Fitted(model, interrupted=trained.interrupted)

    return TrainingPlan(training.task, finish)


def check_fits(items: Items, init: CodecModel) -> Items:
    """Return the items as the model to start from takes them; DataError where they do not fit.

    Raises ParameterError for a model that can no longer be trained.
    """
    if any(design.alphabet == "residuals" for design in init.manifest.design.pixels.values()):
        raise ParameterError(
            f"the model to start from was written by narrows {init.manifest.written_by}, whose codecs code residuals",
            hint="train a new one without it",
        )
    items = init.check(items)
    check_unit(without_fill(items), init.scaling)
    return items
