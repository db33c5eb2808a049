"""The training plan of autoencoders."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from narrows.data import Items, Scaling
from narrows.data.tables.features import Features
from narrows.errors import DataError, ParameterError
from narrows.models.autoencoder_model import AutoencoderManifest, AutoencoderModel
from narrows.models.item_checks import check_complete, describe_items, missing_cells
from narrows.models.table_features import features_of
from narrows.networks import Architecture, Network, build, parse_code
from narrows.objectives.reconstruction import Loss, difference, observed_difference
from narrows.plans.defaults import default_architecture, default_code, default_crop
from narrows.plans.fine_tuning import check_option
from narrows.plans.training_plan import (
    Fitted,
    TrainingData,
    TrainingOptions,
    TrainingPlan,
    training_identity,
    training_record,
)
from narrows.training.batches import Batches
from narrows.training.runtime import choose_device
from narrows.training.task import Trained, TrainingTask
from narrows.training.torch_state import default_torch_state


@dataclass(frozen=True)
class AutoencoderOptions:
    """What to train; the parameters are those of `narrows.Autoencoder`."""

    architecture: str = "auto"
    code: int | str | Sequence[int] | None = None
    upsampling: str = "nearest"
    preset: str = "default"
    loss: Loss = "mse"
    training: TrainingOptions = field(default_factory=TrainingOptions)


@default_torch_state()
def plan_autoencoder(data: TrainingData, options: AutoencoderOptions) -> TrainingPlan[Network]:
    """Return the plan to train an autoencoder.

    Raises
    ------
    DataError
        If nothing can be learned from the items.
    ParameterError
        If an option does not go with them.
    """
    init: AutoencoderModel | None = options.training.init_model
    items = data.items if init is None else init.check(data.items)
    features = features_to_learn(items) if init is None else init.manifest.features
    inputs = items if features is None else features_of(items, features)
    scaling = (
        init.adapted_to(items).scaling
        if init
        else Scaling.learn(items)
        if features is None
        else Scaling.identity(features.size)
    )
    if options.loss == "bce" and not scaling.is_range:
        raise ParameterError(
            f"needs values of a known range, such as 0..1 or uint8; these are {inputs.dtype}",
            parameter="loss",
            value=options.loss,
        )
    if init is None:
        architecture, crop = design(inputs, scaling, options)
    else:
        architecture = init.manifest.architecture
        check_options(options, architecture)
        crop = default_crop(inputs, architecture.flat)
    settings = options.training.settings(architecture.kind, inputs)
    device = choose_device(options.training.device)
    batches = Batches(inputs, scaling, settings.batch_size, settings.seed, device, crop)
    mean, loss = batches.mean(), options.loss

    def start(seed: int) -> Network:
        network = build(architecture, seed)
        if init is None:
            network.init_output_bias(mean.cpu())
        else:
            network.load_state_dict(init.network.state_dict())
        return network.to(device)

    def objective(network: Network, x: Tensor, step: int | None) -> Tensor:
        return observed_difference(loss, network(x.nan_to_num()), x) if holes else difference(loss, network(x), x)

    holes = inputs.mask is not None
    losses = [(float(observed_difference(loss, mean.expand_as(x), x)), len(x)) for x in batches.held_out()]
    baseline = sum(each * count for each, count in losses) / sum(count for _, count in losses)
    task = TrainingTask(
        build=start,
        objective=objective,
        batches=batches,
        settings=settings,
        baseline=baseline,
        identity=training_identity("autoencoder", inputs, loss=loss, architecture=architecture.to_dict()),
        init_model=None if init is None else init.init_record(),
    )

    def finish(trained: Trained[Network]) -> Fitted:
        manifest = AutoencoderManifest(
            architecture=architecture,
            scaling=scaling,
            axes=data.user_axes,
            feature_names=data.feature_names,
            columns=items.columns,
            training=training_record(items, task, trained, loss=loss),
            features=features,
        )
        return Fitted(
            AutoencoderModel(manifest, trained.network, options.training.device), interrupted=trained.interrupted
        )

    return TrainingPlan(task, finish)


def features_to_learn(items: Items) -> Features | None:
    """Return how the cells of a table become numbers, None for other items; DataError where nothing can be learned."""
    if items.columns is None:
        check_complete(items, "autoencoder")
        return None
    missing_cells(items)
    features = Features.learn(items.values, items.columns)
    if not features.size:
        raise DataError("no column of it varies, so there is nothing to learn", source=items.source)
    return features


def check_options(options: AutoencoderOptions, architecture: Architecture) -> None:
    """Raise ParameterError for an option that contradicts the architecture of the model to start from."""
    code = None if options.code is None else parse_code(options.code)
    check_option("architecture", options.architecture, "auto", architecture.kind)
    check_option("code", code, None, architecture.code)
    check_option("upsampling", options.upsampling, AutoencoderOptions.upsampling, architecture.upsampling)
    check_option("preset", options.preset, AutoencoderOptions.preset, architecture.preset)


def design(items: Items, scaling: Scaling, options: AutoencoderOptions) -> tuple[Architecture, tuple[int, ...] | None]:
    """Return the architecture for the items, and the crop to train it on."""
    kind = default_architecture(items) if options.architecture == "auto" else options.architecture
    code = default_code(items, kind) if options.code is None else parse_code(options.code)
    flat = isinstance(code, int)
    if flat and items.spatial_dims and len(items) == 1:
        raise DataError(
            f"a single item, {describe_items(items)}, from which a flat code of {code} cannot be learned",
            source=items.source,
            hint="cut it into many items of one size, or specify channels x grid, which is learned from crops",
        )
    if flat and not items.uniform:
        raise DataError(
            f"its items have different sizes, which a flat code of {code} cannot have",
            source=items.source,
            hint="specify channels x grid for crops, such as",
            suggestion={"code": "8x8x8"},
        )
    crop = default_crop(items, flat)
    architecture = Architecture(
        kind=kind,
        channels=items.channels if items.spatial_dims else items.item_shape[0],
        shape=items.item_shape[: items.spatial_dims] if items.uniform else crop or (),
        code=code,
        upsampling=options.upsampling,
        preset=options.preset,
        ranged=scaling.is_range,
    )
    return architecture, crop
