"""Tiles: parts of a large item that overlap by the receptive field, so that the result is that of the whole item."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

LARGEST = {1: 2**20, 2: 2**22, 3: 2**24}  # positions of an item that needs no tiles, by the number of spatial axes

Region = tuple[slice, ...]


class Tile(NamedTuple):
    """One tile.

    Parameters
    ----------
    seen : tuple of slice
        The region of the item that goes into the network.
    kept : tuple of slice
        The region of the output that does not depend on anything outside.
    place : tuple of slice
        The region of the item that it covers.
    """

    seen: Region
    kept: Region
    place: Region


def tiles(shape: Sequence[int], stride: Sequence[int], radius: Sequence[int]) -> Iterator[Tile]:
    """Yield the tiles of an item; a single one where it is not large.

    Parameters
    ----------
    shape : sequence of int
        Spatial shape of the item.
    stride : sequence of int
        Tiles start at multiples of it, so that the network's grids are those of the whole item.
    radius : sequence of int
        How far the network sees along each axis.
    """
    if math.prod(shape) <= LARGEST[len(shape)]:
        whole = tuple(slice(0, size) for size in shape)
        yield Tile(whole, whole, whole)
        return
    margins = [math.ceil(far / step) * step for far, step in zip(radius, stride, strict=True)]
    side = LARGEST[len(shape)] ** (1 / len(shape))
    starts, sizes = [], []
    for size, step, margin in zip(shape, stride, margins, strict=True):
        core = max(step, int(side - 2 * margin) // step * step)
        sizes.append(core)
        starts.append(range(0, size, core))
    for corner in itertools.product(*starts):
        axes = list(zip(corner, sizes, margins, shape, strict=True))
        seen = tuple(slice(max(0, at - margin), min(size, at + core + margin)) for at, core, margin, size in axes)
        place = tuple(slice(at, min(size, at + core)) for at, core, _, size in axes)
        kept = tuple(slice(p.start - s.start, p.stop - s.start) for p, s in zip(place, seen, strict=True))
        yield Tile(seen, kept, place)
