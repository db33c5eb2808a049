"""How well an imputer fills tables, where what is right is known."""

import time
from dataclasses import dataclass

import numpy as np

from narrows.data import Items
from narrows.data.tables.columns import Column
from narrows.errors import DataError
from narrows.estimators.imputer import Imputer


@dataclass(frozen=True)
class ColumnFilling:
    """How far off the hidden cells of a column are, and with the mean or the most frequent category in them.

    kind: as of `narrows.data.Column`. Of booleans and categories the share that is wrong; of others the root mean
    square of the errors, where the deviation of the column is 1.
    """

    name: str
    kind: str
    hidden: int
    off: float
    usual: float


@dataclass(frozen=True)
class TableFilling:
    """Figures of an imputer on a table of which some cells were hidden, over the hidden cells.

    data, items: what was filled, and its rows. seconds: what filling took. holes: what was hidden. hidden: which share
    of the cells it was.
    rmse: root mean square of the errors of numbers and dates, each column's deviation being 1. wrong: share of wrong
        booleans and categories. None where there are none.
    usual_rmse, usual_wrong: of filling with the mean, or the most frequent category, of what is known.
    within: the shares of right numbers at most one stated deviation off, and at most two.
    columns: of each column with hidden cells.
    """

    data: str
    items: int
    seconds: float
    holes: str
    hidden: float
    rmse: float | None
    wrong: float | None
    usual_rmse: float | None
    usual_wrong: float | None
    within: tuple[float, float] | None
    columns: tuple[ColumnFilling, ...]


def evaluate_table(model: Imputer, items: Items, holes: str | None = None) -> TableFilling:
    """Hide cells of a table, as in training by default, and fill them; DataError where nothing can be hidden."""
    right = model.with_mask(items)
    hidden = model.with_holes(right, holes)
    began = time.perf_counter()
    answer = model.codes(hidden)
    seconds = time.perf_counter() - began
    known, doubts = model.known(right), model.doubts(hidden)
    assert hidden.mask is not None
    assert model.columns_ is not None
    asked = hidden.mask & ~np.isnan(known)
    found, sums, inside = [], {True: np.zeros(3), False: np.zeros(3)}, np.zeros(3)
    for place, column in enumerate(model.columns_):
        where, left = asked[:, place], known[~hidden.mask[:, place], place]
        left = left[~np.isnan(left)]
        if not where.any() or not len(left):
            continue
        truth, told = known[where, place], answer[where, place]
        sorts = column.kind in ("category", "boolean")
        guess = np.full(len(truth), usual_value(left, column))
        off, usual = (mistakes(truth, values, known[:, place], sorts) for values in (told, guess))
        sums[sorts] += off.sum(), usual.sum(), len(truth)
        mean = (off.mean(), usual.mean()) if sorts else (np.sqrt(off.mean()), np.sqrt(usual.mean()))
        found.append(ColumnFilling(column.name, column.kind, len(truth), float(mean[0]), float(mean[1])))
        if not sorts:
            far = np.abs(truth - told)
            inside += *((far <= times * doubts[where, place]).sum() for times in (1, 2)), len(truth)
    if not found:
        raise DataError(f"{items.source}: too little of it is known for anything to be hidden")
    (wrong, usual_wrong), (squares, usual_squares) = (
        (sums[sorts][:2] / sums[sorts][2]).tolist() if sums[sorts][2] else (None, None) for sorts in (True, False)
    )
    return TableFilling(
        data=items.source,
        items=len(items),
        seconds=round(seconds, 3),
        holes=holes or model.holes,
        hidden=float(asked.mean()),
        rmse=None if squares is None else squares**0.5,
        wrong=wrong,
        usual_rmse=None if usual_squares is None else usual_squares**0.5,
        usual_wrong=usual_wrong,
        within=(float(inside[0] / inside[2]), float(inside[1] / inside[2])) if inside[2] else None,
        columns=tuple(found),
    )


def mistakes(truth: np.ndarray, told: np.ndarray, column: np.ndarray, sorts: bool) -> np.ndarray:
    """1 where a category is wrong; the squared error of a number, in deviations of its column."""
    if sorts:
        return (truth != told).astype(float)
    return ((truth - told) / (np.nanstd(column) or 1.0)) ** 2


def usual_value(left: np.ndarray, column: Column) -> float:
    """What a column is filled with by who knows nothing else: the most frequent category, or the mean."""
    if column.kind not in ("category", "boolean"):
        return float(left.mean())
    values, counts = np.unique(left, return_counts=True)
    return float(values[counts.argmax()])
