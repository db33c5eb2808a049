"""Tiles: how to take a large item through a network in parts, so that the whole is the same as in one go."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

LARGEST = {1: 2**20, 2: 2**22, 3: 2**24}  # positions that are taken in one go, by the number of spatial axes

Region = tuple[slice, ...]


class Tile(NamedTuple):
    """seen: the part of the item that goes in. kept: the part of what comes out that is right. place: where it goes."""

    seen: Region
    kept: Region
    place: Region


def tiles(shape: Sequence[int], stride: Sequence[int], reach: Sequence[int]) -> Iterator[Tile]:
    """The tiles of an item of this spatial shape; a single one where it is not large.

    stride: what tiles must begin at a multiple of, so that the network's grids are those of the whole item.
    reach: how far the network looks along each axis; so much around each place is seen.
    """
    if math.prod(shape) <= LARGEST[len(shape)]:
        whole = tuple(slice(0, size) for size in shape)
        yield Tile(whole, whole, whole)
        return
    margins = [math.ceil(far / step) * step for far, step in zip(reach, stride, strict=True)]
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
