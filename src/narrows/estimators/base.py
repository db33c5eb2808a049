"""What every tool is made of: items from whatever the user gives, training, the network at work, the model's file."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from narrows.artifacts import model_file
from narrows.data import Columns, Items, Scaling
from narrows.data.axes import layout_of
from narrows.errors import DataError, FormatError
from narrows.models.defaults import LEARNING_RATE, choose_batch_size, choose_epochs, describe
from narrows.networks import Architecture, Restoration, TableArchitecture, build
from narrows.progress import training_bar
from narrows.training.batches import Batches, Scale
from narrows.training.loop import train
from narrows.training.runtime import choose_device
from narrows.training.task import Net, Objective, RunOptions, Settings, Trained, TrainingProgress, TrainingTask

VALUES_AT_ONCE = 2**21


class Tool(BaseEstimator, ABC):
    """A scikit-learn estimator around what one training gave.

    Subclasses name themselves in `tool`, and store in their constructors, beside what is their own: minutes, epochs,
    batch_size, learning_rate, axes, device, random_state, verbose. They set `axes_` when they have learnt.
    """

    tool: ClassVar[str]
    complete_data: ClassVar[bool] = True  # whether NaN and infinities are refused
    columns_: Columns | None = None  # learnt from a table with cells of any type
    minutes: float | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    axes: str | None
    device: str
    random_state: Any
    verbose: bool

    @property
    @abstractmethod
    def channels_(self) -> int:
        """Channels of an item, or its features."""

    @property
    def only_shape_(self) -> tuple[int, ...] | None:
        """The spatial shape of the only items that the tool takes; None for any."""
        return None

    def _train(
        self,
        items: Items,
        batches: Batches,
        settings: Settings,
        start: Callable[[int], Net],
        objective: Objective[Net],
        baseline: float,
        identity: dict[str, Any],
        checkpoint: str | Path | None,
        resume: bool,
        report: Callable[[TrainingProgress], None] | None,
    ) -> Trained[Net]:
        """Run the loop, and set `history_`, `training_` and `axes_`; the caller keeps the network and looks whether
        the run was interrupted."""
        task = TrainingTask(
            build=start,
            objective=objective,
            batches=batches,
            settings=settings,
            baseline=baseline,
            identity={"items": len(items), "dtype": str(items.dtype), **identity},
        )
        with training_bar(self.verbose) as shown:
            run = RunOptions(None if checkpoint is None else Path(checkpoint), resume, report or shown)
            trained = train(task, run)
        self.axes_ = axes_as_given(self.axes, items)
        self.history_ = trained.state.history
        self.training_ = {
            "data": items.source,
            "items": len(items),
            "rate": items.rate,
            "device": str(batches.device),
            **{name: value for name, value in asdict(settings).items() if value is not None},
            "seconds": round(trained.state.seconds, 2),
            "steps": trained.state.step,
            "held_out_loss": trained.state.best,
            "mean_loss": baseline,
            "attempts": trained.state.attempt + 1,
            "complete": not trained.interrupted,
            "history": self.history_,
        }
        return trained

    def check_parameters(self, paired: bool = False) -> None:
        """Raise ParameterError for parameters that suit no data, before any data are read.

        Parameters
        ----------
        paired : bool, default=False
            Whether `fit` gets targets `y`.
        """
        seed = self.random_state
        Settings(
            minutes=self.minutes,
            epochs=1 if self.minutes is None and self.epochs is None else self.epochs,
            batch_size=1 if self.batch_size is None else self.batch_size,
            learning_rate=1.0 if self.learning_rate is None else self.learning_rate,
            seed=int(seed) if isinstance(seed, (int, np.integer)) else 0,
        )
        choose_device(self.device)
        if self.axes is not None:
            layout_of(self.axes)

    @property
    def item_axes_(self) -> str:
        return layout_of(self.axes_)

    @property
    def rate_(self) -> int | None:
        """Samples a second of the recordings that it learnt from; None where it did not learn from recordings."""
        return self.training_.get("rate")

    def _items(self, X: Any, fitting: bool = False) -> Items:
        """X as items that fit what was learnt, or with `fitting` as what is to be learnt from.

        Those of a table with cells of any type have `columns_`, and a frame where there is one.
        """
        table = self._table(X, fitting)
        if table is not None:
            return table
        if isinstance(X, Items) and X.columns is not None:
            check_plain(X.columns, f"{X.source}: {self.tool}s that learnt from arrays take numbers alone, and")
            X = replace(X, columns=None, frame=None)
        axes = self.axes if fitting else self.axes_
        if isinstance(X, Items):
            items = X
        elif is_list_of_items(X, axes):
            items = Items.from_list(X, axes)
        elif axes_count(X) > 2 or axes not in (None, "NF"):
            if axes is not None and not fitting and axes_count(X) == len(axes) - 1:
                axes = axes.replace("N", "")  # one item
            items = Items.from_array(X, axes)
        else:
            if fitting:
                self.columns_ = None
            return Items.from_array(validate_data(self, X, reset=fitting, dtype="numeric"), "NF")
        if fitting:
            self.columns_ = None
        items = self._marked(items, fitting)
        for item in items.chunks() if self.complete_data and items.dtype.kind == "f" else ():
            if not np.isfinite(item).all():
                raise DataError(f"{items.source}: holds NaN or infinity; {self.tool}s need complete data")
        if self.complete_data and items.mask is not None and items.mask.any():
            raise DataError(f"{items.source}: has holes; {self.tool}s need complete data")
        if fitting:
            self.__dict__.pop("feature_names_in_", None)  # of a table it was fitted to before
            return items
        channels = items.channels if items.spatial_dims else items.item_shape[0]
        if items.axes != self.item_axes_ or channels != self.channels_:
            raise DataError(
                f"{items.source}: {describe(items)}; this model was trained on axes {self.item_axes_} "
                f"with {self.channels_} channel(s)"
            )
        if items.rate is None:
            items = replace(items, rate=self.rate_)
        elif self.rate_ not in (None, items.rate):
            raise DataError(
                f"{items.source}: {items.rate} samples a second; this model was trained on {self.rate_}: resample them"
            )
        only = self.only_shape_
        if only is not None and not (items.uniform and items.item_shape[: items.spatial_dims] == only):
            raise DataError(
                f"{items.source}: {describe(items)}; this model takes items of shape {only} alone "
                f"(a code of channels x grid takes any size)"
            )
        return items

    def _table(self, X: Any, fitting: bool) -> Items | None:
        """X as items with the learnt columns, where it is a table with cells of any type and the tool takes such."""
        return None

    def _marked(self, items: Items, fitting: bool) -> Items:
        """The items with their holes marked, by tools that know of any."""
        return items

    def _as_given(self, values: np.ndarray) -> np.ndarray:
        """Items (N, ...) with their axes in the order in which the user has them."""
        return values.transpose([self.item_axes_.index(axis) for axis in self.axes_])

    def _item_as_given(self, item: np.ndarray) -> np.ndarray:
        return item.transpose([self.item_axes_[1:].index(axis) for axis in self.axes_ if axis != "N"])

    def _settings(self, items: Items, kind: str, positions: int = 1) -> Settings:
        """positions: those of one item or crop, where what is asked of many of them needs no more items in a step."""
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31)
        batch_size = choose_batch_size(kind, items, positions) if self.batch_size is None else self.batch_size
        unsaid = self.minutes is None and self.epochs is None
        return Settings(
            minutes=self.minutes,
            epochs=choose_epochs(kind, items, batch_size, positions) if unsaid else self.epochs,
            batch_size=batch_size,
            learning_rate=LEARNING_RATE[kind] if self.learning_rate is None else self.learning_rate,
            seed=int(seed),
        )


class Rebuilder(TransformerMixin, Tool):
    """A tool around one network that was trained to rebuild items, whole or restored.

    Subclasses say in `architecture_type` what describes their network, and add to `_document`.
    """

    architecture_type: type[Architecture] | type[Restoration] | type[TableArchitecture]

    @property
    def channels_(self) -> int:
        return self.network_.architecture.channels

    def _learn(
        self,
        items: Items,
        batches: Batches,
        settings: Settings,
        architecture: Any,
        objective: Objective[Any],
        baseline: float,
        mean: Tensor,
        identity: dict[str, Any],
        checkpoint: str | Path | None,
        resume: bool,
        report: Callable[[TrainingProgress], None] | None,
    ) -> bool:
        """Train the network of an architecture from about `mean`, and say whether the run was interrupted.

        Raises TrainingError where nothing better than the mean of the data was found; of an interrupted run, what was
        best until then is learnt.
        """

        def start(seed: int) -> Any:
            network = build(architecture, seed)
            network.init_output_bias(mean.cpu())
            return network.to(batches.device)

        trained = self._train(
            items,
            batches,
            settings,
            start,
            objective,
            baseline,
            {**identity, "architecture": architecture.to_dict()},
            checkpoint,
            resume,
            report,
        )
        self.n_features_in_ = architecture.values if self.columns_ is None else len(self.columns_)
        self.network_, self.scaling_ = trained.network, batches.scale.scaling
        return trained.interrupted

    def save(self, path: str | Path) -> None:
        """Write the model as one safetensors file; `narrows.load` reads it."""
        check_is_fitted(self)
        tensors = {name: tensor.cpu().numpy() for name, tensor in self.network_.state_dict().items()}
        model_file.write_model(Path(path), tensors, self._document())

    def _document(self) -> dict[str, Any]:
        """What `_restore` needs beside the tensors."""
        return {
            "tool": self.tool,
            "architecture": self.network_.architecture.to_dict(),
            "scaling": self.scaling_.to_dict(),
            "axes": self.axes_,
            "features": [str(name) for name in getattr(self, "feature_names_in_", ())],
            "columns": None if self.columns_ is None else self.columns_.to_dict(),
            "training": self.training_,
        }

    @classmethod
    def from_file(cls, path: str | Path, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> Self:
        """The estimator that `save` wrote, from what the model file holds; FormatError where that does not fit."""
        try:
            training = document["training"]
            self = cls(
                axes=document["axes"],
                random_state=training["seed"],
                **{name: training.get(name) for name in ("minutes", "epochs", "batch_size", "learning_rate")},
                **cls._parameters(document),
            )
            self._restore(tensors, document)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise FormatError(f"{path}: its weights and its description do not fit together ({reason})") from None
        return self

    @staticmethod
    @abstractmethod
    def _parameters(document: dict[str, Any]) -> dict[str, Any]:
        """The parameters of the estimator that are its own, from a model's document."""

    def _restore(self, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> None:
        """Take on what `save` wrote; KeyError, TypeError, ValueError or RuntimeError where it does not fit together."""
        architecture = self.architecture_type.from_dict(document["architecture"])
        self.scaling_, self.axes_ = Scaling.from_dict(document["scaling"]), document["axes"]
        check_fit(architecture, self.scaling_, self.axes_, tensors)
        self.network_ = build(architecture)
        self.network_.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
        self.network_.eval().requires_grad_(False)
        self.training_ = document["training"]
        self.history_ = self.training_["history"]
        columns = document.get("columns")
        self.columns_ = None if columns is None else Columns.from_dict(columns)
        self.n_features_in_ = architecture.values if self.columns_ is None else len(self.columns_)
        if document["features"]:
            self.feature_names_in_ = np.array([str(name) for name in document["features"]], dtype=object)

    def _precision(self) -> torch.dtype:
        """Double for tables: the codes of a row then do not depend, to the last digit, on the rows beside it."""
        return torch.float32 if self.network_.architecture.shape else torch.float64

    def _network(self) -> Any:
        return copy.deepcopy(self.network_).to(choose_device(self.device), self._precision())

    def _scale(self) -> Scale:
        return Scale(self.scaling_, self.item_axes_, choose_device(self.device), self._precision())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def check_fit(
    architecture: Architecture | Restoration | TableArchitecture,
    scaling: Scaling,
    axes: str,
    tensors: dict[str, np.ndarray],
) -> None:
    """ValueError where the parts of a model file contradict each other, before memory is taken for the network."""
    layout = layout_of(axes)
    if "N" not in axes or len(layout.strip("NCF")) != len(architecture.shape):
        raise ValueError(f"axes {axes!r} for items of shape {architecture.shape}")
    if layout[-1] not in "CF" and architecture.channels != 1:
        raise ValueError(f"axes {axes!r} for {architecture.channels} channels")
    if scaling.is_range != architecture.ranged or len(scaling.mean) not in (0, architecture.channels):
        raise ValueError(f"scaling {scaling.kind!r} of {len(scaling.mean)} means")
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in build(architecture).state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    for name in sorted({*expected, *found}):
        if expected.get(name) != found.get(name):
            raise ValueError(f"{name} has shape {found.get(name)}, expected {expected.get(name)}")


def check_plain(columns: Columns, reason: str) -> None:
    """DataError, which begins with a reason, unless all columns hold numbers."""
    for column in columns:
        if column.kind not in ("number", "integer", "boolean"):
            raise DataError(f"{reason} column {column.name!r} holds {column.kind} cells")


def axes_count(X: Any) -> int:
    """How many axes an array has, or nested sequences that make one; 1 where they do not."""
    if hasattr(X, "ndim"):
        return X.ndim
    try:
        return np.asarray(X).ndim
    except ValueError:
        return 1


def is_list_of_items(X: Any, axes: str | None) -> bool:
    """Whether X is a list of one array an item, and not a table written as a list of rows."""
    if not (isinstance(X, (list, tuple)) and X and all(isinstance(x, np.ndarray) and x.ndim for x in X)):
        return False
    return axes not in (None, "NF") or X[0].ndim > 1 or len({x.shape for x in X}) > 1


def axes_as_given(axes: str | None, items: Items) -> str:
    """The axes of arrays as the user has them, in any order: what was said, with an N, or else those of the items."""
    if axes is None or layout_of(axes) != items.axes:
        return items.axes
    return axes if "N" in axes else "N" + axes
