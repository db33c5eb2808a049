"""Parquet files of tables, read in parts; types, index and pandas' own notes are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from narrows.data.formats.content import Content, path_or_buffer
from narrows.data.tables.columns import Columns
from narrows.data.tables.frames import check_names, require
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas
    import pyarrow

MAGIC = b"PAR1"
_PANDAS = b"pandas"


class Parquet:
    """A Parquet file: its schema, the names of its columns (those of the index left aside), and how many rows it has.

    Raises DataError, one line that names the file, where it cannot be read.
    """

    def __init__(self, content: Content, name: str, columns: Columns | None = None) -> None:
        pq = require("pyarrow.parquet")
        self.name = name
        try:
            self.file = pq.ParquetFile(path_or_buffer(content))
            self.names = [str(label) for label in self._frame(self.file.schema_arrow.empty_table()).columns]
        except Exception as error:  # pyarrow raises whatever it likes on damaged files
            raise DataError(f"{name}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None
        if columns is not None:
            check_names(self.names, columns, name)
        self.rows: int = self.file.metadata.num_rows
        self.schema: pyarrow.Schema = self.file.schema_arrow

    def frames(self, rows: int) -> Iterator[pandas.DataFrame]:
        """Its rows in parts of at most so many."""
        pa, pd = require("pyarrow"), require("pandas")
        start = 0
        try:
            for batch in self.file.iter_batches(rows, use_threads=False):
                frame = self._frame(pa.Table.from_batches([batch]))
                if isinstance(frame.index, pd.RangeIndex):
                    frame.index = self.counted(start, len(frame))
                yield frame
                start += len(frame)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name}: damaged ({str(error).splitlines()[0]})") from None

    def counted(self, start: int, count: int) -> Any:
        """The part of an index that counts rows, which stands as a note in the file."""
        pd = require("pandas")
        note = json.loads((self.schema.metadata or {}).get(_PANDAS, b"{}"))
        found = [each for each in note.get("index_columns", []) if isinstance(each, dict) and each["kind"] == "range"]
        first, step, name = (found[0]["start"], found[0]["step"], found[0]["name"]) if found else (0, 1, None)
        return pd.RangeIndex(first + step * start, first + step * (start + count), step, name=name)

    def _frame(self, table: pyarrow.Table) -> pandas.DataFrame:
        pa, pd = require("pyarrow"), require("pandas")
        frame = table.to_pandas(date_as_object=False)
        roomy = {
            pa.int8(): pd.Int8Dtype(),
            pa.int16(): pd.Int16Dtype(),
            pa.int32(): pd.Int32Dtype(),
            pa.int64(): pd.Int64Dtype(),
            pa.uint8(): pd.UInt8Dtype(),
            pa.uint16(): pd.UInt16Dtype(),
            pa.uint32(): pd.UInt32Dtype(),
            pa.uint64(): pd.UInt64Dtype(),
            pa.bool_(): pd.BooleanDtype(),
        }
        for place, label in enumerate(frame.columns):
            # Whole numbers and booleans with holes, which pandas by itself makes floats and objects.
            if frame.dtypes.iloc[place].kind in "fO" and str(label) in table.column_names:
                column = table.column(str(label))
                if column.null_count and column.type in roomy:
                    cells = column.to_pandas(types_mapper=roomy.get)
                    frame.isetitem(place, pd.Series(cells.array, index=frame.index))
        return frame


def schema_like(table: pyarrow.Table, source: Parquet) -> pyarrow.Schema:
    """The schema of a table's first part for all of them: an index that counts rows counts them as in the source."""
    note = json.loads((table.schema.metadata or {}).get(_PANDAS, b"{}"))
    if not any(isinstance(each, dict) for each in note.get("index_columns", [])):
        return table.schema
    of_source = json.loads((source.schema.metadata or {}).get(_PANDAS, b"{}"))
    note["index_columns"] = [each for each in of_source.get("index_columns", []) if isinstance(each, dict)]
    return table.schema.with_metadata({**table.schema.metadata, _PANDAS: json.dumps(note).encode()})
