"""The alphabet "residuals" in coding: differences from a linear prediction, as tokens and extra bits."""

from collections.abc import Mapping

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Alphabet, Distributions
from narrows.codec.entropy.engines import bits_of, predictor, residual_inputs
from narrows.codec.entropy.exact_predictor import check_whole, part
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream, blocks

TOKENS = Alphabet()
LARGEST_INDEX = 2**23  # either way
BLOCK = 2**12  # values whose tokens, and then extra bits, follow each other in the bitstream


class ResidualTables:
    """The weights of a context model of residuals, checked against its design; ValueError where they do not fit."""

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        self.design = design
        inputs = design.window_sizes()
        self.main = predictor(part(tensors, "main."), design.groups(), device)
        self.main.check(design.input_sizes(), design.places, design.steps, design.outputs)
        prediction = part(tensors, "prediction.")
        check_whole(prediction, 16)  # so that sums are exact
        self.prediction = {key: weights.astype(np.int32) for key, weights in prediction.items()}
        if [self.prediction[key].shape for key in inputs] != [(size,) for size in inputs.values()]:
            raise ValueError("predictions of other sizes than the design says")


class ResidualCoding:
    """Codes the residuals of n items.

    Parameters
    ----------
    tables : ResidualTables
        The weights.
    stream : SymbolStream
        The entropy coder.
    step : int
        Row of the table of steps.
    weight : float
        Squared steps that the encoder spends to save a bit.
    """

    def __init__(self, tables: ResidualTables, stream: SymbolStream, step: int, weight: float) -> None:
        self.tables, self.stream, self.step, self.weight = tables, stream, step, weight

    def features(self, known: np.ndarray) -> np.ndarray:
        """Return what windows hold for known indices."""
        return known

    def code(self, context: PassContext, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code a pass -> its indices (n x count,); parameters are those of `ValueCoding.code`."""
        k = np.zeros(len(context.bases), np.int64)

        def predicted(block: np.ndarray) -> tuple[np.ndarray, Distributions]:
            weights, (items, place) = self.tables.prediction[context.key], context.split(block)
            inputs, nearest = residual_inputs(context.windows(block), weights, self.tables.design.top)
            return nearest, self.tables.main.distributions(context.key, inputs, place, self.step, TOKENS, items)

        for block, (nearest, given) in self.stream.ahead(predicted, blocks(np.arange(len(k)), BLOCK)):
            token, extra = None, None
            if target is not None:
                wanted = target[block].astype(np.int64)
                if x is not None:
                    wanted = self.optimise(wanted, x[block], nearest, given)
                token, extra, _ = tokens.split(wanted - nearest)
            token = self.stream.symbols(context, block, given, token)
            extra = self.stream.extra_bits(context, block, tokens.extra_bits(token), extra)
            k[block] = np.clip(nearest + tokens.join(token, extra), -LARGEST_INDEX, LARGEST_INDEX)
        return k

    def optimise(self, target: np.ndarray, x: np.ndarray, nearest: np.ndarray, given: Distributions) -> np.ndarray:
        """Return the best of each index and its two neighbours, by squared error plus weighted bits."""
        candidates = target[:, None] + np.arange(-1, 2)
        token, _, extra = tokens.split(candidates - nearest[:, None])
        bits = bits_of(given, token.astype(np.int64)) + extra
        cost = (x[:, None] - candidates.astype(np.float32)) ** 2 + self.weight * bits
        return np.asarray(target + cost.argmin(1) - 1)
