"""Samples of what a step of training learns from."""

import torch
from torch import Tensor


def sample(candidates: Tensor, most: int, generator: torch.Generator | None) -> tuple[Tensor, float]:
    """Return at most `most` of the candidates, drawn at random, and how many each stands for."""
    if len(candidates) <= most:
        return candidates, 1.0
    chosen = torch.randint(len(candidates), (most,), generator=generator, device=candidates.device)
    return candidates[chosen], len(candidates) / most
