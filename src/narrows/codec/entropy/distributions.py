"""Distributions of symbols, in the integer frequencies that the range coder takes."""

from dataclasses import dataclass

import numpy as np

from narrows.codec.entropy import tokens


@dataclass(frozen=True, eq=False)
class Distributions:
    """Distributions of P symbols.

    Parameters
    ----------
    cumulative : int32 array of shape (P, S)
        The frequency of each symbol, an integer from 1, added to those of the symbols before it.
    """

    cumulative: np.ndarray

    @classmethod
    def from_logits(cls, logits: np.ndarray, first: int = 0, edges: np.ndarray | None = None) -> "Distributions":
        """Return the distributions that logits stand for.

        Parameters
        ----------
        logits : ndarray of shape (P, K)
            Of values: integers in units of 1/256, float32.
        first : int
            Values before this one do not count towards the largest logit.
        edges : int64 array of shape (S + 1,), optional
            Where the values of each symbol begin, and where those of the last one end; by default each is a symbol.
        """
        behind = logits[:, first:].max(1, keepdims=True) - logits
        sums = np.take(tokens.decay(), behind.astype(np.intp), mode="clip").cumsum(1)
        if edges is not None:
            sums = np.pad(sums, ((0, 0), (1, 0)))
            sums = sums[:, edges[1:]] - sums[:, edges[:1]]
        return cls(np.ascontiguousarray(sums, np.int32))

    def __len__(self) -> int:
        """Return P."""
        return len(self.cumulative)

    @property
    def symbols(self) -> int:
        """The size S of the alphabet."""
        return int(self.cumulative.shape[1])

    def frequencies(self) -> np.ndarray:
        """Return the frequencies of the symbols, integers from 1 in float64, (P, S)."""
        return np.diff(self.cumulative, prepend=0, axis=1).astype(np.float64)

    def bits(self, symbols: np.ndarray) -> np.ndarray:
        """Return what symbols (P, ...) cost in bits."""
        columns = symbols.reshape(len(symbols), -1)
        starts = np.where(columns > 0, self.sums(np.maximum(columns - 1, 0)), 0)
        total = self.sums(np.full((len(columns), 1), self.symbols - 1))
        return np.asarray(np.log2(total / (self.sums(columns) - starts))).reshape(symbols.shape)

    def sums(self, symbols: np.ndarray) -> np.ndarray:
        """Return the cumulative frequencies of symbols (P, ...)."""
        return np.take_along_axis(self.cumulative, symbols, 1)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What the kernel computes cumulative frequencies from."""
        return (self.cumulative,)


@dataclass(frozen=True, eq=False)
class Alphabet:
    """What the outputs of a perceptron stand for: logits of values, and the symbols that the values belong to.

    One output alone is the logit of the symbol 1, against 0.

    Parameters
    ----------
    first : int
        Values before this one do not count towards the largest logit.
    edges : int64 array of shape (S + 1,), optional
        Where the values of each symbol begin; by default each value is a symbol.
    bonus : float32 array of shape (n, K), optional
        What the logit of each value gains for each item, times a gate, which is one more output.
    """

    first: int = 0
    edges: np.ndarray | None = None
    bonus: np.ndarray | None = None

    def distributions(self, outputs: np.ndarray, items: np.ndarray) -> Distributions:
        """Return the distributions that outputs (P, ...) stand for; items: those that each belongs to, (P,)."""
        if self.bonus is not None:
            outputs = with_bonus(outputs, self.bonus, items)
        elif outputs.shape[1] == 1:
            outputs = np.pad(outputs, ((0, 0), (1, 0)))
        return Distributions.from_logits(outputs, self.first, self.edges)


def with_bonus(outputs: np.ndarray, bonus: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return the logits (P, K) of values: outputs (P, K + 1), of which the last is the gate, and bonuses (n, K)."""
    added: np.ndarray = bonus[items]
    added *= np.clip(outputs[:, -1:] + 256, 0, 1024) * np.float32(1 / 256)
    np.floor(added, out=added)
    added += outputs[:, :-1]
    return added
