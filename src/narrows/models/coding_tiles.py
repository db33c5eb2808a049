"""Items through an encoder, and codes through a decoder: large ones tile by tile, and the same as in one go."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from narrows.data.memory import allocate
from narrows.models.tiles import Region, Tile, tiles
from narrows.networks import Network, unflatten_code
from narrows.networks.autoencoder.conv import padded
from narrows.training.batches import Scale, as_tensor


def encode(network: Network, scale: Scale, items: np.ndarray, spatial: int, device: torch.device) -> np.ndarray:
    """Items (n, *item_shape) with so many spatial axes, in their own type -> codes (n, K), as `flatten_code` has them.

    Items that are large enough to be cut come one at a time.
    """
    shape = items.shape[1 : 1 + spatial]
    shapes = network.code_shapes(shape)
    dtype = np.dtype(np.float64 if scale.dtype == torch.float64 else np.float32)
    rows = allocate(len(items) * sum(map(math.prod, shapes)), dtype).reshape(len(items), -1)
    for tile in tiles_of(network, shape, "encoder"):
        code = network.encode(scale(as_tensor(items[(slice(None), *tile.seen)]).to(device)))
        start = 0
        for part, each in zip(code, shapes, strict=True):
            room = rows[:, start : start + math.prod(each)]
            if tile.place == tile.seen:
                room[:] = part.movedim(1, -1).flatten(1).cpu().numpy()
            else:
                grid = room.reshape(*each[1:], each[0])
                kept = part[0].movedim(0, -1)[cells(network, tile.kept, shape, each[1:])]
                grid[cells(network, tile.place, shape, each[1:])] = kept.cpu().numpy()
            start += math.prod(each)
    return rows


def decode(
    network: Network, rows: np.ndarray, shape: tuple[int, ...], device: torch.device, whole: bool = False
) -> Iterator[tuple[Region, Tensor]]:
    """From codes (n, K) of items of this spatial shape, parts that cover them: the place of each in an item, and its
    values (n, C, *part) in scaled units. whole: as one part however large."""
    shapes = network.code_shapes(shape)
    code = unflatten_code(as_tensor(rows), shapes)
    for tile in [entire(shape)] if whole else tiles_of(network, shape, "decoder"):
        seen = code
        if tile.place != tile.seen:
            where = [cells(network, tile.seen, shape, each[1:]) for each in shapes]
            seen = [part[(slice(None), slice(None), *each)] for part, each in zip(code, where, strict=True)]
        rebuilt = network.decode([part.to(device) for part in seen])
        yield tile.place, rebuilt[(slice(None), slice(None), *tile.kept)]


def tiles_of(network: Network, shape: tuple[int, ...], way: str) -> Iterator[Tile]:
    """Those of an item of this spatial shape on its way through the "encoder" or the "decoder"."""
    if network.architecture.flat:  # its code is of the whole
        return iter([entire(shape)])
    reach = network.encoder_radius if way == "encoder" else network.decoder_radius
    return tiles(shape, network.stride, reach)


def entire(shape: tuple[int, ...]) -> Tile:
    """All of an item as one tile."""
    whole = tuple(slice(0, size) for size in shape)
    return Tile(whole, whole, whole)


def cells(network: Network, region: Region, shape: tuple[int, ...], grid: tuple[int, ...]) -> Region:
    """The cells of a tensor of the code, whose grid for items of this shape is given, that hold a region's positions.

    The region begins at a multiple of the stride, and ends at one or with the item.
    """
    steps = [size // count for size, count in zip(padded(shape, network.stride), grid, strict=True)]
    stops = padded((part.stop for part in region), network.stride)
    return tuple(slice(part.start // step, stop // step) for part, stop, step in zip(region, stops, steps, strict=True))
