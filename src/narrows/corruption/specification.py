"""Corruption as text: parts ``KIND``, ``KIND:STRENGTH`` or ``KIND:LOW-HIGH``, joined by "+", and alternatives, by ",".

A range means that each item draws its own strength from it, uniformly; of alternatives it draws one. All
randomness comes from the caller's generator, which is on the device of the data.
"""

import re
from collections.abc import Iterator
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


Alternatives = tuple[tuple[Part, ...], ...]


def parse_alternatives(text: str) -> Alternatives:
    """Return the parts of each alternative that a text describes; ValueError where it is not of that form."""
    return tuple(tuple(map(Part.parse, parts.split("+"))) for parts in text.split(","))


def text_of(alternatives: Alternatives) -> str:
    """Return the text that `parse_alternatives` reads."""
    return ",".join("+".join(map(str, parts)) for parts in alternatives)


def draw_members(n_choices: int, n_items: int, generator: Generator) -> Iterator[tuple[int, Tensor]]:
    """Let each item draw one of some choices, and yield those that any item drew, with the items (n,) that did."""
    drawn = torch.randint(n_choices, (n_items,), generator=generator, device=generator.device)
    for choice in range(n_choices):
        members = (drawn == choice).nonzero()[:, 0]
        if len(members):
            yield choice, members


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
