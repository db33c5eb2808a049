"""Encode and decode large items in tiles; the result is that of one pass over the whole item."""

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
    """Return the codes (n, K) of items (n, *item_shape), in the order of `flatten_code`.

    Items that are large enough for tiles must come one at a time.
    """
    shape = items.shape[1 : 1 + spatial]
    shapes = network.code_shapes(shape)
    dtype = np.dtype(np.float64 if scale.dtype == torch.float64 else np.float32)
    rows = allocate(len(items) * sum(map(math.prod, shapes)), dtype).reshape(len(items), -1)
    for tile in tiles_of(network, shape, "encoder"):
        code = network.encode(scale(as_tensor(items[(slice(None), *tile.seen)]).to(device)))
        start = 0
        for part, each in zip(code, shapes, strict=True):
            out = rows[:, start : start + math.prod(each)]
            if tile.place == tile.seen:
                out[:] = part.movedim(1, -1).flatten(1).cpu().numpy()
            else:
                grid = out.reshape(*each[1:], each[0])
                kept = part[0].movedim(0, -1)[cells(network, tile.kept, shape, each[1:])]
                grid[cells(network, tile.place, shape, each[1:])] = kept.cpu().numpy()
            start += math.prod(each)
    return rows


def decode(
    network: Network, rows: np.ndarray, shape: tuple[int, ...], device: torch.device, whole: bool = False
) -> Iterator[tuple[Region, Tensor]]:
    """Yield the parts of decoded items: the region of each in an item, and its values (n, C, *part) in scaled units.

    Parameters
    ----------
    network : Network
        The autoencoder.
    rows : ndarray of shape (n, K)
        Codes.
    shape : tuple of int
        Spatial shape of the items.
    device : torch.device
        The device of the network.
    whole : bool
        Whether to decode in one part, however large.
    """
    shapes = network.code_shapes(shape)
    code = unflatten_code(as_tensor(rows), shapes)
    for tile in [entire(shape)] if whole else tiles_of(network, shape, "decoder"):
        seen = code
        if tile.place != tile.seen:
            where = [cells(network, tile.seen, shape, each[1:]) for each in shapes]
            seen = [part[(slice(None), slice(None), *each)] for part, each in zip(code, where, strict=True)]
        decoded = network.decode([part.to(device) for part in seen])
        yield tile.place, decoded[(slice(None), slice(None), *tile.kept)]


def tiles_of(network: Network, shape: tuple[int, ...], way: str) -> Iterator[Tile]:
    """Return the tiles of an item of a spatial shape for the "encoder" or the "decoder"."""
    if network.architecture.flat:  # a flat code describes the whole item
        return iter([entire(shape)])
    radius = network.encoder_radius if way == "encoder" else network.decoder_radius
    return tiles(shape, network.stride, radius)


def entire(shape: tuple[int, ...]) -> Tile:
    """Return a whole item as one tile."""
    whole = tuple(slice(0, size) for size in shape)
    return Tile(whole, whole, whole)


def cells(network: Network, region: Region, shape: tuple[int, ...], grid: tuple[int, ...]) -> Region:
    """Return the cells that hold a region's positions, of a tensor of the code with a grid for items of this shape.

    The region starts at a multiple of the stride, and ends at one or with the item.
    """
    steps = [size // count for size, count in zip(padded(shape, network.stride), grid, strict=True)]
    stops = padded((part.stop for part in region), network.stride)
    return tuple(slice(part.start // step, stop // step) for part, stop, step in zip(region, stops, steps, strict=True))
