"""Latent networks: an encoder, whose code the transform path quantises and codes like values, and a decoder.

    x (N, C, *S) -> encoder, stride 4 -> z (N, K, *S/4) -> index k = round(z / step) -> context model -> bits
                                                            k x step -> decoder -> y (N, C, *S)

One pair of networks serves all steps, with which they are trained at random.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from narrows.artifacts.schema import from_document
from narrows.codec.entropy.design import Design

CHANNELS, HALVINGS = 8, 2
STEPS = 14  # entries of the table of steps, two an octave
FINEST = {True: 1 / 64, False: 1 / 16}  # step in scaled units, by whether the data are ranged
LARGEST_INDEX = 1000
ROUNDED_UP = 0.38  # share of the magnitudes between two indices, the larger ones


@dataclass(frozen=True)
class LatentArchitecture:
    """What encoder and decoder are: a convolutional autoencoder of the default preset.

    Parameters
    ----------
    channels : int
        Channels of an item.
    shape : tuple of int
        Spatial shape of the items, or crops, that they are trained on.
    code : tuple of int
        Channels of the code, and the grid of these items.
    ranged : bool
        Whether scaled values are in 0..1, so that the decoder ends in a sigmoid.
    kind, upsampling, preset : str
        As in `narrows.networks.Architecture`; always the same.

    Raises
    ------
    ValueError
        If there are no such networks.
    """

    channels: int
    shape: tuple[int, ...]
    code: tuple[int, ...]
    ranged: bool = True
    kind: str = "conv"
    upsampling: str = "nearest"
    preset: str = "default"

    def __post_init__(self) -> None:
        """Check the values."""
        if (self.kind, self.upsampling, self.preset) != ("conv", "nearest", "default"):
            raise ValueError(f"latent networks of another kind: {self.kind}, {self.upsampling}, {self.preset}")
        if not (0 < len(self.shape) < 4 and len(self.code) == 1 + len(self.shape)):
            raise ValueError(f"a code {self.code} of items of shape {self.shape}")
        if min(self.channels, *self.shape, *self.code) < 1:
            raise ValueError(f"{self.channels} channels, shape {self.shape}, code {self.code}")
        self.factors()

    @classmethod
    def of(cls, channels: int, shape: tuple[int, ...], ranged: bool) -> "LatentArchitecture":
        """Return the architecture for items of these channels and this spatial shape."""
        grid = tuple(math.ceil(size / 2 ** min(HALVINGS, size.bit_length() - 1)) for size in shape)
        return cls(channels, shape, (CHANNELS, *grid), ranged)

    @property
    def values(self) -> int:
        """Number of values of a training item."""
        return self.channels * math.prod(self.shape)

    def factors(self) -> list[tuple[int, ...]]:
        """Return by how much each level, at least one, of the encoder divides each spatial axis: 2 or 1."""
        halvings = []
        for size, grid in zip(self.shape, self.code[1:], strict=True):
            fits = [n for n in range(size.bit_length() + 1) if math.ceil(size / 2**n) == grid]
            if not fits:
                raise ValueError(f"a grid of {grid} is not {size} halved")
            halvings.append(fits[0])
        return [tuple(2 if level < n else 1 for n in halvings) for level in range(max(1, *halvings))]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "LatentArchitecture":
        """Return the architecture that `to_dict` described; TypeError or ValueError where the document is not one."""
        return from_document(cls, document)


def latent_design(architecture: LatentArchitecture, placed: bool) -> Design:
    """Return the design of the context model for codes. placed: whether all items have the same size."""
    grid = architecture.code[1:]
    cells = grid if placed and math.prod(grid) <= 4096 else tuple(1 for _ in grid)
    return Design("mixtures", len(grid), CHANNELS, 10, cells, STEPS, 64, keyed_levels=2, grouped_levels=2)


def step_of(entry: Any, ranged: bool) -> Any:
    """Return the step of a row of the table of steps, of a number or a tensor of them."""
    return FINEST[ranged] * 2 ** (entry / 2)


@np.errstate(over="ignore")
def indices(z: np.ndarray, step: float, design: Design) -> np.ndarray:
    """Return the indices, int32, of coefficients, within the alphabet of the context model of this design.

    Those of a wavelet transform are rounded towards 0, which saves more bits than it costs error.
    """
    scaled = np.nan_to_num(z / np.float32(step))
    if design.transform_levels:
        largest, rounded = 2**design.top - 1, np.copysign(np.floor(np.abs(scaled) + np.float32(ROUNDED_UP)), scaled)
    else:
        largest, rounded = LARGEST_INDEX, np.rint(scaled)
    return np.clip(rounded, -largest, largest).astype(np.int32)
