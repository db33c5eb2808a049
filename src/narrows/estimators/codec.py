"""The tool `Codec`: items into files, and back."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from narrows.artifacts.manifest import TrainingRecord
from narrows.artifacts.model_file import ModelFile
from narrows.codec.archive import Archive
from narrows.codec.codec_manifest import CodecManifest
from narrows.codec.coder import Coder
from narrows.codec.container.mode import Mode
from narrows.codec.learning import CodecNetwork, CodecObjective, design_networks, grid_of, numbers
from narrows.codec.model import CodecModel
from narrows.data import Scaling
from narrows.errors import DataError
from narrows.estimators.base import Tool
from narrows.models.defaults import choose_crop
from narrows.training.batches import Batches
from narrows.training.runtime import choose_device
from narrows.training.task import TrainingProgress


class Codec(Tool):
    """Learn to compress items that have much in common.

    Items are signals, pictures or volumes of integers or real numbers, of any sizes, as `narrows.Autoencoder` takes
    them. Whatever they hold, what is asked of the compression is kept: lossless, or no value off by more than a bound.

    Parameters
    ----------
    minutes : float, optional
        Budget of training in minutes, by the clock. By default, the budget is a number of epochs.
    epochs : int, optional
        Budget of training in epochs, chosen by the size of the data by default. Runs with a budget of epochs are
        repeatable. At most one of `minutes` and `epochs` may be given.
    batch_size : int, optional
        Items in a step, chosen by network and data by default.
    learning_rate : float, optional
        Learning rate at its peak, chosen by network by default.
    axes : str, optional
        Which axis is which, where an array's shape does not tell: NYX, NYXC, NT, NTC, NZYX, NF, in any order. Arrays
        come back with their axes in this order.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where to train; auto is the GPU if there is one.
    random_state : int, RandomState instance or None, default=0
        Seed, which makes a run repeatable within a budget of epochs.
    verbose : bool, default=False
        Show a progress bar on standard error.

    Attributes
    ----------
    axes_ : axes of the arrays that come in and go out
    model_ : the trained model, `narrows.codec.model.CodecModel`
    fingerprint_ : what names the model in files that need it, hexadecimal
    history_ : dict of lists "epoch", "seconds", "loss", "held_out"
    training_ : dict of facts about the training
    """

    tool = "codec"
    complete_data: ClassVar[bool] = False

    def __init__(
        self,
        minutes: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        axes: str | None = None,
        device: str = "auto",
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.minutes = minutes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.axes = axes
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        report: Callable[[TrainingProgress], None] | None = None,
    ) -> "Codec":
        """Learn from the items X; `y` is ignored.

        checkpoint: a file for the state of the run, and `resume` to go on from it. report: called several times a
        second with the progress. Ctrl-C keeps the best networks so far, leaves the codec fitted with them, and raises
        KeyboardInterrupt. TrainingError where the loss does not stay finite.
        """
        items = self._items(X, fitting=True)
        if not items.spatial_dims:
            raise DataError(
                "rows of a table; a codec takes signals, images or volumes",
                source=items.source,
                hint="if the rows are signals, specify",
                suggestion={"axes": "NT"},
            )
        scaling = Scaling.learn(items)
        crop = choose_crop(items, flat=False)
        grid = grid_of(items, scaling)
        design = design_networks(items, scaling, grid, crop)
        settings = self._settings(items, "codec")
        batches = Batches(items, scaling, settings.batch_size, settings.seed, choose_device(self.device), crop)
        objective = CodecObjective(grid, scaling, design.lossy, settings.seed)
        first = [batches.at(step) for step in range(min(batches.per_epoch, 40))]
        objective.learn_units(first)

        mean = numbers(batches.mean())

        def start(seed: int) -> CodecNetwork:
            network = CodecNetwork(design, seed).to(batches.device)
            network.latent.network.init_output_bias(mean)
            objective.learn_prediction(network, first)
            return network

        untrained = {settings.seed: start(settings.seed)}
        # Even without any training a codec keeps its promises, so that there is nothing to beat.
        before = objective.measured(untrained[settings.seed], batches.held_out())
        identity = {"lossless": design.lossless.to_dict(), "latent": design.latent.to_dict(), "before": f"{before:.4g}"}
        trained = self._train(
            items,
            batches,
            settings,
            lambda seed: untrained.pop(seed, None) or start(seed),
            objective,
            0.0,
            identity,
            checkpoint,
            resume,
            report,
        )
        self.training_["mean_loss"] = before
        manifest = CodecManifest(
            grid=grid,
            scaling=scaling,
            axes=self.axes_,
            item_shape=items.item_shape if crop is None and items.uniform else None,
            design=design,
            training=TrainingRecord.from_dict(self.training_),
        )
        self.model_ = CodecModel.from_tensors(manifest, trained.network.tensors(), self.device)
        if trained.interrupted:
            raise KeyboardInterrupt
        return self

    def compress(
        self,
        X: Any,
        *,
        lossless: bool = False,
        max_error: float | None = None,
        quality: float | None = None,
        psnr: float | None = None,
        embed_model: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> bytes:
        """The items X as the bytes of a `.narrow` file, which `decompress` and `narrows.open` read.

        Exactly one of: lossless; max_error, in the data's own unit; quality, 0..100; psnr, in dB, over all values.
        embed_model: whether the file also holds the model. DataError for what cannot be had.
        """
        check_is_fitted(self)
        target = io.BytesIO()
        mode = Mode.choose(lossless, max_error, quality, psnr)
        self.model_.on(self.device).compress(self._items(X), mode, target, embed_model, progress)
        return target.getvalue()

    def decompress(self, blob: bytes) -> Any:
        """The items that `compress` was given: an array, or a list of arrays where they have different sizes."""
        check_is_fitted(self)
        with Archive(blob, "the compressed data", model=self.model_.on(self.device)) as archive:
            return archive[:]

    def save(self, path: str | Path) -> None:
        """Write the model as one safetensors file; `narrows.load` reads it."""
        check_is_fitted(self)
        self.model_.save(path)

    @classmethod
    def from_model(cls, model: CodecModel) -> "Codec":
        """Return an estimator fitted with a model."""
        training = model.training
        names = ("minutes", "epochs", "batch_size", "learning_rate")
        self = cls(axes=model.axes, random_state=training.seed, **{name: getattr(training, name) for name in names})
        self.axes_, self.training_, self.history_ = model.axes, training.to_dict(), training.history
        self.model_ = model
        return self

    @classmethod
    def from_file(cls, path: str | Path, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> "Codec":
        """The codec that `save` wrote, from what the model file holds; FormatError where that does not fit."""
        return cls.from_model(CodecModel.from_file(ModelFile(tensors, document, str(path))))

    @property
    def fingerprint_(self) -> str:
        """SHA-256 that identifies the model, in hexadecimal."""
        return self.model_.fingerprint

    @property
    def coder_(self) -> Coder:
        """What codes items of one shape."""
        return self.model_.coder

    @property
    def channels_(self) -> int:
        """Number of channels of an item."""
        return self.model_.channels
