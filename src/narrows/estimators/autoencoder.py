"""The tool `Autoencoder`: features from data, and data from features."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.data import Items, Scaling
from narrows.data.memory import allocate
from narrows.data.tables.features import Features
from narrows.errors import DataError, ParameterError
from narrows.estimators.base import VALUES_AT_ONCE, is_list_of_items
from narrows.estimators.table_rebuilder import TableRebuilder
from narrows.models import coding_tiles
from narrows.models.defaults import choose_code, choose_crop, choose_kind, describe
from narrows.networks import Architecture, Network, parse_code
from narrows.objectives.reconstruction import Loss, difference
from narrows.training.batches import Batches, Scale, as_tensor
from narrows.training.runtime import choose_device
from narrows.training.task import TrainingProgress


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TableRebuilder):
    """Learn a short code for items, and reconstruct them from it.

    Items are the rows of a table, signals, pictures or volumes: an array (the axes are guessed, or said with `axes`), a
    list of arrays of different sizes, or `narrows.data.Items`. Integers and floats go in as they are.

    A data frame may have columns of any type: numbers, booleans, text, categories, dates. What comes back is a data
    frame with the same columns and types. Skewed and heavy-tailed columns are seen through their quantiles.

    Parameters
    ----------
    architecture : str, default="auto"
        Kind of network: linear, dense (perceptrons) or conv; auto is conv where items have spatial axes, and dense for
        tables.
    code : int or "CxYxX", optional
        Size of the code: a number such as 32, or channels and grid such as 4x7x7; chosen by the size of the items by
        default. A number fixes the size of the items. Channels and grid, those of a convolutional code for items of
        the training size, go with items of any size; a tuple ``(4, 7, 7)`` means the same. The default is 32 for small
        items of one size, and otherwise 8 channels at an eighth of the size.
    upsampling : str, default="nearest"
        How a convolutional decoder doubles its grid: nearest, bilinear, transpose, pixelshuffle or unpool. With unpool,
        the code also carries the positions of the maxima.
    preset : {"default", "lesson"}, default="default"
        The size of the network; lesson is the small network of the classic lesson on autoencoders.
    loss : {"mse", "mae", "bce"}, default="mse"
        Loss to minimise: mean squared error, mean absolute error or binary cross-entropy.
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
    n_features_in_ : values of one item; feature_names_in_ : where a table had names
    axes_ : axes of the arrays that come in and go out
    columns_ : `narrows.data.Columns` of a data frame, else None
    code_shape_ : shape of one training item's code, (K,) or (*grid, channels); `transform` gives it flattened
    history_ : dict of lists "epoch", "seconds", "loss", "held_out"
    training_ : dict of facts about the training
    """

    tool = "autoencoder"
    architecture_type = Architecture

    def __init__(
        self,
        architecture: str = "auto",
        code: int | str | tuple[int, ...] | None = None,
        upsampling: str = "nearest",
        preset: str = "default",
        loss: Loss = "mse",
        minutes: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        axes: str | None = None,
        device: str = "auto",
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.architecture = architecture
        self.code = code
        self.upsampling = upsampling
        self.preset = preset
        self.loss = loss
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
    ) -> "Autoencoder":
        """Learn from the items X; `y` is ignored.

        checkpoint: a file for the state of the run, and `resume` to go on from it. report: called several times a
        second with the progress. Ctrl-C keeps the best network so far, leaves the estimator fitted with it, and raises
        KeyboardInterrupt. TrainingError when no network better than the mean of the data was found.
        """
        items = self._items(X, fitting=True)
        self.features_ = None if items.columns is None else Features.learn(items.values, items.columns)
        if self.features_ is not None and not self.features_.size:
            raise DataError(f"{items.source}: no column of it varies, so there is nothing to learn")
        items = self.seen(items)
        scaling = Scaling.learn(items) if self.features_ is None else Scaling.identity(self.features_.size)
        if self.loss == "bce" and not scaling.is_range:
            raise ParameterError(
                f"needs values of a known range, such as 0..1 or uint8; these are {items.dtype}",
                parameter="loss",
                value=self.loss,
            )
        architecture, crop = self._design(items, scaling)
        settings = self._settings(items, architecture.kind)
        batches = Batches(items, scaling, settings.batch_size, settings.seed, choose_device(self.device), crop)
        mean = batches.mean()
        held_out = [(float(difference(self.loss, mean.expand_as(x), x)), len(x)) for x in batches.held_out()]
        interrupted = self._learn(
            items,
            batches,
            settings,
            architecture,
            lambda network, x, step: difference(self.loss, network(x), x),
            sum(loss * count for loss, count in held_out) / sum(count for _, count in held_out),
            mean,
            {"loss": self.loss},
            checkpoint,
            resume,
            report,
        )
        self.training_["loss"] = self.loss
        if interrupted:
            raise KeyboardInterrupt
        return self

    def check_parameters(self, paired: bool = False) -> None:
        """Raise ParameterError for parameters that suit no data, before any data are read."""
        super().check_parameters(paired)
        if self.loss not in get_args(Loss):
            raise ParameterError(f"expected one of {', '.join(get_args(Loss))}", parameter="loss", value=self.loss)
        if self.code is not None:
            parse_code(self.code)
        Architecture(
            kind="linear" if self.architecture == "auto" else self.architecture,  # type: ignore[arg-type]
            channels=1,
            shape=(1,),
            code=1,
            upsampling=self.upsampling,  # type: ignore[arg-type]
            preset=self.preset,  # type: ignore[arg-type]
        )

    def transform(self, X: Any) -> Any:
        """Codes (N, K) of the items X, of the dtype of X where that is floating, else float32.

        A convolutional code is flattened from (*grid, channels). Items of different sizes give a list of vectors.
        """
        check_is_fitted(self)
        items = self._items(X)
        dtype = items.dtype if items.dtype.kind == "f" else np.dtype(np.float32)
        codes = [code.astype(dtype, copy=False) for _, code in self._codes(items)]
        return joined(codes) if items.uniform else [code[0] for code in codes]

    def inverse_transform(self, Z: Any, shapes: Any = None) -> Any:
        """Items from the codes Z that `transform` gave, with the dtype, range and layout of the data learnt from.

        Rows of a table that was learnt from a data frame come back as one, with the index of Z where that has one.

        shapes: the spatial shape of the items, that of the training items by default; or (N, S), the shape of each,
        with which a list of codes becomes a list of items. DataError where codes and shapes do not fit.
        """
        check_is_fitted(self)
        if shapes is None and isinstance(Z, list) and len({np.size(code) for code in Z}) > 1:
            raise DataError(
                "codes of different lengths: say the shapes of their items, like shapes=[(28, 28), (30, 20)]"
            )
        network, scale = self._network(), self._scale()
        shapes = np.asarray(network.architecture.shape if shapes is None else shapes, np.int64)
        if shapes.ndim not in (1, 2) or shapes.shape[-1] != len(network.architecture.shape) or (shapes < 1).any():
            raise DataError(
                f"shapes of items: expected {len(network.architecture.shape)} sizes from 1, like "
                f"{network.architecture.shape}, or so many for each code; found {shapes.tolist()}"
            )
        if self.columns_ is not None:
            return self._as_frame(self._decode(network, scale, Z, shapes), getattr(Z, "index", None))
        if shapes.ndim < 2:
            return self._as_given(self._decode(network, scale, Z, shapes))
        if len(shapes) != len(Z):
            raise DataError(f"{len(Z)} codes and {len(shapes)} shapes of items: expected as many")
        if not isinstance(Z, list) and (shapes == shapes[0]).all():
            return self._as_given(self._decode(network, scale, Z, shapes[0]))
        items = (self._decode(network, scale, [code], shape)[0] for code, shape in zip(Z, shapes, strict=True))
        return [self._item_as_given(item) for item in items]

    def decoded(self, codes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Items (n, *shape) or (n, *shape, C) in scaled units, as the network gives them, from codes (n, K)."""
        check_is_fitted(self)
        network, device = self._network(), choose_device(self.device)
        found = np.empty((len(codes), *shape, network.architecture.channels), np.float32)
        rows = np.asarray(codes, np.float32 if shape else np.float64)  # the precision of the network
        for place, values in coding_tiles.decode(network, rows, shape, device):
            found[(slice(None), *place)] = values.movedim(1, -1).cpu().numpy()
        return found if self.item_axes_[-1] in "CF" else found[..., 0]

    def reconstruct(self, X: Any) -> Any:
        """What comes back of the items X after the squeeze: the same dtype, shape and layout.

        A list gives a list, and so do `narrows.data.Items` of different sizes. Of a table that was learnt from a data
        frame it is one.
        """
        check_is_fitted(self)
        items = self._items(X)
        network, scale = self._network(), self._scale()
        parts = [
            self._decode(network, scale, code, np.array(part.shape[1 : 1 + items.spatial_dims], int))
            for part, code in self._codes(items)
        ]
        if self.columns_ is not None:
            return self._as_frame(joined(parts), None if items.frame is None else items.frame.index)
        if isinstance(X, Items):
            return joined(parts) if items.uniform else [part[0] for part in parts]
        if is_list_of_items(X, self.axes_):
            return [self._item_as_given(item) for part in parts for item in part]
        return self._as_given(joined(parts)).reshape(np.shape(X))

    def pairs(self, X: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of items and of their reconstructions, each (N, C, *S) in scaled units.

        Large signals and volumes come in parts, one after the other.
        """
        check_is_fitted(self)
        items = self._items(X)
        network, scale, device = self._network(), self._scale(), choose_device(self.device)
        for part, code in self._codes(items):
            shape = part.shape[1 : 1 + items.spatial_dims]
            for place, rebuilt in coding_tiles.decode(network, code, shape, device, whole=items.spatial_dims == 2):
                yield scale(as_tensor(part[(slice(None), *place)]).to(device)), rebuilt

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the mean squared error of the reconstruction in scaled units, so that more is better."""
        check_is_fitted(self)
        squares, count = 0.0, 0
        for x, rebuilt in self.pairs(X):
            squares += float(((rebuilt - x) ** 2).sum())
            count += x.numel()
        return -squares / count

    def score_samples(self, X: Any) -> np.ndarray:
        """Minus each item's mean squared error of the reconstruction in scaled units, (N,) float64.

        Outliers have the lowest: what is unlike the items learnt from is rebuilt badly.
        """
        errors = [((rebuilt - x).double() ** 2).flatten(1).mean(1).cpu().numpy() for x, rebuilt in self.pairs(X)]
        return -np.concatenate(errors)

    @staticmethod
    def _parameters(document: dict[str, Any]) -> dict[str, Any]:
        architecture = Architecture.from_dict(document["architecture"])
        return {
            "architecture": architecture.kind,
            "code": architecture.code,
            "upsampling": architecture.upsampling,
            "preset": architecture.preset,
            "loss": document["training"]["loss"],
        }

    @property
    def only_shape_(self) -> tuple[int, ...] | None:
        architecture = self.network_.architecture
        return architecture.shape if architecture.flat and architecture.shape else None

    def _codes(self, items: Items) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The items in parts (n, *item_shape), one by one where they have different sizes, and their codes (n, K)."""
        network, scale, device = self._network(), self._scale(), choose_device(self.device)
        step = max(1, VALUES_AT_ONCE // math.prod(items.item_shape)) if items.uniform else 1
        for start in range(0, len(items), step):
            part = items.values[start : start + step] if items.uniform else items[start][None]
            if self.features_ is not None:
                part = self.features_.forward(part)
            yield part, coding_tiles.encode(network, scale, part, items.spatial_dims, device)

    @property
    def code_shape_(self) -> tuple[int, ...]:
        shape = self.network_.code_shapes(self.network_.architecture.shape)[0]
        return (*shape[1:], shape[0])

    @property
    def _n_features_out(self) -> int:
        return sum(math.prod(shape) for shape in self.network_.code_shapes(self.network_.architecture.shape))

    def _decode(self, network: Network, scale: Scale, Z: Any, shape: np.ndarray) -> np.ndarray:
        """Items (N, *shape), their axes in the order of the layout, from codes (N, K)."""
        size = tuple(shape.tolist())
        if network.architecture.flat and size != network.architecture.shape:
            raise DataError(
                f"items of shape {size}: the codes of this model are for {network.architecture.shape} alone"
            )
        rows = check_array(Z, dtype=str(self._precision()).removeprefix("torch."))
        tensors = network.code_shapes(size)
        expected = sum(math.prod(each) for each in tensors)
        if rows.shape[1] != expected:
            raise DataError(
                f"codes of {rows.shape[1]} values: this model's codes have {expected} for items of "
                f"shape {size or (self.n_features_in_,)}, and for items of other sizes it needs their shapes"
            )
        channels = network.architecture.channels
        out_shape = (len(rows), *size, *([channels] if self.item_axes_[-1] in "CF" else []))
        out = allocate(math.prod(out_shape), np.dtype(self.scaling_.dtype)).reshape(out_shape)
        step = max(1, VALUES_AT_ONCE // channels // math.prod(size))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            for place, values in coding_tiles.decode(network, rows[part], size, choose_device(self.device)):
                out[(part, *place)] = scale.inverse(values)
        return out

    def _design(self, items: Items, scaling: Scaling) -> tuple[Architecture, tuple[int, ...] | None]:
        """The architecture for the items, and the crop to train it on."""
        kind = choose_kind(items) if self.architecture == "auto" else self.architecture
        code = choose_code(items, kind) if self.code is None else parse_code(self.code)
        flat = isinstance(code, int)
        if flat and items.spatial_dims and len(items) == 1:
            raise DataError(
                f"a single item, {describe(items)}, from which a flat code of {code} cannot be learned",
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
        crop = choose_crop(items, flat)
        architecture = Architecture(
            kind=kind,  # type: ignore[arg-type]
            channels=items.channels if items.spatial_dims else items.item_shape[0],
            shape=items.item_shape[: items.spatial_dims] if items.uniform else crop or (),
            code=code,
            upsampling=self.upsampling,  # type: ignore[arg-type]
            preset=self.preset,  # type: ignore[arg-type]
            ranged=scaling.is_range,
        )
        return architecture, crop

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Parts as one array; a single one, which may be large, as it is."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
