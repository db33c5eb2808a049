"""Holes: values that are not known, however the user marks them. NumPy only."""

from dataclasses import replace

import numpy as np

from narrows.data.items import Items
from narrows.data.memory import allocate
from narrows.errors import DataError


def mask_value(items: Items, missing: float) -> Items:
    """The items, with a hole wherever a value equals `missing`; NaN is a hole anyway."""
    if np.isnan(missing):
        return items
    holes = items.values == missing
    return replace(items, mask=holes if items.mask is None else holes | items.mask)


def split_alpha(items: Items) -> Items:
    """Pictures with an alpha channel as those without, and holes where it is 0."""
    channels = items.channels - 1
    if items.spatial_dims != 2 or channels not in (1, 3):
        raise DataError(
            f"{items.source}: axes {items.axes} with {items.channels} channel(s); "
            "an alpha channel is the last of 2 or 4 of an image"
        )
    pixels = items.values.reshape(-1, channels + 1)
    values = allocate(len(pixels) * channels, items.dtype).reshape(-1, channels)
    values[:] = pixels[:, :-1]
    holes = np.repeat(pixels[:, -1:] == 0, channels, axis=1)
    if items.shapes is None or items.offsets is None:
        shape = (*items.values.shape[:-1], channels) if channels > 1 else items.values.shape[:-1]
        axes = items.axes if channels > 1 else items.axes[:-1]
        return replace(items, axes=axes, values=values.reshape(shape), mask=holes.reshape(shape))
    shapes = items.shapes.copy()
    shapes[:, -1] = channels
    if channels == 1:
        shapes = shapes[:, :-1]
    return replace(
        items,
        axes=items.axes if channels > 1 else items.axes[:-1],
        values=values.ravel(),
        shapes=shapes,
        offsets=items.offsets // (channels + 1) * channels,
        mask=holes.ravel(),
    )


def apply_masks(items: Items, masks: Items) -> Items:
    """The items, with holes wherever a mask is not 0.

    masks: as many as there are items, or one for all; each of its item's spatial shape. Where a mask has channels and
    the items have others, a position is a hole where any of its channels is not 0, an alpha channel left aside.
    """
    if len(masks) not in (1, len(items)):
        raise DataError(f"{masks.source}: {len(masks)} masks for {len(items)} items: give one each, or one for all")
    if masks.spatial_dims != items.spatial_dims:
        raise DataError(f"{masks.source}: axes {masks.axes}; the items have the axes {items.axes}")
    marked = replace(items, mask=np.zeros(items.values.shape, bool) if items.mask is None else items.mask.copy())
    for index, hole in enumerate(marked.mask_items()):
        mask, size = masks[index if len(masks) > 1 else 0] != 0, hole.shape[: items.spatial_dims]
        if mask.shape[: items.spatial_dims] != size:
            name = items.names[index] if items.names else f"item {index}"
            raise DataError(f"{masks.source}: a mask of {mask.shape[: items.spatial_dims]} for {name} of {size}")
        if mask.ndim > items.spatial_dims and mask.shape != hole.shape:
            mask = (mask[..., :-1] if mask.shape[-1] in (2, 4) else mask).any(axis=-1)
        if mask.ndim < hole.ndim:
            mask = mask[..., None]
        hole |= mask
    return marked
