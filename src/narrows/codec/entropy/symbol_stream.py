"""Symbols of blocks of values through the entropy coder, in either direction, with what each item costs."""

from typing import Any

import numpy as np

from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.range_coder import Decoder, Encoder
from narrows.codec.parallel import Ahead


class SymbolStream:
    """Codes the symbols of n items, and adds up what they cost.

    Parameters
    ----------
    coder : Encoder or Decoder
        Where the symbols go, or come from.
    n : int
        Number of items.
    ahead : callable
        What computes distributions of the next blocks while those of one are coded.

    Attributes
    ----------
    costs : ndarray (n,)
        Bits of each item so far; 0 in decoding.
    """

    def __init__(self, coder: Any, n: int, ahead: Ahead) -> None:
        self.encoder: Encoder = coder
        self.decoder: Decoder = coder
        self.n, self.ahead = n, ahead
        self.costs = np.zeros(n)

    def symbols(
        self, context: PassContext, block: np.ndarray, given: Distributions, symbols: np.ndarray | None
    ) -> np.ndarray:
        """Code a block of a pass: symbols (P,), None in decoding -> symbols (P,), int32."""
        if given.symbols == 1:
            return np.zeros(len(block), np.int32)
        if symbols is None:
            return self.decoder.categorical(given)
        symbols = symbols.astype(np.int32)
        self._add_cost(context, block, self.encoder.categorical(given, symbols))
        return symbols

    def extra_bits(
        self, context: PassContext, block: np.ndarray, counts: np.ndarray, values: np.ndarray | None
    ) -> np.ndarray:
        """Code values (P,) of `counts` bits each, None in decoding -> values (P,), int32."""
        where = np.flatnonzero(counts)
        bits, found = counts[where], np.zeros(len(counts), np.int32)
        if values is None:
            found[where] = self.decoder.uniform(bits)
        else:
            found[where] = values[where]
            self.encoder.uniform(bits, found[where])
            self._add_cost(context, block[where], bits.astype(np.float64))
        return found

    def _add_cost(self, context: PassContext, block: np.ndarray, bits: np.ndarray) -> None:
        self.costs += np.bincount(block // len(context.cells), bits, self.n)


def blocks(places: np.ndarray, size: int) -> list[np.ndarray]:
    """Split places into blocks whose probabilities are computed at once."""
    return [places[start : start + size] for start in range(0, len(places), size)]
