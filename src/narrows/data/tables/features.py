"""Features: from the coded values of a table to numbers of about one size, as networks see them, and back."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from narrows.data.tables.columns import Column, Columns
from narrows.errors import FormatError

SKEWED, HEAVY = 1.5, 9.0  # skewness and kurtosis above which a column is bent; the exponential has 2 and 9
KNOTS = 128
FEWEST_TO_BEND = 20  # different values
LOOKED_AT = 2**17  # rows


@dataclass(frozen=True)
class QuantileNormalTransform:
    """A monotone map, linear between its knots: values (increasing) to normal scores (increasing), and back."""

    knots: tuple[float, ...]
    scores: tuple[float, ...]

    def forward(self, values: np.ndarray) -> np.ndarray:
        return np.interp(values, self.knots, self.scores)

    def inverse(self, scores: np.ndarray) -> np.ndarray:
        """The values, within those that were learnt from."""
        return np.interp(scores, self.scores, self.knots)


@dataclass(frozen=True)
class Feature:
    """What one column becomes.

    mean, scale: (K,) each: features are what is scaled minus the mean, over the scale; (0,) for a column that is
        constant or unknown, which becomes no feature.
    transform: applied to the codes before scaling; None where the codes are scaled as they are.
    """

    mean: np.ndarray
    scale: np.ndarray
    transform: QuantileNormalTransform | None = None


@dataclass(frozen=True)
class Features:
    """The features of a table's columns: `forward` and `inverse` undo each other, as far as cells allow.

    A number, a date or a boolean becomes one feature of mean 0 and deviation 1; where it is skewed or heavy-tailed,
    through a monotone map of its quantiles to normal scores. A category becomes one feature for each of its categories,
    1 or 0, less its mean, and scaled so that all of them together have the variance 1: a category counts as much as a
    number. A column that is constant or without any code becomes nothing, and a cell without a code the mean.
    """

    columns: Columns
    features: tuple[Feature, ...]

    @classmethod
    def learn(cls, values: np.ndarray, columns: Columns) -> Features:
        """From coded values (N, F), N > 0."""
        rows = values[:: max(1, -(-len(values) // LOOKED_AT))]
        return cls(columns, tuple(_learn(rows[:, place], column) for place, column in enumerate(columns)))

    @property
    def size(self) -> int:
        """How many features there are, D."""
        return sum(len(feature.mean) for feature in self.features)

    def forward(self, values: np.ndarray, dtype: Any = np.float64, out: np.ndarray | None = None) -> np.ndarray:
        """Coded values (N, F) as features (N, D)."""
        out = np.zeros((len(values), self.size), dtype) if out is None else out
        start = 0
        for place, (column, feature) in enumerate(zip(self.columns, self.features, strict=True)):
            width, codes = len(feature.mean), values[:, place]
            if not width:
                continue
            if column.kind == "category":
                scaled = (codes[:, None] == np.arange(width)) - feature.mean
                scaled[np.isnan(codes)] = 0
            else:
                bent = codes if feature.transform is None else feature.transform.forward(codes)
                scaled = np.where(np.isnan(codes), 0, bent - feature.mean)[:, None]
            out[:, start : start + width] = scaled / feature.scale
            start += width
        return out

    def inverse(self, features: np.ndarray) -> np.ndarray:
        """Coded values (N, F), such as cells can have, from features (N, D); NaN for columns without any code."""
        values = np.empty((len(features), len(self.columns)))
        start = 0
        for place, (column, feature) in enumerate(zip(self.columns, self.features, strict=True)):
            width = len(feature.mean)
            scaled = features[:, start : start + width] * feature.scale + feature.mean
            start += width
            if not width:
                values[:, place] = np.nan if column.low is None else column.low
            elif column.kind == "category":
                values[:, place] = scaled.argmax(axis=1)
            else:
                values[:, place] = (
                    scaled[:, 0] if feature.transform is None else feature.transform.inverse(scaled[:, 0])
                )
        return self.columns.nearest_valid(values)

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain values for a JSON document; of a bend its knots and scores."""
        return [
            {
                "mean": feature.mean.tolist(),
                "scale": feature.scale.tolist(),
                "bend": None
                if feature.transform is None
                else [list(feature.transform.knots), list(feature.transform.scores)],
            }
            for feature in self.features
        ]

    @classmethod
    def from_dict(cls, document: Any, columns: Columns) -> Features:
        """The features that `to_dict` wrote, of these columns; FormatError where the document is not of such."""
        try:
            features = []
            for each, column in zip(document, columns, strict=True):
                mean, scale = np.array(each["mean"], float), np.array(each["scale"], float)
                bend = (
                    None
                    if each["bend"] is None
                    else QuantileNormalTransform(*(tuple(map(float, ends)) for ends in each["bend"]))
                )
                width = len(column.categories) if column.kind == "category" else 1
                if mean.shape != scale.shape or mean.shape not in ((0,), (width,)) or not (scale > 0).all():
                    raise ValueError(f"column {column.name!r}: means {mean.shape} and scales {scale.shape}")
                if bend and (len(bend.knots) != len(bend.scores) or len(bend.knots) < 2):
                    raise ValueError(f"column {column.name!r}: {len(bend.knots)} knots, {len(bend.scores)} scores")
                if bend and not all((np.diff(ends) > 0).all() for ends in (bend.knots, bend.scores)):
                    raise ValueError(f"column {column.name!r}: its knots or scores do not rise")
                features.append(Feature(mean, scale, bend))
            return cls(columns, tuple(features))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"features of the table: {error}") from None


