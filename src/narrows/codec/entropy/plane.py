"""Values on one lattice, padded and flattened, so that windows are gathered by index."""

import itertools
import math
from functools import lru_cache

import numpy as np

from narrows.codec.arrays import Array, beside, namespace
from narrows.codec.entropy import engines
from narrows.codec.entropy.lattice import LatticePass, known_taps, reflected

CROSS_CHANNEL_RADIUS = 1  # of the windows on other channels
CROSS_CHANNELS = 3  # before and after its own, at most, on which a value depends


class Plane:
    """Values (n, C, *S), each axis padded by `radius` at its ends, by reflection or with zeros.

    Reflection keeps parity, so a tap outside an item gives a value of the same pass inside it.
    """

    def __init__(self, values: Array, radius: int, reflects: bool = True) -> None:
        self.radius = radius
        self.channels, self.shape = values.shape[1], tuple(values.shape[2:])
        padded = [size + 2 * radius for size in self.shape]
        self.strides = tuple(math.prod(padded[axis + 1 :]) for axis in range(len(padded)))
        self.size = math.prod(padded)
        if reflects:
            for axis, size in enumerate(self.shape):
                values = namespace(values).take(values, beside(reflected(size, radius), values), axis=axis + 2)
        else:
            inner, xp = values, namespace(values)
            values = xp.zeros((*inner.shape[:2], *padded), dtype=inner.dtype, device=inner.device)
            values[(..., *(slice(radius, radius + size) for size in self.shape))] = inner
        self.flat = values.reshape(-1)

    def bases(self, parity: tuple[int, ...], count: tuple[int, ...], channel: int, step: int = 2) -> Array:
        """Return the flat indices of the values at parity + step x index, (n x count,), item by item."""
        place = np.array([channel * self.size])
        for odd, size, stride in zip(parity, count, self.strides, strict=True):
            along = (np.arange(size) * step + odd + self.radius) * stride
            place = (place[:, None] + along).reshape(-1)
        size = self.channels * self.size
        items = np.arange(self.flat.shape[0] // size) * size
        return beside((items[:, None] + place).reshape(-1), self.flat)

    def offsets(self, taps: tuple[tuple[int, ...], ...]) -> Array:
        """Return the flat offsets of taps (channels ahead, *steps along the axes) from a value."""
        return beside(flat_offsets(taps, self.strides, self.size), self.flat)

    def windows(self, bases: Array, offsets: Array) -> Array:
        """Return the windows of the values at `bases`, (len(bases), len(offsets))."""
        if isinstance(self.flat, np.ndarray):
            return engines.windows(self.flat, bases, offsets)
        return self.flat.take(bases[:, None] + offsets)

    def any_nonzero(self, bases: Array, offsets: Array) -> Array:
        """Return for each base whether any of its taps is not zero."""
        if isinstance(self.flat, np.ndarray):
            return engines.any_nonzero(self.flat, bases, offsets)
        nonzero = self.flat != 0
        found = namespace(nonzero).zeros_like(bases, dtype=nonzero.dtype)
        for offset in offsets.tolist():
            found |= nonzero.take(bases + offset)
        return found


@lru_cache(maxsize=4096)
def flat_offsets(taps: tuple[tuple[int, ...], ...], strides: tuple[int, ...], size: int) -> np.ndarray:
    """Return the offsets of taps in a plane of these strides, of which each channel takes `size` values."""
    return np.array([sum(map(int.__mul__, tap, (size, *strides))) for tap in taps], np.int64)


@lru_cache(maxsize=4096)
def context_taps(
    lattice_pass: LatticePass, channel: int, others: tuple[int, ...], radius: int
) -> tuple[tuple[int, ...], ...]:
    """Return the taps known when this channel of a pass is coded: (channels ahead, *steps), own channel first."""
    taps = [(0, *tap) for tap in known_taps(lattice_pass, radius)]
    for other in others:
        taps += [(other - channel, *tap) for tap in known_taps(lattice_pass, CROSS_CHANNEL_RADIUS, other < channel)]
    return tuple(taps)


@lru_cache(maxsize=4096)
def full_taps(axes: int, channel: int, channels: int, radius: int) -> tuple[tuple[int, ...], ...]:
    """Return all taps around a value, itself among them, and the nearest ones of the other channels."""

    def window(ahead: int, radius: int) -> list[tuple[int, ...]]:
        return [(ahead, *tap) for tap in itertools.product(range(-radius, radius + 1), repeat=axes)]

    taps = window(0, radius)
    for other in neighbours(channel, channels):
        taps += window(other - channel, CROSS_CHANNEL_RADIUS)
    return tuple(taps)


def neighbours(channel: int, channels: int) -> tuple[int, ...]:
    """Return the other channels on which a channel depends."""
    first, last = max(0, channel - CROSS_CHANNELS), min(channels, channel + CROSS_CHANNELS + 1)
    return tuple(other for other in range(first, last) if other != channel)


def channel_kind(channel: int, channels: int) -> str:
    """Return the part of a key that channels with the same neighbours share: how many are before and after them."""
    return f"{min(channel, CROSS_CHANNELS)}{min(channels - 1 - channel, CROSS_CHANNELS)}"


def near_taps(taps: tuple[tuple[int, ...], ...], radius: int = 2) -> list[int]:
    """Return the indices of the taps within `radius` along every axis."""
    return [index for index, (_, *steps) in enumerate(taps) if max(map(abs, steps)) <= radius]


def place_cells(shape: tuple[int, ...], cells: tuple[int, ...], lattice_pass: LatticePass | None = None) -> np.ndarray:
    """Return the row of the table of positions, dividing items into `cells`, for each value of an item or pass."""
    table = np.zeros(1, np.int64)
    where = lattice_pass.places(shape) if lattice_pass else (slice(None),) * len(shape)
    for size, count, places in zip(shape, cells, where, strict=True):
        along = np.arange(size, dtype=np.int64)[places] * count // size
        table = (table[:, None] * count + along).reshape(-1)
    return table
