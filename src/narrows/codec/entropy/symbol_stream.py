"""Symbols of blocks of values through the entropy coder, in either direction, with what each item costs."""

import numpy as np
import torch
from torch import Tensor

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
    device : torch.device
        Device of the symbols.

    Attributes
    ----------
    costs : ndarray (n,)
        Bits of each item so far; 0 in decoding.
    """

    def __init__(self, coder: SymbolEncoder | SymbolDecoder, n: int, device: torch.device) -> None:
        self.coder, self.n, self.device = coder, n, device
        self.costs = np.zeros(n)

    def symbols(self, context: PassContext, block: Tensor, frequencies: Tensor, symbols: Tensor | None) -> Tensor:
        """Code a block of a pass by frequencies (P, K): symbols (P,), None in decoding -> symbols (P,), int64."""
        if frequencies.shape[1] == 1:
            return torch.zeros(len(block), dtype=torch.int64, device=self.device)
        rows = frequencies.cpu().numpy()
        if isinstance(self.coder, SymbolDecoder):
            found = self.coder.categorical(rows)
        else:
            assert symbols is not None
            found = self.coder.categorical(rows, symbols.cpu().numpy().astype(np.int32))
            chosen = np.take_along_axis(rows, found[:, None].astype(np.int64), 1)[:, 0]
            self._add_cost(context, block, np.log2(rows.sum(1) / chosen))
        return torch.from_numpy(found).long().to(self.device)

    def extra_bits(
        self, context: PassContext, block: Tensor, counts: np.ndarray, values: np.ndarray | None
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
            self._add_cost(context, block[torch.from_numpy(where).to(self.device)], counts[where].astype(np.float64))
        return found

    def _add_cost(self, context: PassContext, block: Tensor, bits: np.ndarray) -> None:
        self.costs += np.bincount((block // len(context.cells)).cpu().numpy(), bits, self.n)


def blocks(places: Tensor, size: int) -> tuple[Tensor, ...]:
    """Split places into blocks whose probabilities are computed at once."""
    return torch.split(places, size) if len(places) else ()


def frequencies_of(logits: Tensor, decay: Tensor, first: int = 0) -> Tensor:
    """Return frequencies (P, K) of logits, integers of 1/256, of which those before `first` do not count."""
    behind = logits[:, first:].amax(1, keepdim=True) - logits
    return torch.take(decay, behind.clamp_(0, len(decay) - 1).long())


def bits_of(frequencies: Tensor) -> Tensor:
    """Return what each symbol costs in bits."""
    return torch.log2(frequencies.sum(1, keepdim=True) / frequencies)