def _learn(codes: np.ndarray, column: Column) -> Feature:
    known = codes[~np.isnan(codes)]
    if column.empty or column.constant or len(known) == 0 or (known == known[0]).all():
        return Feature(np.zeros(0), np.zeros(0))
    if column.kind == "category":
        shares = np.bincount(known.astype(np.int64), minlength=len(column.categories)) / len(known)
        scale = np.sqrt((shares * (1 - shares)).sum())
        return Feature(shares, np.full(len(shares), scale))
    bend = _bend(known, column) if needs_transform(known) else None
    scaled = known if bend is None else bend.forward(known)
    mean, deviation = scaled.mean(), scaled.std()
    return Feature(np.array([mean]), np.array([deviation]), bend)


def needs_transform(known: np.ndarray) -> bool:
    """Whether values (N,) are so skewed or heavy-tailed that few of them would outweigh all others.

    So they are where the skewness is beyond 1.5 either way, or the kurtosis above 9 (a normal distribution has 0 and
    3), and there are at least 20 different values.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (known - known.mean()) / known.std()
        skewness, kurtosis = (scaled**3).mean(), (scaled**4).mean()
    tame = abs(skewness) <= SKEWED and kurtosis <= HEAVY  # not so either where they overflow
    return not tame and len(np.unique(known)) >= FEWEST_TO_BEND


def _bend(known: np.ndarray, column: Column) -> QuantileNormalTransform | None:
    """The map of values (N,) to the normal scores of their ranks, by at most `KNOTS` of their quantiles."""
    assert column.low is not None
    assert column.high is not None
    values, counts = np.unique(known, return_counts=True)
    shares = (np.cumsum(counts) - counts / 2) / len(known)  # the mean rank of each value
    places = np.searchsorted(shares, (np.arange(KNOTS) + 0.5) / KNOTS)
    chosen = np.unique(np.concatenate([[0], np.minimum(places, len(values) - 1), [len(values) - 1]]))
    if len(chosen) > KNOTS:
        chosen = np.delete(chosen, np.arange(1, 1 + len(chosen) - KNOTS))
    knots, scores = values[chosen], np.array([NormalDist().inv_cdf(share) for share in shares[chosen]])
    knots[0], knots[-1] = column.low, column.high  # of all rows
    return QuantileNormalTransform(tuple(knots.tolist()), tuple(scores.tolist()))
