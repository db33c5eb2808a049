"""The alphabet "colours" in coding: first whether a pixel repeats a near colour, and which; then new colours."""

from collections.abc import Mapping

import numpy as np

from narrows.codec.entropy import colours
from narrows.codec.entropy.coding import BLOCK, Coding, EncodeRequest, Tables
from narrows.codec.entropy.colours import NearColours, NewColours
from narrows.codec.entropy.context_features import IndexCounts, checked_bonuses
from narrows.codec.entropy.design import KEYED_LEVELS, Design
from narrows.codec.entropy.distributions import Distributions, with_bonus
from narrows.codec.entropy.engines import bonuses, predictor
from narrows.codec.entropy.exact_predictor import LARGEST, part
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream, blocks

ABSENT = -(2.0**15)  # logit of a near colour that is not there


class ColourTables(Tables):
    """The weights of a context model of colours, checked against its design; ValueError where they do not fit."""

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        self.design = design
        taps = design.window_sizes()
        keys = dict.fromkeys(taps, 0)
        self.repeats = predictor(part(tensors, "repeats."), keys, device)
        sizes = {key: colours.repeat_inputs_size(max(taps[key], 1), design.channels) for key in keys}
        self.repeats.check(sizes, design.places, KEYED_LEVELS, colours.NEAR + 1)
        by_channel = channel_keys(design)
        self.main = predictor(part(tensors, "main."), dict.fromkeys(by_channel, 0), device)
        sizes = {
            name: colours.channel_inputs_size(max(taps[key], 1), design.channels) for name, key in by_channel.items()
        }
        self.main.check(sizes, 1, KEYED_LEVELS, design.outputs)
        self.flat = tensors["flat"].astype(np.int64)
        self.bonus = checked_bonuses(tensors, by_channel)
        if self.flat.shape != (KEYED_LEVELS, 2):
            raise ValueError("tables of other sizes than the design says")

    def coding(self, stream: SymbolStream, step: int, size: int, weight: float) -> "ColourCoding":
        """Return what codes items; see `Tables.coding`."""
        return ColourCoding(self, stream)


