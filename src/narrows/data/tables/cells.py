"""Cells of one column of a data frame, and their codes: float64, NaN where a cell is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.data.tables.columns import Category, Column, Kind
from narrows.errors import DataError, cannot_import

if TYPE_CHECKING:
    import pandas

DAY = 86_400_000_000  # microseconds
_WITHOUT_NAN = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")

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


def require(package: str) -> Any:
    """Import pandas or a module of pyarrow; DataError where it is not installed."""
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise cannot_import("a table", package.partition(".")[0], "tables", error) from None


def codes_of(series: pandas.Series, column: Column, source: str) -> np.ndarray:
    """Return the codes of the cells of one column, (N,)."""
    pd = require("pandas")
    kind = kind_of(series, column.name, source)
    numbers = ("number", "integer", "boolean")
    if kind is None or (column.empty and column.kind == "category"):
        return np.full(len(series), np.nan)
    numeric = column.kind == "category" and not any(isinstance(value, str) for value in column.categories)
    if kind != column.kind and not (kind in numbers and (column.kind in numbers or numeric)):
        raise DataError(
            f"column {column.name!r} holds {kind} cells, but the model was trained on {column.kind} cells",
            source=source,
        )
    if column.kind == "category":
        known = pd.Index(list(column.categories), dtype=object)
        if is_category(series):
            own = pd.Index([plain(value) for value in series.cat.categories], dtype=object)
            indices = np.append(known.get_indexer(own), -1)[series.cat.codes]
        else:
            indices = known.get_indexer(pd.Index(series.astype(object)))
        return np.asarray(np.where(indices < 0, np.nan, indices.astype(np.float64)))
    if kind == "date":
        times = pd.to_datetime(series, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
        return np.asarray(np.where(np.isnat(times), np.nan, times.view(np.int64) / DAY))
    if series.dtype.kind == "O":
        series = series.where(series.notna(), np.nan)
    codes: np.ndarray = series.to_numpy(np.float64, na_value=np.nan)
    if np.isinf(codes).any():
        raise _infinite(column.name, source)
    return codes


def kind_of(series: pandas.Series, name: str, source: str) -> Kind | None:
    """Return the kind of a column's cells, None where there are none; DataError where they cannot be coded."""
    pd = require("pandas")
    dtype = series.dtype
    if is_category(series) or isinstance(dtype, pd.StringDtype):
        return "category"
    if isinstance(dtype, pd.SparseDtype):
        raise DataError(f"column {name!r} is sparse", source=source, hint="make it dense with .sparse.to_dense()")
    if dtype.kind in "fiub":
        return kind_of_number(dtype)
    if dtype.kind == "M":
        return "date"
    if str(dtype).startswith("dictionary"):
        raise DataError(f"column {name!r} is a {dtype}", source=source, hint='convert it with .astype("string")')
    found = pd.api.types.infer_dtype(series, skipna=True)
    if found in _OF_OBJECTS:
        return _OF_OBJECTS[found]
    if found in _REFUSED or dtype.kind == "m":
        raise DataError(f"column {name!r} holds {_REFUSED.get(found, _REFUSED['timedelta'])}", source=source)
    types = ", ".join(sorted({type(value).__name__ for value in series[series.notna()]}))
    raise DataError(f"column {name!r} holds cells of the types {types}", source=source, hint="give it one type")


def kind_of_number(dtype: Any) -> Kind:
    """Return the kind of numbers of a NumPy dtype."""
    return "number" if dtype.kind == "f" else "boolean" if dtype.kind == "b" else "integer"


def series_of(codes: np.ndarray, column: Column, index: Any) -> pandas.Series:
    """Return a series, of the column's dtype, of the cells of valid codes."""
    pd = require("pandas")
    dtype, known = pd.api.types.pandas_dtype(column.dtype), ~np.isnan(codes)
    if column.dtype == "category":
        dtype = pd.CategoricalDtype(list(column.categories), ordered=column.ordered)
    numbers = isinstance(dtype, np.dtype) and dtype.kind in "fiub"
    if numbers and dtype.kind != "f" and not known.all():
        dtype, numbers = nullable(dtype), False
    if numbers:
        blank = pd.Series(np.full(len(codes), np.nan if dtype.kind == "f" else 0, dtype), index=index)
    else:
        blank = pd.Series([None] * len(codes), index=index, dtype=object).astype(dtype)
    return with_cells(blank, known, codes[known], column) if known.any() else blank


def nullable(dtype: np.dtype) -> Any:
    """Return the dtype of pandas that has room for missing cells, for one of whole numbers or booleans."""
    name = "boolean" if dtype.kind == "b" else f"{'U' * (dtype.kind == 'u')}Int{8 * dtype.itemsize}"
    return require("pandas").api.types.pandas_dtype(name)


def nullable_types() -> dict[Any, Any]:
    """Return the dtypes of pandas for the types of pyarrow that have missing values but no NaN."""
    return {require("pyarrow").from_numpy_dtype(name): nullable(np.dtype(name)) for name in _WITHOUT_NAN}


def with_cells(series: pandas.Series, where: np.ndarray, codes: np.ndarray, column: Column) -> pandas.Series:
    """Return the series with the cells at `where` (N,) bool replaced by those of `codes`, one valid code for each."""
    pd = require("pandas")
    if column.kind == "category":
        indices = codes.astype(np.int64)
        if is_category(series):
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
    """Return integers, clipped to what an integer dtype can hold."""
    limits = np.iinfo(getattr(dtype, "numpy_dtype", dtype))
    inside = (codes >= float(limits.min)) & (codes < float(limits.max))
    return np.where(inside, codes.astype(limits.dtype), np.where(codes < 0, limits.min, limits.max)).astype(
        limits.dtype
    )


def _dates(codes: np.ndarray, series: pandas.Series) -> Any:
    """Return dates of the type that the series has."""
    pd = require("pandas")
    times = pd.Series(np.rint(codes * DAY).astype(np.int64).view("datetime64[us]"))
    if series.dtype.kind == "O":
        whole = pd.api.types.infer_dtype(series, skipna=True) in ("date", "empty")
        return np.array([time.date() if whole else time.to_pydatetime() for time in times], dtype=object)
    zone = getattr(getattr(series.dtype, "pyarrow_dtype", series.dtype), "tz", None)
    if zone is not None:
        times = times.dt.tz_localize("UTC").dt.tz_convert(zone)
    return times.astype(series.dtype).array


def plain_numbers(frame: pandas.DataFrame) -> np.ndarray:
    """Return the positions of the columns with NumPy's own numbers, which are handled together."""
    return np.array(
        [place for place, dtype in enumerate(frame.dtypes) if isinstance(dtype, np.dtype) and dtype.kind in "fiub"],
        np.int64,
    )


def numbers_of(frame: pandas.DataFrame, positions: np.ndarray, source: str) -> np.ndarray:
    """Return the values of such columns, float64; DataError where one is infinite."""
    chosen = frame if len(positions) == frame.shape[1] else frame.iloc[:, positions]
    values: np.ndarray = chosen.to_numpy(np.float64)
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        raise _infinite(str(frame.columns[positions[int(infinite.argmax())]]), source)
    return values


def plain(value: Any) -> Category:
    """Return a category as a value of JSON."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def is_category(series: pandas.Series) -> bool:
    """Whether the series has pandas' categorical dtype."""
    return str(series.dtype) == "category"


def _infinite(name: str, source: str) -> DataError:
    return DataError(f"column {name!r} holds infinity", source=source, hint="leave such cells empty")
