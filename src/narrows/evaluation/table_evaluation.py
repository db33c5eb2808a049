"""How well an imputer fills cells of tables whose true values are known."""

import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from narrows.data import Items
from narrows.data.tables.columns import Column
from narrows.errors import DataError
from narrows.evaluation import trained_model
from narrows.evaluation.metrics import CoverageSum
from narrows.evaluation.peers import TablePeer, peers
from narrows.evaluation.summary import Evaluation, Summary, data_facts, describe_coverage
from narrows.models.imputer_model import ImputerModel
from narrows.models.table_imputation import TableImputation, observed_codes

BASELINE = "mean or most frequent"


@dataclass(frozen=True)
class ColumnEvaluation:
    """Figures of one column of a table.

    Parameters
    ----------
    name, kind : str
        Of the column; see `narrows.data.Column`.
    hidden : int
        Number of hidden cells.
    off : float
        Of booleans and categories the share that is wrong; of others the root mean squared error in standard
        deviations of the column.
    usual : float
        The same of the peer that fills in the mean or the most frequent category.
    """

    name: str
    kind: str
    hidden: int
    off: float
    usual: float


@dataclass(frozen=True)
class TableEvaluation(Evaluation):
    """Figures of an imputer on a table of which some cells were hidden, over the hidden cells.

    Parameters
    ----------
    data, items, seconds
        See `Evaluation`.
    holes : str
        What was hidden.
    hidden : float
        The share of the cells that was hidden.
    rmse : float or None
        Root mean squared error of numbers and dates in standard deviations of their columns; None if there are none.
    wrong : float or None
        Share of wrong booleans and categories; None if there are none.
    usual_rmse, usual_wrong : float or None
        The same of the peer that fills in the mean or the most frequent category.
    within : tuple of float or None
        Shares of true numbers within one and two predictive standard deviations.
    columns : tuple of ColumnEvaluation
        Each column with hidden cells.
    """

    holes: str
    hidden: float
    rmse: float | None
    wrong: float | None
    usual_rmse: float | None
    usual_wrong: float | None
    within: tuple[float, float] | None
    columns: tuple[ColumnEvaluation, ...]

    def summary(self) -> Summary:
        """Return the figures as tables."""
        (source, (_, rows)) = data_facts(self.data, self.items, self.seconds, 0)
        facts = [source, ("rows", rows), ("holes", f"{self.holes}; {self.hidden:.1%} of the cells hidden")]
        if self.within is not None:
            facts.append(("uncertainty", describe_coverage(self.within)))
        table = [("column", "kind", "hidden", "model", BASELINE)]
        for each in self.columns:
            table.append((each.name, each.kind, f"{each.hidden:,}", f"{each.off:.4f}", f"{each.usual:.4f}"))
        for kind, error, usual in (
            ("rmse", self.rmse, self.usual_rmse),
            ("wrong", self.wrong, self.usual_wrong),
        ):
            if error is not None and usual is not None:
                table.append(("all", kind, "", f"{error:.4f}", f"{usual:.4f}"))
        unit = "numbers and dates: root mean squared error in deviations of the column; others: the share that is wrong"
        return Summary(facts, table, unit)


def evaluate_table(model: ImputerModel, items: Items, holes: str | None = None) -> TableEvaluation:
    """Hide cells of a table, fill them and compare.

    Parameters
    ----------
    model : ImputerModel or fitted Imputer
        A model for tables.
    items : Items
        Rows of a table.
    holes : str, optional
        Which cells to hide, such as "pixels:0.2"; by default as in training.

    Returns
    -------
    TableEvaluation
        The figures.

    Raises
    ------
    DataError
        If the rows do not fit the model, or nothing can be hidden.
    """
    model = trained_model(model)
    backend, original = model.backend, model.check(items)
    assert isinstance(backend, TableImputation)
    corrupted = model.check(model.hide(original, holes))
    began = time.perf_counter()
    filled = backend.filled_codes(corrupted, model.strategy)
    seconds = time.perf_counter() - began
    truth, std = observed_codes(original), backend.std_of_codes(corrupted)
    assert corrupted.mask is not None
    hidden = corrupted.mask & ~np.isnan(truth)
    columns, coverage = [], CoverageSum()
    sums: dict[bool, np.ndarray] = defaultdict(lambda: np.zeros(3))
    for place, column in enumerate(backend.features.columns):
        chosen, observed = hidden[:, place], truth[~corrupted.mask[:, place], place]
        observed = observed[~np.isnan(observed)]
        if not chosen.any() or not len(observed):
            continue
        expected, found = truth[chosen, place], filled[chosen, place]
        guess = np.full(len(expected), peers(TablePeer)[BASELINE].value(observed, column))
        errors = [cell_errors(expected, values, truth[:, place], column) for values in (found, guess)]
        categorical = is_categorical(column)
        sums[categorical] += errors[0].sum(), errors[1].sum(), len(expected)
        off, usual = (float(each.mean() if categorical else np.sqrt(each.mean())) for each in errors)
        columns.append(ColumnEvaluation(column.name, column.kind, len(expected), off, usual))
        if not categorical:
            coverage.add(found, expected, std[chosen, place])
    if not columns:
        raise DataError("too few observed cells to hide any", source=items.source)
    (wrong, usual_wrong), (squares, usual_squares) = (
        (sums[kind][:2] / sums[kind][2]).tolist() if kind in sums else (None, None) for kind in (True, False)
    )
    return TableEvaluation(
        data=items.source,
        items=len(items),
        seconds=round(seconds, 3),
        holes=holes or model.manifest.holes,
        hidden=float(hidden.mean()),
        rmse=None if squares is None else squares**0.5,
        wrong=wrong,
        usual_rmse=None if usual_squares is None else usual_squares**0.5,
        usual_wrong=usual_wrong,
        within=coverage.shares() if coverage.n_values else None,
        columns=tuple(columns),
    )


def is_categorical(column: Column) -> bool:
    """Return whether cells of a column are right or wrong, with nothing in between."""
    return column.kind in ("category", "boolean")


def cell_errors(expected: np.ndarray, found: np.ndarray, cells: np.ndarray, column: Column) -> np.ndarray:
    """Return 1 where a category is wrong; the squared error of a number in standard deviations of its column."""
    if is_categorical(column):
        return np.asarray(expected != found, float)
    squares: np.ndarray = ((expected - found) / (np.nanstd(cells) or 1.0)) ** 2
    return squares