class ColourCoding(Coding):
    """Codes n items, whose planes are colours; for parameters see `Tables.coding`."""

    dtype = np.int64

    def __init__(self, tables: ColourTables, stream: SymbolStream) -> None:
        super().__init__(stream)
        self.tables, self.design = tables, tables.design
        self.scale = LARGEST // self.design.top
        self.values = np.arange(self.design.top + 1)
        self.seen = [IndexCounts(stream.n, self.design.top + 1, np.empty(0)) for _ in range(self.design.channels)]

    def begin(self, request: EncodeRequest | None, count: int) -> EncodeRequest | None:
        """Return the colours to encode; see `Coding.begin`."""
        return None if request is None else EncodeRequest(colours.colours_of(request.k))

    def indices(self, planes: np.ndarray) -> np.ndarray:
        """Return the channels of colours; see `Coding.indices`."""
        channels = colours.channels_of(planes[:, 0], self.design.channels)
        return np.ascontiguousarray(np.moveaxis(channels, -1, 1), np.int32)

    def code(self, context: PassContext, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code a pass of colours; see `Coding.code`, of which x is not used."""
        found, flat = np.zeros(len(context.bases), np.int64), np.zeros(len(context.bases), np.uint8)

        def surroundings(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            windows = self.windows(context, block)
            return windows[:, 0], colours.flatness(windows)

        def near_colours(block: np.ndarray) -> tuple[NearColours, Distributions]:
            near = self.near(context, block)
            return near, self.repeats(context, block, near)

        for block, (nearest, flatness) in self.stream.ahead(surroundings, blocks(np.arange(len(found)), BLOCK)):
            found[block], flat[block] = nearest, flatness
        new = np.zeros(len(found), bool)
        for kind in (2, 1):
            for block in blocks(np.flatnonzero(flat == kind), BLOCK):
                logit = self.tables.flat[self.design.level(context.lattice_pass), kind - 1]
                given = Distributions.from_logits(np.tile([0, logit], (len(block), 1)))
                flags = None if target is None else target[block] != found[block]
                new[block] = self.stream.symbols(context, block, given, flags)
        for block, (near, given) in self.stream.ahead(near_colours, blocks(np.flatnonzero(flat == 0), BLOCK)):
            symbols = None if target is None else near.symbols(target[block])
            symbols = self.stream.symbols(context, block, given, symbols)
            new[block] = symbols == colours.NEAR
            found[block] = near.colours[np.arange(len(block)), symbols % colours.NEAR]
        of_counts = [
            bonuses(seen, self.tables.bonus[f"{context.key}-{channel}"], self.values)
            for channel, seen in enumerate(self.seen)
        ]
        for block in blocks(np.flatnonzero(new), BLOCK):
            found[block] = self.new_colours(context, block, of_counts, None if target is None else target[block])
        for channel, seen in enumerate(self.seen):
            seen.add((found >> 8 * channel & 255).reshape(self.stream.n, -1))
        return found

    def windows(self, context: PassContext, block: np.ndarray) -> np.ndarray:
        """Return the windows of pixels (P, T); of one black pixel where nothing is known."""
        windows = context.windows(block)
        return windows if windows.shape[1] else np.zeros((len(block), 1), np.int64)

    def near(self, context: PassContext, block: np.ndarray) -> NearColours:
        """Return the near colours of pixels."""
        return NearColours(self.windows(context, block), self.design.channels, self.scale)

    def repeats(self, context: PassContext, block: np.ndarray, near: NearColours) -> Distributions:
        """Return the distributions of which near colour is repeated."""
        level = self.design.level(context.lattice_pass)
        outputs = np.asarray(self.tables.repeats(context.key, near.inputs(), context.split(block)[1], level))
        outputs[:, : colours.NEAR][~near.there] = ABSENT
        return Distributions.from_logits(outputs)

    def new_colours(
        self, context: PassContext, block: np.ndarray, of_counts: list[np.ndarray], target: np.ndarray | None
    ) -> np.ndarray:
        """Code new colours, channel after channel: colours (P,), None in decoding -> colours (P,).

        of_counts: for each channel what the logit of each value gains from its count in each item, (n, top + 1).
        """
        channels = self.design.channels
        new, known = NewColours(self.near(context, block)), np.zeros((len(block), channels), np.int64)
        wanted = None if target is None else colours.channels_of(target, channels)
        for channel in range(channels):
            given = self.channel(context, block, new, known[:, :channel], of_counts[channel])
            symbols = None if wanted is None else wanted[:, channel]
            known[:, channel] = self.stream.symbols(context, block, given, symbols)
        return np.asarray(colours.colours_of(known)[:, 0])

    def channel(
        self, context: PassContext, block: np.ndarray, new: NewColours, known: np.ndarray, bonus: np.ndarray
    ) -> Distributions:
        """Return the distributions of the next channel after those known, (P, c)."""
        top, channel, rows = self.design.top, known.shape[1], np.arange(len(known))
        level, (items, _) = self.design.level(context.lattice_pass), context.split(block)
        outputs = np.asarray(self.tables.main(f"{context.key}-{channel}", new.inputs(known), 0 * items, level))
        values, binned, gates = np.split(outputs, [top + 2, top + 3 + colours.BINS], axis=1)
        logits = with_bonus(values, bonus, items)
        logits += np.take(binned, new.bins(channel, top) + rows[:, None] * binned.shape[1])
        values, raises = new.gated(known, top)
        for value, gate in zip(values.T, (gates * raises).T, strict=True):
            logits[rows, value] += gate
        return Distributions.from_logits(logits)


def channel_keys(design: Design) -> dict[str, str]:
    """Return the keys of the main perceptron, and the key of the pass of each."""
    return {f"{key}-{channel}": key for key in design.window_sizes() for channel in range(design.channels)}
