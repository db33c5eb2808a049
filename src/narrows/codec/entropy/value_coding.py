"""The alphabet "values" in coding: first whether a value is zero, then which value it is."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from narrows.codec.entropy.coding import Coding, Tables
from narrows.codec.entropy.context_features import IndexCounts, checked_bonuses, features_of_values
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Alphabet, Distributions
from narrows.codec.entropy.engines import bits_of, bonuses, predictor
from narrows.codec.entropy.exact_predictor import LARGEST, ExactPredictor, part
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream, blocks
from narrows.errors import FormatError

FLAG = Alphabet()
BLOCK, FLAG_BLOCK = 2**10, 2**12  # values, and flags, whose probabilities are computed at once
SURE = 0.2  # steps: values so near to the point of their index are coded with it, others perhaps with the next
KEPT = 2**24  # frequencies that may be kept from the choice of indices until these are coded

Predicted = Iterable[tuple[np.ndarray, Distributions]]
"""Blocks of places with the distributions of their symbols."""


class ValueTables(Tables):
    """The weights of a context model of values, checked against its design; ValueError where they do not fit.

    In a model file, the tables of zero contexts are called "quiet" and "quiet_step".
    """

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        self.design = design
        inputs, groups = design.window_sizes(), design.groups()
        self.main = predictor(part(tensors, "main."), groups, device)
        self.main.check(design.input_sizes(), design.places, design.steps, design.outputs)
        self.flags = predictor(part(tensors, "flags."), groups, device)
        self.flags.check(inputs, design.places, design.steps, 1)
        self.zero_logit, self.zero_logit_step = (tensors[name].astype(np.int64) for name in ("quiet", "quiet_step"))
        self.bonus = checked_bonuses(tensors, inputs)
        if [self.zero_logit.shape, self.zero_logit_step.shape] != [(design.places,), (design.steps,)]:
            raise ValueError("tables of other sizes than the design says")

    def coding(self, stream: SymbolStream, step: int, size: int, weight: float) -> "ValueCoding":
        """Return what codes items; see `Tables.coding`."""
        return ValueCoding(self, stream, step, size, weight)


class ValueCoding(Coding):
    """Codes n items; only the counts of their indices change from pass to pass. For parameters see `Tables.coding`."""

    def __init__(self, tables: ValueTables, stream: SymbolStream, step: int, size: int, weight: float) -> None:
        super().__init__(stream)
        self.tables, self.step, self.size, self.weight = tables, step, size, weight
        top = tables.design.top
        self.sizes = np.full(stream.n, size)
        self.levels = (top + size // 2) // size + 1
        self.seen = IndexCounts(stream.n, self.levels, self.sizes)
        self.cells = (np.arange(1, top + 1) + size // 2) // size  # of the values above zero
        first = np.arange(1, self.levels) * size - size // 2
        self.edges = np.clip(np.append(first, top + 1), 1, top + 1) - 1

    def features(self, known: np.ndarray) -> np.ndarray:
        """Return what windows hold for known indices."""
        if self.size == 1 and self.tables.design.top == LARGEST:  # these are the values
            return known.astype(np.uint8)
        return np.asarray(features_of_values(known, self.sizes, self.tables.design.top), np.uint8)

    @cached_property
    def zero_contexts(self) -> np.ndarray:
        """Cumulative frequencies of the flags of values in zero contexts, (places, 2)."""
        logits = self.tables.zero_logit + self.tables.zero_logit_step[self.step]
        return Distributions.from_logits(np.stack([np.zeros_like(logits), logits], 1)).cumulative

    def code(self, context: PassContext, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code a pass; see `Coding.code`."""
        bonus = bonuses(self.seen, self.tables.bonus[context.key], self.cells)
        k = ValuePass(self, context, Alphabet(int(self.edges[0]), None if self.size == 1 else self.edges, bonus)).code(
            target, x
        )
        self.seen.add(k.reshape(self.stream.n, -1))
        return k


