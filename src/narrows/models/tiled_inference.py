"""Inference of restoration networks on items of any size, tile by tile where they are large."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from narrows.data import Items, Scaling
from narrows.data.memory import allocate
from narrows.models.parts import VALUES_AT_ONCE, parts_of, view_of
from narrows.models.tiles import Tile, tiles
from narrows.networks import RestoringNetwork
from narrows.networks.restoration.mixture import Mixture
from narrows.training.batches import Scale, as_tensor, with_nan
from narrows.training.threads import timed

Progress = Callable[[int, int], None]
"""Called with the items done and the items in all."""


@dataclass(frozen=True)
class TiledInference:
    """A restoration network on its device.

    Parameters
    ----------
    network : RestoringNetwork
        On `device`.
    scale : Scale
        From items to what the network sees, and back.
    device : torch.device
        Where the inference runs.
    """

    network: RestoringNetwork
    scale: Scale
    device: torch.device

    def predict(
        self,
        items: Items,
        output: Callable[[Tensor], Tensor],
        dtype: np.dtype | None = None,
        progress: Progress | None = None,
    ) -> Items:
        """Return the items with other values.

        Parameters
        ----------
        items : Items
            Signals, images or volumes.
        output : callable
            From items (N, C, *S) in scaled units, NaN where a value is missing, to as many values.
        dtype : numpy.dtype, optional
            Type of the values. None: the outputs are standard deviations, float32 in the data's unit.
        progress : callable, optional
            Called with the items done and the items in all.
        """
        values = allocate(items.values.size, np.dtype(dtype or np.float32)).reshape(items.values.shape)
        predicted = replace(items, values=values, mask=None)
        masks = None if items.mask is None else items.mask_items()
        for part, tile in timed(self._steps(items), self.device):
            if progress is not None:
                progress(part.start, len(items))
            given, out = view_of(items, part), view_of(predicted, part)
            seen, place = (slice(None), *tile.seen), (slice(None), *tile.place)
            x = self.scaled(given[seen])
            if masks is not None:
                x = with_nan(x, self.scale.channels_first(as_tensor(view_of(masks, part)[seen]).to(self.device)))
            with torch.no_grad():
                found = output(x)[(slice(None), slice(None), *tile.kept)]
            out[place] = self.scale.inverse_std(found) if dtype is None else self.scale.inverse(found, dtype)
        if progress is not None:
            progress(len(items), len(items))
        return predicted

    def _steps(self, items: Items) -> Iterator[tuple[tuple[slice, Tile], float]]:
        """Yield the parts of the items, tile by tile, and how much work each is, for `timed`."""
        for part in parts_of(items):
            values = view_of(items, part)
            shape = values.shape[1 : 1 + items.spatial_dims]
            for tile in tiles(shape, self.network.stride, self.network.receptive_radius):
                yield (part, tile), values[(slice(None), *tile.seen)].size / VALUES_AT_ONCE

    def scaled(self, values: np.ndarray) -> Tensor:
        """Return values of items (n, *item_shape) as (n, C, *S) in scaled units."""
        return self.scale(as_tensor(values).to(self.device))

    def mixture(self, x: Tensor) -> Mixture:
        """Return the distribution of each value (N, C, *S) that the network predicts from its input."""
        _, features = self.network(x)
        return Mixture.from_parameters(self.network.describe(features, x.shape[2:]))


def scaled_mse(scaling: Scaling, predicted: Items, target: Items, chosen: Items | None = None) -> float:
    """Return the mean squared error in scaled units over all values, or over those that are True in `chosen`."""
    squares, count = 0.0, 0
    for index, item in enumerate(predicted):
        error = scaling.forward(item) - scaling.forward(target[index])
        if chosen is not None:
            error = error[chosen[index]]
        squares += float((error.astype(np.float64) ** 2).sum())
        count += error.size
    return squares / max(count, 1)


def psnr_note(scaling: Scaling, mse: float) -> str:
    """Return a mean squared error in scaled units as decibels in brackets, or nothing where the data have no range."""
    return f" ({-10 * math.log10(mse):.2f} dB)" if scaling.is_range and mse > 0 else ""
