"""Calibration of predictive standard deviations, learned from held-out values."""

from itertools import pairwise

import numpy as np
from sklearn.isotonic import IsotonicRegression

from narrows.models.calibration import Calibration

BINS, TAIL = 24, 16  # bins of equal size, and further ones among the largest predicted deviations


def fit_calibration(expected: np.ndarray, errors: np.ndarray) -> Calibration:
    """Return the calibration for held-out values.

    Values are sorted by predicted deviation and cut into bins, finer where it is largest. The mean squares of their
    errors are made monotonic by isotonic regression.

    Parameters
    ----------
    expected : ndarray of shape (n,)
        Predicted standard deviations.
    errors : ndarray of shape (n,)
        Differences between predictions and true values.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> predicted = rng.uniform(0.1, 0.2, 10_000)
    >>> calibration = fit_calibration(predicted, 3 * predicted * rng.normal(size=10_000))
    >>> bool(abs(calibration(np.array([0.15]))[0] - 0.45) < 0.05)
    True
    """
    shares = np.concatenate([np.linspace(0, 1, BINS + 1)[:-1], 1 - np.geomspace(1 / BINS, 1e-4, TAIL), [1.0]])
    edges = np.unique((np.unique(shares) * len(expected)).astype(int))
    order = np.argsort(expected)
    parts = [order[start:end] for start, end in pairwise(edges)]
    counts = np.array([len(part) for part in parts])
    x = np.array([expected[part].mean() for part in parts])
    y = np.array([(errors[part] ** 2).mean() for part in parts])
    # Among values that are nearly the same, the regression keeps one, beyond which the others lie.
    rising = np.sqrt(IsotonicRegression(out_of_bounds="clip").fit_transform(x, y, sample_weight=counts))
    x, first = np.unique(x, return_index=True)
    unchecked = Calibration(tuple(x.tolist()), tuple(rising[first].tolist()), (0.0, 0.0))
    ratio = np.abs(errors) / np.maximum(unchecked(expected), 1e-12)
    within = float((ratio <= 1).mean()), float((ratio <= 2).mean())
    return Calibration(unchecked.expected, unchecked.measured, within)
