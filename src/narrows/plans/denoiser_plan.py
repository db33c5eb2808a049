"""The training plan of denoisers."""

import warnings
from dataclasses import dataclass, field, replace

import numpy as np

from narrows.corruption import Noise
from narrows.data import Items, Scaling
from narrows.errors import DataError, DataWarning, ParameterError, TrainingError
from narrows.models.denoiser_model import DenoiserManifest, DenoiserModel
from narrows.models.item_checks import check_complete, describe_items, plain_numbers
from narrows.networks import RestoringNetwork
from narrows.objectives.restoration import AddNoise, BlindObjective, Pairs, RestorationObjective
from narrows.plans.restoration_plan import RestorationTask, calibrate, plan_restoration
from narrows.plans.training_plan import Fitted, TrainingData, TrainingOptions, TrainingPlan, training_record
from narrows.training.task import Trained
from narrows.training.torch_state import default_torch_state

NEGLIGIBLE_NOISE = 0.005  # standard deviation in scaled units


@dataclass(frozen=True)
class DenoiserOptions:
    """What to train; the parameters are those of `narrows.Denoiser`."""

    noise: str | None = None
    clip: bool | None = None
    preset: str = "default"
    training: TrainingOptions = field(default_factory=TrainingOptions)


@default_torch_state()
def plan_denoiser(
    data: TrainingData, options: DenoiserOptions, target: Items | None = None
) -> TrainingPlan[RestoringNetwork]:
    """Return the plan to train a denoiser.

    Parameters
    ----------
    data : TrainingData
        Clean items where `options` name a noise, else noisy ones.
    options : DenoiserOptions
        What to train.
    target : Items, optional
        The same items clean, or with other noise.
    """
    if options.noise is not None and target is not None:
        raise ParameterError(
            "noise is added to clean items, and pairs have theirs: give one of the two",
            parameter="noise",
            value=options.noise,
        )
    if options.training.init_model is None:
        items = complete_numbers(data.items)
        if target is not None:
            target = complete_numbers(target)
            check_pairs(items, target)
        detects_clipping = options.noise is None and target is None and options.clip is None
        scaling = learn_scaling(items, target, detects_clipping)
        clip = scaling.is_range if options.clip is None else options.clip
    else:
        options = started(options, options.training.init_model, target, data.items.source)
        init, items, target = fitting_pairs(options.training.init_model, data.items, target)
        data = replace(data, items=items)
        scaling, clip = init.scaling, init.clip if options.clip is None else options.clip
    blind = options.noise is None and target is None
    if clip and not scaling.is_range:
        raise ParameterError(
            f"needs values of a known range, 0..1 or unsigned; these are {items.dtype}", parameter="clip", value=True
        )
    noise = None if options.noise is None else Noise.parse(options.noise)

    def objective(seed: int) -> RestorationObjective:
        if target is not None:
            return RestorationObjective(Pairs(), seed)
        return BlindObjective(clip, seed) if noise is None else RestorationObjective(AddNoise(noise, clip), seed)

    restoration = plan_restoration(
        "denoiser",
        items,
        scaling,
        objective,
        "blind" if blind else "denoise",
        options.preset,
        options.training,
        target,
        noise=options.noise,
        clip=clip,
        pairs=target is not None,
    )

    def finish(trained: Trained[RestoringNetwork]) -> Fitted:
        return _finish(data, replace(options, clip=clip), scaling, restoration, trained)

    return TrainingPlan(restoration.task, finish)


