"""Symbols of blocks of values through the entropy coder, in either direction, with what each item costs."""

from collections.abc import Iterator

import numpy as np

from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.range_coder import SymbolDecoder, SymbolEncoder


class SymbolStream:
    """Codes the symbols of n items, and adds up what they cost.

    Parameters
    ----------
    coder : SymbolEncoder or SymbolDecoder
        Where the symbols go, or come from.
    n : int
        Number of items.

    Attributes
    ----------
    costs : ndarray (n,)
        Bits of each item so far; 0 in decoding.
    """

    def __init__(self, coder: SymbolEncoder | SymbolDecoder, n: int) -> None:
        self.coder, self.n = coder, n
        self.costs = np.zeros(n)

    def symbols(
        self, context: PassContext, block: np.ndarray, frequencies: np.ndarray, symbols: np.ndarray | None
    ) -> np.ndarray:
        """Code a block of a pass by frequencies (P, K): symbols (P,), None in decoding -> symbols (P,), int32."""
        if frequencies.shape[1] == 1:
            return np.zeros(len(block), np.int32)
        if isinstance(self.coder, SymbolDecoder):
            return self.coder.categorical(frequencies)
        assert symbols is not None
        found = self.coder.categorical(frequencies, symbols.astype(np.int32))
        chosen = np.take_along_axis(frequencies, found[:, None].astype(np.int64), 1)[:, 0]
        self._add_cost(context, block, np.log2(frequencies.sum(1) / chosen))
        return found

    def extra_bits(
        self, context: PassContext, block: np.ndarray, counts: np.ndarray, values: np.ndarray | None
    ) -> np.ndarray:
        """Code values (P,) of `counts` bits each, None in decoding -> values (P,), int32."""
        where = np.flatnonzero(counts)
        sizes = np.left_shift(1, counts[where]).astype(np.int32)
        found = np.zeros(len(counts), np.int32)
        if isinstance(self.coder, SymbolDecoder):
            found[where] = self.coder.uniform(sizes)
        else:
            assert values is not None
            found[where] = self.coder.uniform(sizes, values[where])
            self._add_cost(context, block[where], counts[where].astype(np.float64))
        return found

    def _add_cost(self, context: PassContext, block: np.ndarray, bits: np.ndarray) -> None:
        self.costs += np.bincount(block // len(context.cells), bits, self.n)


def blocks(places: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Split places into blocks whose probabilities are computed at once."""
    return (places[start : start + size] for start in range(0, len(places), size))


def frequencies_of(logits: np.ndarray, decay: np.ndarray, first: int = 0) -> np.ndarray:
    """Return frequencies (P, K) of logits, integers of 1/256, of which those before `first` do not count."""
    behind = logits[:, first:].max(1, keepdims=True) - logits
    return np.asarray(np.take(decay, behind.astype(np.intp), mode="clip"))


def bits_of(frequencies: np.ndarray) -> np.ndarray:
    """Return what each symbol costs in bits."""
    return np.asarray(np.log2(frequencies.sum(1, keepdims=True) / frequencies))
