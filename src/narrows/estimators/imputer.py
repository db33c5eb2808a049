"""The tool `Imputer`: complete items from items with holes, and complete tables."""

import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.corruption import Masks
from narrows.data import Items, Scaling
from narrows.data.masks import apply_masks, mask_value, split_alpha
from narrows.errors import DataError, ParameterError
from narrows.estimators.base import axes_count, is_list_of_items
from narrows.estimators.restorer import part_of, scaled_mse
from narrows.estimators.table_filler import Strategy
from narrows.estimators.table_imputer import TableImputer
from narrows.models.defaults import describe
from narrows.networks.restoration.mixture import Mixture
from narrows.networks.restoration.unet import RestoringNetwork
from narrows.objectives.restoration import FillObjective
from narrows.training.runtime import choose_device
from narrows.training.task import TrainingProgress

ROUNDS = 16  # of drawing a plausible filling


class Imputer(TableImputer):
    """Learn to fill missing values in data of any kind.

    In training more values are hidden, and the network, which sees which are, learns to tell them. What is known comes
    back bit for bit. A table is an array or a data frame, whose columns may hold numbers, booleans, categories, text
    and dates; it comes back with the same columns, types, order and index. Where the other columns do not tell a column
    better than its mean does, a `ConvergenceWarning` says so, and its holes get the mean.

    Parameters
    ----------
    holes : "KIND:SHARE", default="mixed"
        What training hides: pixels:0.5, or pixels:0.1-0.9 for a range; blocks:0.25, lines, strokes, channels; several
        joined by +; mixed takes turns. For tables, mixed or pixels, which are cells.
    missing_values : float or "alpha", default=nan
        Which values are missing, besides NaN; alpha: where the last channel of images is 0. That channel is no part of
        the items then. For data frames, also text; None and NA are always missing.
    strategy : {"mean", "mode"}, default="mean"
        What fills a hole: the best value on average, or the most probable one. Categories are always the most probable.
    add_indicator : bool, default=False
        Whether `transform` adds a column for each column of a table that had holes in `fit`: 1 where there was one.
    preset : {"default", "lesson"}, default="default"
        The size of the network; lesson is the plain convolutional network of the classic lesson.
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
    n_features_in_, axes_, history_, training_, calibration_ : as of `Denoiser`
    feature_names_in_, columns_ : of a table; indicator_ : what adds columns, or None
    """

    tool = "imputer"
    complete_data = False

    def __init__(
        self,
        holes: str = "mixed",
        missing_values: Any = math.nan,
        strategy: Strategy = "mean",
        add_indicator: bool = False,
        preset: str = "default",
        minutes: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        axes: str | None = None,
        device: str = "auto",
        random_state: Any = 0,
        verbose: bool = False,
    ) -> None:
        self.holes = holes
        self.missing_values = missing_values
        self.strategy = strategy
        self.add_indicator = add_indicator
        self.preset = preset
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
    ) -> "Imputer":
        """Learn from what is known of the items X; `y` is ignored.

        The other arguments and what is raised are as for `Autoencoder.fit`.
        """
        self.check_parameters()
        holes = Masks.parse(self.holes)
        items = self._items(X, fitting=True)
        if self.add_indicator and items.spatial_dims:
            raise ParameterError("only tables have columns to add", parameter="add_indicator", value=True)
        if not items.spatial_dims:
            self._fit_table(items, checkpoint, resume, report)
            return self
        self._fit(
            items,
            Scaling.learn(items),
            "fill",
            lambda seed: FillObjective(holes, seed),
            None,
            {"holes": self.holes},
            checkpoint,
            resume,
            report,
        )
        return self

    def check_parameters(self, paired: bool = False) -> None:
        """Raise ParameterError for parameters that suit no data, before any data are read."""
        super().check_parameters(paired)
        if self.strategy not in ("mean", "mode"):
            raise ParameterError("expected mean or mode", parameter="strategy", value=self.strategy)
        Masks.parse(self.holes)

    def transform(self, X: Any, mask: Any = None, *, progress: Callable[[int, int], None] | None = None) -> Any:
        """The items X with their holes filled: the same dtype, shape and layout. What is known stays bit for bit.

        mask: what is not 0 there is a hole as well; of the shape of X with or without its channels, or of one item and
        then for all. A list gives a list, `Items` give `Items`. An alpha channel that marks holes does not come back.
        progress: called with items done and items in all.
        """
        check_is_fitted(self)
        items = self.with_mask(X, mask)
        if not items.spatial_dims:
            return self._with_indicator(items, self._fill_table(X, items))
        answer = self._values if self.strategy == "mean" else self._most_probable
        return self._like(X, self._filled(items, self._answers(items, answer, items.dtype, progress)))

    def sample(self, X: Any, count: int, mask: Any = None, random_state: Any = 0) -> list[Any]:
        """As many plausible fillings as `count`, each as of `transform`.

        Where `transform` gives what is best on average, values are drawn here, some at a time: those that come later
        see those that came before, so that the values of a filling go together.
        """
        check_is_fitted(self)
        items, seeds = self.with_mask(X, mask), check_random_state(random_state)
        drawn = [seeds.randint(2**31) for _ in range(count)]
        if not items.spatial_dims:
            return [self._draw_table(X, items, seed) for seed in drawn]
        return [self._like(X, self._drawn(items, seed)) for seed in drawn]

    def uncertainty(self, X: Any, mask: Any = None) -> Any:
        """The standard deviation of each value that was filled, float32 in the data's own unit, shaped as X.

        0 where the value is known; calibrated on the held-out items. Of categories it is the probability that the
        filling is wrong, of dates days; a data frame gives a data frame.
        """
        check_is_fitted(self)
        items = self.with_mask(X, mask)
        if not items.spatial_dims:
            return self._doubts_of_table(X, items)
        deviations = self._answers(items, self._deviations)
        deviations.values[~missing(items)] = 0
        return self._like(X, deviations)

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the mean squared error in scaled units of what is hidden in the items X as in training.

        Of tables minus the loss of training, in which categories count by their surprise.
        """
        check_is_fitted(self)
        items = self._items(X)
        if not items.spatial_dims:
            return self._score_table(items)
        hidden = self.with_holes(items)
        asked = replace(items, values=missing(hidden) & ~missing(items), mask=None)
        return -scaled_mse(self.scaling_, self.transform(hidden), items, asked)

    def with_mask(self, X: Any, mask: Any = None) -> Items:
        """The items X as `Items` with all their holes marked, those of the mask among them."""
        check_is_fitted(self)
        items = self._items(X)
        if mask is None:
            return items
        return apply_masks(items, mask if isinstance(mask, Items) else self._masks(mask, items))

    def with_holes(self, X: Any, holes: str | None = None, seed: int = 0) -> Items:
        """The items X as `Items` with more holes, those of training by default."""
        check_is_fitted(self)
        items = self._items(X)
        if not items.spatial_dims:
            return self.with_hidden_cells(items, holes, seed)
        parsed = Masks.parse(holes or self.holes)
        marked = replace(items, mask=missing(items))
        generator = torch.Generator().manual_seed(seed)
        scale = self._scale()
        step = 500 if items.uniform else 1
        for start in range(0, len(items), step):
            here = part_of(marked.mask_items(), start, step)
            shape = tuple(scale.channels_first(torch.from_numpy(here)).shape)
            here |= scale.channels_last(parsed.draw(shape, generator))
        return marked

    def _items(self, X: Any, fitting: bool = False) -> Items:
        if not fitting and self.axes_ == "NYX" and not isinstance(X, Items):
            if is_list_of_items(X, self.axes_) and X[0].ndim == 3:
                X = Items.from_list(X, "YXC")  # with an alpha channel
            elif axes_count(X) == 4:
                X = Items.from_array(X, "NYXC")
        return super()._items(X, fitting)

    def _marked(self, items: Items, fitting: bool) -> Items:
        if not (isinstance(self.missing_values, Real) or str(self.missing_values) == "alpha"):
            raise ParameterError(
                "expected a number, NaN or alpha", parameter="missing_values", value=self.missing_values
            )
        with_alpha = not fitting and items.spatial_dims == 2 and items.channels - 1 == self.channels_ in (1, 3)
        if with_alpha or (fitting and self.missing_values == "alpha"):
            items = split_alpha(items)
        if not isinstance(self.missing_values, str):
            items = mask_value(items, self.missing_values)
        if any(np.isinf(chunk).any() for chunk in (items.chunks() if items.dtype.kind == "f" else ())):
            raise DataError(f"{items.source}: holds infinity; mark what is not known as NaN")
        if fitting and missing(items).all():
            raise DataError(f"{items.source}: no value of it is known, so there is nothing to learn from")
        return items

    def _masks(self, mask: Any, items: Items) -> Items:
        """A mask as the user has it, of all items or of one, with or without channels, as items."""
        if is_list_of_items(mask, self.axes_):
            without = self.axes_.replace("C", "")
            return Items.from_list(mask, self.axes_ if mask[0].ndim == len(self.axes_) - 1 else without, "mask")
        mask = np.asarray(mask)
        sizes = dict(zip(items.axes, (len(items), *items.item_shape), strict=True)) if items.uniform else {}
        for left_out in ("", "C", "N", "NC"):
            axes = "".join(axis for axis in self.axes_ if axis not in left_out)
            if len(axes) == mask.ndim and all(
                sizes.get(axis, size) == size for axis, size in zip(axes, mask.shape, strict=True)
            ):
                return Items.from_array(mask, axes, source="mask")
        raise DataError(
            f"mask has shape {mask.shape}: expected the axes {self.axes_} of X, or those of one item, with or without "
            f"channels; the items have {describe(items)}"
        )

    def _filled(self, items: Items, answered: Items) -> Items:
        """The answers, and in their place what is known."""
        np.copyto(answered.values, items.values, where=~missing(items))
        return answered

    def _drawn(self, items: Items, seed: int) -> Items:
        """One plausible filling: few values first, which the others then see, and more and more with each round."""
        holes = missing(items)
        state, rng = replace(items, values=items.values.copy(), mask=holes), np.random.default_rng(seed)
        device = choose_device(self.device)
        for number in range(ROUNDS):
            generator = torch.Generator(device=device).manual_seed(int(rng.integers(2**62)))

            def draw(network: RestoringNetwork, x: Tensor, generator: torch.Generator = generator) -> Tensor:
                _, features = network(self._known(x))
                return Mixture.from_parameters(network.describe(features, x.shape[2:])).sample(generator)

            drawn = self._answers(state, draw, items.dtype)
            done, share = (number / ROUNDS) ** 2, ((number + 1) / ROUNDS) ** 2
            chosen = holes & (rng.random(holes.shape, np.float32) < (share - done) / (1 - done))
            np.copyto(state.values, drawn.values, where=chosen)
            holes &= ~chosen
        return replace(state, mask=None)

    def _most_probable(self, network: RestoringNetwork, x: Tensor) -> Tensor:
        _, features = network(self._known(x))
        return Mixture.from_parameters(network.describe(features, x.shape[2:])).mode()

    def _known(self, x: Tensor) -> Tensor:
        known = x.isfinite()
        return torch.cat([torch.where(known, x, 0.0), known.to(x.dtype)], 1)

    def _document(self) -> dict[str, Any]:
        marks = self.missing_values
        return {
            **super()._document(),
            "holes": self.holes,
            "missing_values": repr(float(marks)) if isinstance(marks, Real) else marks,
            "strategy": self.strategy,
            "preset": self.preset,
            "numbered": isinstance(marks, Real),
        }

    @staticmethod
    def _parameters(document: dict[str, Any]) -> dict[str, Any]:
        marked = document["missing_values"]
        return {
            "holes": document["holes"],
            "missing_values": float(marked) if document["numbered"] else marked,
            "strategy": document["strategy"],
            "preset": document["preset"],
        }

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def missing(items: Items) -> np.ndarray:
    """True where a value is not known, as `items.values`."""
    holes = np.isnan(items.values) if items.dtype.kind == "f" else np.zeros(items.values.shape, bool)
    return holes if items.mask is None else holes | items.mask
