"""Masks: which values are missing, however the user marks them. NumPy only."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from narrows.data.items import Items
from narrows.data.memory import allocate
from narrows.errors import DataError, DataWarning

FILLED_SHARE = 2**-10  # of the values, that have the fill value at least


def fill_value(items: Items) -> float | int | None:
    """Return the value that stands for missing ones, such as 1e20, -9999 or -32768; None where there is none.

    It is the largest or the smallest value, farther from all others than these are from each other, and frequent.
    Values of one byte, whose range is too small for such a value to be told, have none.
    """
    if items.dtype.itemsize == 1:
        return None
    low, high = value_ends(items)
    inner_low, inner_high = value_ends(items, low, high)
    for value, gap, span in ((high, high - inner_high, inner_high - low), (low, inner_low - low, high - inner_low)):
        if gap > span >= 0:
            count = total = 0
            for x in items.chunks():
                count, total = count + int(np.count_nonzero(x == value)), total + x.size
            return value if count >= max(2, FILLED_SHARE * total) else None
    return None


def without_fill(items: Items) -> Items:
    """Return the items with their fill value masked, if there is one."""
    value = fill_value(items)
    return items if value is None else mask_value(items, value)


def value_ends(items: Items, *without: float | int | None) -> tuple[Any, Any]:
    """Return the smallest and the largest finite value that is none of some values; infinities where there is none."""
    low, high = np.inf, -np.inf
    for x in items.chunks():
        known = np.isfinite(x)
        for value in without:
            known &= value is None or x != value
        inside = x[known]
        if inside.size:
            low, high = min(low, inside.min().item()), max(high, inside.max().item())
    return low, high


def mask_value(items: Items, missing: float) -> Items:
    """Return the items with every value that equals `missing` masked; NaN is missing in any case."""
    if np.isnan(missing):
        return items
    mask = items.values == missing
    return replace(items, mask=mask if items.mask is None else mask | items.mask)


def split_alpha(items: Items) -> Items:
    """Return images with an alpha channel as images without, masked where alpha is 0."""
    channels = items.channels - 1
    if items.spatial_dims != 2 or channels not in (1, 3):
        raise DataError(
            f"axes {items.axes} with {items.channels} channel(s)",
            source=items.source,
            hint="an alpha channel is the last of 2 or 4 of an image",
        )
    pixels = items.values.reshape(-1, channels + 1)
    values = allocate(len(pixels) * channels, items.dtype).reshape(-1, channels)
    values[:] = pixels[:, :-1]
    mask = np.repeat(pixels[:, -1:] == 0, channels, axis=1)
    axes = items.axes if channels > 1 else items.axes[:-1]
    if items.shapes is None or items.offsets is None:
        shape = (*items.values.shape[:-1], channels) if channels > 1 else items.values.shape[:-1]
        return replace(items, axes=axes, values=values.reshape(shape), mask=mask.reshape(shape))
    shapes = items.shapes.copy()
    shapes[:, -1] = channels
    return replace(
        items,
        axes=axes,
        values=values.ravel(),
        shapes=shapes if channels > 1 else shapes[:, :-1],
        offsets=items.offsets // (channels + 1) * channels,
        mask=mask.ravel(),
    )


def join_alpha(items: Items, original: Items) -> Items:
    """Return the items that `split_alpha` made of the original, or others of their shape, with its alpha channel."""
    colours, pixels = items.channels, original.values.reshape(-1, original.channels)
    values = allocate(pixels.size, items.dtype).reshape(pixels.shape)
    values[:, :-1], values[:, -1] = items.values.reshape(-1, colours), pixels[:, -1]
    return replace(original, values=values.reshape(original.values.shape))


def apply_masks(items: Items, masks: Items) -> Items:
    """Return the items, masked wherever a mask is not 0.

    masks: one for each item, or one for all; each of its item's spatial shape. Where a mask has channels and the items
    have others, a position is masked where any of its channels is not 0, apart from an alpha channel. Masks of more
    than two values, such as JPEG makes, are taken all the same, with a warning.
    """
    if len(masks) not in (1, len(items)):
        raise DataError(
            f"{len(masks)} masks for {len(items)} items", source=masks.source, hint="give one for each, or one for all"
        )
    if masks.spatial_dims != items.spatial_dims:
        raise DataError(f"axes {masks.axes}, but the items have the axes {items.axes}", source=masks.source)
    marks = _marks(masks)
    if len(marks) > 1:
        warnings.warn(
            f"{masks.source}: a mask of more than two values; each that is not 0 ({marks[0]:g}..{marks[-1]:g}) "
            "counts as missing",
            DataWarning,
            stacklevel=3,
        )
    masked = replace(items, mask=np.zeros(items.values.shape, bool) if items.mask is None else items.mask.copy())
    for index, target in enumerate(masked.mask_items()):
        mask, size = masks[index if len(masks) > 1 else 0] != 0, target.shape[: items.spatial_dims]
        if mask.shape[: items.spatial_dims] != size:
            name = items.names[index] if items.names else f"item {index}"
            raise DataError(f"a mask of {mask.shape[: items.spatial_dims]} for {name} of {size}", source=masks.source)
        if mask.ndim > items.spatial_dims and mask.shape != target.shape:
            mask = (mask[..., :-1] if mask.shape[-1] in (2, 4) else mask).any(axis=-1)
        if mask.ndim < target.ndim:
            mask = mask[..., None]
        target |= mask
    return masked


def _marks(masks: Items) -> list[float]:
    """Return the least and the largest value besides 0, apart from alpha channels; one where they are equal."""
    ends = set()
    for mask in masks if masks.dtype != bool else ():
        values = mask[..., :-1] if masks.axes[-1] == "C" and mask.shape[-1] in (2, 4) else mask
        marked = values[values != 0]
        if marked.size:
            ends |= {float(marked.min()), float(marked.max())}
    return sorted(ends)
