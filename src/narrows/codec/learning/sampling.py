"""Samples of what a step of training learns from, and the arrays that they are computed with."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from narrows.codec.arrays import Array


def sample(candidates: Array, most: int, generator: torch.Generator | None) -> tuple[Array, float]:
    """Return at most `most` of the candidates, drawn at random, and how many each stands for."""
    if len(candidates) <= most:
        return candidates, 1.0
    device = candidates.device if isinstance(candidates, Tensor) else "cpu"
    chosen = torch.randint(len(candidates), (most,), generator=generator, device=device)
    return candidates[chosen if isinstance(candidates, Tensor) else chosen.numpy()], len(candidates) / most


def weighted(losses: Tensor, samples: Iterable[tuple[int, float]]) -> Tensor:
    """Return the sum of losses (P,), which are those of samples of some sizes, times how many each stands for."""
    sizes, weights = zip(*samples, strict=True)
    return losses @ losses.new_tensor(np.repeat(weights, sizes))


def on_host(tensor: Tensor) -> Array:
    """Return a tensor as a NumPy array if it is on the CPU, where NumPy and the kernel are faster on small arrays."""
    return tensor.numpy() if tensor.device.type == "cpu" else tensor
