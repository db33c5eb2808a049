"""Scaling: from the values of the data to those that networks are trained on, and back."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from narrows.artifacts.schema import FiniteFloat, ShortText, from_document
from narrows.data.items import Items
from narrows.errors import DataError, FormatError

LEAST_RANGE = 2.0**-100  # its inverse is a float32
CLIPPED_SHARE = 0.01  # of the values at the ends of their range, from which on they count as clipped


@dataclass(frozen=True)
class Scaling:
    """How values are scaled for a network; `inverse` undoes `forward`.

    Parameters
    ----------
    kind : {"range", "standard"}
        Range scaling maps low..high to 0..1; standard scaling subtracts `mean` and divides by `scale`.
    dtype : str
        The dtype of the data.
    low, high : float
        The ends of the range, in the unit of the data.
    mean, scale : tuple of float
        One number for each channel, or feature of a table, along the last axis; each scale is above 0.

    Raises
    ------
    DataError
        If these are not a valid scaling.

    Examples
    --------
    >>> scaling = Scaling("range", "uint8", high=255)
    >>> scaling.forward(np.array([0, 51, 255], np.uint8)).round(3)
    array([0. , 0.2, 1. ], dtype=float32)
    >>> scaling.inverse(np.array([0.5])).tolist()
    [128]
    """

    kind: Literal["range", "standard"]
    dtype: ShortText
    low: FiniteFloat = 0.0
    high: FiniteFloat = 1.0
    mean: tuple[FiniteFloat, ...] = ()
    scale: tuple[FiniteFloat, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields."""
        if np.dtype(self.dtype).kind not in "buif":
            raise DataError(f"cannot scale values of type {self.dtype}, only booleans, integers and real numbers")
        if self.kind not in ("range", "standard"):
            raise DataError(f'kind of scaling {self.kind!r}: expected "range" or "standard"')
        if not np.isfinite([self.low, self.high, *self.mean, *self.scale]).all():
            raise DataError("a scaling by numbers that are not finite")
        if self.kind == "range" and not self.low < self.high:
            raise DataError(f"a range from {self.low} to {self.high} is empty")
        if self.kind == "standard" and not (len(self.mean) == len(self.scale) > 0 and min(self.scale) > 0):
            raise DataError(
                f"{len(self.mean)} means and {len(self.scale)} scales: expected as many, each scale above 0"
            )

    @classmethod
    def learn(cls, items: Items) -> "Scaling":
        """Return the scaling that suits the items.

        Unsigned integers are scaled from the range of the fewest bits that hold the largest value (255 for photographs,
        4095 for a 12-bit camera), real numbers in 0..1 from that range. Other numbers are standardised by mean and
        standard deviation of each channel, or feature of a table, over the finite values, or only centred where they
        are constant.
        """
        dtype = items.dtype
        if dtype.kind == "b":
            return cls("range", str(dtype))
        if dtype.kind == "u":
            largest = max(int(chunk.max(initial=0)) for chunk in observed_chunks(items))
            return cls("range", str(dtype), high=float(2 ** max(1, largest.bit_length()) - 1))
        if dtype.kind == "f" and all(_within_unit(chunk) for chunk in observed_chunks(items)):
            return cls("range", str(dtype))
        mean, deviation = _mean_and_deviation(items)
        constant = deviation <= 10 * np.finfo(float).eps * np.abs(mean)
        scale = np.where(constant, 1.0, deviation)
        return cls("standard", str(dtype), mean=tuple(mean.tolist()), scale=tuple(scale.tolist()))

    @classmethod
    def of_range(cls, items: Items) -> "Scaling":
        """Return the range of the items, whatever their unit.

        Of unsigned integers, and of real numbers in 0..1, it is from 0 to the largest value, rounded up to a power of
        two (of integers, less one): dark items of 16 bits fill it as others do. Of other numbers it is from the
        smallest to the largest.

        Examples
        --------
        >>> [Scaling.of_range(Items(np.array([[0, 700]], dtype), "NT")).high for dtype in ("uint16", "int16", "float")]
        [1023.0, 700.0, 700.0]
        """
        dtype = items.dtype
        ends = [
            (np.fmin.reduce(chunk, axis=None), np.fmax.reduce(chunk, axis=None)) for chunk in observed_chunks(items)
        ]
        low, high = float(np.fmin.reduce(ends)[0]), float(np.fmax.reduce(ends)[1])
        if dtype.kind in "bu":
            return cls("range", str(dtype), high=float(2 ** max(1, int(high).bit_length()) - 1))
        if dtype.kind == "f" and low >= 0 and high <= 1:
            return cls("range", str(dtype), high=2.0 ** math.ceil(math.log2(max(high, LEAST_RANGE))))
        low, high = (low, high) if math.isfinite(low) else (0.0, 1.0)
        return cls("range", str(dtype), low, high if low < high else low + max(1.0, abs(low)))

    @classmethod
    def detect_clipping(cls, items: Items) -> "Scaling | None":
        """Return the range at whose ends values were clipped: at least 1 % of them lie there; None otherwise."""

        def known() -> Iterator[np.ndarray]:
            finite = (chunk[np.isfinite(chunk)] for chunk in observed_chunks(items))
            return (values for values in finite if values.size)

        ends = [(float(values.min()), float(values.max())) for values in known()] or [(0.0, 0.0)]
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        at_an_end, count = 0, 0
        for values in known():
            at_an_end += int(np.count_nonzero((values == low) | (values == high)))
            count += values.size
        shows = low < high and at_an_end >= CLIPPED_SHARE * count
        return cls("range", str(items.dtype), low, high) if shows else None

    @classmethod
    def identity(cls, n_features: int) -> "Scaling":
        """Return the scaling that changes nothing, of that number of features."""
        return cls("standard", "float64", mean=(0.0,) * n_features, scale=(1.0,) * n_features)

    @property
    def is_range(self) -> bool:
        """Whether scaled values lie in 0..1, so that the network may end in a sigmoid."""
        return self.kind == "range"

    def forward(self, array: np.ndarray) -> np.ndarray:
        """Return scaled values, float32; the last axis is that of the channels or features, where there are any."""
        if self.kind == "range":
            unit = np.subtract(array, self.low, dtype=np.float64) if self.low else array
            return np.asarray(np.multiply(unit, 1 / (self.high - self.low), dtype=np.float32, casting="unsafe"))
        return np.asarray(np.subtract(array, self.mean, dtype=np.float64) / self.scale).astype(np.float32)

    def inverse(self, array: np.ndarray, dtype: Any = None) -> np.ndarray:
        """Return values of the data's own dtype (or of `dtype`) from scaled ones.

        Integers are rounded; values are clipped to the range and to what the dtype can hold.
        """
        dtype = np.dtype(dtype or self.dtype)
        if self.kind == "range":
            values: np.ndarray = np.clip(array, 0, 1) * np.float64(self.high - self.low) + self.low
        else:
            values = np.multiply(array, self.scale, dtype=np.float64) + self.mean
        return values.astype(dtype) if dtype.kind == "f" else _to_integers(values, dtype)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a JSON document."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Scaling":
        """Return the scaling of a document that `to_dict` returned; FormatError for any other."""
        try:
            return from_document(cls, document)
        except (AttributeError, TypeError, ValueError) as error:
            raise FormatError(f"scaling of the data: {error}") from None


