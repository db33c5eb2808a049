"""Features: from the codes of a table's cells to numbers of similar scale, as networks are trained on, and back."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from narrows.artifacts.schema import FiniteFloat, typed
from narrows.data.tables.columns import Column, Columns
from narrows.errors import DataError, FormatError

MAX_SKEWNESS, MAX_KURTOSIS = 1.5, 9.0  # of a column that is not transformed; the exponential has 2 and 9
N_KNOTS = 128
MIN_DISTINCT = 20  # values of a column that is transformed
N_ROWS = 2**17  # from which features are fitted


@dataclass(frozen=True)
class QuantileNormalTransform:
    """A monotone map from values to normal scores, linear between its knots, which both increase."""

    knots: tuple[float, ...]
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that there are as many knots as scores, and that both increase."""
        if len(self.knots) != len(self.scores) or len(self.knots) < 2:
            raise DataError(f"{len(self.knots)} knots and {len(self.scores)} scores")
        if not all((np.diff(ends) > 0).all() for ends in (self.knots, self.scores)):
            raise DataError("knots or scores that do not increase")

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Return the scores of values."""
        return np.asarray(np.interp(values, self.knots, self.scores))

    def inverse(self, scores: np.ndarray) -> np.ndarray:
        """Return the values of scores, within the range of the data."""
        return np.asarray(np.interp(scores, self.scores, self.knots))


@dataclass(frozen=True)
class Feature:
    """The features of one column.

    mean, scale: (K,) each, by which K features are standardised; (0,) for a column that is constant or without codes.
    transform: applied to the codes first, where it is not None.
    """

    mean: np.ndarray
    scale: np.ndarray
    transform: QuantileNormalTransform | None = None


@dataclass(frozen=True)
class Features:
    """The features of a table's columns; `inverse` undoes `forward`, as far as the kinds of cells allow.

    A number, a date or a boolean becomes one feature of mean 0 and deviation 1, after a quantile-normal transform where
    it is skewed or heavy-tailed. A category is one-hot encoded, centred, and scaled so that the total variance is 1: a
    category counts as much as a number. A column that is constant or without any code becomes no feature; a missing
    cell becomes the mean.
    """

    columns: Columns
    features: tuple[Feature, ...]

    @classmethod
    def learn(cls, values: np.ndarray, columns: Columns) -> Features:
        """Fit the features to coded values (N, F), N > 0."""
        rows = values[:: max(1, -(-len(values) // N_ROWS))]
        return cls(columns, tuple(_fit(rows[:, place], column) for place, column in enumerate(columns)))

    @property
    def size(self) -> int:
        """The number of features, D."""
        return sum(len(feature.mean) for feature in self.features)

    def forward(self, values: np.ndarray, dtype: Any = np.float64, out: np.ndarray | None = None) -> np.ndarray:
        """Return coded values (N, F) as features (N, D)."""
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
                transformed = codes if feature.transform is None else feature.transform.forward(codes)
                scaled = np.where(np.isnan(codes), 0, transformed - feature.mean)[:, None]
            out[:, start : start + width] = scaled / feature.scale
            start += width
        return out

    def inverse(self, features: np.ndarray) -> np.ndarray:
        """Return valid codes (N, F) of features (N, D); NaN for columns without any code."""
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
        """Return plain values for a JSON document; a transform is its knots and scores, under the key "bend"."""
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
        """Return the features of a document that `to_dict` returned, of these columns; FormatError for any other."""
        try:
            features = []
            for each, column in zip(document, columns, strict=True):
                mean, scale = (
                    np.array(typed(tuple[FiniteFloat, ...], each[name]), float) for name in ("mean", "scale")
                )
                width = len(column.categories) if column.kind == "category" else 1
                if mean.shape != scale.shape or mean.shape not in ((0,), (width,)) or not (scale > 0).all():
                    raise ValueError(f"column {column.name!r}: means {mean.shape} and scales {scale.shape}")
                ends = typed(tuple[tuple[FiniteFloat, ...], tuple[FiniteFloat, ...]] | None, each["bend"])
                features.append(Feature(mean, scale, ends and QuantileNormalTransform(*ends)))
            return cls(columns, tuple(features))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(str(error), source="features of the table") from None


def _fit(codes: np.ndarray, column: Column) -> Feature:
    known = codes[~np.isnan(codes)]
    if column.empty or column.constant or len(known) == 0 or (known == known[0]).all():
        return Feature(np.zeros(0), np.zeros(0))
    if column.kind == "category":
        shares = np.bincount(known.astype(np.int64), minlength=len(column.categories)) / len(known)
        scale = np.sqrt((shares * (1 - shares)).sum())
        return Feature(shares, np.full(len(shares), scale))
    transform = _fit_transform(known, column) if needs_transform(known) else None
    scaled = known if transform is None else transform.forward(known)
    mean, deviation = scaled.mean(), scaled.std()
    return Feature(np.array([mean]), np.array([deviation]), transform)


def needs_transform(known: np.ndarray) -> bool:
    """Whether observed values (N,) are so skewed or heavy-tailed that few of them would outweigh all others.

    That is, the skewness is beyond 1.5 either way, or the kurtosis above 9 (a normal distribution has 0 and 3), and
    there are at least 20 distinct values.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (known - known.mean()) / known.std()
        skewness, kurtosis = (scaled**3).mean(), (scaled**4).mean()
    moderate = abs(skewness) <= MAX_SKEWNESS and kurtosis <= MAX_KURTOSIS  # false where they overflow
    return not moderate and len(np.unique(known)) >= MIN_DISTINCT


def _fit_transform(known: np.ndarray, column: Column) -> QuantileNormalTransform | None:
    """Fit the map of values (N,) to the normal scores of their ranks, by at most `N_KNOTS` of their quantiles."""
    assert column.low is not None
    assert column.high is not None
    values, counts = np.unique(known, return_counts=True)
    shares = (np.cumsum(counts) - counts / 2) / len(known)  # the mean rank of each value
    places = np.searchsorted(shares, (np.arange(N_KNOTS) + 0.5) / N_KNOTS)
    chosen = np.unique(np.concatenate([[0], np.minimum(places, len(values) - 1), [len(values) - 1]]))
    if len(chosen) > N_KNOTS:
        chosen = np.delete(chosen, np.arange(1, 1 + len(chosen) - N_KNOTS))
    knots, scores = values[chosen], np.array([NormalDist().inv_cdf(share) for share in shares[chosen]])
    knots[0], knots[-1] = column.low, column.high  # of all rows
    return QuantileNormalTransform(tuple(knots.tolist()), tuple(scores.tolist()))
