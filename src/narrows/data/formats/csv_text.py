"""The text of table cells: as it stands in a CSV file, and written so that it reads back as the same cells."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from narrows.data.tables.cell_text import CellText
from narrows.data.tables.cells import require

if TYPE_CHECKING:
    import pandas
    import pyarrow


def observed_texts(texts: Any, column: str, reading: CellText) -> Any:
    """Return the text of a column's cells without blanks around it, null where they are missing."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    texts, nothing = pc.utf8_trim_whitespace(texts), pa.scalar(None, pa.large_string())
    marks = pa.array(reading.na_texts(column), pa.large_string())
    texts = pc.if_else(pc.is_in(texts, marks), nothing, texts)
    numbers = reading.na_numbers(column)
    if numbers:
        values = numbers_of(texts, reading)
        texts = pc.if_else(pc.fill_null(pc.is_in(values, pa.array(numbers, pa.float64())), False), nothing, texts)
    return texts


def plain_numbers(texts: Any, reading: CellText) -> Any:
    """Return numbers as Python writes them, null for any other text."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    matches = pc.match_substring_regex(texts, reading.number)
    texts = pc.if_else(matches, texts, pa.scalar(None, pa.large_string()))
    if reading.thousands:
        texts = pc.replace_substring_regex(texts, reading.grouping, "")
    if reading.decimal != ".":
        texts = pc.replace_substring(texts, reading.decimal, ".")
    return pc.replace_substring_regex(pc.replace_substring(texts, "\u2212", "-"), r"^\+", "")


def numbers_of(texts: Any, reading: CellText) -> Any:
    """Return texts as float64, null where they are no numbers."""
    return require("pyarrow.compute").cast(plain_numbers(texts, reading), require("pyarrow").float64())


def write_rows(file: IO[bytes], texts: list[pyarrow.Array], separator: str, line_end: str = "\n") -> None:
    """Write rows of cells that are text, one array for each column, in quotes where they need them."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    special = rf'["\r\n{separator}]|^\s|\s$' + ("|^$" if len(texts) == 1 else "")  # not an empty line
    cells = []
    for column in texts:
        column = pc.cast(column, pa.large_string())
        needs = pc.match_substring_regex(column, special)
        if pc.any(needs).as_py():
            column = pc.if_else(needs, _joined(['"', pc.replace_substring(column, '"', '""'), '"'], ""), column)
        cells.append(column)
    lines = _joined([_joined(cells, separator), ""], line_end)
    for chunk in lines.chunks if isinstance(lines, pa.ChunkedArray) else [lines]:
        file.write(b"".join(chunk.cast(pa.large_binary()).to_pylist()))


def _joined(parts: list[Any], separator: str) -> Any:
    """Join arrays of text, and constant texts, row by row."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    parts = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in [*parts, separator]]
    return pc.binary_join_element_wise(*parts)


def to_text(series: pandas.Series) -> Any:
    """Return the cells of a column as text that reads back as the same cells; empty where they are missing."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    if str(series.dtype) == "category":
        series = series.astype(object)
    series = series.astype(object).map(str, na_action="ignore") if _is_mixed(series) else series
    array = pa.array(series, from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_floating(array.type):
        text = pc.cast(array, pa.large_string())
        if pc.any(pc.equal(pc.floor(array), array)).as_py():
            text = pc.if_else(pc.match_substring_regex(text, r"^-?[0-9]+$"), _joined([text, "0"], "."), text)
    elif pa.types.is_boolean(array.type):
        text = pc.if_else(array, "True", "False")
    elif pa.types.is_timestamp(array.type) and array.type.tz is None and _all_days(array):
        text = pc.cast(pc.cast(array, pa.date32()), pa.large_string())
    else:
        if pa.types.is_timestamp(array.type) and array.type.tz is not None:
            array = pc.cast(array, pa.timestamp(array.type.unit, "UTC"))
        text = pc.cast(array, pa.large_string())
    return pc.fill_null(pc.cast(text, pa.large_string()), "")


def _is_mixed(series: pandas.Series) -> bool:
    pd = require("pandas")
    return series.dtype == object and pd.api.types.infer_dtype(series, skipna=True) not in (
        "string",
        "boolean",
        "empty",
    )


def _all_days(array: pyarrow.Array) -> bool:
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    days = pc.cast(pc.floor_temporal(array, unit="day"), array.type)
    found = pc.all(pc.equal(days, array)).as_py()
    return found is not False and not pa.types.is_null(array.type)
