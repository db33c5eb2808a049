"""How the items of a set become the arrays that a peer codes, and are taken from them again."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

# flat: values of any items one after the other, (V, C). square: pictures of one shape as a mosaic. column: items one
# below the other, which need not be equally high. stack: items of one shape along a new first axis.
Join = Literal["flat", "square", "column", "stack"]
MOST_ROWS = 1_000_000  # that readers of PNG take
Apart = Callable[[Sequence[np.ndarray]], list[np.ndarray]]


def joined(items: Sequence[np.ndarray], join: Join, channels: int) -> tuple[np.ndarray, Apart] | None:
    """Return all items as one array, and the function that returns them from it; None where they do not fit."""
    parts = [as_coded(item, join, channels) for item in items]
    shapes = {part.shape for part in parts}
    if len({part.shape[1:] for part in parts}) > 1 or (len(shapes) > 1 and join in ("square", "stack")):
        return None
    if join == "column" and sum(len(part) for part in parts) > MOST_ROWS:
        return None
    if join == "stack":
        return np.stack(parts), lambda arrays: list(arrays[0])
    if join == "square":
        mosaic = Mosaic(len(parts), *parts[0].shape[:2])
        return mosaic.picture(parts), lambda arrays: shaped(mosaic.items(arrays[0]), items)
    ends = np.cumsum([len(part) for part in parts])[:-1]
    return np.concatenate(parts), lambda arrays: shaped(np.split(arrays[0], ends), items)


def apart(items: Sequence[np.ndarray], join: Join, channels: int) -> tuple[list[np.ndarray], Apart]:
    """Return each item as an array of its own, and the function that returns the items from these."""
    return [as_coded(item, join, channels) for item in items], lambda arrays: shaped(arrays, items)


def as_coded(item: np.ndarray, join: Join, channels: int) -> np.ndarray:
    """Return an item as rows of channels, as a picture (a volume's slices one below the other), or as it is."""
    if join == "flat":
        return item.reshape(-1, channels)
    is_volume = join in ("square", "column") and item.ndim == 3 and channels == 1
    return item.reshape(-1, item.shape[-1]) if is_volume else item


def shaped(arrays: Sequence[np.ndarray], items: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [array.reshape(item.shape) for array, item in zip(arrays, items, strict=True)]


class Mosaic:
    """Pictures of one shape, row by row in one that is about square; unused positions are black."""

    def __init__(self, count: int, height: int, width: int) -> None:
        self.count, self.height, self.width = count, height, width
        self.across = math.ceil(math.sqrt(count * height / width))
        self.down = -(-count // self.across)

    def picture(self, items: Sequence[np.ndarray]) -> np.ndarray:
        places = np.zeros((self.down * self.across, *items[0].shape), items[0].dtype)
        places[: self.count] = items
        rows = places.reshape(self.down, self.across, self.height, self.width, -1).swapaxes(1, 2)
        shape = (self.down * self.height, self.across * self.width, *items[0].shape[2:])
        return np.ascontiguousarray(rows).reshape(shape)

    def items(self, picture: np.ndarray) -> np.ndarray:
        """Return the items; the inverse of `picture`."""
        rows = picture.reshape(self.down, self.height, self.across, self.width, -1).swapaxes(1, 2)
        return rows.reshape(-1, self.height, self.width, *picture.shape[2:])[: self.count]
