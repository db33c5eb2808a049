"""Data that can be learnt: slow waves, whatever the number of axes."""

from typing import Any

import numpy as np


def waves(count: int, *shape: int, channels: int = 0, dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    """`count` items (N, *shape), or with channels last: floats from 0.08 to 0.92, or for integers 255 times as much.

    One item of a seed differs from the next in the slopes of its waves and where they begin.
    """
    rng = np.random.default_rng(seed)
    grids = np.meshgrid(*(np.arange(size) / 12 for size in shape), indexing="ij")
    items = np.zeros((count, *shape, max(channels, 1)))
    for _ in range(2):
        slopes = rng.uniform(-2, 2, (len(shape), count, *[1] * len(shape), max(channels, 1)))
        phases = rng.uniform(0, 6, slopes.shape[1:])
        items += np.sin(sum(slope * grid[..., None] for slope, grid in zip(slopes, grids, strict=True)) + phases)
    unit = 0.5 + 0.21 * items
    unit = unit if channels else unit[..., 0]
    return unit.astype(dtype) if np.dtype(dtype).kind == "f" else (255 * unit).astype(dtype)


def table(count: int, features: int = 8, rank: int = 3, dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    """`count` rows that lie near a subspace of `rank` axes."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).normal(size=(rank, features))
    return (rng.normal(size=(count, rank)) @ mixing + rng.normal(0, 0.05, (count, features)) + 5).astype(dtype)
