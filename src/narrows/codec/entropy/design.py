"""The design of a context model: sizes, keys of passes, and windows."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from narrows.artifacts.schema import from_document
from narrows.codec.entropy import colours, tokens
from narrows.codec.entropy.exact_predictor import LARGEST
from narrows.codec.entropy.lattice import RADIUS, LatticePass, passes
from narrows.codec.entropy.mixture_features import PARAMETERS, WindowLayout
from narrows.codec.entropy.plane import channel_kind, context_taps, near_taps, neighbours

KEYED_LEVELS, GROUPS = 5, 3  # levels with first layers, and inner layers, of their own at most; coarser share the last
ADDED = {
    "keyed_levels": KEYED_LEVELS,
    "grouped_levels": GROUPS,
    "window": 0,
    "transform_levels": 0,
}  # what holds in old designs, which lack these fields
SIGNAL_WINDOW = 24  # largest radius of the windows of whitened signals


@dataclass(frozen=True)
class Design:
    """The design of a context model.

    Parameters
    ----------
    alphabet : {"values", "mixtures", "colours", "signals", "residuals"}
        Whether indices are coded themselves, for data of few values; by mixtures of distributions about a prediction;
        for data that repeat the colours of neighbours, all channels of a pixel as one colour; whitened, for long
        signals; or, in old models, as differences from a prediction.
    axes : {1, 2, 3}
        Number of spatial axes.
    channels : int
        Number of channels.
    top : int
        For "mixtures", "signals" and "residuals", the bits of the largest index; otherwise the largest value, 1..255.
    cells : tuple of int
        Number of cells into which the table of positions divides each axis.
    steps : int
        Number of rows of the table of steps.
    hidden, flag_hidden : int
        Units of each layer, of the main perceptron and of the one that predicts whether a value is zero, or which
        colour is repeated.
    keyed_levels : int, 1..5
        Number of levels with first layers of their own; coarser ones share those of the last.
    grouped_levels : int, 1..3
        Number of levels with inner layers of their own.
    window : int
        Radius of the windows, in steps of the lattice; 0 for the largest.
    transform_levels : int, 0..8
        Number of levels of the transform whose coefficients are coded; 0 for values.

    Raises
    ------
    ValueError
        If a size is out of bounds.
    """

    alphabet: Literal["values", "mixtures", "colours", "signals", "residuals"]
    axes: int
    channels: int
    top: int
    cells: tuple[int, ...]
    steps: int
    hidden: int = 128
    flag_hidden: int = 64
    keyed_levels: int = KEYED_LEVELS
    grouped_levels: int = GROUPS
    window: int = 0
    transform_levels: int = 0

    def __post_init__(self) -> None:
        """Check the sizes."""
        object.__setattr__(self, "cells", tuple(self.cells))
        alphabets = ("values", "mixtures", "colours", "signals", "residuals")
        if self.alphabet not in alphabets or self.axes not in RADIUS or len(self.cells) != self.axes:
            raise ValueError(f"alphabet {self.alphabet!r}, {self.axes} axes, cells {self.cells}")
        if self.alphabet == "signals" and self.axes != 1:
            raise ValueError(f"signals of {self.axes} axes")
        limit = {"mixtures": 24, "residuals": 24, "signals": 23}.get(self.alphabet, LARGEST)
        most = colours.MOST_CHANNELS if self.alphabet == "colours" else 1024
        if not (0 < self.channels <= most and 0 < self.top <= limit and 0 < self.steps <= 256):
            raise ValueError(f"{self.channels} channels, top {self.top}, {self.steps} steps")
        if not (0 < self.hidden <= 512 and 0 < self.flag_hidden <= 512):
            raise ValueError(f"{self.hidden} and {self.flag_hidden} hidden units")
        if not (0 < self.keyed_levels <= KEYED_LEVELS and 0 < self.grouped_levels <= GROUPS):
            raise ValueError(f"{self.keyed_levels} levels, {self.grouped_levels} groups")
        if not 0 <= self.window <= (SIGNAL_WINDOW if self.alphabet == "signals" else RADIUS[self.axes]):
            raise ValueError(f"windows of radius {self.window}")
        if not 0 <= self.transform_levels <= (8 if self.alphabet == "mixtures" and self.keyed_levels > 1 else 0):
            raise ValueError(f"{self.transform_levels} levels of a transform, coded as {self.alphabet}")
        if not (all(0 < count <= 4096 for count in self.cells) and self.places <= 4096):
            raise ValueError(f"cells {self.cells}")

    @property
    def places(self) -> int:
        """Number of rows of the table of positions."""
        return int(np.prod(self.cells))

    @property
    def radius(self) -> int:
        """Radius of the windows, in steps of the lattice."""
        return self.window or RADIUS[self.axes]

    @property
    def planes(self) -> int:
        """Number of values of a position that are coded one after another: channels, or one colour."""
        return 1 if self.alphabet == "colours" else self.channels

    @property
    def outputs(self) -> int:
        """Number of outputs of the main perceptron: parameters; values, with gates and bins; or tokens."""
        if self.alphabet == "mixtures":
            return PARAMETERS
        if self.alphabet == "colours":
            return self.top + 2 + colours.BINS + 1 + colours.GATES
        return self.top + 1 if self.alphabet == "values" else tokens.alphabet(self.top + 1)

    def passes(self, shape: tuple[int, ...], coarsest: int = 0) -> Iterator[tuple[LatticePass, int]]:
        """Iterate over each pass with each of its channels, in coding order."""
        for lattice_pass in passes(shape, coarsest):
            parts = lattice_pass.parts() if self.is_detail(lattice_pass) else [lattice_pass]
            for part in parts:
                if all(part.count(shape)):
                    yield from ((part, channel) for channel in range(self.planes))

    def is_detail(self, lattice_pass: LatticePass) -> bool:
        """Return whether a pass holds a subband of a transform, of which magnitudes are predicted from magnitudes."""
        return not lattice_pass.is_origin and lattice_pass.level < self.transform_levels

    def key(self, lattice_pass: LatticePass, channel: int) -> str:
        """Return the name of the first layer for a pass and channel."""
        parity = "".join(map(str, lattice_pass.parity))
        if self.alphabet == "colours":
            return parity
        if lattice_pass.part:
            parity += "_" + "".join(map(str, lattice_pass.part))
        level = "first" if lattice_pass.is_origin else str(self.level(lattice_pass))
        kind = str(min(channel, 1)) if self.transform_levels else channel_kind(channel, self.channels)
        return f"{level}-{parity}-{kind}"

    def level(self, lattice_pass: LatticePass) -> int:
        """Return the level of a pass, among those that weights tell apart; the last for what no transform divides."""
        last = self.keyed_levels - 1
        if self.is_detail(lattice_pass):
            return min(lattice_pass.level, last - 1)
        return last if lattice_pass.is_origin or self.transform_levels else min(lattice_pass.level, last)

    def group(self, lattice_pass: LatticePass) -> int:
        """Return the group of inner layers for a pass."""
        return min(self.level(lattice_pass), self.n_groups - 1)

    def keys(self) -> dict[str, tuple[LatticePass, int]]:
        """Return for each key one pass and channel that have it."""
        levels = self.transform_levels + 2 if self.transform_levels else self.keyed_levels
        return {self.key(*each): each for each in self.passes((2**levels,) * self.axes)}

    @property
    def n_groups(self) -> int:
        """Number of groups of inner layers."""
        return min(self.keyed_levels, self.grouped_levels)

    def groups(self) -> dict[str, int]:
        """Return the group of each key."""
        return {key: self.group(lattice_pass) for key, (lattice_pass, _) in self.keys().items()}

    def taps(self, lattice_pass: LatticePass, channel: int) -> tuple[tuple[int, ...], ...]:
        """Return the taps of a window."""
        if self.alphabet == "colours":
            return colours.nearest_taps(context_taps(lattice_pass, 0, (), self.radius))
        if self.alphabet == "signals":
            return context_taps(lattice_pass, 0, (), self.radius)
        if self.transform_levels:
            return context_taps(lattice_pass, channel, (channel - 1,) if channel else (), self.radius)
        return context_taps(lattice_pass, channel, neighbours(channel, self.channels), self.radius)

    def window_sizes(self) -> dict[str, int]:
        """Return the number of taps of a window, by key."""
        return {key: len(self.taps(*each)) for key, each in self.keys().items()}

    def input_sizes(self) -> dict[str, int]:
        """Return the number of inputs of the main perceptron, by key: the window, and what is computed from it."""
        if self.alphabet == "mixtures":
            return {key: WindowLayout(self.taps(*each)).features for key, each in self.keys().items()}
        more = 1 if self.alphabet == "residuals" else 0  # the prediction
        return {key: size + more for key, size in self.window_sizes().items()}

    def near_taps(self, lattice_pass: LatticePass, channel: int) -> list[int]:
        """Return which taps make a context active if they are not zero: the nearest ones, on coarse levels all."""
        return near_taps(self.taps(lattice_pass, channel), 2 if lattice_pass.level < GROUPS - 1 else self.radius)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without fields that old designs do not have where they mean the same."""
        return {name: value for name, value in asdict(self).items() if name not in ADDED or value != ADDED[name]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Design":
        """Return the design that `to_dict` described; TypeError or ValueError where the document is not one."""
        return from_document(cls, {**ADDED, **document})
