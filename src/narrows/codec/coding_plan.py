"""How the values of a file are coded: the grid of the data, and the plan that the file states in its parameters."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from narrows.artifacts.schema import from_document
from narrows.codec.container.fields import pack_varint
from narrows.codec.transforms.quantiser import FARTHEST, MOST, Quantiser

PATHS: tuple[Literal["pixel", "transform"], ...] = ("pixel", "transform")


@dataclass(frozen=True)
class Grid:
    """What values the data of a codec can have.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the training data.
    low, high : int
        Range of integers.
    origin, unit : float
        Of real numbers, the value of index 0 and the finest step that the codec was trained with.
    """

    dtype: np.dtype
    low: int = 0
    high: int = 0
    origin: float = 0.0
    unit: float = 1.0

    def __post_init__(self) -> None:
        """Check that the numbers make a grid."""
        if not (self.low <= self.high and math.isfinite(self.origin) and 0 < self.unit < math.inf):
            raise ValueError(f"a grid of {self.low} to {self.high}, origin {self.origin}, unit {self.unit}")

    @classmethod
    def of_integers(cls, dtype: np.dtype, low: int, high: int) -> "Grid":
        """Return the grid from one integer to another, or to the one with the largest index, where that is less."""
        low = min(max(low, -FARTHEST), FARTHEST)
        return cls(dtype, low, max(low, min(high, low + MOST - 1)))

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return self.dtype.kind != "f"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return {**asdict(self), "dtype": str(self.dtype)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Grid":
        """Return the grid that `to_dict` wrote; TypeError or ValueError where the document is not one."""
        return from_document(cls, document)


@dataclass(frozen=True)
class CodingPlan:
    """How one file is coded.

    Parameters
    ----------
    path : {"pixel", "transform"}
        Whether the values themselves are quantised, or the code that the latent network gives for them.
    quantiser : Quantiser
        Quantiser of the values; on the transform path, of the decoded values.
    entry : float
        Row of the context model's table of steps.
    weight : float
        Squared steps that the encoder spends to save a bit. Decoding does not depend on it.
    """

    path: Literal["pixel", "transform"]
    quantiser: Quantiser
    entry: float
    weight: float = 0.0

    def to_bytes(self) -> bytes:
        """Return the parameters of a file; `Coder.plan_from_bytes` is the inverse.

        No bytes for lossless integers on the pixel path. Otherwise one byte: bit 0, the transform path; bit 1, an
        error bound. On the transform path one more: the entry, in sixteenths. On the pixel path the step of integers
        (varint); of real numbers the entry (1 byte), the step and the bound (float64 each).
        """
        bound = self.quantiser.bound
        if self.path == "pixel" and self.quantiser.whole and bound == 0:
            return b""
        start = bytes([PATHS.index(self.path) | 2 * (bound is not None)])
        if self.path == "transform":
            return start + bytes([round(self.entry * 16)])
        if self.quantiser.whole:
            return start + pack_varint(int(self.quantiser.step))
        return start + bytes([int(self.entry)]) + np.array([self.quantiser.step, bound or 0], "<f8").tobytes()


def path_of(parameters: bytes) -> Literal["pixel", "transform"]:
    """Return the path that the parameters of a file state."""
    return PATHS[parameters[0] & 1] if parameters else "pixel"
