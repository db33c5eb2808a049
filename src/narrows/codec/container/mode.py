"""Compression targets: lossless, a maximum error, a quality or a PSNR."""

import math
from dataclasses import dataclass
from typing import Literal

from narrows.errors import ParameterError


@dataclass(frozen=True)
class Mode:
    """The target of a compression.

    Parameters
    ----------
    kind : {"lossless", "max_error", "quality", "psnr"}
        Every value as it was; no error above a bound, in the data's own unit; a quality from 0 to 100; or at least a
        PSNR in dB over all values.
    value : float
        The bound, quality or PSNR.

    Raises
    ------
    ParameterError
        If the value is out of bounds.
    """

    kind: Literal["lossless", "max_error", "quality", "psnr"]
    value: float = 0

    def __post_init__(self) -> None:
        """Check the value."""
        if not 0 <= self.value < math.inf:
            raise ParameterError("expected a number from 0", parameter=self.kind, value=self.value)
        if self.kind == "quality" and self.value > 100:
            raise ParameterError("expected a number from 0 to 100", parameter="quality", value=self.value)

    @classmethod
    def choose(
        cls,
        lossless: bool = False,
        max_error: float | None = None,
        quality: float | None = None,
        psnr: float | None = None,
    ) -> "Mode":
        """Return the mode that is asked for; ParameterError where there is none, or more than one."""
        asked = {"lossless": 0 if lossless else None, "max_error": max_error, "quality": quality, "psnr": psnr}
        made = [cls(kind, value) for kind, value in asked.items() if value is not None]  # type: ignore[arg-type]
        if len(made) != 1:
            raise ParameterError(f"expected one of lossless, max_error, quality and psnr; found {len(made)} of them")
        return made[0]

    @classmethod
    def from_header(cls, mode: dict[str, bool | int | float]) -> "Mode":
        """Return the mode that `to_header` returned."""
        return cls.choose(**mode)  # type: ignore[arg-type]

    def to_header(self) -> dict[str, bool | int | float]:
        """Return the mode as it stands in the header of a file."""
        return {self.kind: True} if self.kind == "lossless" else {self.kind: self.value}

    @property
    def max_error(self) -> float | None:
        """The error that no value may exceed: 0 if the mode is lossless, None if there is no bound."""
        return self.value if self.kind in ("lossless", "max_error") else None

    def __str__(self) -> str:
        """Return the mode in words."""
        words = {"lossless": "lossless", "max_error": "max error {:g}", "quality": "quality {:g}", "psnr": "{:g} dB"}
        return words[self.kind].format(self.value)
