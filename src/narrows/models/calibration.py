"""Whether a network's doubt is right: from the deviation that it expects to the one that held-out values have."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

BINS, TAIL = 24, 16


@dataclass(frozen=True)
class Calibration:
    """expected, measured: deviations in scaled units, rising, of values alike in what is expected of them.
    within: the share of held-out values at most one calibrated deviation off, and at most two.
    """

    expected: tuple[float, ...]
    measured: tuple[float, ...]
    within: tuple[float, float]

    @classmethod
    def learn(cls, expected: np.ndarray, errors: np.ndarray) -> "Calibration":
        """From expected deviations (n,) and what the errors (n,) of the values were.

        Values are sorted by what is expected and cut into bins, finer where most is expected; the root mean squares of
        their errors, made to rise where they do not, are what such values are to be given.
        """
        from sklearn.isotonic import IsotonicRegression  # here, because inference does without scikit-learn

        shares = np.concatenate([np.linspace(0, 1, BINS + 1)[:-1], 1 - np.geomspace(1 / BINS, 1e-4, TAIL), [1.0]])
        edges = np.unique((np.unique(shares) * len(expected)).astype(int))
        order = np.argsort(expected)
        parts = [order[start:end] for start, end in pairwise(edges)]
        counts = np.array([len(part) for part in parts])
        x = np.array([expected[part].mean() for part in parts])
        y = np.array([(errors[part] ** 2).mean() for part in parts])
        rising = np.sqrt(IsotonicRegression().fit_transform(x, y, sample_weight=counts))
        x, first = np.unique(x, return_index=True)
        unchecked = cls(tuple(x.tolist()), tuple(rising[first].tolist()), (0.0, 0.0))
        off = np.abs(errors) / np.maximum(unchecked(expected), 1e-12)
        return cls(unchecked.expected, unchecked.measured, (float((off <= 1).mean()), float((off <= 2).mean())))

    def __call__(self, expected: np.ndarray) -> np.ndarray:
        """The deviations of values of which these are expected, of any shape."""
        beyond = self.measured[-1] * np.maximum(expected / max(self.expected[-1], 1e-12), 1)
        return np.where(expected > self.expected[-1], beyond, np.interp(expected, self.expected, self.measured)).astype(
            np.float32
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Calibration":
        """ValueError where the document is no calibration."""
        expected, measured, (one, two) = (map(float, document[name]) for name in ("expected", "measured", "within"))
        self = cls(tuple(expected), tuple(measured), (one, two))
        if len(self.expected) != len(self.measured) or not self.expected:
            raise ValueError(f"calibration of {len(self.expected)} and {len(self.measured)} deviations")
        return self
