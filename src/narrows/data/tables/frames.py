"""Data frames with cells of any type, and their codes: float64 (N, F), NaN where a cell is missing.

    frame -> infer_columns -> Columns;   frame -> encode_frame -> codes -> decode_frame, fill_frame -> frame

pandas, of the extra "tables", is imported when a table is at hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.data.items import Items
from narrows.data.tables.cell_text import MissingMarks
from narrows.data.tables.cells import (
    codes_of,
    is_category,
    kind_of,
    kind_of_number,
    nullable,
    nullable_types,
    numbers_of,
    plain,
    plain_numbers,
    require,
    series_of,
    with_cells,
)
from narrows.data.tables.columns import Category, Column, Columns, Kind, check_distinct, column_ranges
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas

MANY_CATEGORIES = 16  # of more, those that occur once are left out
MAX_CATEGORIES = 256
MAX_COUNTED = 2**16  # distinct values of one column that are counted at a time


def is_frame(X: Any) -> bool:
    """Whether X is a data frame, of pandas, polars, pyarrow or another library that narwhals knows."""
    kind = type(X)  # whose attributes cost nothing
    return hasattr(kind, "columns") and (hasattr(kind, "dtypes") or hasattr(kind, "schema"))


def to_pandas(X: Any) -> pandas.DataFrame:
    """Return any data frame as one of pandas whose columns have texts as names; DataError for a lazy one."""
    pd = require("pandas")
    if not isinstance(X, pd.DataFrame):
        try:
            table = require("narwhals").from_native(X, eager_only=True).to_arrow()
            X = table.to_pandas(date_as_object=False, types_mapper=nullable_types().get)
        except TypeError:
            kind = f"{type(X).__module__.partition('.')[0]}.{type(X).__name__}"
            raise DataError(f"a {kind} is no data frame in memory", source="X", hint="collect it first") from None
        except require("pyarrow").ArrowException as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"holds a type that pyarrow does not know ({reason})", source="X") from None
    names = column_names(X)
    check_distinct(names)
    return X if list(X.columns) == names else X.set_axis(pd.Index(names), axis=1)


def without_rows(X: Any) -> Any:
    """Return a data frame of the same library, names and types that has no rows, and keeps none of X in memory."""
    if isinstance(X, require("pandas").DataFrame):
        return X.iloc[[]]
    frame = require("narwhals").from_native(X, eager_only=True)
    return frame.filter([False] * len(frame)).to_native()


def like(frame: pandas.DataFrame, X: Any, keep_types: bool = True) -> Any:
    """Return a frame of pandas in the library of the data frame X, under its names and, if they are kept, of its types.

    The columns are those of X, and more after them.
    """
    if isinstance(X, require("pandas").DataFrame):
        return _like_pandas(frame, X, keep_types)
    narwhals, pa = require("narwhals"), require("pyarrow")
    table, native = pa.Table.from_pandas(frame, preserve_index=False), narwhals.from_native(X, eager_only=True)
    if isinstance(X, pa.Table):  # which has more types than narwhals
        if not keep_types:
            return table
        known = dict(zip(X.schema.names, X.schema, strict=True))
        fields = [known.get(field.name, field) for field in table.schema]
        return table.cast(pa.schema(fields, X.schema.metadata))
    out = narwhals.from_arrow(table, backend=native.implementation)
    schema = native.schema if keep_types else {}
    types = [(name, dtype) for name, dtype in schema.items() if name in out.columns and dtype != out.schema[name]]
    return out.with_columns(*(narwhals.col(name).cast(dtype) for name, dtype in types)).to_native()


def _like_pandas(frame: pandas.DataFrame, X: pandas.DataFrame, keep_types: bool) -> pandas.DataFrame:
    if keep_types:
        texts = {  # whose type of pyarrow has the name of one of pandas
            name: dtype
            for name, dtype in zip(frame.columns, X.dtypes, strict=False)
            if isinstance(dtype, require("pandas").ArrowDtype) and dtype != frame.dtypes[name]
        }
        frame = frame.astype(texts) if texts else frame
    if column_names(X) == list(X.columns):
        return frame
    more = list(frame.columns[X.shape[1] :])
    return frame.set_axis([*X.columns, *more] if more else X.columns, axis=1)


def frame_to_items(frame: pandas.DataFrame, columns: Columns | None = None, source: str = "X", **details: Any) -> Items:
    """Return a frame as items, whose columns are inferred where they are not given; `details` are further fields."""
    frame = to_pandas(frame)
    columns = infer_columns(frame, source) if columns is None else columns
    return Items(encode_frame(frame, columns, source), "NF", source=source, frame=frame, columns=columns, **details)


def infer_columns(frames: pandas.DataFrame | Iterable[pandas.DataFrame], source: str = "X") -> Columns:
    """Return the columns of a frame, or of a table that comes in several frames.

    A column of text or categories keeps the most frequent categories, at most 256, and of more than 16 only those that
    occur twice: names and identifiers predict nothing. Others have no code. Raises DataError, which names the column,
    where one cannot be coded.
    """
    inference = ColumnInference(source)
    for frame in [frames] if is_frame(frames) else frames:
        inference.see(frame)
    return inference.columns()


class ColumnInference:
    """Infers the columns of a table from its rows, which come in parts."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.facts: list[_Facts] = []

    def see(self, frame: pandas.DataFrame) -> None:
        """Add further rows."""
        names = column_names(frame)
        if not self.facts:
            check_distinct(names)
            self.facts = [_Facts(name) for name in names]
        if names != [facts.name for facts in self.facts]:
            raise DataError("its parts have different columns", source=self.source)
        plain = plain_numbers(frame)
        if len(plain):
            values = numbers_of(frame, plain, self.source)
            for position, *ends in zip(plain, *column_ranges(values), strict=True):
                facts, dtype = self.facts[position], frame.dtypes.iloc[position]
                facts.add(self.source, kind_of_number(dtype), str(dtype), *ends)
        for position in np.setdiff1d(np.arange(len(names)), plain):
            self.facts[position].see(frame.iloc[:, position], self.source)

    def columns(self) -> Columns:
        """Return the columns of the rows so far."""
        if not self.facts:
            raise DataError("holds no rows", source=self.source)
        return Columns(tuple(facts.column() for facts in self.facts))


