"""Example corruptions: rows with an offset of their own, and a hidden border."""

import torch
from torch import Generator, Tensor

from narrows.corruption import MaskKind, NoiseKind, register_mask, register_noise


def add_stripes(x: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    """Add a random offset to each row of items (N, C, *S), as a sensor does that amplifies its rows separately."""
    rows = len(x), 1, x.shape[2], *[1] * (x.ndim - 3)
    return x + deviation * torch.randn(rows, generator=generator, device=generator.device)


def sample_border(shape: tuple[int, ...], share: Tensor, generator: Generator) -> Tensor:
    """Hide the positions (N, *S) nearest to the ends of an axis, so that a share of about (N, 1) is hidden."""
    hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    kept = (1 - share) ** (1 / (len(shape) - 1))  # of each axis
    for axis, length in enumerate(shape[1:]):
        from_middle = (torch.arange(length, device=generator.device) + 0.5 - length / 2).abs()
        outside = from_middle >= kept * length / 2
        hidden |= outside.view(-1, *[1] * axis, length, *[1] * (len(shape) - 2 - axis))
    return hidden


def register() -> None:
    """Make `--noise stripes:0.1` and `--holes border:0.3` known."""
    register_noise(NoiseKind("stripes", add_stripes, limits=(0, 10), spatial=True))
    register_mask(MaskKind("border", sample_border, share=(0.1, 0.5)))
