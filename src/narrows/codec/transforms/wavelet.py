"""The wavelet transform that the transform path quantises: CDF 9/7 by lifting, after decorrelation of the channels.

    x (n, C, *S) -> channels by an orthogonal matrix -> each level: halves of low and high frequencies along each axis

Coefficients stay in place: after a level, low frequencies are at the even positions of its lattice, which the next
level divides, so that a subband holds the positions of one parity, as a pass of the interlaced order does. The basis is
nearly orthonormal, so that the squared error of coefficients is that of values. All operations are elementwise, in
float64: every machine computes the same values.

Cohen, Daubechies and Feauveau, "Biorthogonal bases of compactly supported wavelets" (1992); the lifting steps are those
of Daubechies and Sweldens, "Factoring wavelet transforms into lifting steps" (1998).
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from narrows.artifacts.schema import from_document
from narrows.codec.arrays import Array, namespace
from narrows.codec.entropy.design import Design
from narrows.codec.transforms.latent import STEPS

LIFTING = ((1, -1.586134342059924), (0, -0.052980118572961), (1, 0.882911075530934), (0, 0.443506852043971))
"""Parity of the values that each step changes, and the weight of their neighbours."""
GAIN = 1.1496043988602418  # of low frequencies; that of high ones is its inverse
MOST_LEVELS = 5
BITS = 13  # of the largest index
LARGEST_INDEX = 2**BITS - 1


@dataclass(frozen=True)
class WaveletTransform:
    """The transform of items.

    Parameters
    ----------
    channels : int
        Channels of an item.
    levels : int, 1..8
        How often low frequencies are divided.
    ranged : bool
        Whether scaled values are in 0..1.

    Raises
    ------
    ValueError
        If there is no such transform.
    """

    channels: int
    levels: int
    ranged: bool

    def __post_init__(self) -> None:
        """Check the values."""
        if not (0 < self.channels <= 1024 and 0 < self.levels <= 8):
            raise ValueError(f"{self.levels} levels of a transform of {self.channels} channels")

    @classmethod
    def of(cls, channels: int, shape: tuple[int, ...], ranged: bool) -> "WaveletTransform":
        """Return the transform for items of a spatial shape, whose lowest frequencies have about 4 values an axis."""
        return cls(channels, min(MOST_LEVELS, max(1, max(shape).bit_length() - 2)), ranged)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "WaveletTransform":
        """Return the transform that `to_dict` described; TypeError or ValueError where the document is not one."""
        return from_document(cls, document)

    def forward(self, x: Array, matrix: np.ndarray) -> Array:
        """Return the coefficients of items (n, C, *S), in place. matrix (C, C): its rows are orthonormal."""
        lattices: list[Array] = []
        for level in range(self.levels):
            lattices.append(copy(lattices[-1][low(x)]) if level else mixed(x, matrix))
            for axis in range(2, x.ndim):
                lift(lattices[-1], axis, LIFTING, GAIN)
        for finer, coarser in reversed(list(pairwise(lattices))):
            finer[low(x)] = coarser
        return lattices[0]

    def inverse(self, z: Array, matrix: np.ndarray) -> Array:
        """Return the items of coefficients (n, C, *S)."""
        lattices = [copy(z)]
        for _ in range(1, self.levels):
            lattices.append(copy(lattices[-1][low(z)]))
        backwards = [(odd, -weight) for odd, weight in reversed(LIFTING)]
        while True:
            for axis in reversed(range(2, z.ndim)):
                lift(lattices[-1], axis, backwards, 1 / GAIN)
            if len(lattices) == 1:
                return mixed(lattices[0], matrix.T)
            coarser = lattices.pop()
            lattices[-1][low(z)] = coarser


def low(z: Array) -> tuple[slice, ...]:
    """Return the index of low frequencies (n, C, *S), once they are divided from the high ones."""
    return (slice(None), slice(None), *[slice(None, None, 2)] * (z.ndim - 2))


def copy(array: Array) -> Array:
    """Return a copy, without gaps."""
    return namespace(array).asarray(array, copy=True)


def lift(z: Array, axis: int, steps: Iterable[tuple[int, float]], gain: float) -> None:
    """Divide, or join, the frequencies along an axis; one value stays as it is."""
    if z.shape[axis] == 1:
        return
    places = namespace(z).moveaxis(z, axis, 0)
    halves = copy(places[::2]), copy(places[1::2])
    if gain < 1:
        scale(*halves, gain)
    for odd, weight in steps:
        values, others = halves[odd], halves[1 - odd]
        inner = values[: len(others) - 1] if odd else values[1 : len(others)]
        inner += weight * (others[:-1] + others[1:])
        if not odd:
            values[:1] += weight * (others[:1] + others[:1])
        if len(values) > len(others) - odd:
            values[len(others) - odd :] += weight * (others[-1:] + others[-1:])
    if gain > 1:
        scale(*halves, gain)
    places[::2], places[1::2] = halves


def scale(even: Array, odd: Array, gain: float) -> None:
    """Multiply even values by a gain, and divide odd ones by it."""
    even *= gain
    odd *= 1 / gain


def mixed(x: Array, matrix: np.ndarray) -> Array:
    """Return new channels (n, C, *S): sums of the channels, weighted by the rows of a matrix, in order."""
    xp = namespace(x)
    return xp.stack([sum(x[:, other] * weight for other, weight in enumerate(row)) for row in matrix.tolist()], axis=1)


def principal_axes(x: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrix (C, C) that decorrelates the channels of values (count, C), float32.

    The mean of all channels is the first, if it has the most variance.
    """
    covariance = np.cov(x.T.reshape(x.shape[1], -1)).reshape(x.shape[1], x.shape[1])
    _, vectors = np.linalg.eigh(covariance)
    matrix = vectors.T[::-1]
    signs = np.where(matrix.sum(1, keepdims=True) < 0, -1, 1)
    return np.asarray(matrix * signs, np.float32)


def transform_design(transform: WaveletTransform, cells: tuple[int, ...]) -> Design:
    """Return the design of the context model for coefficients. cells: of the table of positions."""
    sizes = {"hidden": 96, "keyed_levels": 3, "grouped_levels": 3, "transform_levels": transform.levels}
    return Design("mixtures", len(cells), transform.channels, BITS, cells, STEPS, **sizes)


class WaveletCoder:
    """The transform of scaled items, as the transform path computes it; see `LatentNetwork`, which it stands in for.

    Parameters
    ----------
    transform : WaveletTransform
        What is computed.
    tensors : mapping
        The "matrix" of the channels, (C, C) float32; ValueError where it has another size, or is not orthogonal.
    """

    def __init__(self, transform: WaveletTransform, tensors: Mapping[str, np.ndarray]) -> None:
        self.transform, self.matrix = transform, tensors["matrix"].astype(np.float64)
        size = transform.channels
        if self.matrix.shape != (size, size) or np.abs(self.matrix @ self.matrix.T - np.eye(size)).max() > 1e-3:
            raise ValueError("channels that are not mixed by an orthogonal matrix")

    def grid(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the spatial shape of the coefficients of items of a shape."""
        return shape

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Return the coefficients (n, C, *S), float32, of scaled items."""
        return np.asarray(self.transform.forward(np.nan_to_num(x.astype(np.float64)), self.matrix), np.float32)

    def decode(self, z: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return scaled items (n, C, *S), float32, of coefficients."""
        return np.asarray(self.transform.inverse(z.astype(np.float64), self.matrix), np.float32)
