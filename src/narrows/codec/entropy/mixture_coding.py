"""The alphabet "mixtures" in coding: distances from the mean of a mixture, as tokens and extra bits.

Where an item has many values in a pass, the encoder tells by how much their spreads differ from what the perceptron
predicts, since noise is a property of an item that training data may lack.
"""

from collections.abc import Callable, Mapping

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.coding import EncodeRequest, LinearTables, TokenCoding
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.engines import mixture_inputs, mixtures
from narrows.codec.entropy.mixture_features import WindowLayout
from narrows.codec.entropy.mixtures import SHIFTS, MixtureDistributions, Mixtures, best_shift
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.ranks import decode_used, encode_used
from narrows.codec.entropy.symbol_stream import SymbolStream

SHIFTED_FROM = 2**10  # values of an item in a pass and channel, where its spreads are shifted
SAMPLED = 3 * 2**8  # of them, at most, from which the shift is chosen
SHIFT_BITS = 5


class MixtureTables(LinearTables):
    """The weights of a context model of mixtures, checked against its design."""

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        super().__init__(design, tensors, device)
        self.layouts = {key: WindowLayout(design.taps(*each)) for key, each in design.keys().items()}

    def coding(self, stream: SymbolStream, step: int, size: int, weight: float) -> "MixtureCoding":
        """Return what codes items; see `Tables.coding`."""
        return MixtureCoding(self, stream, step, weight)


class MixtureCoding(TokenCoding):
    """Codes n items; for parameters see `Tables.coding`.

    Attributes
    ----------
    used : ndarray, optional
        The indices that occur, in order, where planes hold ranks among them.
    """

    def __init__(self, tables: MixtureTables, stream: SymbolStream, step: int, weight: float) -> None:
        super().__init__(stream, weight)
        self.tables, self.step = tables, step
        self.used: np.ndarray | None = None

    def begin(self, request: EncodeRequest | None, count: int) -> EncodeRequest | None:
        """Code which indices occur, where ranks save bits; see `Coding.begin`."""
        if request is None:
            self.used = decode_used(self.stream.decoder, count)
            return None
        chosen = request.x is not None and request.weight > 0  # other indices, which may have no rank
        self.used = encode_used(self.stream.encoder, request.k, not chosen)
        return request if self.used is None else EncodeRequest(np.searchsorted(self.used, request.k).astype(np.int32))

    def left_out(self, context: PassContext) -> tuple[np.ndarray, np.ndarray]:
        """Return what missing values are taken for, the mean of those next to them; see `TokenCoding.left_out`."""
        k, places = super().left_out(context)
        near = self.tables.layouts[context.key].near[0]
        if self.missing is not None and len(near):
            missing = self.missing[context.item_index(self.missing.shape[2:])].reshape(-1)
            k[missing] = context.means(places[missing], near)
            places = places[~missing]
        return k, places

    def symbols(self, token: np.ndarray) -> np.ndarray:
        """Return the places of tokens by size."""
        return tokens.ordered(token, self.tables.design.top + 1)

    def tokens(self, symbols: np.ndarray) -> np.ndarray:
        """Return the tokens at places."""
        return tokens.from_ordered(symbols, self.tables.design.top + 1)

    def prediction(
        self, context: PassContext, target: np.ndarray | None
    ) -> Callable[[np.ndarray], tuple[np.ndarray, Distributions]]:
        """Return the prediction of a pass; see `TokenCoding.prediction`."""
        top, shifts = self.tables.design.top, self._shifts(context, target)

        def predicted(block: np.ndarray) -> tuple[np.ndarray, Distributions]:
            found = self._mixtures(context, block, shifts)
            return found.nearest, MixtureDistributions(found, top + 1)

        return predicted

    def indices(self, planes: np.ndarray) -> np.ndarray:
        """Return the indices of ranks; see `Coding.indices`."""
        return planes if self.used is None else self.used[np.clip(planes, 0, len(self.used) - 1)]

    def _mixtures(self, context: PassContext, chosen: np.ndarray, shifts: np.ndarray) -> Mixtures:
        """Return the mixtures that chosen values have, with the shift of each item."""
        key, (items, place), top = context.key, context.split(chosen), self.tables.design.top
        given = mixture_inputs(context.windows(chosen), self.tables.prediction[key], self.tables.layouts[key], top)
        outputs = np.asarray(self.tables.main(key, given.inputs, place, self.step))
        return mixtures(outputs, given, shifts[items], top)

    def _shifts(self, context: PassContext, target: np.ndarray | None) -> np.ndarray:
        """Code the shift of each item, (n,)."""
        n, count = self.stream.n, len(context.cells)
        none, chosen = np.zeros(n, np.int64), None
        if count < SHIFTED_FROM:
            return none
        if target is not None:
            chosen = np.full(n, np.flatnonzero(SHIFTS == 0)[0], np.int32)
            _, places = self.left_out(context)
            ends = np.searchsorted(places, count * np.arange(n + 1))
            for item in np.flatnonzero(np.diff(ends)).tolist():
                own = places[ends[item] : ends[item + 1]]
                sample = own[:: -(-len(own) // SAMPLED)]
                chosen[item] = best_shift(self._mixtures(context, sample, none), target[sample])
        bits = np.full(n, SHIFT_BITS, np.int32)
        return np.asarray(SHIFTS[self.stream.extra_bits(context, np.arange(n) * count, bits, chosen)])
