"""Distributions of symbols, given by logits."""

from dataclasses import dataclass

import numpy as np

from narrows.codec.entropy import tokens


@dataclass(frozen=True, eq=False)
class Distributions:
    """Distributions of P symbols.

    Parameters
    ----------
    logits : ndarray of shape (P, K)
        Of values: integers in units of 1/256, float32.
    first : int
        Values before this one do not count towards the largest logit.
    edges : int64 array of shape (S + 1,), optional
        Where the values of each symbol begin, and where those of the last one end; by default each value is a symbol.
    """

    logits: np.ndarray
    first: int = 0
    edges: np.ndarray | None = None

    def __len__(self) -> int:
        """Return P."""
        return len(self.logits)

    @property
    def symbols(self) -> int:
        """The size S of the alphabet."""
        return self.logits.shape[1] if self.edges is None else len(self.edges) - 1

    def frequencies(self) -> np.ndarray:
        """Return the frequencies of the symbols, integers from 1 in float64, (P, S)."""
        behind = self.logits[:, self.first :].max(1, keepdims=True) - self.logits
        found = np.take(tokens.decay(), behind.astype(np.intp), mode="clip")
        if self.edges is None:
            return np.asarray(found)
        sums = np.pad(found.cumsum(1), ((0, 0), (1, 0)))
        return np.diff(sums[:, self.edges], axis=1)

    def bits(self) -> np.ndarray:
        """Return what each symbol costs in bits, (P, S)."""
        frequencies = self.frequencies()
        return np.asarray(np.log2(frequencies.sum(1, keepdims=True) / frequencies))


def yes_or_no(logits: np.ndarray) -> Distributions:
    """Return the distributions of 0 and 1 by the logits (P,) of 1."""
    return Distributions(np.stack([np.zeros_like(logits), logits], 1).astype(np.float32))
