"""What context models compute from known values: inputs of the perceptrons, and counts of the values of an item.

Training computes in float32; coding gives the same numbers, because all are integers that float32 holds.
"""

import torch
from torch import Tensor

from narrows.codec.entropy import tokens
from narrows.codec.entropy.integer_network import LARGEST

BUCKETS = 24  # of how often an item has shown a value


class IndexCounts:
    """How often each item has shown each index, (n, indices)."""

    def __init__(self, items: int, indices: int, device: torch.device) -> None:
        self.counts = torch.zeros(items, indices, device=device)

    def add(self, k: Tensor) -> None:
        """Count indices (n, ...)."""
        k = k.reshape(len(k), -1).long()
        self.counts.scatter_add_(1, k, torch.ones(k.shape, device=k.device))

    def buckets(self) -> Tensor:
        """Return the bucket of each count: counts below 8 as they are, from there one bucket for each octave."""
        octave = (self.counts.view(torch.int32) >> 23) - 127  # the exponent, by IEEE 754
        return torch.where(self.counts < 8, self.counts.int(), octave + 5).clamp(max=BUCKETS - 1)


def smallest_of_bucket() -> Tensor:
    """Return the smallest count of each bucket."""
    return torch.tensor([float(index if index < 8 else 2 ** (index - 5)) for index in range(BUCKETS)])


def cells_of_values(top: int, size: Tensor) -> Tensor:
    """Return the index of the cell of width `size` (n,) that holds each of the values 1..top, (n, top)."""
    values = torch.arange(1, top + 1, device=size.device)
    size = size.long()[:, None]
    return (values + size // 2) // size


def features_of_values(k: Tensor, size: Tensor, top: int) -> Tensor:
    """Return the middle of each cell, 0..top, scaled to 0..255; integers in the type of k."""
    middle = (k * size.to(k.dtype).view(-1, *(1 for _ in k.shape[1:]))).clamp(max=top)
    return middle if top == LARGEST else (middle.long() * LARGEST // top).to(k.dtype)


def features_of_residuals(windows: Tensor, predicted: Tensor, bits: int) -> Tensor:
    """Return windows (P, T) of indices as differences from the prediction (P,), compressed to -255..255, and it.

    In float64, in which indices and predictions in units of 2**-12 are exact.
    """
    small, large = (torch.from_numpy(table).to(windows.device) for table in tokens.compressed())
    eighths = torch.floor((windows - predicted[:, None]) * 8 + 0.5)
    size = eighths.abs().clamp(max=2.0**22 - 1)
    squeezed = torch.where(size < 2048, small[size.clamp(max=2047).long()], large[torch.floor(size / 2048).long()])
    level = torch.floor(predicted * (256 / 2**bits)).clamp(-LARGEST, LARGEST)
    return torch.cat([squeezed.double() * eighths.sign(), level[:, None]], 1)


def nearest_index(predicted: Tensor, bits: int) -> Tensor:
    """Return the index that residuals count from, within the range of indices, so that every residual has a token."""
    return torch.floor(predicted + 0.5).clamp(1 - 2**bits, 2**bits - 1)
