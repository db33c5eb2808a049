"""Imputation of signals, images and volumes."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from narrows.corruption import Masks
from narrows.data import Items
from narrows.data.masks import mask_value, split_alpha
from narrows.data.tables.cell_text import MissingMarks
from narrows.errors import ParameterError
from narrows.models.calibration import Calibration
from narrows.models.item_checks import check_no_infinity, missing_mask, plain_numbers
from narrows.models.parts import parts_of, view_of
from narrows.models.symmetries import average_over_symmetries
from narrows.models.tiled_inference import Progress, TiledInference, scaled_mse
from narrows.models.trained_model import TrainedModel

ROUNDS = 16  # of sampling
HIDDEN_AT_ONCE = 500  # items of which values are hidden; what is drawn depends on it


@dataclass(frozen=True)
class SpatialImputation:
    """Imputation by a U-Net that sees which values are observed.

    Parameters
    ----------
    model : TrainedModel
        The model, which says what items fit.
    inference : TiledInference
        The network.
    calibration : Calibration
        From predicted to measured standard deviations.
    """

    model: TrainedModel
    inference: TiledInference
    calibration: Calibration | None

    def check(self, items: Items, missing_values: Any) -> Items:
        """Return the items with a mask of all missing values; DataError where they do not fit."""
        items = plain_numbers(items, self.model.tool)
        channels = self.model.channels
        with_alpha = items.spatial_dims == 2 and items.channels - 1 == channels in (1, 3)
        return self.model.check_layout(mark_missing(items, missing_values, with_alpha))

    def fill(self, items: Items, strategy: str, progress: Progress | None, tta: bool = False) -> Items:
        """Return the items with their missing values filled."""

        def output(x: Tensor) -> Tensor:
            if strategy == "mode":
                return self.inference.mixture(with_observed(x)).mode()
            return self.inference.network(with_observed(x))[0]

        average = average_over_symmetries(output, self.inference.network.stride)
        filled = self.inference.predict(items, average if tta else output, items.dtype, progress)
        np.copyto(filled.values, items.values, where=~missing_mask(items))
        return filled

    def sample(self, items: Items, seed: int) -> Items:
        """Return the items with their missing values drawn.

        A few values are drawn first, which the others then see, and more and more with each round, so that the values
        go together.
        """
        left = missing_mask(items)
        state, rng = replace(items, values=items.values.copy(), mask=left), np.random.default_rng(seed)
        for number in range(ROUNDS):
            generator = torch.Generator(device=self.inference.device).manual_seed(int(rng.integers(2**62)))

            def output(x: Tensor, generator: torch.Generator = generator) -> Tensor:
                return self.inference.mixture(with_observed(x)).sample(generator)

            drawn = self.inference.predict(state, output, items.dtype)
            done, share = (number / ROUNDS) ** 2, ((number + 1) / ROUNDS) ** 2
            chosen = left & (rng.random(left.shape, np.float32) < (share - done) / (1 - done))
            np.copyto(state.values, drawn.values, where=chosen)
            left &= ~chosen
        return replace(state, mask=None)

    def predictive_std(self, items: Items) -> Items:
        """Return the standard deviation of each filled value; 0 where a value is observed."""
        assert self.calibration is not None
        calibration = self.calibration

        def output(x: Tensor) -> Tensor:
            return calibration.of_tensor(self.inference.mixture(with_observed(x)).moments()[1].sqrt())

        std = self.inference.predict(items, output)
        std.values[~missing_mask(items)] = 0
        return std

    def hide(self, items: Items, holes: str, seed: int) -> Items:
        """Return the items with more values masked."""
        parsed, generator = Masks.parse(holes), torch.Generator().manual_seed(seed)
        hidden = replace(items, mask=missing_mask(items))
        masks = hidden.mask_items()
        for part in parts_of(items, HIDDEN_AT_ONCE):
            mask = view_of(masks, part)
            shape = tuple(self.inference.scale.channels_first(torch.from_numpy(mask)).shape)
            mask |= self.inference.scale.channels_last(parsed.draw(shape, generator))
        return hidden

    def loss(self, items: Items, holes: str, strategy: str) -> float:
        """Return the mean squared error of hidden values in scaled units."""
        hidden = self.hide(items, holes, seed=0)
        chosen = replace(items, values=missing_mask(hidden) & ~missing_mask(items), mask=None)
        return scaled_mse(self.model.scaling, self.fill(hidden, strategy, None), items, chosen)


def mark_missing(items: Items, missing_values: Any, alpha: bool) -> Items:
    """Return the items with what marks missing values as a mask; an alpha channel, if there is one, is split off."""
    marks = MissingMarks.parse(missing_values)
    if (
        missing_values is None
        or marks.by_column
        or any(isinstance(mark, str) and mark != "alpha" for mark in marks.everywhere)
    ):
        raise ParameterError("expected numbers, NaN or alpha", parameter="missing_values", value=missing_values)
    if alpha:
        items = split_alpha(items)
    for mark in marks.everywhere:
        items = mask_value(items, mark) if isinstance(mark, float) else items
    check_no_infinity(items)
    return items


def with_observed(x: Tensor) -> Tensor:
    """Return what the network sees of items (N, C, *S) with NaN where values are missing: 0, and which are observed."""
    return network_input(x, x.isfinite())


def network_input(values: Tensor, observed: Tensor) -> Tensor:
    """Return what the network sees of items (N, C, *S): 0 where a value is missing, and which are observed."""
    return torch.cat([torch.where(observed, values, 0.0), observed.to(values.dtype)], 1)