def observed_chunks(items: Items) -> Iterator[np.ndarray]:
    """Yield all values as `Items.chunks` does, masked ones as NaN, or as 0 in unsigned integers."""
    if items.mask is None:
        yield from items.chunks()
        return
    for chunk, mask in zip(items.chunks(), items.mask_items().chunks(), strict=True):
        yield np.where(mask, chunk.dtype.type(0) if chunk.dtype.kind == "u" else np.nan, chunk)


def _within_unit(chunk: np.ndarray) -> bool:
    """Whether all values that are not NaN lie in 0..1."""
    return not ((chunk < 0) | (chunk > 1)).any()


def _mean_and_deviation(items: Items) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each channel or feature over its finite values, (C,), in one pass.

    References
    ----------
    Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
    """
    width = items.item_shape[-1] if items.axes == "NF" else items.channels
    count, mean, squares = np.zeros(width), np.zeros(width), np.zeros(width)
    for chunk in observed_chunks(items):
        rows = chunk.reshape(-1, width).astype(np.float64)
        finite = np.isfinite(rows)
        n = finite.sum(axis=0)
        chunk_mean = np.where(finite, rows, 0).sum(axis=0) / np.maximum(n, 1)
        deviations = np.where(finite, rows - chunk_mean, 0)
        total = np.maximum(count + n, 1)
        squares += (deviations**2).sum(axis=0) + (chunk_mean - mean) ** 2 * count * n / total
        mean += (chunk_mean - mean) * n / total
        count += n
    return mean, np.sqrt(squares / np.maximum(count, 1))


def _to_integers(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round, and clip to what an integer dtype (or bool) can hold."""
    if dtype.kind == "b":
        return np.asarray(values >= 0.5)
    limits = np.iinfo(dtype)
    low, high = float(limits.min), float(limits.max)  # the largest 64-bit integers round up to 2^63 and 2^64
    rounded: np.ndarray = np.rint(values)
    inside = np.clip(rounded, low, np.nextafter(high, 0)).astype(dtype)
    return np.asarray(np.where(rounded >= high, dtype.type(limits.max), inside))
