"""The tool `Codec`: items into files, and back."""

import io
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from narrows.artifacts import model_file
from narrows.codec.coder import Coder, Grid
from narrows.codec.container.mode import Mode
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.interlaced import Interlaced
from narrows.codec.learning import CodecNetwork, Objective, grid_of, numbers, specification
from narrows.codec.transforms.dequantiser import ExactDequantiser
from narrows.codec.transforms.latent import latent_tensors
from narrows.data import Scaling
from narrows.errors import DataError, FormatError
from narrows.estimators.base import Tool
from narrows.models.defaults import choose_crop
from narrows.networks import Architecture, build
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
        spec = specification(items, scaling, grid, crop)
        settings = self._settings(items, "codec")
        batches = Batches(items, scaling, settings.batch_size, settings.seed, choose_device(self.device), crop)
        objective = Objective(grid, scaling, spec.lossy, settings.seed)
        first = [batches.at(step) for step in range(min(batches.per_epoch, 40))]
        objective.learn_units(first)

        mean = numbers(batches.mean())

        def start(seed: int) -> CodecNetwork:
            network = CodecNetwork(spec, seed).to(batches.device)
            network.latent.network.start_at(mean)
            objective.learn_prediction(network, first)
            return network

        # Even without any training a codec keeps its promises, so that there is nothing to beat.
        before = objective.measured(start(settings.seed), batches.held_out())
        identity = {"lossless": spec.lossless.to_dict(), "latent": spec.latent.to_dict(), "before": f"{before:.4g}"}
        trained = self._train(items, batches, settings, start, objective, 0.0, identity, checkpoint, resume, report)
        self.training_["mean_loss"] = before
        placed = crop is None and items.uniform
        document = {
            "grid": {**asdict(grid), "dtype": str(grid.dtype)},
            "scaling": scaling.to_dict(),
            "axes": self.axes_,
            "shape": list(items.item_shape) if placed else None,
            "designs": {name: getattr(spec, name).to_dict() for name in ("lossless", "lossy", "latent")},
            "architecture": spec.architecture.to_dict(),
        }
        self._take_on(tensors_of(trained.network), document)
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
        from narrows.codec.compression import compress

        check_is_fitted(self)
        target = io.BytesIO()
        mode = Mode.choose(lossless, max_error, quality, psnr)
        compress(self, self._items(X), mode, target, embed_model, progress)
        return target.getvalue()

    def decompress(self, blob: bytes) -> Any:
        """The items that `compress` was given: an array, or a list of arrays where they have different sizes."""
        from narrows.codec.archive import Archive

        check_is_fitted(self)
        with Archive(blob, "the compressed data", model=self) as archive:
            return archive[:]

    def save(self, path: str | Path) -> None:
        """Write the model as one safetensors file; `narrows.load` reads it."""
        check_is_fitted(self)
        model_file.write_model(Path(path), self._tensors_, {**self._document_, "training": self.training_})

    @classmethod
    def from_file(cls, path: str | Path, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> "Codec":
        """The codec that `save` wrote, from what the model file holds; FormatError where that does not fit."""
        try:
            training = document["training"]
            names = ("minutes", "epochs", "batch_size", "learning_rate")
            self = cls(
                axes=document["axes"], random_state=training["seed"], **{name: training.get(name) for name in names}
            )
            self.axes_, self.training_, self.history_ = document["axes"], training, training["history"]
            kept = ("grid", "scaling", "axes", "shape", "designs", "architecture")
            self._take_on(tensors, {name: document[name] for name in kept})
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
            reason = " ".join(str(error).split())
            raise FormatError(f"{path}: its weights and its description do not fit together ({reason})") from None
        return self

    def _take_on(self, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> None:
        """Be the codec of these tensors and this document."""
        device = choose_device(self.device)
        designs = {name: Design(**design) for name, design in document["designs"].items()}
        grid = Grid(**{**document["grid"], "dtype": np.dtype(document["grid"]["dtype"])})
        scaling = Scaling.from_dict(document["scaling"])
        architecture = Architecture.from_dict(document["architecture"])

        def part(name: str) -> dict[str, np.ndarray]:
            return {each.removeprefix(name): tensor for each, tensor in tensors.items() if each.startswith(name)}

        lossy = Interlaced(designs["lossy"], part("lossy."), device)
        same = designs["lossless"] == designs["lossy"]
        lossless = lossy if same else Interlaced(designs["lossless"], part("lossless."), device)
        with torch.device("meta"):
            shapes = {name: tensor.shape for name, tensor in build(architecture).state_dict().items()}
        if shapes != {name: tensor.shape for name, tensor in part("network.").items()}:
            raise ValueError("networks of other shapes than the architecture says")
        network = build(architecture)
        network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in part("network.").items()})
        self.coder_ = Coder(
            grid,
            scaling,
            self.item_axes_,
            {"lossless": lossless, "lossy": lossy},
            ExactDequantiser(designs["lossy"], part("dequantiser."), device),
            Interlaced(designs["latent"], part("latent."), device),
            network.eval().requires_grad_(False).to(device),
            device,
        )
        self.dtype_ = grid.dtype
        self.item_shape_ = None if document["shape"] is None else tuple(document["shape"])
        self._tensors_, self._document_ = tensors, {"tool": self.tool, **document}
        self.fingerprint_ = model_file.fingerprint(tensors, model_file.completed(self._document_))

    @property
    def channels_(self) -> int:
        return self.coder_.network.architecture.channels


def tensors_of(network: CodecNetwork) -> dict[str, np.ndarray]:
    """What is kept of trained networks: whole numbers for all that decides symbols, and the latent path's own."""
    parts = {
        **{name: model.tensors() for name, model in network.pixels.items()},  # type: ignore[operator]
        "dequantiser": network.dequantiser.tensors(),
        "latent": network.latent.context.tensors(),
        "network": latent_tensors(network.latent.network),
    }
    return {f"{name}.{each}": tensor for name, tensors in parts.items() for each, tensor in tensors.items()}
