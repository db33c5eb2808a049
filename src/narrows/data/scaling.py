"""Scaling: from the values of the data to the range in which networks learn, and back."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from narrows.data.items import Items
from narrows.errors import DataError, FormatError

CLIPPED = 0.01  # share of the values at the ends of their range, from which on they were clipped there


@dataclass(frozen=True)
class Scaling:
    """How values go into a network and come back out; `forward` and `inverse` undo each other.

    kind: "range" maps low..high to 0..1; "standard" takes `mean` away and divides by `scale`.
    dtype: the type that comes in and goes out.
    low, high: the ends of the range, in the data's own unit.
    mean, scale: one number for each channel (or feature of a table), along the last axis.
    """

    kind: Literal["range", "standard"]
    dtype: str
    low: float = 0.0
    high: float = 1.0
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if np.dtype(self.dtype).kind not in "buif":
            raise DataError(f"cannot scale values of type {self.dtype}: only booleans, integers and real numbers")
        if self.kind not in ("range", "standard"):
            raise DataError(f'kind of scaling {self.kind!r}: expected "range" or "standard"')
        if self.kind == "range" and not self.low < self.high:
            raise DataError(f"a range from {self.low} to {self.high} is empty")
        if self.kind == "standard" and not (len(self.mean) == len(self.scale) > 0 and min(self.scale) > 0):
            raise DataError(
                f"{len(self.mean)} means and {len(self.scale)} scales: expected as many, each scale above 0"
            )

    @classmethod
    def learn(cls, items: Items) -> "Scaling":
        """The scaling that suits the items.

        Unsigned integers: the range of the fewest bits that hold the largest value (255 for photographs, 4095 for a
        12-bit camera). Real numbers that all lie in 0..1: that range. Other numbers: mean and standard deviation of
        each channel, or feature of a table, over the finite values; a scale of 1 where the values are constant.
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
    def detect_clipping(cls, items: Items) -> "Scaling | None":
        """The range at whose ends values were clipped, as far as it shows: at least 1 % of them lie at one of the two.

        None where they were not.
        """

        def known() -> Iterator[np.ndarray]:
            finite = (chunk[np.isfinite(chunk)] for chunk in observed_chunks(items))
            return (values for values in finite if values.size)

        ends = [(float(values.min()), float(values.max())) for values in known()] or [(0.0, 0.0)]
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        at_an_end, count = 0, 0
        for values in known():
            at_an_end += int(np.count_nonzero((values == low) | (values == high)))
            count += values.size
        shows = low < high and at_an_end >= CLIPPED * count
        return cls("range", str(items.dtype), low, high) if shows else None

    @classmethod
    def identity(cls, size: int) -> "Scaling":
        """Of features that need none, so many of them."""
        return cls("standard", "float64", mean=(0.0,) * size, scale=(1.0,) * size)

    @property
    def is_range(self) -> bool:
        """Whether scaled values lie in 0..1, so that the network may end in a sigmoid."""
        return self.kind == "range"

    def forward(self, array: np.ndarray) -> np.ndarray:
        """Scaled values, float32; the last axis is that of the channels or features, where there are any."""
        if self.kind == "range":
            unit = np.subtract(array, self.low, dtype=np.float64) if self.low else array
            return np.multiply(unit, 1 / (self.high - self.low), dtype=np.float32, casting="unsafe")
        return (np.subtract(array, self.mean, dtype=np.float64) / self.scale).astype(np.float32)

    def inverse(self, array: np.ndarray, dtype: Any = None) -> np.ndarray:
        """Values of the data's own type (or of `dtype`) from scaled ones.

        Integers are rounded; values are clipped to the learnt range and to what the type can hold.
        """
        dtype = np.dtype(dtype or self.dtype)
        if self.kind == "range":
            values = np.clip(array, 0, 1) * np.float64(self.high - self.low) + self.low
        else:
            values = np.multiply(array, self.scale, dtype=np.float64) + self.mean
        return values.astype(dtype) if dtype.kind == "f" else _to_integers(values, dtype)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON document."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Scaling":
        """The scaling that `to_dict` wrote; FormatError where the document is not one."""
        try:
            mean, scale = (tuple(float(value) for value in document[name]) for name in ("mean", "scale"))
            low, high = float(document["low"]), float(document["high"])
            return cls(document["kind"], str(document["dtype"]), low, high, mean, scale)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"scaling of the data: {error}") from None


def observed_chunks(items: Items) -> Iterator[np.ndarray]:
    """All values as `Items.chunks`; marked holes as NaN, or as 0 in unsigned integers."""
    if items.mask is None:
        yield from items.chunks()
        return
    hole = 0 if items.dtype.kind == "u" else np.nan
    for chunk, holes in zip(items.chunks(), items.mask_items().chunks(), strict=True):
        yield np.where(holes, chunk.dtype.type(0) if hole == 0 else hole, chunk)


def _within_unit(chunk: np.ndarray) -> bool:
    """Whether all values lie in 0..1, those that are missing (NaN) aside."""
    return not ((chunk < 0) | (chunk > 1)).any()


def _mean_and_deviation(items: Items) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel or feature over its finite values, (C,) float64, in one pass.

    Chunks are merged as in Chan, Golub & LeVeque 1979.
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
    """Rounded and clipped to what an integer type (or bool) can hold."""
    if dtype.kind == "b":
        return values >= 0.5
    limits = np.iinfo(dtype)
    low, high = float(limits.min), float(limits.max)  # the largest 64-bit integers round up to 2^63 and 2^64
    rounded = np.rint(values)
    inside = np.clip(rounded, low, np.nextafter(high, 0)).astype(dtype)
    return np.where(rounded >= high, dtype.type(limits.max), inside)
