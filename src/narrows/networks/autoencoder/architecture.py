"""Architectures of autoencoders: their registry, and the description that a model file holds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from operator import index
from typing import Any

from narrows.artifacts.schema import PositiveInt, ShortText, from_document
from narrows.errors import DataError, ParameterError
from narrows.networks.autoencoder.upsampling import upsampling_kinds
from narrows.registry import load_plugins

Code = int | tuple[int, ...]
PRESETS = ("default", "lesson")


@dataclass(frozen=True)
class ArchitectureKind:
    """A kind of autoencoder network. Adding one is a call of `register_architecture`.

    Parameters
    ----------
    name : str
        The value of the parameter ``architecture``.
    build : callable
        ``build(architecture) -> Network``, with random weights.
    spatial : bool
        Whether it needs items with spatial axes, and may have a code of channels and grid.
    presets : tuple of str
        The presets that it has.
    learning_rate, batch_size : float and int
        Defaults for training.
    """

    name: str
    build: Callable[["Architecture"], Any]
    spatial: bool = False
    presets: tuple[str, ...] = PRESETS
    learning_rate: float = 2e-3
    batch_size: int = 256


_KINDS: dict[str, ArchitectureKind] = {}


def register_architecture(kind: ArchitectureKind) -> None:
    """Add a kind of autoencoder network, or replace one.

    Examples
    --------
    >>> from narrows.networks.autoencoder.network import FlatNetwork
    >>> register_architecture(ArchitectureKind("wide", lambda architecture: FlatNetwork(architecture, [4096])))
    >>> Architecture("wide", channels=1, shape=(28, 28), code=32).values
    784
    >>> del _KINDS["wide"]
    """
    _KINDS[kind.name] = kind


def architecture_kinds() -> dict[str, ArchitectureKind]:
    """Return all kinds of autoencoder networks by name."""
    load_plugins()
    return dict(_KINDS)


@dataclass(frozen=True)
class Architecture:
    """What an autoencoder network is: enough to build it, without its weights.

    Parameters
    ----------
    kind : str
        A registered kind: "linear" (one layer each way), "dense" (a perceptron each way) or "conv".
    channels : int
        Channels of an item; its features where it has no spatial axes.
    shape : tuple of int
        Spatial shape of the items that it is trained on: () for tables, else 1 axis (signals) to 3 (volumes).
    code : int or tuple of int
        K for a flat code, which fixes the size of the items; or (channels, *grid) of a convolutional code, whose grid
        grows with the item.
    upsampling : str
        A registered kind of upsampling in a convolutional decoder.
    preset : {"default", "lesson"}
        "lesson" stands for the small networks of the classic lesson on autoencoders.
    ranged : bool
        Whether the values are in 0..1, so that the decoder ends in a sigmoid.

    Raises
    ------
    ParameterError
        If there is no such network.

    Examples
    --------
    >>> architecture = Architecture("conv", channels=1, shape=(28, 28), code=(4, 7, 7))
    >>> architecture.factors()
    [(2, 2), (2, 2)]
    >>> Architecture.from_dict(architecture.to_dict()) == architecture
    True
    """

    kind: ShortText
    channels: PositiveInt
    shape: tuple[PositiveInt, ...]
    code: Code
    upsampling: ShortText = "nearest"
    preset: ShortText = "default"
    ranged: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        kinds = architecture_kinds()
        for name, value, options in (
            ("architecture", self.kind, kinds),
            ("upsampling", self.upsampling, upsampling_kinds()),
            ("preset", self.preset, PRESETS),
        ):
            if value not in options:
                raise ParameterError(f"expected one of {', '.join(options)}", parameter=name, value=value)
        kind = kinds[self.kind]
        if self.preset not in kind.presets:
            others = [name for name, other in kinds.items() if self.preset in other.presets]
            raise ParameterError(
                f"has no {self.kind} network; use {' or '.join(others)}", parameter="preset", value=self.preset
            )
        if kind.spatial and not self.shape:
            raise ParameterError(
                "needs items with spatial axes; for tables, use dense or linear",
                parameter="architecture",
                value=self.kind,
            )
        if len(self.shape) > 3:
            raise DataError(f"items with {len(self.shape)} spatial axes: at most 3 are supported")
        self._check_code(kind)

    def _check_code(self, kind: ArchitectureKind) -> None:
        numbers = self.code if isinstance(self.code, tuple) else (self.code,)
        if any(not isinstance(number, int) or number < 1 for number in numbers):
            raise ParameterError(
                "expected a whole number from 1, or channels and grid like 4x7x7", parameter="code", value=self.code
            )
        if self.flat:
            return
        if not kind.spatial:
            raise ParameterError(f"a {self.kind} code is one number, like 32", parameter="code", value=self.code)
        if len(numbers) != 1 + len(self.shape):
            raise ParameterError(
                f"expected channels and {len(self.shape)} grid sizes for items of shape {self.shape}",
                parameter="code",
                value=self.code,
            )
        self.halvings()

    @property
    def unpools(self) -> bool:
        """Whether positions of maxima are part of the code."""
        return upsampling_kinds()[self.upsampling].unpools

    @property
    def flat(self) -> bool:
        """Whether the code is one flat vector, which fixes the size of the items."""
        return isinstance(self.code, int)

    @property
    def values(self) -> int:
        """Number of values of a training item."""
        return self.channels * math.prod(self.shape)

    def halvings(self) -> tuple[int, ...]:
        """Return how often the encoder halves each spatial axis.

        A grid determines it. Before a flat code, an axis is halved at least once, until at most 8 positions are left.
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
        """Return by how much each level, at least one, of the encoder divides each spatial axis: 2 or 1."""
        halvings = self.halvings()
        return [tuple(2 if level < n else 1 for n in halvings) for level in range(max(1, *halvings))]

    def to_dict(self) -> dict[str, Any]:
        """Return the architecture as plain values, for a model file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Architecture":
        """Return the architecture that `to_dict` described."""
        return from_document(cls, document)


def parse_code(text: str | int | Sequence[int]) -> Code:
    """Return a code size from what a user writes: 32, "32", "4x7x7" or (4, 7, 7).

    Examples
    --------
    >>> parse_code("4x7x7")
    (4, 7, 7)
    """
    try:
        sequence = [int(part) for part in text.lower().split("x")] if isinstance(text, str) else text
        numbers = [index(number) for number in sequence] if isinstance(sequence, Sequence) else [index(sequence)]
        return numbers[0] if len(numbers) == 1 else (numbers[0], *numbers[1:])
    except (ValueError, TypeError, IndexError):
        raise ParameterError(
            "expected a number like 32, or channels and grid like 4x7x7", parameter="code", value=text
        ) from None


def format_code(code: Code) -> str:
    """Return a code size as text, which `parse_code` reads."""
    return str(code) if isinstance(code, int) else "x".join(map(str, code))
