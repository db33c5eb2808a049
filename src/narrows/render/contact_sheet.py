"""Contact sheets: many items as thumbnails on one picture. NumPy only."""

import math
from collections.abc import Sequence

import numpy as np

from narrows.data import Items
from narrows.render.item_renderer import item_to_image

LARGEST_THUMBNAIL, SMALLEST_THUMBNAIL = 96, 32  # longer sides; small ones are magnified where there is room
LARGEST_SHEET = 2**26  # pixels
ROOM_TO_MAGNIFY = 2**23  # pixels
PAPER, GAP = 200, 2


def choose_level(shape: Sequence[int], spatial: int) -> int:
    """The finest level, from 1, at which items of this shape are thumbnails."""
    return max(1, math.ceil(math.log2(max([1, *shape[:spatial]]) / LARGEST_THUMBNAIL)))


def most_items(shape: Sequence[int], axes: str, level: int) -> int:
    """How many items at a level, of which the largest has this shape at level 0, one sheet holds."""
    coarse = [size if axis == "C" else -(-size >> level) for size, axis in zip(shape, axes[1:], strict=True)]
    height, width = item_to_image(np.broadcast_to(np.uint8(0), coarse), axes).shape[:2]
    return max(1, LARGEST_SHEET // ((height + GAP) * (width + GAP)))


def contact_sheet(items: Items) -> np.ndarray:
    """The items in rows, (Y, X) or (Y, X, 3) uint8.

    Of volumes the middle slices; signals and rows of tables lie on their side, a line for each channel. Values other
    than bytes are stretched from the smallest to the largest of all.
    """
    pictures = [item_to_image(item, items.axes) for item in _in_bytes(items)]
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    area = len(pictures) * (height + GAP) * (width + GAP)
    times = max(1, min(SMALLEST_THUMBNAIL // max(height, width), math.isqrt(ROOM_TO_MAGNIFY // area)))
    height, width = height * times + GAP, width * times + GAP
    columns = min(len(pictures), math.ceil(math.sqrt(len(pictures) * height / width)))
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * height + GAP, columns * width + GAP, *pictures[0].shape[2:]), PAPER, np.uint8)
    for index, picture in enumerate(pictures):
        picture = picture.repeat(times, axis=0).repeat(times, axis=1)
        top, left = GAP + index // columns * height, GAP + index % columns * width
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def _in_bytes(items: Items) -> list[np.ndarray]:
    if items.dtype == np.uint8:
        return list(items)
    finite = [item[np.isfinite(item)] for item in items]
    low = min((float(values.min()) for values in finite if values.size), default=0.0)
    high = max((float(values.max()) for values in finite if values.size), default=0.0)
    scale = 255 / (high - low) if high > low else 0.0
    return [np.nan_to_num((item.astype(np.float64).clip(low, high) - low) * scale).astype(np.uint8) for item in items]
