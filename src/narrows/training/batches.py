"""Batches of items for networks: scaled, float32, channels first; split, shuffled and cut to crops."""

import math
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from narrows.data import Items, Scaling
from narrows.training.runtime import place_batch, place_items

HELD_OUT_SHARE, MAX_HELD_OUT = 0.05, 4000
MIN_ITEMS_TO_SPLIT = 20


class Batches:
    """An endless, repeatable stream of training batches, and the held-out items.

    A batch depends only on the seed and the number of the step, so a training can be resumed at any step. The items
    stay in their own dtype, in memory, in a memory map, or on the GPU if they fit there; a batch is an index into them.
    Missing values are NaN in batches.

    Parameters
    ----------
    items : Items
        The items to train on.
    scaling : Scaling
        How they are scaled.
    batch_size : int, above 0
        Items, or crops, in a batch; all of them where there are fewer.
    seed : int, from 0
        Seed of the split, the order and the crops.
    device : torch.device
        Where batches are needed.
    crop : tuple of int, optional
        Size of random crops, one per item of a batch. An epoch has as many crops of an item as cover it.
    target : Items, optional
        Other items of the same shapes, which become further channels of batches.
    hold_out : bool
        Whether to hold items out. Otherwise training items are used for validation too, for objectives that validate
        each part of a network on items that it has not learned from.
    """

    def __init__(
        self,
        items: Items,
        scaling: Scaling,
        batch_size: int,
        seed: int,
        device: torch.device,
        crop: tuple[int, ...] | None = None,
        target: Items | None = None,
        hold_out: bool = True,
    ) -> None:
        self.items, self.seed, self.device, self.crop = items, seed, device, crop
        self.scale = Scale(scaling, items.axes, device)
        order = np.random.default_rng([seed, 0]).permutation(len(items))
        held_out = min(MAX_HELD_OUT, round(HELD_OUT_SHARE * len(items)))
        if not hold_out or len(items) < MIN_ITEMS_TO_SPLIT:
            self.training, self.held_out_items = order, order[:MAX_HELD_OUT]
        else:
            self.training, self.held_out_items = order[max(1, held_out) :], order[: max(1, held_out)]
        if crop is not None:
            count = np.array([crops_to_cover(items, index, crop) for index in range(len(items))])
            self.training = np.repeat(self.training, count[self.training])
            self.held_out_items = np.repeat(self.held_out_items, count[self.held_out_items])[:MAX_HELD_OUT]
        self.size = min(batch_size, len(self.training))
        self.per_epoch = math.ceil(len(self.training) / self.size)
        self._values = Values(items, crop, device)
        self._mask = None if items.mask is None else Values(items.mask_items(), crop, device)
        self._target = None if target is None else Values(target, crop, device)
        self._epoch, self._order = -1, self.training

    def at(self, step: int) -> Tensor:
        """Return the training batch of a step, (batch, C, *S)."""
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self.seed, 1, epoch]).permutation(self.training)
        indices = self._order[position * self.size : (position + 1) * self.size]
        return self._gather(indices, np.random.default_rng([self.seed, 2, step]))

    def held_out(self) -> Iterator[Tensor]:
        """Yield the held-out items in batches; with crops, the same ones each time."""
        generator = np.random.default_rng([self.seed, 3])
        for start in range(0, len(self.held_out_items), 500):
            yield self._gather(self.held_out_items[start : start + 500], generator)

    def mean(self) -> Tensor:
        """Return the mean training item (C, *S) of at most 10,000 items; with crops, the mean of each channel."""
        indices = np.sort(self.training[:: math.ceil(len(self.training) / 10_000)])
        sums, counts = [], []
        for number, part in enumerate(np.array_split(indices, math.ceil(len(indices) / 500))):
            x = self._gather(part, np.random.default_rng([self.seed, 4, number]))
            sums.append(x.nansum(0, dtype=torch.float64))
            counts.append(x.isfinite().sum(0))
        total, count = torch.stack(sums).sum(0), torch.stack(counts).sum(0)
        if self.crop is not None:
            each = (-1, *(1 for _ in self.crop))
            total, count = (part.flatten(1).sum(1).view(each).expand_as(part) for part in (total, count))
        return (total / count.clamp(min=1)).float()

    def _gather(self, indices: np.ndarray, generator: np.random.Generator) -> Tensor:
        corners = None
        if self.crop is not None:
            corners = (generator.random((len(indices), len(self.crop))) * self._n_corners(indices)).astype(np.int64)
        x = self.scale(self._values.at(indices, corners))
        if self._mask is not None:
            x = with_nan(x, self.scale.channels_first(self._mask.at(indices, corners)))
        if self._target is not None:
            x = torch.cat([x, self.scale(self._target.at(indices, corners))], 1)
        return x

    def _n_corners(self, indices: np.ndarray) -> np.ndarray:
        """Return how many positions a crop can have along each spatial axis of each item, (B, S)."""
        assert self.crop is not None
        sizes = self.items.item_shape if self.items.shapes is None else self.items.shapes[indices]
        return np.maximum(np.atleast_2d(sizes)[:, : len(self.crop)] - self.crop, 0) + 1