def _finish(
    data: TrainingData,
    options: DenoiserOptions,
    scaling: Scaling,
    restoration: RestorationTask,
    trained: Trained[RestoringNetwork],
) -> Fitted:
    """Return the denoiser; TrainingError where one that learned from noisy items is no better than the baseline."""
    batches, found, blind = restoration.task.batches, trained.state.best, restoration.architecture.task == "blind"
    if blind and found >= restoration.baseline:
        if trained.interrupted:
            raise KeyboardInterrupt
        raise TrainingError(
            f"in {trained.state.step} steps no way was found to predict a value from its neighbours (held-out "
            f"loss {found:.4g}, without them {restoration.baseline:.4g})",
            hint="try a larger budget, unless the items are noise alone",
        )
    noisy_loss = None if blind else restoration.objective.loss_of_input(batches.held_out())
    calibration = None if blind else calibrate(trained.network, restoration.objective, batches.held_out())
    training = training_record(
        data.items,
        restoration.task,
        trained,
        mean_loss=restoration.baseline,
        noisy_loss=noisy_loss,
        within=None if calibration is None else list(calibration.within),
    )
    manifest = DenoiserManifest(
        architecture=restoration.architecture,
        scaling=scaling,
        axes=data.user_axes,
        feature_names=(),
        columns=None,
        training=training,
        calibration=calibration,
        noise=options.noise,
        clip=bool(options.clip),
    )
    model = DenoiserModel(manifest, trained.network, options.training.device)
    notes = []
    if noisy_loss is not None and found >= noisy_loss:
        notes.append(
            f"denoised items are farther from the clean ones (held-out mse {found:.4g}) than the noisy ones "
            f"({noisy_loss:.4g}): try a larger budget"
        )
    if blind and (level := model.noise_level()) < NEGLIGIBLE_NOISE:
        unit = "range" if scaling.is_range else "standard deviation"
        notes.append(
            f"hardly any noise was found, {level:.2g} of the {unit} of the data, so hardly any is removed: "
            "either there is none, or the noise of neighbouring values is correlated"
        )
    return Fitted(model, tuple(notes), trained.interrupted)


def learn_scaling(items: Items, target: Items | None, detects_clipping: bool) -> Scaling:
    """Return the scaling of items and of their targets."""
    scaling = Scaling.learn(items)
    if target is not None:
        return common_scaling(scaling, Scaling.learn(target))
    if detects_clipping and not scaling.is_range:
        # Clipped values do not show how strong their noise was, and would be taken for free of it.
        return Scaling.detect_clipping(items) or scaling
    return scaling


def started(options: DenoiserOptions, init: DenoiserModel, target: Items | None, source: str) -> DenoiserOptions:
    """Return the options with the noise of the model to start from, where they leave it to it.

    Raises
    ------
    ParameterError
        If the model has not learned in the way that the options ask for.
    """
    blind = options.noise is None and target is None
    if init.blind and not blind:
        raise ParameterError(
            "the model to start from learned from noisy items alone, and so does what starts from it",
            hint="give noisy items, without noise to add and without clean ones",
        )
    if init.blind or not blind:
        return options
    if init.noise is None:
        raise ParameterError(
            "the model to start from learned from pairs, and what starts from it needs clean items too",
            hint="give pairs, or the noise to add to clean items, such as",
            suggestion={"noise": "gaussian:0.1"},
        )
    warnings.warn(
        f"{source}: taken as clean; training adds the noise of the model to start from, {init.noise}",
        DataWarning,
        stacklevel=4,
    )
    return replace(options, noise=init.noise)


def fitting_pairs(init: DenoiserModel, items: Items, target: Items | None) -> tuple[DenoiserModel, Items, Items | None]:
    """Return the model to start from, for the range of the items; the items, and their targets, as it takes them."""
    items = init.check(items)
    init = init.adapted_to(items)
    if target is not None:
        target = init.check(target)
        check_pairs(items, target)
    return init, items, target


def complete_numbers(items: Items) -> Items:
    """Return the items without columns; DataError where values are missing or no numbers."""
    items = plain_numbers(items, "denoiser")
    check_complete(items, "denoiser")
    return items


def check_pairs(items: Items, target: Items) -> None:
    """Raise DataError where the two are not pairs."""
    same = items.uniform == target.uniform and items.axes == target.axes and len(items) == len(target)
    if same and items.uniform:
        same = items.item_shape == target.item_shape
    elif same:
        same = np.array_equal(items.shapes, target.shapes)  # type: ignore[arg-type]
    if not same:
        raise DataError(
            f"{len(target)} items, {describe_items(target)}; pairs need the same as "
            f"{items.source}: {len(items)} items, {describe_items(items)}",
            source=target.source,
        )


def common_scaling(one: Scaling, other: Scaling) -> Scaling:
    """Return the one of two scalings into which both data fit; DataError where the two have different units."""
    if one.is_range and other.is_range and np.dtype(one.dtype).kind != np.dtype(other.dtype).kind:
        raise DataError(
            f"pairs of {one.dtype} from {one.low:g} to {one.high:g} and of {other.dtype} from {other.low:g} to "
            f"{other.high:g}",
            hint="give both in the same unit",
        )
    if one.is_range and (not other.is_range or other.high > one.high):
        return replace(other, dtype=one.dtype)
    return one
