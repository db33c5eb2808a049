"""Tables: data frames with cells of any type <-> coded values, float64 (N, F), NaN where nothing is known.

    frame -> learn -> Columns;   frame -> coded -> values;   values -> filled, decoded -> frame

pandas is imported when a table is at hand, and is part of the extra "tables".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.data.columns import Category, Column, Columns, Kind, ranges
from narrows.data.items import Items
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas

MANY = 16  # categories: of more, those that occur once are rare
MOST_CATEGORIES = 256
MOST_COUNTED = 2**16  # different values of one column that are counted at a time
DAY = 86_400_000_000  # microseconds

_REFUSED = {
    "bytes": "bytes; decode them to text",
    "decimal": "decimals; convert them to float",
    "timedelta64": "durations; convert them to numbers",
    "timedelta": "durations; convert them to numbers",
    "period": "periods; convert them to timestamps",
    "interval": "intervals; convert them to a category",
    "complex": "complex numbers; split them into two columns",
    "time": "times without a date; convert them to numbers",
}
_OF_OBJECTS: dict[str, Kind | None] = {
    "string": "category",
    "boolean": "boolean",
    "integer": "integer",
    "floating": "number",
    "mixed-integer-float": "number",
    "date": "date",
    "datetime": "date",
    "datetime64": "date",
    "empty": None,
}


def is_frame(X: Any) -> bool:
    """Whether X is a data frame."""
    return hasattr(X, "dtypes") and hasattr(X, "columns")


def as_frame(X: Any) -> pandas.DataFrame:
    """A data frame as one of pandas."""
    pd = require("pandas")
    return X if isinstance(X, pd.DataFrame) else X.to_pandas()


def require(package: str) -> Any:
    """pandas or a module of pyarrow; DataError where it is not installed."""
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError:
        name = package.partition(".")[0]
        raise DataError(f"{name} is not installed: a table needs the extra: pip install 'narrows[tables]'") from None


def items_of(frame: pandas.DataFrame, columns: Columns | None = None, source: str = "X", **details: Any) -> Items:
    """A frame as items, whose columns are learnt from it where they are not given; `details` are further fields."""
    frame = as_frame(frame)
    columns = learn(frame, source) if columns is None else columns
    return Items(coded(frame, columns, source), "NF", source=source, frame=frame, columns=columns, **details)


def learn(frames: pandas.DataFrame | Iterable[pandas.DataFrame], source: str = "X") -> Columns:
    """The columns of a frame, or of a table that comes in several frames.

    A column of text or categories keeps at most 256 categories, the most frequent, and of more than 16 those alone
    that occur twice: names and identifiers tell nothing of others. What is left out has no code.
    Raises DataError where a column cannot be learnt, naming it.
    """
    learning = Learning(source)
    for frame in [frames] if is_frame(frames) else frames:
        learning.see(frame)
    return learning.columns()


class Learning:
    """What is known of the columns of a table while its rows come by."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.facts: list[_Facts] = []

    def see(self, frame: pandas.DataFrame) -> None:
        names = names_of(frame)
        if not self.facts:
            Columns(tuple(Column(name, "number", "float64") for name in names))  # names that are alike are refused
            self.facts = [_Facts(name) for name in names]
        if names != [facts.name for facts in self.facts]:
            raise DataError(f"{self.source}: its parts have different columns")
        plain = plain_numbers(frame)
        if len(plain):
            values = numbers_of(frame, plain, self.source)
            for position, *ends in zip(plain, *ranges(values), strict=True):
                facts, dtype = self.facts[position], frame.dtypes.iloc[position]
                facts.add(self.source, kind_of_number(dtype), str(dtype), *ends)
        for position in np.setdiff1d(np.arange(len(names)), plain):
            self.facts[position].see(frame.iloc[:, position], self.source)

    def columns(self) -> Columns:
        if not self.facts:
            raise DataError(f"{self.source}: holds no rows")
        return Columns(tuple(facts.column() for facts in self.facts))


