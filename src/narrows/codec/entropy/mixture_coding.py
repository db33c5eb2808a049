"""The alphabet "mixtures" in coding: distances from the mean of a mixture, as tokens and extra bits.

Where an item has many values in a pass, the encoder tells by how much their spreads differ from what the perceptron
predicts, since noise is a property of an item that training data may lack.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.engines import bits_of, mixture_inputs, predictor
from narrows.codec.entropy.exact_predictor import check_whole, part
from narrows.codec.entropy.mixture_features import MixtureInputs, WindowLayout
from narrows.codec.entropy.mixtures import SHIFTS, MixtureDistributions, best_shift, mixtures_of
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream, blocks

LARGEST_INDEX = 2**23  # either way
BLOCK = 2**12  # values whose tokens, and then extra bits, follow each other in the bitstream
SHIFTED_FROM = 2**10  # values of an item in a pass and channel, where its spreads are shifted
SAMPLED = 2**10  # of them, at most, from which the shift is chosen
SHIFT_BITS = 5


class MixtureTables:
    """The weights of a context model of mixtures, checked against its design; ValueError where they do not fit."""

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        self.design = design
        self.main = predictor(part(tensors, "main."), design.groups(), device)
        self.main.check(design.input_sizes(), design.places, design.steps, design.outputs)
        self.layouts = {key: WindowLayout(design.taps(*each)) for key, each in design.keys().items()}
        prediction = part(tensors, "prediction.")
        check_whole(prediction, 16)  # so that sums are exact
        self.prediction = {key: weights.astype(np.int32) for key, weights in prediction.items()}
        if [self.prediction[key].shape for key in self.layouts] != [
            (len(each.taps),) for each in self.layouts.values()
        ]:
            raise ValueError("predictions of other sizes than the design says")


@dataclass(frozen=True, eq=False)
class MixtureCoding:
    """Codes n items.

    Parameters
    ----------
    tables : MixtureTables
        The weights.
    stream : SymbolStream
        The entropy coder.
    step : int
        Row of the table of steps.
    weight : float
        Squared steps that the encoder spends to save a bit.
    """

    tables: MixtureTables
    stream: SymbolStream
    step: int
    weight: float

    def features(self, known: np.ndarray) -> np.ndarray:
        """Return what windows hold for known indices."""
        return known

    def code(self, context: PassContext, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code a pass -> its indices (n x count,); parameters are those of `ValueCoding.code`."""
        top, k = self.tables.design.top, np.zeros(len(context.bases), np.int64)
        shifts = self._shifts(context, target)

        def predicted(block: np.ndarray) -> tuple[np.ndarray, Distributions]:
            given, outputs = self._outputs(context, block)
            mixtures = mixtures_of(outputs, given, shifts[context.split(block)[0]], top)
            return mixtures.nearest, MixtureDistributions(mixtures, top + 1)

        for block, (nearest, given) in self.stream.ahead(predicted, blocks(np.arange(len(k)), BLOCK)):
            place, extra = None, None
            if target is not None:
                wanted = target[block].astype(np.int64)
                if x is not None:
                    wanted = self._optimised(wanted, x[block], nearest, given)
                token, extra, _ = tokens.split(wanted - nearest)
                place = tokens.ordered(token, top + 1)
            token = tokens.from_ordered(self.stream.symbols(context, block, given, place), top + 1)
            extra = self.stream.extra_bits(context, block, tokens.extra_bits(token), extra)
            k[block] = np.clip(nearest + tokens.join(token, extra), -LARGEST_INDEX, LARGEST_INDEX)
        return k

    def _outputs(self, context: PassContext, chosen: np.ndarray) -> tuple[MixtureInputs, np.ndarray]:
        """Return what is computed from the windows of chosen values, and the outputs of the perceptron."""
        key, (_, place) = context.key, context.split(chosen)
        weights, layout = self.tables.prediction[key], self.tables.layouts[key]
        given = mixture_inputs(context.windows(chosen), weights, layout, self.tables.design.top)
        return given, np.asarray(self.tables.main(key, given.inputs, place, self.step))

    def _shifts(self, context: PassContext, target: np.ndarray | None) -> np.ndarray:
        """Code the shift of each item, (n,)."""
        n, count = self.stream.n, len(context.cells)
        if count < SHIFTED_FROM:
            return np.zeros(n, np.int64)
        chosen = None
        if target is not None:
            chosen = np.empty(n, np.int32)
            for item in range(n):
                sample = item * count + np.arange(0, count, -(-count // SAMPLED))
                given, outputs = self._outputs(context, sample)
                chosen[item] = best_shift(outputs, given, target[sample], self.tables.design.top)
        bits = np.full(n, SHIFT_BITS, np.int32)
        return np.asarray(SHIFTS[self.stream.extra_bits(context, np.arange(n) * count, bits, chosen)])

    def _optimised(self, target: np.ndarray, x: np.ndarray, nearest: np.ndarray, given: Distributions) -> np.ndarray:
        """Return the best of each index and its two neighbours, by squared error plus weighted bits."""
        candidates = target[:, None] + np.arange(-1, 2)
        token, _, extra = tokens.split(candidates - nearest[:, None])
        bits = bits_of(given, tokens.ordered(token, self.tables.design.top + 1)) + extra
        cost = (x[:, None] - candidates.astype(np.float32)) ** 2 + self.weight * bits
        return np.asarray(target + cost.argmin(1) - 1)
