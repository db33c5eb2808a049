"""The alphabet "residuals" in coding: differences from a linear prediction, as tokens and extra bits."""

from collections.abc import Callable

import numpy as np

from narrows.codec.entropy.coding import LinearTables, TokenCoding
from narrows.codec.entropy.distributions import Alphabet, Distributions
from narrows.codec.entropy.engines import residual_inputs
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream

TOKENS = Alphabet()


class ResidualTables(LinearTables):
    """The weights of a context model of residuals, checked against its design."""

    def coding(self, stream: SymbolStream, step: int, size: int, weight: float) -> "ResidualCoding":
        """Return what codes items; see `Tables.coding`."""
        return ResidualCoding(self, stream, step, weight)


class ResidualCoding(TokenCoding):
    """Codes n items; for parameters see `Tables.coding`."""

    def __init__(self, tables: ResidualTables, stream: SymbolStream, step: int, weight: float) -> None:
        super().__init__(stream, weight)
        self.tables, self.step = tables, step

    def prediction(
        self, context: PassContext, target: np.ndarray | None
    ) -> Callable[[np.ndarray], tuple[np.ndarray, Distributions]]:
        """Return the prediction of a pass; see `TokenCoding.prediction`."""

        def predicted(block: np.ndarray) -> tuple[np.ndarray, Distributions]:
            weights, (items, place) = self.tables.prediction[context.key], context.split(block)
            inputs, nearest = residual_inputs(context.windows(block), weights, self.tables.design.top)
            return nearest, self.tables.main.distributions(context.key, inputs, place, self.step, TOKENS, items)

        return predicted