class Values:
    """The values of items, or of crops of them, in memory, in a memory map or on the device."""

    def __init__(self, items: Items, crop: tuple[int, ...] | None, device: torch.device) -> None:
        self.items, self.crop, self.device = items, crop, device
        whole = crop is None and (items.values.flags.c_contiguous or not isinstance(items.values, np.memmap))
        self._resident = place_items(as_tensor(items.values), device) if whole else None

    def at(self, indices: np.ndarray, corners: np.ndarray | None) -> Tensor:
        """Return items (B,), or crops of them with these corners (B, S), in the items' own layout and type."""
        if self._resident is not None:
            batch = self._resident[torch.from_numpy(indices).to(self._resident.device)]
        elif self.crop is None or corners is None:
            batch = as_tensor(self.items.batch(indices))
        else:
            batch = as_tensor(self.items.crops(indices, corners, self.crop))
        return place_batch(batch, self.device)


class Scale:
    """Items (N, *S), (N, *S, C) or (N, F) in their own dtype <-> tensors (N, C, *S) or (N, F) in scaled units.

    Parameters
    ----------
    scaling : Scaling
        How values are scaled.
    axes : str
        Axes of the items, such as "NYXC".
    device : torch.device
        Where the tensors are.
    dtype : torch.dtype
        Their precision.
    """

    def __init__(self, scaling: Scaling, axes: str, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype
        self.scaling, self.has_channels = scaling, axes.endswith("C")
        self.features = axes == "NF"
        if scaling.kind == "range":
            precision = torch.float64 if scaling.low else dtype  # a small range may lie far from 0
            self.offset = torch.tensor(scaling.low, dtype=precision)
            self.factor = torch.tensor(1 / (scaling.high - scaling.low), dtype=precision)
        else:
            self.offset = torch.tensor(scaling.mean, dtype=torch.float64)
            self.factor = 1 / torch.tensor(scaling.scale, dtype=torch.float64)
        self.offset, self.factor = self.offset.to(device), self.factor.to(device)

    def __call__(self, values: Tensor) -> Tensor:
        """Return items as scaled tensors."""
        return self.channels_first(((values.to(self.factor.dtype) - self.offset) * self.factor).to(self.dtype))

    def channels_first(self, values: Tensor) -> Tensor:
        """Return values in the layout of networks, not scaled."""
        if self.has_channels:
            return values.movedim(-1, 1).contiguous()
        return values if self.features else values.unsqueeze(1)

    def inverse(self, x: Tensor, dtype: np.dtype | None = None) -> np.ndarray:
        """Return scaled tensors as items, in their own layout and dtype, or in another dtype."""
        return self.scaling.inverse(self.channels_last(x), dtype)

    def inverse_unclipped(self, x: Tensor, dtype: np.dtype) -> np.ndarray:
        """Return scaled tensors as items without clipping them to their range."""
        if self.scaling.is_range:
            return (self.channels_last(x) * (self.scaling.high - self.scaling.low) + self.scaling.low).astype(dtype)
        return self.inverse(x, dtype)

    def inverse_std(self, x: Tensor) -> np.ndarray:
        """Return standard deviations in scaled units in those of the items, in their layout, float32."""
        if self.scaling.is_range:
            return (self.channels_last(x) * (self.scaling.high - self.scaling.low)).astype(np.float32)
        return (self.channels_last(x) * self.scaling.scale).astype(np.float32)

    def channels_last(self, x: Tensor) -> np.ndarray:
        """Return values in the layout of the items, not scaled."""
        if self.has_channels:
            x = x.movedim(1, -1)
        elif not self.features:
            x = x.squeeze(1)
        return x.cpu().numpy()


def as_tensor(array: np.ndarray) -> Tensor:
    """Return a tensor that shares the array's memory, which may be read-only: nothing here writes to it."""
    if array.dtype == np.longdouble:
        array = array.astype(np.float64)  # the most precise type of torch
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array))


def with_nan(x: Tensor, mask: Tensor) -> Tensor:
    """Return x with NaN where the mask is True."""
    return x.masked_fill(mask, math.nan)


def crops_to_cover(items: Items, index: int, crop: tuple[int, ...]) -> int:
    """Return how many crops cover an item."""
    shape = items.item_shape if items.shapes is None else items.shapes[index]
    return math.prod(math.ceil(size / step) for size, step in zip(shape, crop, strict=False))