class _Facts:
    """What is known of one column."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind: Kind | None = None
        self.dtype = ""
        self.low: float | None = None
        self.high: float | None = None
        self.whole = True
        self.declared: list[Category] | None = None
        self.ordered = False
        self.counts: Counter[Category] = Counter()

    def add(self, source: str, kind: Kind | None, dtype: str, low: float | None, high: float | None) -> None:
        """Join what is known of further rows."""
        kinds = {kind, self.kind} - {None}
        if kinds == {"number", "integer"}:
            kind = "number"
        elif len(kinds) > 1:
            raise DataError(f"{source}: column {self.name!r} holds {' and '.join(sorted(map(str, kinds)))} cells")
        self.kind = kind or self.kind
        if not self.dtype or (dtype[0].isupper() and self.dtype[0].islower()) or dtype == "boolean":
            self.dtype = dtype  # Int64 for int64: the type that has room for holes
        self.low = low if self.low is None else self.low if low is None else min(low, self.low)
        self.high = high if self.high is None else self.high if high is None else max(high, self.high)

    def see(self, series: pandas.Series, source: str) -> None:
        kind = kind_of(series, self.name, source)
        dtype = "category" if _is_category(series) else str(series.dtype)
        if kind == "category":
            self.count(series)
        if kind in (None, "category"):
            self.add(source, kind, dtype, None, None)
            return
        codes = codes_of(series, Column(self.name, kind, dtype), source)
        low, high = ranges(codes[:, None])
        self.add(source, kind, dtype, low[0], high[0])
        if kind == "date" and self.whole:
            known = codes[~np.isnan(codes)]
            self.whole = bool((known == np.rint(known)).all())

    def count(self, series: pandas.Series) -> None:
        counts = series.value_counts()
        counts = counts[counts > 0]
        self.counts.update(dict(zip(map(plain, counts.index), map(int, counts.to_numpy()), strict=True)))
        fewest = 1
        while len(self.counts) > MOST_COUNTED:  # lossy counting: Manku & Motwani 2002
            self.counts = Counter({value: count for value, count in self.counts.items() if count > fewest})
            fewest *= 2
        if _is_category(series):
            self.ordered = bool(series.cat.ordered)
            known = dict.fromkeys(self.declared or [])
            self.declared = list(known | dict.fromkeys(map(plain, series.cat.categories)))

    def column(self) -> Column:
        kind = self.kind or "category"
        if kind != "category":
            return Column(
                self.name, kind, self.dtype, low=self.low, high=self.high, whole=kind == "date" and self.whole
            )
        categories = self.categories()
        seen = [index for index, value in enumerate(categories) if value in self.counts]
        low, high = (float(seen[0]), float(seen[-1])) if seen else (None, None)
        return Column(self.name, kind, self.dtype, tuple(categories), self.ordered, low, high)

    def categories(self) -> list[Category]:
        """Those that are learnt, in their order."""
        if self.declared is not None and len(self.declared) <= MOST_CATEGORIES:
            return self.declared
        chosen = self.counts.most_common()
        if len(chosen) > MANY:
            chosen = [(value, count) for value, count in chosen if count > 1]
        values = {value for value, _ in chosen[:MOST_CATEGORIES]}
        if self.declared is not None:
            return [value for value in self.declared if value in values]
        return sorted(values)  # type: ignore[type-var]


def coded(frame: pandas.DataFrame, columns: Columns, source: str = "X") -> np.ndarray:
    """The codes of the cells, float64 (N, F), as `Column` says; NaN where a cell is missing or of no known category.

    Raises DataError where the columns have other names or another order, or their cells are of another kind.
    """
    check_names(names_of(frame), columns, source)
    values = np.empty((len(frame), len(columns)))
    plain = plain_numbers(frame)
    plain = plain[[columns[position].kind in ("number", "integer", "boolean") for position in plain]]
    if len(plain):
        values[:, plain] = numbers_of(frame, plain, source)
    for position in np.setdiff1d(np.arange(len(columns)), plain):
        values[:, position] = codes_of(frame.iloc[:, position], columns[position], source)
    return values


def check_names(names: list[str], columns: Columns, source: str) -> None:
    """DataError unless the names are those of the columns, in their order."""
    if names == columns.names:
        return
    missing = [name for name in columns.names if name not in names]
    more = [name for name in names if name not in columns.names]
    if missing:
        raise DataError(f"{source}: has no column {shown(missing)}, which the model learnt from")
    if more:
        raise DataError(f"{source}: column {shown(more)} is none that the model learnt from; leave it out")
    raise DataError(f"{source}: its columns are in another order; the model learnt from {shown(columns.names)}")


def filled(frame: pandas.DataFrame, values: np.ndarray, columns: Columns) -> pandas.DataFrame:
    """The frame with its missing cells replaced by the cells of coded values (N, F); those that are NaN stay missing.

    All else is as it was, bit for bit: known cells, types, order and index. Only a declared category gets the learnt
    categories that it lacks.
    """
    out = frame.copy(deep=False)
    holes = frame.isna().to_numpy()
    for position in np.flatnonzero(holes.any(axis=0)):
        column = columns[int(position)]
        codes = column.possible(values[:, position])
        where = holes[:, position] & ~np.isnan(codes)
        if where.any():
            out.isetitem(position, with_cells(frame.iloc[:, position], where, codes[where], column))
    return out


def decoded(values: np.ndarray, columns: Columns, index: Any = None) -> pandas.DataFrame:
    """A frame of the cells that coded values (N, F) are nearest to, of the types of the columns.

    NaN is missing; a type without room for missing cells gives way to one that has it.
    """
    pd = require("pandas")
    index = pd.RangeIndex(len(values)) if index is None else index
    series = [_series(column.possible(values[:, place]), column, index) for place, column in enumerate(columns)]
    out = pd.concat(series, axis=1)
    out.columns = pd.Index(columns.names)
    return out


def _series(codes: np.ndarray, column: Column, index: Any) -> pandas.Series:
    """A column of the cells of possible codes, of its type."""
    pd = require("pandas")
    dtype, known = pd.api.types.pandas_dtype(column.dtype), ~np.isnan(codes)
    if column.dtype == "category":
        dtype = pd.CategoricalDtype(list(column.categories), ordered=column.ordered)
    numbers = isinstance(dtype, np.dtype) and dtype.kind in "fiub"
    if numbers and dtype.kind != "f" and not known.all():
        name = "boolean" if dtype.kind == "b" else f"{'U' * (dtype.kind == 'u')}Int{8 * dtype.itemsize}"
        dtype, numbers = pd.api.types.pandas_dtype(name), False
    if numbers:
        blank = pd.Series(np.full(len(codes), np.nan if dtype.kind == "f" else 0, dtype), index=index)
    else:
        blank = pd.Series([None] * len(codes), index=index, dtype=object).astype(dtype)
    return with_cells(blank, known, codes[known], column) if known.any() else blank


def with_cells(series: pandas.Series, where: np.ndarray, codes: np.ndarray, column: Column) -> pandas.Series:
    """The series with the cells at `where` (N,) bool replaced by those of `codes`, one possible code for each."""
    pd = require("pandas")
    if column.kind == "category":
        indices = codes.astype(np.int64)
        if _is_category(series):
            own = {plain(value): place for place, value in enumerate(series.cat.categories)}
            new = [value for value in column.categories if value not in own]
            dtype = (
                pd.CategoricalDtype([*series.cat.categories, *new], ordered=series.cat.ordered) if new else series.dtype
            )
            own |= {value: len(own) + place for place, value in enumerate(new)}
            positions = series.cat.codes.to_numpy().astype(np.int64)
            positions[where] = np.array([own[value] for value in column.categories], np.int64)[indices]
            return pd.Series(pd.Categorical.from_codes(positions, dtype=dtype), index=series.index, name=series.name)
        fillings: Any = np.array(column.categories, dtype=object)[indices]
    elif column.kind == "date":
        fillings = _dates(codes, series)
    elif column.kind == "boolean":
        fillings = codes.astype(bool)
    elif column.kind == "integer" and series.dtype.kind != "f":
        fillings = [int(code) for code in codes] if series.dtype.kind == "O" else _within(codes, series.dtype)
    else:
        fillings = codes
    cells = (
        series.to_numpy(copy=True)
        if isinstance(series.dtype, np.dtype) and series.dtype.kind != "M"
        else series.array.copy()
    )
    cells[where] = fillings
    return pd.Series(cells, index=series.index, name=series.name, dtype=series.dtype)


def _within(codes: np.ndarray, dtype: Any) -> np.ndarray:
    """Whole numbers that an integer type has room for."""
    limits = np.iinfo(getattr(dtype, "numpy_dtype", dtype))
    inside = (codes >= float(limits.min)) & (codes < float(limits.max))
    return np.where(inside, codes.astype(limits.dtype), np.where(codes < 0, limits.min, limits.max)).astype(
        limits.dtype
    )


def _dates(codes: np.ndarray, series: pandas.Series) -> Any:
    """Dates such as the series has."""
    pd = require("pandas")
    times = pd.Series(np.rint(codes * DAY).astype(np.int64).view("datetime64[us]"))
    if series.dtype.kind == "O":
        whole = pd.api.types.infer_dtype(series, skipna=True) in ("date", "empty")
        return np.array([time.date() if whole else time.to_pydatetime() for time in times], dtype=object)
    zone = getattr(getattr(series.dtype, "pyarrow_dtype", series.dtype), "tz", None)
    if zone is not None:
        times = times.dt.tz_localize("UTC").dt.tz_convert(zone)
    return times.astype(series.dtype).array


def codes_of(series: pandas.Series, column: Column, source: str) -> np.ndarray:
    """The codes of the cells of one column, (N,)."""
    pd = require("pandas")
    kind = kind_of(series, column.name, source)
    numbers = ("number", "integer", "boolean")
    if kind is None or (column.empty and column.kind == "category"):
        return np.full(len(series), np.nan)
    counted = column.kind == "category" and not any(isinstance(value, str) for value in column.categories)
    if kind != column.kind and not (kind in numbers and (column.kind in numbers or counted)):
        raise DataError(f"{source}: column {column.name!r} holds {kind} cells, where the model learnt {column.kind}")
    if column.kind == "category":
        known = pd.Index(list(column.categories), dtype=object)
        if _is_category(series):
            own = pd.Index([plain(value) for value in series.cat.categories], dtype=object)
            indices = np.append(known.get_indexer(own), -1)[series.cat.codes]
        else:
            indices = known.get_indexer(pd.Index(series.astype(object)))
        return np.where(indices < 0, np.nan, indices.astype(np.float64))
    if kind == "date":
        times = pd.to_datetime(series, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
        return np.where(np.isnat(times), np.nan, times.view(np.int64) / DAY)
    if series.dtype.kind == "O":
        series = series.where(series.notna(), np.nan)
    codes = series.to_numpy(np.float64, na_value=np.nan)
    if np.isinf(codes).any():
        raise _infinite(column.name, source)
    return codes


def kind_of(series: pandas.Series, name: str, source: str) -> Kind | None:
    """What the cells of a column are; None where nothing tells. DataError where they are nothing that can be learnt."""
    pd = require("pandas")
    dtype = series.dtype
    if _is_category(series) or isinstance(dtype, pd.StringDtype):
        return "category"
    if isinstance(dtype, pd.SparseDtype):
        raise DataError(f"{source}: column {name!r} is sparse; make it dense with .sparse.to_dense()")
    if dtype.kind in "fiub":
        return kind_of_number(dtype)
    if dtype.kind == "M":
        return "date"
    found = pd.api.types.infer_dtype(series, skipna=True)
    if found in _OF_OBJECTS:
        return _OF_OBJECTS[found]
    if found in _REFUSED or dtype.kind == "m":
        raise DataError(f"{source}: column {name!r} holds {_REFUSED.get(found, _REFUSED['timedelta'])}")
    types = ", ".join(sorted({type(value).__name__ for value in series[series.notna()]}))
    raise DataError(
        f"{source}: column {name!r} holds cells of the types {types}; expected one type of number, text, ..."
    )


def kind_of_number(dtype: Any) -> Kind:
    return "number" if dtype.kind == "f" else "boolean" if dtype.kind == "b" else "integer"


def plain_numbers(frame: pandas.DataFrame) -> np.ndarray:
    """The positions of the columns of NumPy's own numbers, which are worked on together."""
    return np.array(
        [place for place, dtype in enumerate(frame.dtypes) if isinstance(dtype, np.dtype) and dtype.kind in "fiub"],
        np.int64,
    )


def numbers_of(frame: pandas.DataFrame, positions: np.ndarray, source: str) -> np.ndarray:
    """The values of such columns, float64; DataError where one is infinite."""
    chosen = frame if len(positions) == frame.shape[1] else frame.iloc[:, positions]
    values = chosen.to_numpy(np.float64)
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        raise _infinite(str(frame.columns[positions[int(infinite.argmax())]]), source)
    return values


def names_of(frame: pandas.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns]


def plain(value: Any) -> Category:
    """A category as JSON has it."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def shown(names: list[str]) -> str:
    """A few names for a message."""
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _is_category(series: pandas.Series) -> bool:
    return str(series.dtype) == "category"


def _infinite(name: str, source: str) -> DataError:
    return DataError(f"{source}: column {name!r} holds infinity; leave such cells empty")
