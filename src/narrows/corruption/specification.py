"""Corruption written as text: parts ``KIND``, ``KIND:STRENGTH`` or ``KIND:LOW-HIGH``, joined by "+".

A range means that each item draws its own strength from it, uniformly. `str` gives the text back. All randomness comes
from the caller's generator, which is on the device of the data.
"""

import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

NUMBER = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
PART = re.compile(rf"([a-z-]+)(?::{NUMBER}(?:-{NUMBER})?)?")


@dataclass(frozen=True)
class Part:
    """One kind of corruption and its strength.

    Parameters
    ----------
    kind : str
        Name of a registered kind.
    strength : tuple of float, optional
        The range (low, high) of the strength; None where the kind has none, or for its default.

    Examples
    --------
    >>> Part.parse("gaussian:0.1-0.5")
    Part(kind='gaussian', strength=(0.1, 0.5))
    """

    kind: str
    strength: tuple[float, float] | None = None

    @staticmethod
    def parse(text: str) -> "Part":
        """Return the part that a text describes; ValueError where it is none."""
        found = PART.fullmatch(text)
        if found is None:
            raise ValueError("it is not of the form KIND, KIND:STRENGTH or KIND:LOW-HIGH")
        kind, low, high = found.groups()
        return Part(kind, None if low is None else (float(low), float(high or low)))

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        if self.strength is None:
            return self.kind
        low, high = (np.format_float_positional(float(value), trim="-") for value in self.strength)
        return f"{self.kind}:{low}" if low == high else f"{self.kind}:{low}-{high}"

    def check_within(self, least: float, most: float) -> None:
        """Raise ValueError where the strength is out of bounds."""
        assert self.strength is not None
        low, high = self.strength
        if not least <= low <= high <= most or high == 0:
            bounds = " to ".join(np.format_float_positional(value, trim="-") for value in (least, most))
            raise ValueError(
                f"{self.kind} takes a strength of {bounds}, not 0 alone, or a range from low to high; most strengths "
                "are shares of the data's range, or of its values"
            )


def parse_parts(text: str) -> tuple[Part, ...]:
    """Return the parts that a text describes; ValueError where it is not of that form."""
    return tuple(Part.parse(part) for part in text.split("+"))


def draw_strength(strength: tuple[float, float], n_items: int, ndim: int, generator: Generator) -> Tensor:
    """Return a strength for each item, (N, 1, ...) of `ndim` dimensions."""
    low, high = strength
    return low + (high - low) * uniform(generator, n_items, *[1] * (ndim - 1))


def uniform(generator: Generator, *shape: int) -> Tensor:
    """Return uniform numbers from 0 to 1."""
    return torch.rand(shape, generator=generator, device=generator.device)


def normal(generator: Generator, *shape: int) -> Tensor:
    """Return standard normal numbers."""
    return torch.randn(shape, generator=generator, device=generator.device)
