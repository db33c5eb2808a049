"""Test-time augmentation: the mean of what a network gives for an item and for its mirror images."""

import math
from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

from narrows.networks.autoencoder.network import cut


def average_over_symmetries(output: Callable[[Tensor], Tensor], stride: Sequence[int]) -> Callable[[Tensor], Tensor]:
    """Return a function that gives the mean of `output` for all symmetries of items.

    These are the mirrorings of each spatial axis and, of images, the transposition of each, which together are also the
    rotations by quarter turns.

    Parameters
    ----------
    output : callable
        From items (N, C, *S) to as many values.
    stride : sequence of int
        The network's, along each spatial axis. Images are transposed where both axes have the same.
    """
    mirrored = [[axis for axis, chosen in enumerate(each, 2) if chosen] for each in product((0, 1), repeat=len(stride))]
    transposed = [False, True] if len(stride) == 2 and stride[0] == stride[1] else [False]
    symmetries = list(product(mirrored, transposed))

    def average(x: Tensor) -> Tensor:
        whole = extend_by_reflection(x, stride)
        total = torch.zeros_like(whole)
        for axes, swapped in symmetries:
            seen = whole.flip(axes)
            found = output(seen.transpose(2, 3)).transpose(2, 3) if swapped else output(seen)
            total += found.flip(axes)
        return cut(total, tuple(x.shape[2:])) / len(symmetries)

    return average


def extend_by_reflection(x: Tensor, stride: Sequence[int]) -> Tensor:
    """Return items (N, C, *S) that end with their own reflection, so that they have whole cells of the network's grid.

    Mirrored tiles then have the grid of the mirrored item. Reflection, unlike repeated edges, keeps every other
    position what it is, so that values hidden by lattices remain hidden.
    """
    for axis, (size, step) in enumerate(zip(x.shape[2:], stride, strict=True), 2):
        if size > 1 and size % step:  # a single position has no reflection, nor needs one: its mirror image is the same
            period = 2 * (size - 1)
            at = torch.arange(math.ceil(size / step) * step, device=x.device) % period
            x = x.index_select(axis, torch.minimum(at, period - at))
    return x
