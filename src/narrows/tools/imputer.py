"""The tool `Imputer`: complete items from items with holes."""

import math
from collections.abc import Callable
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from narrows.corruption import Holes
from narrows.data import Items, Scaling
from narrows.data.holes import mark, mark_value, split_alpha
from narrows.errors import DataError
from narrows.mixture import Mixture
from narrows.networks.restoring import RestoringNetwork
from narrows.restoring import FillObjective
from narrows.tools.choices import choose_device, describe
from narrows.tools.restorer import Restorer, part_of, scaled_mse
from narrows.tools.tool import axes_count, is_list_of_items
from narrows.training import Report

ROUNDS = 16  # of drawing a plausible filling


class Imputer(Restorer):
    """Learns to fill holes in signals, pictures and volumes, from items with or without holes of their own.

    In training more values are hidden, and the network, which sees which are, learns to tell them. What is known comes
    back bit for bit.

    Parameters
    ----------
    holes : str
        What is hidden in training: "pixels:0.5", "pixels:0.1-0.9" for a range, "blocks:0.25", "lines", "strokes",
        "channels", several joined by "+", or "mixed": by turns all of them.
    missing_values : number or "alpha"
        Which values are holes, beside NaN; "alpha": where the last channel of pictures, which is no part of the items
        then, is 0.
    preset, minutes, epochs, batch_size, learning_rate, axes, device, random_state, verbose : as for `Denoiser`

    Attributes
    ----------
    n_features_in_, axes_, history_, training_, calibration_ : as of `Denoiser`
    """

    tool = "imputer"
    complete_data = False

    def __init__(
        self,
        holes: str = "mixed",
        missing_values: float | Literal["alpha"] = math.nan,
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
        report: Callable[[Report], None] | None = None,
    ) -> "Imputer":
        """Learn from what is known of the items X; `y` is ignored.

        The other arguments and what is raised are as for `Autoencoder.fit`.
        """
        items, holes = self._items(X, fitting=True), Holes.parse(self.holes)
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

    def transform(self, X: Any, mask: Any = None, *, progress: Callable[[int, int], None] | None = None) -> Any:
        """The items X with their holes filled: the same dtype, shape and layout. What is known stays bit for bit.

        mask: what is not 0 there is a hole as well; of the shape of X with or without its channels, or of one item and
        then for all. A list gives a list, `Items` give `Items`. An alpha channel that marks holes does not come back.
        progress: called with items done and items in all.
        """
        check_is_fitted(self)
        items = self.with_mask(X, mask)
        return self._like(X, self._filled(items, self._answers(items, self._values, items.dtype, progress)))

    def sample(self, X: Any, count: int, mask: Any = None, random_state: Any = 0) -> list[Any]:
        """As many plausible fillings as `count`, each as of `transform`.

        Where `transform` gives what is best on average, values are drawn here, some at a time: those that come later
        see those that came before, so that the values of a filling go together.
        """
        check_is_fitted(self)
        items, seeds = self.with_mask(X, mask), check_random_state(random_state)
        return [self._like(X, self._drawn(items, seeds.randint(2**31))) for _ in range(count)]

    def uncertainty(self, X: Any, mask: Any = None) -> Any:
        """The standard deviation of each value that was filled, float32 in the data's own unit, shaped as X.

        0 where the value is known; calibrated on the held-out items.
        """
        check_is_fitted(self)
        items = self.with_mask(X, mask)
        deviations = self._answers(items, self._deviations)
        deviations.values[~missing(items)] = 0
        return self._like(X, deviations)

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the mean squared error in scaled units of what is hidden in the items X as in training."""
        check_is_fitted(self)
        items = self._items(X)
        hidden = self.with_holes(items)
        asked = replace(items, values=missing(hidden) & ~missing(items), holes=None)
        return -scaled_mse(self.scaling_, self.transform(hidden), items, asked)

    def with_mask(self, X: Any, mask: Any = None) -> Items:
        """The items X as `Items` with all their holes marked, those of the mask among them."""
        check_is_fitted(self)
        items = self._items(X)
        if mask is None:
            return items
        return mark(items, mask if isinstance(mask, Items) else self._masks(mask, items))

    def with_holes(self, X: Any, holes: str | None = None, seed: int = 0) -> Items:
        """The items X as `Items` with more holes, those of training by default."""
        check_is_fitted(self)
        items, parsed = self._items(X), Holes.parse(holes or self.holes)
        marked = replace(items, holes=missing(items))
        generator = torch.Generator().manual_seed(seed)
        scale = self._scale()
        step = 500 if items.uniform else 1
        for start in range(0, len(items), step):
            here = part_of(marked.as_holes(), start, step)
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
            raise ValueError(f'missing_values={self.missing_values!r}: expected a number, NaN or "alpha"')
        with_alpha = not fitting and items.spatial == 2 and items.channels - 1 == self.channels_ in (1, 3)
        if with_alpha or (fitting and self.missing_values == "alpha"):
            items = split_alpha(items)
        if not isinstance(self.missing_values, str):
            items = mark_value(items, self.missing_values)
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
        state, rng = replace(items, values=items.values.copy(), holes=holes), np.random.default_rng(seed)
        device = choose_device(self.device)
        for number in range(ROUNDS):
            generator = torch.Generator(device=device).manual_seed(int(rng.integers(2**62)))

            def draw(network: RestoringNetwork, x: Tensor, generator: torch.Generator = generator) -> Tensor:
                _, features = network(self._known(x))
                return Mixture.of(network.describe(features, x.shape[2:])).sample(generator)

            drawn = self._answers(state, draw, items.dtype)
            done, share = (number / ROUNDS) ** 2, ((number + 1) / ROUNDS) ** 2
            chosen = holes & (rng.random(holes.shape, np.float32) < (share - done) / (1 - done))
            np.copyto(state.values, drawn.values, where=chosen)
            holes &= ~chosen
        return replace(state, holes=None)

    def _known(self, x: Tensor) -> Tensor:
        known = x.isfinite()
        return torch.cat([torch.where(known, x, 0.0), known.to(x.dtype)], 1)

    def _document(self) -> dict[str, Any]:
        marked = self.missing_values if isinstance(self.missing_values, str) else repr(float(self.missing_values))
        return {**super()._document(), "holes": self.holes, "missing_values": marked}

    @staticmethod
    def _parameters(document: dict[str, Any]) -> dict[str, Any]:
        marked = document["missing_values"]
        return {
            "holes": document["holes"],
            "missing_values": marked if marked == "alpha" else float(marked),
            "preset": document["architecture"]["preset"],
        }

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def missing(items: Items) -> np.ndarray:
    """True where a value is not known, as `items.values`."""
    holes = np.isnan(items.values) if items.dtype.kind == "f" else np.zeros(items.values.shape, bool)
    return holes if items.holes is None else holes | items.holes
