"""Errors of a filled table on the hidden cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

CENTRAL = 0.9  # the share of the values that the interval of the samples is to hold
MANY = 20  # a column with more values than that has intervals that need not hold whole steps


def is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def scores(complete: pd.DataFrame, filled: pd.DataFrame, hidden: np.ndarray) -> dict[str, Any]:
    """rmse: root mean squared error of all hidden numbers together, each in standard deviations of its complete column.
    error: share of the hidden categories that are wrong. None where there are none. columns: the same of each column.

    Raises ValueError where a hidden cell is still empty, or a visible one has changed.
    """
    squares, wrong, columns = [], [], {}
    for place, name in enumerate(complete.columns):
        true, guess, cells = complete[name], filled[name], hidden[:, place]
        if guess.isna().any():
            raise ValueError(f"{name}: {guess.isna().sum():,} cells are empty")
        if is_number(true):
            errors = (guess.to_numpy(float) - true.to_numpy(float)) / true.std(ddof=0)
            changed = ~np.isclose(errors[~cells], 0, atol=1e-4)
            squares.append(np.square(errors[cells]))
            columns[name] = float(np.sqrt(squares[-1].mean())) if cells.any() else None
        else:
            errors = guess.astype(str).to_numpy() != true.astype(str).to_numpy()
            changed = errors[~cells]
            wrong.append(errors[cells])
            columns[name] = float(wrong[-1].mean()) if cells.any() else None
        if changed.any():
            raise ValueError(f"{name}: {changed.sum():,} visible cells have changed")
    together = {"rmse": _mean(squares) ** 0.5 if _count(squares) else None, "error": _mean(wrong)}
    return {**together, "columns": columns}


def coverage(complete: pd.DataFrame, samples: Sequence[pd.DataFrame], hidden: np.ndarray) -> dict[str, float | None]:
    """The share of the hidden numbers that lie inside the central 90 % of the samples, its ends included.

    coverage: of all; of_many: of the columns of more than 20 values alone, where the ends hold hardly any true value.
    The ends are quantiles that hold 90 % on average for any number of samples (Weibull's).
    """
    inside: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for place, name in enumerate(complete.columns):
        cells = hidden[:, place]
        if is_number(complete[name]) and cells.any():
            drawn = np.stack([sample[name].to_numpy(float)[cells] for sample in samples])
            ends = (1 - CENTRAL) / 2, (1 + CENTRAL) / 2
            low, high = np.quantile(drawn, ends, axis=0, method="weibull")
            true = complete[name].to_numpy(float)[cells]
            slack = 1e-6 * complete[name].std()  # float32 on the way
            held = (true >= low - slack) & (true <= high + slack)
            inside[complete[name].nunique() > MANY].append(held)
    return {"coverage": _mean(inside[False] + inside[True]), "of_many": _mean(inside[True])}


def _count(parts: list[np.ndarray]) -> int:
    return sum(map(len, parts))


def _mean(parts: list[np.ndarray]) -> Any:
    return float(np.concatenate(parts).mean()) if _count(parts) else None