@dataclass(frozen=True, eq=False)
class ValuePass:
    """One pass of values. alphabet: that of the indices above zero."""

    coding: ValueCoding
    context: PassContext
    alphabet: Alphabet

    def code(self, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code the pass; see `ValueCoding.code`."""
        context, stream = self.context, self.coding.stream
        k = np.zeros(len(context.bases), np.int64)
        flags: Predicted = stream.ahead(self.flags, blocks(np.flatnonzero(context.active), FLAG_BLOCK))
        values: Predicted | None = None
        if target is not None and x is not None and self.coding.levels > 1:
            flags = list(flags)
            target, values = self.optimise(target, x, flags)
        zeros = stream.ahead(self.zero_flags, blocks(np.flatnonzero(~context.active), FLAG_BLOCK))
        for block, given in itertools.chain(zeros, flags):
            k[block] = stream.symbols(context, block, given, None if target is None else target[block] > 0)
        nonzero = np.flatnonzero(k)
        if self.coding.levels == 1 and len(nonzero):
            raise FormatError("an index that no value has")
        for block, given in stream.ahead(self.values, blocks(nonzero, BLOCK)) if values is None else values:
            k[block] = 1 + stream.symbols(context, block, given, None if target is None else target[block] - 1)
        return k

    def zero_flags(self, block: np.ndarray) -> Distributions:
        """Return the distributions of "not zero" in zero contexts."""
        _, place = self.context.split(block)
        return Distributions(self.coding.zero_contexts.take(place, 0))

    def flags(self, block: np.ndarray) -> Distributions:
        """Return the distributions of "not zero" in active contexts."""
        return self._distributions(self.coding.tables.flags, block, FLAG)

    def values(self, block: np.ndarray) -> Distributions:
        """Return the distributions of the indices above zero."""
        return self._distributions(self.coding.tables.main, block, self.alphabet)

    def optimise(self, target: np.ndarray, x: np.ndarray, flags: Predicted) -> tuple[np.ndarray, Predicted | None]:
        """Return the index of least squared error plus weighted bits for each value (rate-distortion optimisation).

        Beside them the distributions of those above zero; None where they would take much memory.
        flags: the distributions of "not zero" in active contexts.
        """
        coding, active = self.coding, self.context.active
        sums = np.zeros((len(target), 2), np.int32)  # cumulative frequencies of the flags
        first = np.flatnonzero(~active & (target > 0))
        for block, given in itertools.chain([(first, self.zero_flags(first))], flags):
            sums[block] = given.cumulative
        target = target.copy()
        away = x - target.astype(np.float32)
        open_ = (active | (target > 0)) & (np.abs(away) > SURE)
        side = open_ * np.sign(away).astype(np.int64)  # to the next index on the other side of the value
        beside = np.clip(target + side, 0, coding.levels - 1)
        # Where zero is better than any index above it even if that cost no bits, the main perceptron is not asked.
        ends = np.flatnonzero(open_ & (np.minimum(target, beside) == 0))
        costs = (x[ends, None] - np.array([0, 1], np.float32)) ** 2
        costs += coding.weight * bits_of(Distributions(sums[ends]), np.tile([0, 1], (len(ends), 1)))
        ends = ends[costs[:, 0] < costs[:, 1]]
        target[ends], open_[ends] = 0, False

        def best(block: np.ndarray) -> tuple[np.ndarray, Distributions]:
            given, chosen = self.values(block), target[block]
            candidates = np.stack([chosen, beside[block]], 1)
            bits = bits_of(Distributions(sums[block]), np.tile([0, 1], (len(block), 1)))
            above = bits[:, 1:] + bits_of(given, np.maximum(candidates - 1, 0))
            cost = (x[block, None] - candidates.astype(np.float32)) ** 2
            cost += coding.weight * np.where(candidates > 0, above, bits[:, :1])
            return np.where(cost[:, 0] <= cost[:, 1], chosen, beside[block]), given

        places = np.flatnonzero(open_ | (target > 0))
        values: list[tuple[np.ndarray, Distributions]] | None = [] if len(places) * coding.levels <= KEPT else None
        for block, (chosen, given) in coding.stream.ahead(best, blocks(places, BLOCK)):
            target[block] = chosen
            if values is not None:
                values.append((block[chosen > 0], Distributions(given.cumulative[chosen > 0])))
        return target, values

    def _distributions(self, predictor: ExactPredictor, block: np.ndarray, alphabet: Alphabet) -> Distributions:
        items, place = self.context.split(block)
        windows = self.context.windows(block)
        return predictor.distributions(self.context.key, windows, place, self.coding.step, alphabet, items)
