"""Contact sheets: many items as thumbnails in one image."""

import math
from collections.abc import Sequence

import numpy as np

from narrows.data import Items
from narrows.render.item_renderer import item_to_image, value_range

MAX_THUMBNAIL, MIN_THUMBNAIL = 96, 32  # pixels of the longer side; small ones are magnified where there is room
MAX_SHEET = 2**26  # pixels
MAX_MAGNIFIED_SHEET = 2**23  # pixels
BACKGROUND, GAP = 200, 2


def choose_level(shape: Sequence[int], spatial: int) -> int:
    """Return the finest level, from 1, at which items of this shape are thumbnails."""
    return max(1, math.ceil(math.log2(max([1, *shape[:spatial]]) / MAX_THUMBNAIL)))


def most_items(shape: Sequence[int], axes: str, level: int) -> int:
    """Return how many items fit on one sheet at a level, if the largest has this shape at level 0."""
    coarse = [size if axis == "C" else -(-size >> level) for size, axis in zip(shape, axes[1:], strict=True)]
    height, width = item_to_image(np.broadcast_to(np.uint8(0), coarse), axes).shape[:2]
    return max(1, MAX_SHEET // int((height + GAP) * (width + GAP)))


def contact_sheet(items: Items) -> np.ndarray:
    """Return the items in rows, (Y, X) or (Y, X, 3) uint8.

    Volumes are shown by their middle slices; signals and table rows as a row of pixels per channel. Values other than
    8-bit ones are scaled so that the smallest of all is black and the largest white.
    """
    images = [item_to_image(item, items.axes) for item in _as_bytes(items)]
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    area = len(images) * (height + GAP) * (width + GAP)
    factor = max(1, min(MIN_THUMBNAIL // max(height, width), math.isqrt(MAX_MAGNIFIED_SHEET // area)))
    height, width = height * factor + GAP, width * factor + GAP
    columns = min(len(images), math.ceil(math.sqrt(len(images) * height / width)))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height + GAP, columns * width + GAP, *images[0].shape[2:]), BACKGROUND, np.uint8)
    for index, image in enumerate(images):
        image = image.repeat(factor, axis=0).repeat(factor, axis=1)
        top, left = GAP + index // columns * height, GAP + index % columns * width
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def _as_bytes(items: Items) -> list[np.ndarray]:
    if items.dtype == np.uint8:
        return list(items)
    low, high = value_range(items)
    scale = 255 / (high - low) if high > low else 0.0
    return [np.nan_to_num((item.astype(np.float64).clip(low, high) - low) * scale).astype(np.uint8) for item in items]
