"""Peers for the imputation of tables.

All but the first see categories as indicators, one for each value (one alone where there are two values), and numbers
in standard deviations of the observed cells; the category of the largest filled indicator is taken.
"""

import subprocess
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import BayesianRidge

from table_scores import is_number

Fill = Callable[[pd.DataFrame, int], pd.DataFrame]
HYPERIMPUTE = Path(__file__).with_name("table_hyperimpute.py")


FEW = 1000  # rows below which a second thread does not pay for a forest


class PeerError(Exception):
    """A peer failed, or took too long."""


@dataclass(frozen=True)
class Indicators:
    """A table as a matrix of numbers, NaN where a cell is empty: `of` there, `table` back."""

    given: pd.DataFrame
    values: dict[str, list[str]]  # of the categories, those that are known
    means: dict[str, float]
    deviations: dict[str, float]

    @classmethod
    def of(cls, given: pd.DataFrame) -> tuple["Indicators", np.ndarray]:
        numbers = [name for name in given if is_number(given[name])]
        deviations = given[numbers].std(ddof=0).replace(0, 1)
        values = {name: sorted(given[name].dropna().unique()) for name in given if name not in numbers}
        code = cls(given, values, given[numbers].mean().to_dict(), deviations.to_dict())
        return code, np.column_stack([code._matrix(name) for name in given])

    def _matrix(self, name: str) -> np.ndarray:
        column = self.given[name]
        if name in self.means:
            return ((column - self.means[name]) / self.deviations[name]).to_numpy(float)[:, None]
        values = self.values[name]
        matrix = np.stack([column.eq(value).to_numpy(float) for value in values], axis=1)
        matrix[column.isna().to_numpy()] = np.nan
        return matrix[:, 1:] if len(values) == 2 else matrix

    def columns(self) -> np.ndarray:
        """The place in the table of the column that each column of the matrix stands for."""
        return np.concatenate([[place] * self._matrix(name).shape[1] for place, name in enumerate(self.given)])

    def table(self, matrix: np.ndarray) -> pd.DataFrame:
        """The table, its empty cells filled from the matrix."""
        filled, place = self.given.copy(), 0
        for name in self.given:
            empty = self.given[name].isna()
            if name in self.means:
                guess: Any = matrix[:, place] * self.deviations[name] + self.means[name]
                place += 1
            else:
                values = self.values[name]
                width = 1 if len(values) == 2 else len(values)
                scores = matrix[:, place : place + width]
                choices = (scores[:, 0] > 0.5).astype(int) if len(values) == 2 else scores.argmax(axis=1)
                guess = np.array(values, object)[choices]
                place += width
            filled.loc[empty, name] = guess[empty.to_numpy()]
        return filled


def mean_mode(given: pd.DataFrame, seed: int) -> pd.DataFrame:
    return given.fillna(
        {name: column.mean() if is_number(column) else column.mode()[0] for name, column in given.items()}
    )


def neighbours(given: pd.DataFrame, seed: int) -> pd.DataFrame:
    """scikit-learn's default: the mean of five neighbours."""
    code, matrix = Indicators.of(given)
    return code.table(KNNImputer().fit_transform(matrix))


def bayesian_ridge(given: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Ten rounds: most tables of development are filled worse by 30 or 100, though few have come to rest."""
    return _iterated(given, BayesianRidge(), seed)


def miss_forest(given: pd.DataFrame, seed: int) -> pd.DataFrame:
    """100 trees and ten rounds, as missForest has by default (Stekhoven & Buehlmann 2012).

    Leaves and features are those that fill the tables of development best, of leaves of 1, 3 and 5 and of all the
    features, half and the square root of them.
    """
    threads = 1 if len(given) < FEW else -1
    trees = ExtraTreesRegressor(100, min_samples_leaf=3, max_features=0.5, n_jobs=threads, random_state=seed)
    return _iterated(given, trees, seed)


def _iterated(given: pd.DataFrame, estimator: Any, seed: int) -> pd.DataFrame:
    """Filled in ten rounds; clipped to the observed range, since a ridge may diverge."""
    code, matrix = Indicators.of(given)
    low, high = np.nanmin(matrix, axis=0), np.nanmax(matrix, axis=0)
    imputer = ByColumn(estimator, max_iter=10, min_value=low, max_value=high, random_state=seed)
    imputer.columns = code.columns()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return code.table(imputer.fit_transform(matrix))


class ByColumn(IterativeImputer):
    """IterativeImputer that keeps the other indicators of a category out of what an indicator is predicted from.

    They add up to 1 with it, so each would only be predicted to be what the first guess made of the others. `columns`
    says to which column of the table each one of the matrix belongs.
    """

    columns: np.ndarray

    def _get_neighbor_feat_idx(self, n_features: int, feat_idx: int, abs_corr_mat: Any) -> np.ndarray:
        return np.flatnonzero(self.columns != self.columns[feat_idx])


def hyperimpute(python: Path, minutes: float, given: pd.DataFrame, seed: int) -> pd.DataFrame:
    """HyperImpute in another Python; PeerError where it fails or takes longer.

    It takes a column of few values for one of categories. So categories become codes, numbers stray by a millionth of
    their deviation, and the limit is set between the two.
    """
    filled, codes = given.copy(), {}
    generator = np.random.default_rng(seed)
    matrix = np.full(given.shape, np.nan)
    for place, (name, column) in enumerate(given.items()):
        known = column.notna().to_numpy()
        if is_number(column):
            strayed = column.to_numpy(float) + 1e-6 * column.std() * generator.standard_normal(len(column))
            matrix[known, place] = strayed[known]
        else:
            codes[name] = sorted(column.dropna().unique())
            matrix[known, place] = column[known].map(codes[name].index).astype(float)
    classes = 2 + max(map(len, codes.values()), default=0)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "given.npz"), Path(folder, "filled.npy")
        np.savez(source, matrix=matrix, classes=classes, seed=seed)
        try:
            subprocess.run([python, HYPERIMPUTE, source, target], check=True, timeout=60 * minutes, capture_output=True)
        except subprocess.TimeoutExpired:
            raise PeerError(f"took longer than {minutes:g} minutes") from None
        except subprocess.CalledProcessError as error:
            raise PeerError(error.stderr.decode().strip().splitlines()[-1]) from None
        matrix = np.load(target)
    if not np.isfinite(matrix).all():
        raise PeerError("left cells empty")
    for place, (name, column) in enumerate(given.items()):
        empty = column.isna().to_numpy()
        guess: Any = matrix[empty, place]
        if name in codes:
            guess = np.array(codes[name], object)[guess.round().astype(int)]
        filled.loc[empty, name] = guess
    return filled
