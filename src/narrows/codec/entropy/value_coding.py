"""The alphabet "values" in coding: first whether a value is zero, then which value it is."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from narrows.codec.entropy import tokens
from narrows.codec.entropy.context_features import BUCKETS, IndexCounts, features_of_values
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.integer_network import ExactPredictor, part
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream, bits_of, blocks, frequencies_of
from narrows.errors import FormatError

BLOCK, FLAG_BLOCK = 2**12, 2**13  # values, and flags, whose probabilities are computed at once
SURE = 0.2  # steps: values so near to the point of their index are coded with it


class ValueTables:
    """The weights of a context model of values, checked against its design; ValueError where they do not fit.

    In a model file, the tables of zero contexts are called "quiet" and "quiet_step".
    """

    def __init__(self, design: Design, tensors: dict[str, np.ndarray], device: torch.device) -> None:
        self.design, self.device = design, device
        inputs, groups = design.window_sizes(), design.groups()
        self.main = ExactPredictor(part(tensors, "main."), groups, device)
        self.main.check(design.input_sizes(), design.places, design.steps, design.outputs)
        self.decay = torch.from_numpy(tokens.decay()).to(device)
        self.flags = ExactPredictor(part(tensors, "flags."), groups, device)
        self.flags.check(inputs, design.places, design.steps, 1)
        self.zero_logit, self.zero_logit_step = (
            torch.from_numpy(tensors[name].astype(np.int64)).to(device) for name in ("quiet", "quiet_step")
        )
        self.bonus = {
            key: torch.from_numpy(bonus.astype(np.float32)).to(device) for key, bonus in part(tensors, "bonus.").items()
        }
        if any(float(bonus.abs().max()) > 4095 for bonus in self.bonus.values()):
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
        top, device = tables.design.top, tables.device
        self.sizes = torch.full((stream.n,), size, device=device)
        self.levels = (top + size // 2) // size + 1
        self.seen = IndexCounts(stream.n, self.levels, device)
        first = torch.arange(1, self.levels, device=device) * size - size // 2
        self.edges = torch.cat([first, torch.tensor([top + 1], device=device)]).clamp(1, top + 1) - 1

    def features(self, known: Tensor) -> Tensor:
        """Return what windows hold for known indices."""
        return features_of_values(known, self.sizes, self.tables.design.top).to(torch.uint8)

    def code(self, context: PassContext, target: Tensor | None, x: Tensor | None) -> Tensor:
        """Code a pass -> its indices (n x count,).

        Parameters
        ----------
        context : PassContext
            The pass.
        target : Tensor (n x count,), optional
            The indices to encode; None to decode.
        x : Tensor (n x count,), optional
            The true values, where the encoder may choose other indices.
        """
        k = ValuePass(self, context, self.tables.bonus[context.key][self.seen.buckets()]).code(target, x)
        self.seen.add(k.reshape(self.stream.n, -1))
        return k


@dataclass(frozen=True)
class ValuePass:
    """One pass of values. bonus (n, indices): what the logit of each index gains from its count in the item."""

    coding: ValueCoding
    context: PassContext
    bonus: Tensor

    def code(self, target: Tensor | None, x: Tensor | None) -> Tensor:
        """Code the pass; see `ValueCoding.code`."""
        context, stream = self.context, self.coding.stream
        if target is not None and x is not None:
            target = self.optimise(target, x)
        k = torch.zeros(len(context.bases), dtype=torch.int64, device=stream.device)
        for places, frequencies in ((~context.active, self.zero_frequencies), (context.active, self.flag_frequencies)):
            for block in blocks(places.nonzero()[:, 0], FLAG_BLOCK):
                flags = None if target is None else (target[block] > 0).long()
                k[block] = stream.symbols(context, block, frequencies(block), flags)
        nonzero = k.nonzero()[:, 0]
        if self.coding.levels == 1 and len(nonzero):
            raise FormatError("an index that no value has")
        for block in blocks(nonzero, BLOCK):
            symbols = None if target is None else target[block].long() - 1
            k[block] = 1 + stream.symbols(context, block, self.value_frequencies(block), symbols)
        return k

    def zero_frequencies(self, block: Tensor) -> Tensor:
        """Return the frequencies of "zero" and "not zero" in zero contexts, (P, 2)."""
        tables = self.coding.tables
        _, place = self.context.split(block)
        return self._yes_or_no(tables.zero_logit[place] + tables.zero_logit_step[self.coding.step])

    def flag_frequencies(self, block: Tensor) -> Tensor:
        """Return the frequencies of "zero" and "not zero" in active contexts, (P, 2)."""
        return self._yes_or_no(self._outputs(self.coding.tables.flags, block)[:, 0].long())

    def value_frequencies(self, block: Tensor) -> Tensor:
        """Return the frequencies of the indices above zero, (P, levels - 1)."""
        coding, tables = self.coding, self.coding.tables
        outputs = self._outputs(tables.main, block)
        gates = (outputs[:, -1:] + 256).clamp_(0, 1024)
        if coding.size > 1:
            values = torch.arange(1, tables.design.top + 1, device=tables.device)
            bonus = self.bonus[:, (values + coding.size // 2) // coding.size]
        else:
            bonus = self.bonus[:, 1:]
        items, _ = self.context.split(block)
        added = bonus.index_select(0, items).mul_(gates.mul_(1 / 256)).floor_()
        frequencies = frequencies_of(added.add_(outputs[:, :-1]), tables.decay, int(coding.edges[0]))
        if coding.size == 1:
            return frequencies
        sums = torch.nn.functional.pad(frequencies.cumsum(1), (1, 0))
        return sums[:, coding.edges[1:]] - sums[:, coding.edges[:-1]]

    def optimise(self, target: Tensor, x: Tensor) -> Tensor:
        """Return the index of least squared error plus weighted bits for each value (rate-distortion optimisation)."""
        coding, active = self.coding, self.context.active
        target = target.clone()
        points = torch.arange(coding.levels, device=target.device)
        open_ = (active | (target > 0)) & ((x - target).abs() > SURE)
        for block in blocks(open_.nonzero()[:, 0], BLOCK):
            flags = torch.where(active[block, None], self.flag_frequencies(block), self.zero_frequencies(block))
            flag_bits = bits_of(flags)
            bits = torch.cat([flag_bits[:, :1], bits_of(self.value_frequencies(block)) + flag_bits[:, 1:]], 1)
            error = (x[block, None] - points) ** 2
            target[block] = torch.argmin(error + coding.weight * bits, 1).to(target.dtype)
        return target

    def _yes_or_no(self, logit: Tensor) -> Tensor:
        decay = self.coding.tables.decay
        return torch.take(decay, torch.stack([logit, -logit], 1).clamp_(0, len(decay) - 1))

    def _outputs(self, predictor: ExactPredictor, block: Tensor) -> Tensor:
        _, place = self.context.split(block)
        return predictor(self.context.key, self.context.windows(block).float(), place, self.coding.step)
