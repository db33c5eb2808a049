"""Items in parts that go through a network at once."""

import math
from collections.abc import Iterator

import numpy as np

from narrows.data import Items

VALUES_AT_ONCE = 2**21  # that go through a network in one batch


def parts_of(items: Items, most: int | None = None) -> Iterator[slice]:
    """Yield slices of at most so many items, by default `VALUES_AT_ONCE` values; of one item where sizes differ."""
    step = most or max(1, VALUES_AT_ONCE // max(1, math.prod(items.item_shape))) if items.uniform else 1
    for start in range(0, len(items), step):
        yield slice(start, min(start + step, len(items)))


def view_of(items: Items, part: slice) -> np.ndarray:
    """Return a part of the items, in an array of their own shape: a view (n, *item_shape)."""
    return items.values[part] if items.uniform else items[part.start][None]
