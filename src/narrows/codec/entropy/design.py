"""What a context model is made for: its sizes, its passes and their names, and what its windows look at."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.integer_network import LARGEST
from narrows.codec.entropy.lattice import RADIUS, Pass, passes
from narrows.codec.entropy.plane import channel_kind, context_taps, near

KINDS, GROUPS = 5, 3  # levels that have first layers, and inner layers, of their own; coarser ones share the last
FEATURES = 1  # inputs of residuals beside the windows: the prediction


@dataclass(frozen=True)
class Design:
    """What a context model is made for.

    top: for "values", the largest value, 1..255; for "residuals", the bits of the largest index.
    shape: that of the training items, where place matters; () where they are crops.
    cells: into how many cells the table of places divides each axis.
    steps: entries of the table of steps.
    hidden, flag_hidden: units of each layer, of the main perceptron and of the one that asks "is it zero?".
    """

    alphabet: Literal["values", "residuals"]
    axes: int
    channels: int
    top: int
    cells: tuple[int, ...]
    steps: int
    hidden: int = 128
    flag_hidden: int = 64

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", tuple(self.cells))
        if self.alphabet not in ("values", "residuals") or self.axes not in RADIUS or len(self.cells) != self.axes:
            raise ValueError(f"alphabet {self.alphabet!r}, {self.axes} axes, cells {self.cells}")
        limit = LARGEST if self.alphabet == "values" else 24
        if not (0 < self.channels <= 1024 and 0 < self.top <= limit and 0 < self.steps <= 256):
            raise ValueError(f"{self.channels} channels, top {self.top}, {self.steps} steps")
        if not (0 < self.hidden <= 512 and 0 < self.flag_hidden <= 512):
            raise ValueError(f"{self.hidden} and {self.flag_hidden} hidden units")
        if not (all(0 < count <= 4096 for count in self.cells) and self.places <= 4096):
            raise ValueError(f"cells {self.cells}")

    @property
    def places(self) -> int:
        return int(np.prod(self.cells))

    @property
    def radius(self) -> int:
        return RADIUS[self.axes]

    @property
    def outputs(self) -> int:
        """Of the main perceptron: the values above zero and a gate, or the tokens."""
        return self.top + 1 if self.alphabet == "values" else tokens.alphabet(self.top + 1)

    def turns(self, shape: tuple[int, ...], coarsest: int = 0) -> Iterator[tuple[Pass, int]]:
        """Each pass with each of its channels, in the order of coding."""
        return ((turn, channel) for turn in passes(shape, coarsest) for channel in range(self.channels))

    def key(self, turn: Pass, channel: int) -> str:
        """Names the first layer of a pass and channel."""
        level = "first" if turn.first else min(turn.level, KINDS - 1)
        return f"{level}-{''.join(map(str, turn.parity))}-{channel_kind(channel, self.channels)}"

    def kinds(self) -> dict[str, tuple[Pass, int, int]]:
        """For each key one pass that has it, its channel, and its group."""
        turns = self.turns((2**KINDS,) * self.axes)
        return {
            self.key(turn, channel): (turn, channel, GROUPS - 1 if turn.first else min(turn.level, GROUPS - 1))
            for turn, channel in turns
        }

    def taps(self, turn: Pass, channel: int) -> tuple[tuple[int, ...], ...]:
        return context_taps(turn.parity, channel, self.channels, self.radius)

    def window_sizes(self) -> dict[str, int]:
        """How many taps a window has, by key."""
        return {key: len(self.taps(turn, channel)) for key, (turn, channel, _) in self.kinds().items()}

    def input_sizes(self) -> dict[str, int]:
        """How many inputs the main perceptron has, by key: the window, and beside residuals their prediction."""
        more = FEATURES if self.alphabet == "residuals" else 0
        return {key: size + more for key, size in self.window_sizes().items()}

    def beside(self, turn: Pass, channel: int) -> list[int]:
        """Which of the taps make a value quiet where all of them are zero: the nearest ones, of coarse levels all."""
        return near(self.taps(turn, channel), 2 if turn.level < GROUPS - 1 else self.radius)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
