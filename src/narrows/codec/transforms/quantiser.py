"""Quantiser: values of any type to integer indices of a grid, and back, with exceptions for values off the grid.

The same numbers come out on every machine: integers are computed in int64, and real numbers in float64 by operations
that IEEE 754 rounds correctly, one at a time.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.errors import DataError, ParameterError

MOST = 2**23  # indices lie within -MOST..MOST, exclusive, so that float32 holds them all
LARGEST_STEP = 2**32 - 1  # of integers, so that int64 holds every product with it
FARTHEST = 2**62  # integers farther from zero than this are exceptions, so that int64 holds every sum
_MARGIN = 1 - 2**-12  # keeps a bound on real numbers through the rounding of their own type


@dataclass(frozen=True, eq=False)
class Exceptions:
    """Values that are kept as they are: positions (n,) int64, ascending, in the flattened array, and values (n,)."""

    positions: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        """Return the number of exceptions."""
        return len(self.positions)

    def between(self, start: int, stop: int) -> "Exceptions":
        """Return those at positions from `start` to before `stop`, counted from `start`."""
        first, last = np.searchsorted(self.positions, (start, stop))
        return Exceptions(self.positions[first:last] - start, self.values[first:last])

    def mask(self, shape: tuple[int, ...]) -> np.ndarray | None:
        """Return where they are in an array of a shape, bool; None where there are none."""
        if not len(self):
            return None
        mask = np.zeros(shape, bool)
        mask.reshape(-1)[self.positions] = True
        return mask

    def put_into(self, x: np.ndarray) -> None:
        """Write the values to their places in a contiguous array."""
        x.reshape(-1)[self.positions] = self.values


@dataclass(frozen=True)
class Quantiser:
    """A grid over values of one type; `indices` and `values` are inverses to within a cell.

    The cell of index k holds the `step` integers from low + k * step - step // 2 on, cut to low..high, or the real
    numbers from origin + (k - 1/2) * step to origin + (k + 1/2) * step.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the values: an integer type, bool, float16, float32 or float64.
    step : float
        Distance of two points of the grid: an integer from 1 for integers, a number above 0 otherwise.
    low, high : int
        For integers, the range of the grid, which begins at `low`; values outside are exceptions.
    origin : float
        For real numbers, the value of index 0.
    bound : float or None
        The largest error that a value may have; None for no bound.
    fill_value : float or int or None
        A value that stands for missing ones, which is an exception; None for no such value.

    Raises
    ------
    DataError
        If there is no such grid.
    """

    dtype: np.dtype
    step: float
    low: int = 0
    high: int = 0
    origin: float = 0.0
    bound: float | None = None
    fill_value: float | int | None = None

    def __post_init__(self) -> None:
        """Check the grid."""
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        if self.dtype.kind not in "buif" or self.dtype.itemsize > 8:
            raise DataError(f"values of type {self.dtype} cannot be quantised: only integers and floats of 8 bytes")
        if not (0 < self.step < math.inf and math.isfinite(self.origin)) or (self.bound or 0) < 0:
            raise DataError(f"a grid of step {self.step} from {self.origin} with errors up to {self.bound}")
        grid = self.step == int(self.step) <= LARGEST_STEP and -FARTHEST <= self.low <= self.high
        if self.whole and not grid:
            raise DataError(f"a grid of integers of step {self.step} over {self.low}..{self.high}")

    @classmethod
    def bounded(cls, dtype: Any, max_error: float, low: int = 0, high: int = 0, origin: float = 0.0) -> "Quantiser":
        """Return the widest grid on which no value is off by more than `max_error`, in the data's own unit.

        0 is lossless, for integers; DataError for real numbers. ParameterError for a bound that is no number from 0.
        """
        dtype = np.dtype(dtype)
        if not 0 <= max_error < math.inf:
            raise ParameterError(
                "expected a number from 0, in the data's own unit", parameter="max_error", value=max_error
            )
        if dtype.kind != "f":
            bound = min(int(max_error), high - low, LARGEST_STEP // 2)  # beyond the range none is better
            return cls(dtype, 2 * bound + 1, low, high, bound=bound)
        step = 2 * max_error * _MARGIN
        if step < np.finfo(np.float64).tiny:
            raise DataError(f"{dtype} values: lossless is for integers; give max_error above 0, in the data's own unit")
        return cls(dtype, step, origin=origin, bound=max_error)

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return self.dtype.kind != "f"

    @property
    def levels(self) -> int:
        """Number of indices, from 0, over a range of integers."""
        step = int(self.step)
        return min((self.high - self.low + step // 2) // step + 1, MOST)

    def indices(self, x: np.ndarray) -> tuple[np.ndarray, Exceptions]:
        """Return the index (int32) of each value's cell, and the values that no cell represents: NaN, infinities, ...

        The index of an exception is 0.
        """
        if self.whole:
            held = (x >= self.low) & (x <= self._highest) & (self.fill_value is None or x != self.fill_value)
            distance = np.where(held, x, 0).astype(np.int64)
            np.subtract(distance, self.low, out=distance, where=held)
            index = (distance + int(self.step) // 2) // int(self.step) if self.step > 1 else distance
            k = index.astype(np.int32)
        else:
            with np.errstate(all="ignore"):
                place = np.rint((x.astype(np.float64) - self.origin) / self.step)
                held = (np.abs(place) < MOST) & (self.fill_value is None or x != self.fill_value)
                place = np.where(held, place, 0)
                if self.bound is not None:
                    for value in self._ends(place):
                        held &= self._within(value.astype(self.dtype), x)
            k = np.where(held, place, 0).astype(np.int32)
        if held.all():
            return k, Exceptions(np.empty(0, np.int64), np.empty(0, self.dtype))
        positions = np.flatnonzero(~held)
        return k, Exceptions(positions, x.reshape(-1)[positions])

    def without_exceptions(self, x: np.ndarray, channels: int = 1) -> tuple[np.ndarray, Exceptions]:
        """Return items (n, ...) with other values in the place of exceptions; and the exceptions.

        An exception is replaced by the last value before it in its item and channel, or by the first one that there is;
        where there is none, by that of cell 0. The channels are the last axis.
        """
        _, exceptions = self.indices(x)
        if not len(exceptions):
            return x, exceptions
        values: np.ndarray = x.reshape(len(x), -1, channels)
        held = np.ones(values.shape, bool)
        held.reshape(-1)[exceptions.positions] = False
        places = np.where(held, np.arange(values.shape[1])[:, None], -1)
        last = np.maximum.accumulate(places, axis=1)
        last = np.where(last < 0, np.argmax(held, axis=1)[:, None], last)
        any_held = np.any(held, axis=1, keepdims=True)
        filled = np.where(any_held, np.take_along_axis(values, last, 1), self.values(np.zeros(1, np.int32)))
        return np.asarray(filled).reshape(x.shape), exceptions

    def values(self, k: np.ndarray, fraction: np.ndarray | None = None) -> np.ndarray:
        """Return a value of each cell: its grid point, or `fraction` / 256 of a step beside it (int8).

        No value leaves its cell, nor, where there is a bound, is farther than that from any value in it.
        """
        if self.whole:
            step = int(self.step)
            whole = k.astype(np.int64) * step + self.low
            if step > 1:
                least = np.clip(whole - step // 2, self._lowest, self._highest)
                most = np.clip(whole - step // 2 + step - 1, self._lowest, self._highest)
                if self.bound is not None:
                    least, most = most - int(self.bound), least + int(self.bound)
                if fraction is not None:
                    whole += (fraction.astype(np.int64) * step + 128) >> 8
                whole = np.minimum(np.maximum(whole, least), most)
            integers: np.ndarray = np.clip(whole, self._lowest, self._highest).astype(self.dtype)
            return integers
        place = k.astype(np.float64)
        point = (place if fraction is None else place + fraction.astype(np.float64) / 256) * self.step + self.origin
        first, last = self._ends(place)
        largest = float(np.finfo(self.dtype).max)
        values: np.ndarray = np.clip(np.minimum(np.maximum(point, first), last), -largest, largest).astype(self.dtype)
        return values

    @property
    def _lowest(self) -> int:
        return max(self.low, 0 if self.dtype.kind == "b" else int(np.iinfo(self.dtype).min))

    @property
    def _highest(self) -> int:
        largest = 1 if self.dtype.kind == "b" else int(np.iinfo(self.dtype).max)
        return min(self.high, largest, FARTHEST, self.low + (MOST - 1) * int(self.step))

    def _ends(self, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the smallest and the largest value, float64, that may stand for the real numbers of a cell."""
        first, last = (k - 0.5) * self.step + self.origin, (k + 0.5) * self.step + self.origin
        return (first, last) if self.bound is None else (last - self.bound, first + self.bound)

    def _within(self, value: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return whether values are within the bound of x, as computed in their own type and in float64."""
        wide = np.abs(value.astype(np.float64) - x.astype(np.float64)) <= self.bound
        within: np.ndarray = wide & (np.abs(value - x) <= np.float64(self.bound).astype(self.dtype))
        return within
