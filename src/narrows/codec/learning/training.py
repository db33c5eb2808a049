"""From items to the training task of a codec, and from its result to the trained model."""

from dataclasses import asdict, dataclass

import torch

from narrows.artifacts.manifest import TrainingRecord
from narrows.codec.codec_manifest import CodecDesign, CodecManifest
from narrows.codec.coding_plan import Grid
from narrows.codec.learning.objective import CodecNetwork, CodecObjective, design_networks, grid_of
from narrows.codec.model import CodecModel, check_not_masked
from narrows.data import Items, Scaling
from narrows.data.masks import without_fill
from narrows.errors import DataError
from narrows.training.batches import Batches
from narrows.training.task import Settings, Trained, TrainingTask

BATCHES_LEARNED_FIRST = 40  # at most, from which units and linear predictions are learned


@dataclass(frozen=True, eq=False)
class CodecTraining:
    """The training of a codec.

    Parameters
    ----------
    task : TrainingTask
        What to train. Its baseline is 0, because even an untrained codec keeps its bounds.
    items : Items
        The training items.
    crop : tuple of int or None
        The size of the crops that it is trained on; None for whole items.
    grid, scaling, design : Grid, Scaling and CodecDesign
        What the manifest says of the model.
    loss_before : float
        Loss on held-out items before training. It is part of the checkpoint's identity and of the training record, so
        it is measured before the training begins, on the network that is then trained.
    """

    task: TrainingTask[CodecNetwork]
    items: Items
    crop: tuple[int, ...] | None
    grid: Grid
    scaling: Scaling
    design: CodecDesign
    loss_before: float

    def model(self, trained: Trained[CodecNetwork], axes: str, device: str) -> CodecModel:
        """Return the trained model. axes: in the user's order."""
        items, state = self.items, trained.state
        record = TrainingRecord(
            data=items.source,
            items=len(items),
            rate=items.rate,
            device=str(self.task.batches.device),
            **asdict(self.task.settings),
            seconds=round(state.seconds, 2),
            steps=state.step,
            held_out_loss=state.best,
            mean_loss=self.loss_before,
            attempts=state.attempt + 1,
            complete=not trained.interrupted,
            history=state.history,
            init_model=self.task.init_model,
            details={} if items.common_bits is None else {"bits": items.common_bits},
        )
        manifest = CodecManifest(
            grid=self.grid,
            scaling=self.scaling,
            axes=axes,
            item_shape=items.item_shape if self.crop is None and items.uniform else None,
            design=self.design,
            training=record,
        )
        return CodecModel.from_tensors(manifest, trained.network.tensors(), device)


def check_trainable(items: Items) -> None:
    """Raise DataError for rows of a table, which a codec does not take, and for masked values."""
    check_not_masked(items)
    if not items.spatial_dims:
        raise DataError(
            "rows of a table; a codec takes signals, images or volumes",
            source=items.source,
            hint="if the rows are signals, specify",
            suggestion={"axes": "NT"},
        )


def prepare_training(
    items: Items,
    settings: Settings,
    crop: tuple[int, ...] | None,
    device: torch.device,
    init: CodecModel | None = None,
) -> CodecTraining:
    """Return the training of a codec with all parts on items; values that stand for missing ones do not count.

    init: the model to start from, whose design, grid and scaling are kept.
    """
    items = without_fill(items)
    if init is None:
        scaling = Scaling.learn(items)
        grid = grid_of(items, scaling)
        design = design_networks(items, scaling, grid, crop)
    else:
        scaling, grid, design = init.scaling, init.manifest.grid, init.manifest.design
    batches = Batches(items, scaling, settings.batch_size, settings.seed, device, crop)
    return training_of(design, grid, batches, settings, init=init)


def training_of(
    design: CodecDesign,
    grid: Grid,
    batches: Batches,
    settings: Settings,
    step: float | None = None,
    init: CodecModel | None = None,
) -> CodecTraining:
    """Return the training of networks on batches.

    step: the only one that lossy parts learn; None for all. init: the model whose weights the networks start from.
    """
    items, scaling, device = batches.items, batches.scale.scaling, batches.device
    objective = CodecObjective(grid, scaling, design, settings.seed, step)
    first = [batches.at(step) for step in range(min(batches.per_epoch, BATCHES_LEARNED_FIRST))]
    objective.learn_units(first)

    mean = batches.mean()

    def build(seed: int) -> CodecNetwork:
        network = CodecNetwork(design, seed).to(device)
        if init is None:
            objective.learn_first(network, first, mean)
        else:
            network.load_tensors(init.tensors, first)
        return network

    named = (("lossless", design.lossless), ("latent", design.latent))
    untrained = {settings.seed: build(settings.seed)}
    loss_before = objective.measured(untrained[settings.seed], batches.held_out())
    task = TrainingTask(
        build=lambda seed: untrained.pop(seed, None) or build(seed),
        objective=objective,
        batches=batches,
        settings=settings,
        baseline=0.0,
        identity={
            "items": len(items),
            "dtype": str(items.dtype),
            **{name: each.to_dict() for name, each in named if each is not None},
            "before": f"{loss_before:.4g}",
        },
        init_model=None if init is None else init.init_record(),
    )
    return CodecTraining(task, items, batches.crop, grid, scaling, design, loss_before)