class _Facts:
    """What is known of one column so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind: Kind | None = None
        self.dtype = ""
        self.low: float | None = None
        self.high: float | None = None
        self.date_only = True
        self.declared: list[Category] | None = None
        self.ordered = False
        self.counts: Counter[Category] = Counter()

    def add(self, source: str, kind: Kind | None, dtype: str, low: float | None, high: float | None) -> None:
        """Add what is known of further rows."""
        kinds = {kind, self.kind} - {None}
        if kinds == {"number", "integer"}:
            kind = "number"
        elif len(kinds) > 1:
            raise DataError(f"column {self.name!r} holds {' and '.join(sorted(map(str, kinds)))} cells", source=source)
        self.kind = kind or self.kind
        if not self.dtype or (dtype[0].isupper() and self.dtype[0].islower()) or dtype == "boolean":
            self.dtype = dtype  # Int64 for int64: the dtype that can hold missing values
        self.low = low if self.low is None else self.low if low is None else min(low, self.low)
        self.high = high if self.high is None else self.high if high is None else max(high, self.high)

    def see(self, series: pandas.Series, source: str) -> None:
        kind = kind_of(series, self.name, source)
        dtype = "category" if is_category(series) else str(series.dtype)
        if kind == "category":
            self.count(series)
        if kind in (None, "category"):
            self.add(source, kind, dtype, None, None)
            return
        codes = codes_of(series, Column(self.name, kind, dtype), source)
        low, high = column_ranges(codes[:, None])
        self.add(source, kind, dtype, low[0], high[0])
        if kind == "date" and self.date_only:
            known = codes[~np.isnan(codes)]
            self.date_only = bool((known == np.rint(known)).all())

    def count(self, series: pandas.Series) -> None:
        counts = series.value_counts()
        counts = counts[counts > 0]
        self.counts.update(dict(zip(map(plain, counts.index), map(int, counts.to_numpy()), strict=True)))
        fewest = 1
        while len(self.counts) > MAX_COUNTED:  # lossy counting: Manku & Motwani 2002
            self.counts = Counter({value: count for value, count in self.counts.items() if count > fewest})
            fewest *= 2
        if is_category(series):
            self.ordered = bool(series.cat.ordered)
            known = dict.fromkeys(self.declared or [])
            self.declared = list(known | dict.fromkeys(map(plain, series.cat.categories)))

    def column(self) -> Column:
        kind = self.kind or "category"
        if kind != "category":
            return Column(
                self.name, kind, self.dtype, low=self.low, high=self.high, date_only=kind == "date" and self.date_only
            )
        categories = self.categories()
        seen = [index for index, value in enumerate(categories) if value in self.counts]
        low, high = (float(seen[0]), float(seen[-1])) if seen else (None, None)
        return Column(self.name, kind, self.dtype, tuple(categories), self.ordered, low, high)

    def categories(self) -> list[Category]:
        """Return the categories that get a code, in their order."""
        if self.declared is not None and len(self.declared) <= MAX_CATEGORIES:
            return self.declared
        chosen = self.counts.most_common()
        if len(chosen) > MANY_CATEGORIES:
            chosen = [(value, count) for value, count in chosen if count > 1]
        values = {value for value, _ in chosen[:MAX_CATEGORIES]}
        if self.declared is not None:
            return [value for value in self.declared if value in values]
        return sorted(values)


def encode_frame(frame: pandas.DataFrame, columns: Columns, source: str = "X") -> np.ndarray:
    """Return the codes of the cells, float64 (N, F), NaN where a cell is missing or of no known category.

    Raises DataError where the columns have other names, another order or cells of another kind.
    """
    check_names(column_names(frame), columns, source)
    if not len(frame):
        raise DataError("has no rows", source=source)
    values = np.empty((len(frame), len(columns)))
    plain = plain_numbers(frame)
    plain = plain[[columns[position].kind in ("number", "integer", "boolean") for position in plain]]
    if len(plain):
        values[:, plain] = numbers_of(frame, plain, source)
    for position in np.setdiff1d(np.arange(len(columns)), plain):
        values[:, position] = codes_of(frame.iloc[:, position], columns[position], source)
    return values


def check_names(names: list[str], columns: Columns, source: str) -> None:
    """Raise DataError unless the names are those of the columns, in their order."""
    if names == columns.names:
        return
    missing = [name for name in columns.names if name not in names]
    more = [name for name in names if name not in columns.names]
    if missing:
        raise DataError(f"has no {name_columns(missing)}, which the model was trained on", source=source)
    if more:
        it = "them" if more[1:] else "it"
        raise DataError(f"the model was not trained on {name_columns(more)}", source=source, hint=f"leave {it} out")
    raise DataError(
        f"its columns are in another order, the model was trained on {quote_names(columns.names)}", source=source
    )


def fill_frame(frame: pandas.DataFrame, values: np.ndarray, columns: Columns) -> pandas.DataFrame:
    """Return the frame with missing cells replaced by the cells of coded values (N, F), where these are not NaN.

    All else is as it was, bit for bit: observed cells, dtypes, order and index. Only a declared category gets the
    categories of the column that it lacks.
    """
    out = frame.copy(deep=False)
    mask = frame.isna().to_numpy()
    for position in np.flatnonzero(mask.any(axis=0)):
        column = columns[int(position)]
        codes = column.nearest_valid(values[:, position])
        where = mask[:, position] & ~np.isnan(codes)
        if where.any():
            out.isetitem(position, with_cells(frame.iloc[:, position], where, codes[where], column))
    return out


def without_cells(frame: pandas.DataFrame, mask: np.ndarray) -> pandas.DataFrame:
    """Return the frame with nothing where a mask (N, F) is true.

    Whole numbers and booleans get a dtype that has room for missing cells, and stay exact.
    """
    out = frame.copy(deep=False)
    for place in np.flatnonzero(mask.any(axis=0)):
        series = frame.iloc[:, place]
        whole = isinstance(series.dtype, np.dtype) and series.dtype.kind in "iub"
        out.isetitem(place, (series.astype(nullable(series.dtype)) if whole else series).mask(mask[:, place]))
    return out


def without_marks(frame: pandas.DataFrame, missing_values: Any) -> pandas.DataFrame:
    """Return the frame with nothing in place of the values that mean "missing"."""
    marks = MissingMarks.parse(missing_values)
    if not marks:
        return frame
    found = [frame.iloc[:, place].isin(marks.of(name)).to_numpy(bool) for place, name in enumerate(column_names(frame))]
    return without_cells(frame, np.column_stack(found)) if np.any(found) else frame


def decode_frame(values: np.ndarray, columns: Columns, index: Any = None) -> pandas.DataFrame:
    """Return a frame of the valid cells nearest to coded values (N, F), of the dtypes of the columns.

    NaN is missing; a dtype that cannot hold missing cells gives way to one that can.
    """
    pd = require("pandas")
    index = pd.RangeIndex(len(values)) if index is None else index
    series = [series_of(column.nearest_valid(values[:, place]), column, index) for place, column in enumerate(columns)]
    out = pd.concat(series, axis=1)
    out.columns = pd.Index(columns.names)
    return out


def column_names(frame: pandas.DataFrame) -> list[str]:
    """Return the labels of the columns as text."""
    return [str(name) for name in frame.columns]


def name_columns(names: list[str]) -> str:
    """Return one column or several for a message: "column 'a'", "columns 'a', 'b', 'c' and 4 more"."""
    return f"column{'s' * (len(names) > 1)} {quote_names(names)}"


def quote_names(names: list[str]) -> str:
    """Return a few names for a message."""
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
