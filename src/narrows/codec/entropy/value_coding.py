"""The alphabet "values" in coding: first whether a value is zero, then which value it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from narrows.codec.entropy.context_features import BUCKETS, IndexCounts, features_of_values
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Distributions, yes_or_no
from narrows.codec.entropy.engines import predictor, with_bonus
from narrows.codec.entropy.exact_predictor import ExactPredictor, part
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream, blocks
from narrows.errors import FormatError

BLOCK, FLAG_BLOCK = 2**10, 2**13  # values, and flags, whose probabilities are computed at once
SURE = 0.2  # steps: values so near to the point of their index are coded with it


class ValueTables:
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
        self.bonus = {key: bonus.astype(np.float32) for key, bonus in part(tensors, "bonus.").items()}
        if any(float(np.abs(bonus).max()) > 4095 for bonus in self.bonus.values()):
            raise ValueError("a bonus too large for exact arithmetic")
        shapes = [self.zero_logit.shape, self.zero_logit_step.shape, *(self.bonus[key].shape for key in inputs)]
        if shapes != [(design.places,), (design.steps,), *((BUCKETS,) for _ in inputs)]:
            raise ValueError("tables of other sizes than the design says")


class ValueCoding:
    """Codes the values of n items; only the counts of their indices change from pass to pass.

    Parameters
    ----------
    tables : ValueTables
        The weights.
    stream : SymbolStream
        The entropy coder.
    step : int
        Row of the table of steps.
    size : int
        Width of a cell.
    weight : float
        Squared steps that the encoder spends to save a bit.
    """

    def __init__(self, tables: ValueTables, stream: SymbolStream, step: int, size: int, weight: float) -> None:
        self.tables, self.stream, self.step, self.size, self.weight = tables, stream, step, size, weight
        top = tables.design.top
        self.sizes = np.full(stream.n, size)
        self.levels = (top + size // 2) // size + 1
        self.seen = IndexCounts(stream.n, self.levels, self.sizes)
        first = np.arange(1, self.levels) * size - size // 2
        self.edges = np.clip(np.append(first, top + 1), 1, top + 1) - 1

    def features(self, known: np.ndarray) -> np.ndarray:
        """Return what windows hold for known indices."""
        return np.asarray(features_of_values(known, self.sizes, self.tables.design.top), np.uint8)

    def code(self, context: PassContext, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code a pass -> its indices (n x count,).

        Parameters
        ----------
        context : PassContext
            The pass.
        target : int array (n x count,), optional
            The indices to encode; None to decode.
        x : ndarray (n x count,), optional
            The true values, where the encoder may choose other indices.
        """
        k = ValuePass(self, context, self.tables.bonus[context.key][self.seen.buckets()]).code(target, x)
        self.seen.add(k.reshape(self.stream.n, -1))
        return k


@dataclass(frozen=True, eq=False)
class ValuePass:
    """One pass of values. bonus (n, indices): what the logit of each index gains from its count in the item."""

    coding: ValueCoding
    context: PassContext
    bonus: np.ndarray

    def code(self, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code the pass; see `ValueCoding.code`."""
        context, stream = self.context, self.coding.stream
        if target is not None and x is not None:
            target = self.optimise(target, x)
        k = np.zeros(len(context.bases), np.int64)
        for places, logits in ((~context.active, self.zero_logits), (context.active, self.flag_logits)):
            for block in blocks(np.flatnonzero(places), FLAG_BLOCK):
                flags = None if target is None else target[block] > 0
                k[block] = stream.symbols(context, block, yes_or_no(logits(block)), flags)
        nonzero = np.flatnonzero(k)
        if self.coding.levels == 1 and len(nonzero):
            raise FormatError("an index that no value has")
        for block in blocks(nonzero, BLOCK):
            symbols = None if target is None else target[block] - 1
            k[block] = 1 + stream.symbols(context, block, self.values(block), symbols)
        return k

    def zero_logits(self, block: np.ndarray) -> np.ndarray:
        """Return the logits of "not zero" in zero contexts, (P,)."""
        tables = self.coding.tables
        _, place = self.context.split(block)
        return np.asarray(tables.zero_logit[place] + tables.zero_logit_step[self.coding.step])

    def flag_logits(self, block: np.ndarray) -> np.ndarray:
        """Return the logits of "not zero" in active contexts, (P,)."""
        return self._outputs(self.coding.tables.flags, block)[:, 0]

    def values(self, block: np.ndarray) -> Distributions:
        """Return the distributions of the indices above zero."""
        items, _ = self.context.split(block)
        logits = with_bonus(self._outputs(self.coding.tables.main, block), self.bonus_of_values, items)
        edges = self.coding.edges
        return Distributions(logits, int(edges[0]), None if self.coding.size == 1 else edges)

    @cached_property
    def bonus_of_values(self) -> np.ndarray:
        """What the logit of each value gains, (n, values)."""
        values = np.arange(1, self.coding.tables.design.top + 1)
        return np.ascontiguousarray(self.bonus[:, (values + self.coding.size // 2) // self.coding.size])

    def optimise(self, target: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the index of least squared error plus weighted bits for each value (rate-distortion optimisation)."""
        coding, active = self.coding, self.context.active
        target = target.copy()
        points = np.arange(coding.levels, dtype=np.float32)
        open_ = (active | (target > 0)) & (np.abs(x - target.astype(np.float32)) > SURE)
        for block in blocks(np.flatnonzero(open_), BLOCK):
            logits = np.where(active[block], self.flag_logits(block), self.zero_logits(block))
            flag_bits = yes_or_no(logits).bits()
            bits = np.concatenate([flag_bits[:, :1], self.values(block).bits() + flag_bits[:, 1:]], 1)
            error = (x[block, None] - points) ** 2
            target[block] = np.argmin(error + coding.weight * bits, 1)
        return target

    def _outputs(self, predictor: ExactPredictor, block: np.ndarray) -> np.ndarray:
        _, place = self.context.split(block)
        return np.asarray(predictor(self.context.key, self.context.windows(block), place, self.coding.step))
