"""The features of a table that an autoencoder learns from, as items."""

import math
from dataclasses import replace

import numpy as np

from narrows.data import Items
from narrows.data.memory import allocate
from narrows.data.tables.features import Features
from narrows.models.item_checks import missing_cells

ROWS_AT_ONCE = 2**14  # on the way to features


def missing_features(items: Items, features: Features) -> np.ndarray | None:
    """Return which features (N, D) are of missing cells; None where none is missing."""
    missing = missing_cells(items)
    widths = [len(feature.mean) for feature in features.features]
    return np.repeat(missing, widths, axis=1) if missing.any() else None


def features_of(items: Items, features: Features) -> Items:
    """Return the features of a table's coded cells as items, float32, with a mask where cells are missing."""
    shape = (len(items), features.size)
    values = allocate(math.prod(shape), np.dtype(np.float32)).reshape(shape)
    for start in range(0, len(items), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        features.forward(items.values[part], out=values[part])
    return replace(items, values=values, columns=None, frame=None, mask=missing_features(items, features))
