"""Kinds of masks over positions and channels.

Masks of positions are sampled for items (N, *S), all channels alike; those of channels for items (N, C, *S).
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.corruption.specification import normal, uniform
from narrows.errors import ParameterError

MOST_BLOCKS, WIDEST_LINE = 4, 3
THINNEST_PEN, THICKEST_PEN = 0.05, 0.1  # radius as a share of an item's size, and of at least one position
LARGEST_FOR_PEN = 128  # items larger than this have the pens of this size
STEPS = 16  # of a stroke, each as long as the pen's radius
POSITIONS_PER_PEN = 2**14  # for each stroke that is added at once


def sample_channels(shape: tuple[int, ...], share: Tensor | None, generator: Generator) -> Tensor:
    """Mask whole channels, at least one and never all: (N, C, 1, ...)."""
    count, channels, *sizes = shape
    if channels == 1:
        raise ParameterError("needs items with several channels; these have one", parameter="holes", value="channels")
    number = torch.randint(1, channels, (count, 1), generator=generator, device=generator.device)
    rank = uniform(generator, count, channels).argsort(1).argsort(1)
    return (rank < number).view(count, channels, *[1] * len(sizes))


def sample_pixels(shape: tuple[int, ...], share: Tensor, generator: Generator) -> Tensor:
    """Mask single positions."""
    return uniform(generator, *shape) < broadcast_axis(share, 0, len(shape) - 1)


def sample_blocks(shape: tuple[int, ...], share: Tensor, generator: Generator) -> Tensor:
    """Mask boxes at random positions; their volumes v leave prod(1 - v) = 1 - share, because they may overlap."""
    count, *sizes = shape
    size = torch.tensor(sizes, device=generator.device)
    number = torch.randint(1, MOST_BLOCKS + 1, (count, 1), generator=generator, device=generator.device)
    weights = (0.5 + uniform(generator, count, MOST_BLOCKS)) * (torch.arange(MOST_BLOCKS, device=size.device) < number)
    volumes = 1 - (1 - share) ** (weights / weights.sum(1, keepdim=True))
    hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    for volume in torch.split(volumes, 1, dim=1):
        proportions = 1 + uniform(generator, count, len(sizes))
        sides = size * volume ** (proportions / proportions.sum(1, keepdim=True))
        sides = (sides + uniform(generator, count, len(sizes))).floor()
        corners = (uniform(generator, count, len(sizes)) * (size - sides + 1)).floor()
        box = torch.ones_like(hidden)
        for axis, length in enumerate(sizes):
            from_corner = torch.arange(length, device=generator.device) - corners[:, axis, None]
            box &= broadcast_axis((from_corner >= 0) & (from_corner < sides[:, axis, None]), axis, len(sizes))
        hidden |= box
    return hidden


def sample_lines(shape: tuple[int, ...], share: Tensor, generator: Generator) -> Tensor:
    """Mask lines of one width per item, across one of its axes, until their share is covered."""
    count, *sizes = shape
    across = torch.randint(len(sizes), (count, 1), generator=generator, device=generator.device)
    width = torch.randint(1, WIDEST_LINE + 1, (count, 1), generator=generator, device=generator.device)
    hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    for axis, length in enumerate(sizes):
        start_time = uniform(generator, count, length + WIDEST_LINE - 1)  # of a line that begins here
        first = torch.full((count, length), math.inf, device=generator.device)
        for ago in range(WIDEST_LINE):
            begun = start_time[:, WIDEST_LINE - 1 - ago :][:, :length]
            first = torch.where(ago < width.minimum(n_positions(share, length)), first.minimum(begun), first)
        hidden |= broadcast_axis(covered(first, share) & (across == axis), axis, len(sizes))
    return hidden


def sample_strokes(shape: tuple[int, ...], share: Tensor, generator: Generator) -> Tensor:
    """Mask random walks of round pens that turn back at the edges, until their share is covered."""
    count, *sizes = shape
    size = torch.tensor(sizes, dtype=torch.float32, device=generator.device)
    positions, axes = math.prod(sizes), len(sizes)
    span = min(positions ** (1 / axes), LARGEST_FOR_PEN)
    radius = (span * (THINNEST_PEN + (THICKEST_PEN - THINNEST_PEN) * uniform(generator, count, 1, 1))).clamp(min=1)
    largest = math.ceil(float(radius.max()))
    around = torch.arange(-largest, largest + 1, device=generator.device)
    pens = 1 + positions // POSITIONS_PER_PEN
    times = torch.arange(pens * STEPS, dtype=torch.float32, device=generator.device)
    first = torch.full((count, positions), math.inf, device=generator.device)
    while bool((first.isfinite().sum(1, keepdim=True) < n_positions(share, positions)).any()):
        turns = normal(generator, count, pens, STEPS, axes).cumsum(2)
        direction = F.normalize(turns + 2 * normal(generator, count, pens, 1, axes), dim=3)
        path = uniform(generator, count, pens, 1, axes) * size + radius.unsqueeze(3) * direction.cumsum(2)
        points = (size - (path % (2 * size) - size).abs()).view(count, -1, 1, axes)
        distance = torch.zeros(count, len(times), device=generator.device)  # squared, of the positions around a point
        cell_index = torch.zeros(count, len(times), dtype=torch.int64, device=generator.device)
        for axis, length in enumerate(sizes):
            view = (count, -1, *[1] * axis, len(around))
            cells = points[..., axis].floor().long() + around
            apart = (cells + 0.5 - points[..., axis]) ** 2
            apart = apart.masked_fill((cells < 0) | (cells >= length), math.inf)
            distance = distance.unsqueeze(-1) + apart.view(view)
            cell_index = cell_index.unsqueeze(-1) * length + cells.clamp(0, length - 1).view(view)
        reached = torch.where(distance.flatten(2) <= radius**2, times.view(-1, 1), math.inf)
        first.scatter_reduce_(1, cell_index.flatten(1), reached.flatten(1), "amin")
        times += len(times)
    return covered(first, share).view(shape)


def covered(first: Tensor, share: Tensor) -> Tensor:
    """Return a mask of the share of each row that is covered first, by the times (N, P) when each position is."""
    return first <= first.sort(1).values.gather(1, n_positions(share, first.shape[1]) - 1)


def n_positions(share: Tensor, positions: int) -> Tensor:
    """Return how many positions are to be covered, at least one."""
    return (share * positions).long().clamp(min=1)


def broadcast_axis(values: Tensor, axis: int, axes: int) -> Tensor:
    """Return values (N, L) as (N, 1, .., L, .., 1), with L at spatial axis `axis` of `axes`."""
    return values.view(len(values), *[1] * axis, -1, *[1] * (axes - 1 - axis))
