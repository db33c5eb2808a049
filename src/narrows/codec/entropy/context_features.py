"""What context models compute from known values: inputs of the perceptrons, and counts of the values of an item.

Training computes in float32; coding gives the same numbers, because all are integers that float32 holds.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from narrows.codec.arrays import Array, beside, namespace
from narrows.codec.entropy import tokens
from narrows.codec.entropy.exact_predictor import LARGEST

SMALLEST_OF_BUCKET = np.array([float(index if index < 8 else 2 ** (index - 5)) for index in range(24)], np.float32)
"""Buckets of how often an item has shown a value: counts below 8 as they are, from there one for each octave."""
BUCKETS = len(SMALLEST_OF_BUCKET)
MOST_BONUS = 4095


class IndexCounts:
    """How often each of some items has shown each index, (n, indices). like: an array of the library to count with."""

    def __init__(self, items: int, indices: int, like: Array) -> None:
        self.counts = beside(np.zeros((items, indices), np.float32), like)
        self._rows = beside(np.arange(items)[:, None] * indices, like)

    def add(self, k: Array) -> None:
        """Count indices (n, ...)."""
        xp, (items, indices) = namespace(self.counts), self.counts.shape
        flat = (xp.astype(xp.reshape(k, (items, -1)), xp.int64) + self._rows).reshape(-1)
        self.counts += xp.reshape(xp.bincount(flat, minlength=items * indices), (items, indices))

    def buckets(self) -> Array:
        """Return the bucket of each count."""
        xp = namespace(self.counts)
        octave = (self.counts.view(xp.int32) >> 23) - 127  # the exponent, by IEEE 754
        return xp.astype(xp.clip(xp.where(self.counts < 8, self.counts, octave + 5), None, BUCKETS - 1), xp.int64)


def checked_bonuses(tensors: Mapping[str, np.ndarray], keys: Iterable[str]) -> dict[str, np.ndarray]:
    """Return what the logit of a value gains by the bucket of its count, by key; ValueError where they do not fit."""
    found = {key: tensors[f"bonus.{key}"].astype(np.float32) for key in keys}
    if any(bonus.shape != (BUCKETS,) for bonus in found.values()):
        raise ValueError("bonuses of another number than there are buckets")
    if any(float(np.abs(bonus).max()) > MOST_BONUS for bonus in found.values()):
        raise ValueError("a bonus too large for exact arithmetic")
    return found


def cells_of_values(top: int, size: Array) -> Array:
    """Return the index of the cell of width `size` (n,) that holds each of the values 1..top, (n, top)."""
    values = beside(np.arange(1, top + 1), size)
    size = namespace(size).astype(size, values.dtype)[:, None]
    return (values + size // 2) // size


def features_of_values(k: Array, size: Array, top: int) -> Array:
    """Return the middle of each cell, 0..top, scaled to 0..255; integers in the type of k."""
    xp = namespace(k)
    middle = xp.clip(k * xp.reshape(xp.astype(size, k.dtype), (-1, *(1 for _ in k.shape[1:]))), None, top)
    return middle if top == LARGEST else xp.astype(xp.astype(middle, xp.int64) * LARGEST // top, k.dtype)


def features_of_residuals(windows: Array, predicted: Array, bits: int) -> Array:
    """Return windows (P, T) of indices as differences from the prediction (P,), compressed to -255..255, and it.

    In float64, in which indices and predictions in units of 2**-12 are exact.
    """
    xp = namespace(windows)
    small, large = (beside(table, windows) for table in tokens.compressed())
    eighths = xp.floor((windows - predicted[:, None]) * 8 + 0.5)
    size = xp.clip(xp.abs(eighths), None, 2.0**22 - 1)
    fine, coarse = (xp.astype(xp.clip(each, None, 2047), xp.int64) for each in (size, xp.floor(size / 2048)))
    squeezed = xp.where(size < 2048, small.take(fine), large.take(coarse))
    level = xp.clip(xp.floor(predicted * (256 / 2**bits)), -LARGEST, LARGEST)
    return xp.concat([xp.astype(squeezed, xp.float64) * xp.sign(eighths), level[:, None]], axis=1)


def nearest_index(predicted: Array, bits: int) -> Array:
    """Return the index that residuals count from, within the range of indices, so that every residual has a token."""
    xp = namespace(predicted)
    return xp.clip(xp.floor(predicted + 0.5), 1 - 2**bits, 2**bits - 1)
