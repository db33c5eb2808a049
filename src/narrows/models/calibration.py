"""Calibration of predictive standard deviations on held-out values."""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

BINS, TAIL = 24, 16  # bins of equal size, and further ones among the largest predicted deviations


@dataclass(frozen=True)
class Calibration:
    """A rising map from predicted to measured standard deviations, in scaled units.

    Parameters
    ----------
    expected, measured : tuple of float
        Predicted deviations, rising, and the root mean square of the errors of such values.
    within : tuple of float
        The shares of held-out values within one and two calibrated deviations.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> predicted = rng.uniform(0.1, 0.2, 10_000)
    >>> calibration = Calibration.learn(predicted, 3 * predicted * rng.normal(size=10_000))
    >>> bool(abs(calibration(np.array([0.15]))[0] - 0.45) < 0.05)
    True
    """

    expected: tuple[float, ...]
    measured: tuple[float, ...]
    within: tuple[float, float]

    @classmethod
    def learn(cls, expected: np.ndarray, errors: np.ndarray) -> "Calibration":
        """Return the calibration for held-out values.

        Values are sorted by predicted deviation and cut into bins, finer where it is largest. The mean squares of their
        errors are made monotonic by isotonic regression.

        Parameters
        ----------
        expected : ndarray of shape (n,)
            Predicted standard deviations.
        errors : ndarray of shape (n,)
            Differences between predictions and true values.
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
        ratio = np.abs(errors) / np.maximum(unchecked(expected), 1e-12)
        return cls(unchecked.expected, unchecked.measured, (float((ratio <= 1).mean()), float((ratio <= 2).mean())))

    def __call__(self, expected: np.ndarray) -> np.ndarray:
        """Return calibrated deviations, float32, for predicted ones of any shape; beyond the largest, in proportion."""
        beyond = self.measured[-1] * np.maximum(expected / max(self.expected[-1], 1e-12), 1)
        return np.where(expected > self.expected[-1], beyond, np.interp(expected, self.expected, self.measured)).astype(
            np.float32
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Calibration":
        """Return the calibration that `to_dict` wrote; KeyError, TypeError or ValueError where the document is none."""
        expected, measured, (one, two) = (map(float, document[name]) for name in ("expected", "measured", "within"))
        self = cls(tuple(expected), tuple(measured), (one, two))
        if len(self.expected) != len(self.measured) or not self.expected:
            raise ValueError(f"calibration of {len(self.expected)} and {len(self.measured)} deviations")
        return self
