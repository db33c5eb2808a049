"""What a network is, in numbers: enough to build it again, and nothing learnt."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import index
from typing import Any, Literal, get_args

from narrows.errors import ParameterError

Kind = Literal["linear", "dense", "conv"]
Upsampling = Literal["nearest", "bilinear", "transpose", "pixelshuffle", "unpool"]
Code = int | tuple[int, ...]


@dataclass(frozen=True)
class Architecture:
    """An encoder, its code and its decoder.

    kind        "linear" (one layer each way), "dense" (a perceptron each way) or "conv"
    channels    channels of an item; its features where it has no spatial axes
    shape       spatial shape of the items it is trained on, () for tables; from 1 axis (signals) to 3 (volumes)
    code        K, a flat code, which fixes the size of the items; or (channels, *grid) of a convolutional code, whose
                grid grows with the item
    upsampling  how a convolutional decoder doubles its grid
    preset      "default", or "lesson": the small networks of the classic lesson on autoencoders
    ranged      the values lie in 0..1, so the decoder ends in a sigmoid
    """

    kind: Kind
    channels: int
    shape: tuple[int, ...]
    code: Code
    upsampling: Upsampling = "nearest"
    preset: Literal["default", "lesson"] = "default"
    ranged: bool = True

    def __post_init__(self) -> None:
        for name, value, options in (
            ("architecture", self.kind, get_args(Kind)),
            ("upsampling", self.upsampling, get_args(Upsampling)),
            ("preset", self.preset, ("default", "lesson")),
        ):
            if value not in options:
                raise ParameterError(f"expected one of {', '.join(options)}", parameter=name, value=value)
        if self.preset == "lesson" and self.kind == "dense":
            raise ParameterError("has no dense network; use linear or conv", parameter="preset", value=self.preset)
        if self.kind == "conv" and not self.shape:
            raise ParameterError(
                "needs items with spatial axes; for tables, use dense or linear", parameter="architecture", value="conv"
            )
        if len(self.shape) > 3:
            raise ValueError(f"items with {len(self.shape)} spatial axes: at most 3 are supported")
        numbers = self.code if isinstance(self.code, tuple) else (self.code,)
        if any(not isinstance(number, int) or number < 1 for number in numbers):
            raise ParameterError(
                "expected a whole number from 1, or channels and grid like 4x7x7", parameter="code", value=self.code
            )
        if not self.flat:
            if self.kind != "conv":
                raise ParameterError(f"a {self.kind} code is one number, like 32", parameter="code", value=self.code)
            if len(numbers) != 1 + len(self.shape):
                raise ParameterError(
                    f"expected channels and {len(self.shape)} grid sizes for items of shape {self.shape}",
                    parameter="code",
                    value=self.code,
                )
            self.halvings()

    @property
    def flat(self) -> bool:
        """Whether the code is one flat vector, which fixes the size of the items."""
        return isinstance(self.code, int)

    @property
    def values(self) -> int:
        """Values of one training item."""
        return self.channels * math.prod(self.shape)

    def halvings(self) -> tuple[int, ...]:
        """How often the encoder halves each spatial axis.

        A grid says so itself; before a flat code, an axis is halved once, and on until at most 8 positions are left.
        """
        if isinstance(self.code, int):
            if self.preset == "lesson":
                return (2,) * len(self.shape)
            return tuple(min(max(1, math.ceil(math.log2(size / 8))), size.bit_length() - 1) for size in self.shape)
        halvings = []
        for size, grid in zip(self.shape, self.code[1:], strict=True):
            fits = [n for n in range(size.bit_length() + 1) if math.ceil(size / 2**n) == grid]
            if not fits:
                possible = sorted({math.ceil(size / 2**n) for n in range(size.bit_length() + 1)}, reverse=True)
                raise ParameterError(
                    f"a grid of {grid} is not {size} halved; it can be {', '.join(map(str, possible))}",
                    parameter="code",
                    value=self.code,
                )
            halvings.append(fits[0])
        if self.preset == "lesson" and set(halvings) != {2}:
            raise ParameterError("the lesson's network halves every axis twice", parameter="code", value=self.code)
        return tuple(halvings)

    def factors(self) -> list[tuple[int, ...]]:
        """By how much each level of the encoder divides each spatial axis: 2 or 1. There is at least one level."""
        halvings = self.halvings()
        return [tuple(2 if level < n else 1 for n in halvings) for level in range(max(1, *halvings))]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Architecture":
        code = document["code"]
        return cls(
            **{
                **document,
                "shape": tuple(document["shape"]),
                "code": code if isinstance(code, int) else tuple(code),
            }
        )


def parse_code(text: str | int | Sequence[int]) -> Code:
    """A code size from what a user writes: 32, "32", "4x7x7" or (4, 7, 7)."""
    try:
        sequence = [int(part) for part in text.lower().split("x")] if isinstance(text, str) else text
        numbers = [index(number) for number in sequence] if isinstance(sequence, Sequence) else [index(sequence)]
        return numbers[0] if len(numbers) == 1 else (numbers[0], *numbers[1:])
    except (ValueError, TypeError, IndexError):
        raise ParameterError(
            "expected a number like 32, or channels and grid like 4x7x7", parameter="code", value=text
        ) from None


def format_code(code: Code) -> str:
    """The way back from `parse_code`."""
    return str(code) if isinstance(code, int) else "x".join(map(str, code))
