"""Rate and distortion of one coder at one setting."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

Files = Literal["one", "each"]  # all items in one file, or each in its own
FILES: tuple[Files, Files] = ("one", "each")


@dataclass(frozen=True)
class Rate:
    """One coder at one setting, on all items.

    bytes: of all files. model: bytes of a model or dictionary that decoding needs beside them. raw: bytes of the values
    as they are. psnr: in dB, of the mean squared error over all values of all items; None if lossless. worst: the
    largest error of a value. encoding, decoding: seconds.
    """

    coder: str
    files: Files
    setting: str
    bytes: int
    items: int
    pixels: int
    values: int
    raw: int
    psnr: float | None
    worst: float
    encoding: float
    decoding: float
    model: int = 0

    def with_model(self) -> "Rate":
        """Return the rate with the model's bytes counted among those of the files."""
        return replace(self, coder=f"{self.coder} + model", bytes=self.bytes + self.model, model=0)


@dataclass(frozen=True)
class Failure:
    """A coder that could not code the items of a set, and why."""

    coder: str
    files: Files
    reason: str


@dataclass(frozen=True)
class Demand:
    """What a file must keep: every value, a PSNR in dB, or every value within an error.

    relative: the error as a share of the range of the values.
    """

    kind: Literal["lossless", "psnr", "max_error"]
    value: float = 0.0
    relative: float = 0.0

    def met_by(self, rate: Rate) -> bool:
        if self.kind == "psnr":
            return rate.psnr is None or rate.psnr >= self.value
        return rate.worst <= self.value

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of `narrows.Codec.compress`."""
        return {self.kind: True if self.kind == "lossless" else self.value}

    def __str__(self) -> str:
        if self.kind == "psnr":
            return f"at >= {self.value:g} dB"
        return "lossless" if self.kind == "lossless" else f"within {self.relative:g} of the range"


class DistortionError(Exception):
    """What was decoded is not what was promised."""


def distortion(items: Iterable[np.ndarray], returned: Iterable[np.ndarray], peak: float) -> tuple[float | None, float]:
    """PSNR and largest error, as in `Rate`; items one by one. Values that are not finite must be the same."""
    squares, values, worst = 0.0, 0, 0.0
    for item, back in zip(items, returned, strict=True):
        finite, is_real = np.isfinite(item), item.dtype.kind == "f"
        if item.shape != back.shape or not np.array_equal(item[~finite], back[~finite], equal_nan=is_real):
            raise DistortionError("other shapes or other values that are not finite")
        exact = np.float64 if is_real else np.int64
        errors = np.abs(item[finite].astype(exact) - back[finite].astype(exact))
        squares, values = squares + float((errors.astype(np.float64) ** 2).sum()), values + errors.size
        worst = max(worst, float(errors.max(initial=0)))
    return (10 * math.log10(peak**2 * values / squares) if squares else None), worst


def peak(items: Sequence[np.ndarray]) -> float:
    """Return the largest value that a PSNR is relative to: that of the type of integers, else the range."""
    if items[0].dtype.kind == "u":
        return float(np.iinfo(items[0].dtype).max)
    return float(max(np.nanmax(item) for item in items)) - float(min(np.nanmin(item) for item in items))


def sizes(items: Sequence[np.ndarray], channels: int) -> dict[str, int]:
    """Return the counts of a rate, by name."""
    values = sum(item.size for item in items)
    raw = sum(item.nbytes for item in items)
    return {"items": len(items), "pixels": values // channels, "values": values, "raw": raw}


def together(rates: Sequence[Rate]) -> Rate:
    """Return files of one item each as one rate; the PSNR is over all their values."""
    squares = sum(10 ** (-rate.psnr / 10) * rate.values for rate in rates if rate.psnr is not None)
    sums = ("bytes", "items", "pixels", "values", "raw", "encoding", "decoding")
    return replace(
        rates[0],
        **{name: sum(getattr(rate, name) for rate in rates) for name in sums},
        psnr=-10 * math.log10(squares / sum(rate.values for rate in rates)) if squares else None,
        worst=max(rate.worst for rate in rates),
    )
