"""The interlaced coding order: lattice passes from coarse to fine.

    level 2:  0 . . .     level 1:  0 . 2 .     level 0:  0 5 2 5        0 the origin; then each level halves the
              . . . .               . . . .               6 4 6 4        distance between known values in as many
              . . . .               3 . 1 .               3 5 1 5        passes as there are parities: first what is
              . . . .               . . . .               6 4 6 4        odd along both axes, then along one

All values of a pass are predicted at once from what is known before it, so that the number of passes grows with the
logarithm of an item's size, and the first passes alone are a coarse version of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

RADIUS = {1: 12, 2: 4, 3: 2}  # of the window of known values, by the number of spatial axes, in steps of a pass


@dataclass(frozen=True)
class LatticePass:
    """The values at parity + 2 x index on the lattice of every ``2**level``-th value along each axis.

    Parameters
    ----------
    level : int
        Level of the lattice, 0 the finest.
    parity : tuple of {0, 1}
        Whether the positions on the lattice are even or odd along each axis; all even is the origin alone, before
        which nothing is known.
    part : tuple of {0, 1}, optional
        Of a subband of a transform, which is coded in parts, whether the indices are even or odd along each axis.
    """

    level: int
    parity: tuple[int, ...]
    part: tuple[int, ...] = ()

    @property
    def is_origin(self) -> bool:
        """Whether the pass holds the value at the origin alone."""
        return not any(self.parity)

    @property
    def lattice(self) -> tuple[int, bool]:
        """What identifies the lattice: its level, and whether it is the origin alone."""
        return self.level, self.is_origin

    @property
    def start(self) -> tuple[int, ...]:
        """Position of the first value on the lattice."""
        part = self.part or (0,) * len(self.parity)
        return tuple(odd + 2 * half for odd, half in zip(self.parity, part, strict=True))

    @property
    def stride(self) -> int:
        """Steps on the lattice from one value to the next."""
        return 4 if self.part else 2

    def parts(self) -> list["LatticePass"]:
        """Return the parts of a subband, in coding order."""
        axes = len(self.parity)
        return [LatticePass(self.level, self.parity, part) for part in [(0,) * axes, *parities(axes)]]

    def count(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the number of values along each axis of an item of this shape."""
        if self.is_origin:
            return (1,) * len(self.parity)
        step = 2**self.level
        return tuple(
            max(0, math.ceil((size - first * step) / (self.stride * step)))
            for size, first in zip(shape, self.start, strict=True)
        )

    def places(self, shape: Sequence[int]) -> tuple[slice, ...]:
        """Return where its values are in an item, one slice for each axis."""
        if self.is_origin:
            return (slice(0, 1),) * len(self.parity)
        step = 2**self.level
        return tuple(
            slice(first * step, size, self.stride * step) for size, first in zip(shape, self.start, strict=True)
        )

    def on_lattice(self) -> tuple[slice, ...]:
        """Return where its values are among those of its lattice."""
        return tuple(slice(first, None, self.stride) for first in self.start)

    def lattice_places(self) -> tuple[slice, ...]:
        """Return where all values of its lattice are in an item."""
        return (slice(0, 1 if self.is_origin else None, 2**self.level),) * len(self.parity)

    def coarser_places(self) -> tuple[slice, ...]:
        """Return where the values of the next coarser lattice are in an item: all that is known before its level."""
        return (slice(0, 0 if self.is_origin else None, 2 ** (self.level + 1)),) * len(self.parity)


def parities(axes: int) -> list[tuple[int, ...]]:
    """Return the parities of the passes of one level, in coding order."""
    return sorted((parity for parity in product((0, 1), repeat=axes) if any(parity)), key=lambda odd: (-sum(odd), odd))


def passes(shape: Sequence[int], coarsest: int = 0) -> list[LatticePass]:
    """Return the passes over an item of this spatial shape that hold any values, down to the level `coarsest`."""
    levels = math.ceil(math.log2(max(shape)))
    order = [LatticePass(max(levels - 1, 0), (0,) * len(shape))]
    order += [LatticePass(level, odd) for level in range(levels - 1, coarsest - 1, -1) for odd in parities(len(shape))]
    return [each for each in order if all(each.count(shape))]


@cache
def known_taps(lattice_pass: LatticePass, radius: int, same: bool = False) -> tuple[tuple[int, ...], ...]:
    """Return the offsets within `radius`, in steps of the pass's lattice, of values known when the pass begins.

    With `same`, those of the pass itself are among them, as for channels of it that are known already.
    """
    axes, stride = len(lattice_pass.parity), lattice_pass.stride
    order = [(0,) * axes, *parities(axes)]

    def turn(place: tuple[int, ...]) -> tuple[int, int]:
        parity, part = tuple(each % 2 for each in place), tuple(each // 2 % 2 for each in place)
        return order.index(parity), order.index(part) if lattice_pass.part and any(parity) else 0

    own = turn(lattice_pass.start)

    def known(offset: tuple[int, ...]) -> bool:
        other = turn(tuple((first + step) % stride for first, step in zip(lattice_pass.start, offset, strict=True)))
        return other < own or (same and other == own)

    return tuple(filter(known, product(range(-radius, radius + 1), repeat=axes)))


@cache
def reflected(size: int, radius: int) -> np.ndarray:
    """Return indices -radius .. size - 1 + radius of an axis, those outside reflected at its ends, of equal parity."""
    index = np.abs(np.arange(-radius, size + radius))
    if size == 1:
        return np.zeros_like(index)
    index %= 2 * (size - 1)
    return np.asarray(np.minimum(index, 2 * (size - 1) - index))
