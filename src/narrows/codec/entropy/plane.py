"""Items on one lattice, with margins, as one flat tensor from which windows are gathered."""

import itertools
import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from narrows.codec.entropy.lattice import Pass, known_taps, reflected

BESIDE = 1  # radius of the windows on other channels
REACH = 3  # how many channels before and behind its own a value looks at


class Plane:
    """Values (n, C, *S) of which windows are wanted, each axis reflected at its ends by `radius`.

    Reflection keeps what is odd odd, so a tap outside an item stands for a value of the same pass inside it.
    """

    def __init__(self, values: Tensor, radius: int) -> None:
        self.radius = radius
        self.channels, self.shape = values.shape[1], tuple(values.shape[2:])
        padded = [size + 2 * radius for size in self.shape]
        self.strides = tuple(math.prod(padded[axis + 1 :]) for axis in range(len(padded)))
        self.size = math.prod(padded)
        self.refresh(values)

    def refresh(self, values: Tensor) -> None:
        """Take over the values as they are now."""
        for axis, size in enumerate(self.shape):
            values = values.index_select(axis + 2, reflected(size, self.radius).to(values.device))
        self.flat = values.reshape(-1)

    def bases(self, parity: tuple[int, ...], count: tuple[int, ...], channel: int, step: int = 2) -> Tensor:
        """Where the values at parity + step x index stand, (n x count,) item by item."""
        device = self.flat.device
        place = torch.full((1,), channel * self.size, device=device)
        for odd, size, stride in zip(parity, count, self.strides, strict=True):
            along = (torch.arange(size, device=device) * step + odd + self.radius) * stride
            place = (place[:, None] + along).reshape(-1)
        items = torch.arange(len(self.flat) // (self.channels * self.size), device=device)
        return (items[:, None] * (self.channels * self.size) + place).reshape(-1)

    def offsets(self, taps: tuple[tuple[int, ...], ...]) -> Tensor:
        """Of taps (channels ahead, *steps along the axes), relative to where a value stands."""
        return offsets(taps, self.strides, self.size).to(self.flat.device)

    def windows(self, bases: Tensor, offsets: Tensor) -> Tensor:
        """(len(bases), len(offsets))."""
        return torch.take(self.flat, bases[:, None] + offsets)


@lru_cache(maxsize=4096)
def offsets(taps: tuple[tuple[int, ...], ...], strides: tuple[int, ...], size: int) -> Tensor:
    return torch.tensor([sum(map(int.__mul__, tap, (size, *strides))) for tap in taps], dtype=torch.int64)


@lru_cache(maxsize=4096)
def context_taps(parity: tuple[int, ...], channel: int, channels: int, radius: int) -> tuple[tuple[int, ...], ...]:
    """What is known when this channel of a pass is coded: (channels ahead, *steps), its own channel first."""
    taps = [(0, *tap) for tap in known_taps(parity, radius)]
    for other in neighbours(channel, channels):
        taps += [(other - channel, *tap) for tap in known_taps(parity, BESIDE, other < channel)]
    return tuple(taps)


@lru_cache(maxsize=4096)
def full_taps(axes: int, channel: int, channels: int, radius: int) -> tuple[tuple[int, ...], ...]:
    """All values around one, itself among them, and the nearest ones of the other channels."""

    def window(ahead: int, radius: int) -> list[tuple[int, ...]]:
        return [(ahead, *tap) for tap in itertools.product(range(-radius, radius + 1), repeat=axes)]

    taps = window(0, radius)
    for other in neighbours(channel, channels):
        taps += window(other - channel, BESIDE)
    return tuple(taps)


def neighbours(channel: int, channels: int) -> list[int]:
    """The other channels that a channel looks at."""
    first, last = max(0, channel - REACH), min(channels, channel + REACH + 1)
    return [other for other in range(first, last) if other != channel]


def channel_kind(channel: int, channels: int) -> str:
    """What channels that look at the same neighbours have in common: how many of them are before and behind it."""
    return f"{min(channel, REACH)}{min(channels - 1 - channel, REACH)}"


def near(taps: tuple[tuple[int, ...], ...], radius: int = 2) -> list[int]:
    """Which of the taps lie within `radius` along every axis."""
    return [index for index, (_, *steps) in enumerate(taps) if max(map(abs, steps)) <= radius]


@lru_cache(maxsize=256)
def place_cells(shape: tuple[int, ...], cells: tuple[int, ...], turn: Pass | None = None) -> Tensor:
    """For each value of an item, or of a pass, its cell of the table of places, which divides an item into `cells`."""
    table = np.zeros(1, np.int64)
    where = turn.places(shape) if turn else (slice(None),) * len(shape)
    for size, count, places in zip(shape, cells, where, strict=True):
        along = np.arange(size, dtype=np.int64)[places] * count // size
        table = (table[:, None] * count + along).reshape(-1)
    return torch.from_numpy(table)
