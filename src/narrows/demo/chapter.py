"""What the tour is made of: results, pictures and chapters, as plain values for the page and the terminal."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Result:
    """What became of the test digits.

    code: numbers in the code of one digit. mse: over all test digits, in pixel values of 0..1. seconds: of training.
    examples: (n, Y, X) float, the digits that the figures show, rebuilt. model, file: None where nothing was trained.
    """

    name: str
    code: int
    mse: float
    seconds: float
    examples: np.ndarray
    model: Any = None
    file: str | None = None

    @property
    def trained(self) -> str:
        """How long it trained, in words."""
        return f"{self.seconds:.0f} s" if self.file else "-"


@dataclass(frozen=True)
class Rate:
    """What some test digits came to in one file.

    bytes: of a digit. psnr: in dB, None where nothing was lost. file: the model's, None where none is needed.
    """

    name: str
    bytes: float
    psnr: float | None = None
    file: str | None = None

    @property
    def quality(self) -> str:
        """What comes back, in words."""
        return "exact" if self.psnr is None else f"{self.psnr:.1f} dB"


@dataclass(frozen=True)
class Restored:
    """What became of test digits with noise or with holes.

    before, after: mean squared error in pixel values of 0..1, over all values or over the hidden ones. seconds: of
    training. examples: (n, Y, X) float, the digits that the figures show, restored. file: the model's.
    """

    name: str
    before: float
    after: float
    seconds: float
    examples: np.ndarray
    file: str


@dataclass(frozen=True)
class Picture:
    """A picture file in the folder of the tour. size: width and height in pixels. alt: its content in words."""

    file: str
    size: tuple[int, int]
    alt: str
    caption: str


@dataclass(frozen=True)
class Chapter:
    """One lesson. points: words to explain, each with its sentence. rates, restored: further figures, side by side."""

    title: str
    paragraphs: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()
    results: tuple[Result, ...] = ()
    points: tuple[tuple[str, str], ...] = ()
    rates: tuple[Rate, ...] = ()
    restored: tuple[Restored, ...] = ()
