"""Parquet files of tables, read and written in parts; types, index and the metadata of pandas are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

from narrows.data.formats import ReadOptions
from narrows.data.formats.content import Content, path_or_buffer, size
from narrows.data.formats.table_files import TableReader, arrow_errors, read_table, to_frame
from narrows.data.items import Items
from narrows.data.memory import check_bomb
from narrows.data.tables.cell_text import CellText
from narrows.data.tables.cells import nullable_types, require
from narrows.data.tables.columns import Columns
from narrows.data.tables.frames import check_names
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas
    import pyarrow

_PANDAS = b"pandas"  # the key of pandas' metadata
_DELTA = "DELTA_BYTE_ARRAY"
_INCREMENTAL_ROWS = 2**10  # at a time, of text coded as differences, which may be of any length
_TEXT_AT_ONCE = 2**28  # bytes
_CELL = 8  # bytes
_MAX_RATIO = 1000  # bytes that real tables make of one: columns that are sparse take very little


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read a table as items."""
    return read_table(open_table(content, name, options.columns, options.cell_text), options)


def write(items: Items, file: IO[bytes], name: str) -> None:
    """Write items that are rows of a table."""
    with closing(open_writer(file, name)) as writer:
        writer.write(to_frame(items))


def open_table(
    content: Content, name: str, columns: Columns | None = None, cell_text: CellText | None = None
) -> ParquetReader:
    """Open a table for reading in parts; its cells are no text."""
    return ParquetReader(content, name, columns)


def open_writer(file: IO[bytes], name: str, source: TableReader | None = None, fills: bool = False) -> ParquetWriter:
    """Start a table in an open file; with `fills`, of the schema of a Parquet source."""
    return ParquetWriter(file, name, source if isinstance(source, ParquetReader) else None, fills)


class ParquetReader:
    """A Parquet file: its schema, the names of its columns (without the index), and its number of rows.

    Raises DataError where it cannot be read.
    """

    notes: tuple[str, ...] = ()
    unread: Mapping[str, int] = MappingProxyType({})

    def __init__(self, content: Content, name: str, columns: Columns | None = None) -> None:
        pq = require("pyarrow.parquet")
        self.name = name
        try:
            file = pq.ParquetFile(path_or_buffer(content))
            self.schema: pyarrow.Schema = file.schema_arrow
            self.names = [str(label) for label in self._frame(self.schema.empty_table()).columns]
            groups = [file.metadata.row_group(place) for place in range(file.num_row_groups)]
            self._texts, self._incremental = _texts(self.schema, groups)
            self.file = pq.ParquetFile(path_or_buffer(content), read_dictionary=self._texts)
        except Exception as error:  # pyarrow raises whatever it likes on damaged files
            raise DataError(f"cannot be read as Parquet ({str(error).splitlines()[0]})", source=name) from None
        if columns is not None:
            check_names(self.names, columns, name)
        for field in self.schema:
            if require("pyarrow").types.is_nested(field.type):
                raise DataError(f"column {field.name!r} holds lists or structures", source=name, hint="flatten it")
        self.rows: int | None = file.metadata.num_rows
        length = max(_CELL * self.rows * len(self.names), sum(group.total_byte_size for group in groups))
        check_bomb(length, _MAX_RATIO * size(content), name, "read fewer rows or columns")

    def count_rows(self) -> int:
        """Return the number of rows."""
        return self.rows or 0

    def parts(self, rows: int) -> Iterator[tuple[pandas.DataFrame, None]]:
        """Yield the rows in parts of at most `rows`, fewer where they hold much text."""
        pd = require("pandas")
        start = 0
        try:
            for table in self._tables(min(rows, _INCREMENTAL_ROWS) if self._incremental else rows):
                frame = self._frame(table)
                if isinstance(frame.index, pd.RangeIndex):
                    frame.index = self._range_index(start, len(frame))
                yield frame, None
                start += len(frame)
        except Exception as error:  # as above
            raise DataError(f"damaged ({str(error).splitlines()[0]})", source=self.name) from None

    def _tables(self, rows: int) -> Iterator[pyarrow.Table]:
        """Yield the rows in parts, in the types of the schema."""
        pa = require("pyarrow")
        texts, types = {self.schema.get_field_index(name) for name in self._texts}, self.schema.types
        for batch in self.file.iter_batches(rows, use_threads=False):
            batch.validate(full=True)  # text that is not UTF-8, for one
            length = sum(_text_length(batch.column(place)) for place in texts)
            count = max(1, len(batch) * _TEXT_AT_ONCE // max(1, length))
            for start in range(0, len(batch), count):
                columns = batch.slice(start, count).columns
                for place in texts:
                    columns[place] = columns[place].dictionary_decode().cast(types[place])
                yield pa.Table.from_arrays(columns, schema=self.schema.with_metadata(batch.schema.metadata))

    def _range_index(self, start: int, count: int) -> Any:
        """Return a part of an index that counts rows, which the file holds as metadata alone."""
        pd = require("pandas")
        note = json.loads((self.schema.metadata or {}).get(_PANDAS, b"{}"))
        found = [each for each in note.get("index_columns", []) if isinstance(each, dict) and each["kind"] == "range"]
        first, step, name = (found[0]["start"], found[0]["step"], found[0]["name"]) if found else (0, 1, None)
        return pd.RangeIndex(first + step * start, first + step * (start + count), step, name=name)

    def _frame(self, table: pyarrow.Table) -> pandas.DataFrame:
        frame = table.to_pandas(date_as_object=False)
        dtypes, names = nullable_types(), set(table.column_names)
        for place, (label, dtype) in enumerate(zip(frame.columns, frame.dtypes, strict=True)):
            # Integers and booleans with missing values, which pandas by itself makes floats and objects.
            if dtype.kind in "fO" and str(label) in names:
                column = table.column(str(label))
                if column.null_count and column.type in dtypes:
                    cells = column.to_pandas(types_mapper=dtypes.get)
                    frame.isetitem(place, cells.set_axis(frame.index))
        return frame


def _texts(schema: pyarrow.Schema, groups: list[Any]) -> tuple[list[str], bool]:
    """Return the columns of text that are read as indices into their different texts, and whether there are others.

    A file may hold a long text once and repeat it a million times. Text that is coded as differences cannot be read so.
    """
    pa = require("pyarrow")
    types = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary())
    texts = [place for place, field in enumerate(schema) if field.type in types]
    whole = [place for place in texts if not any(_DELTA in group.column(place).encodings for group in groups)]
    return [schema.field(place).name for place in whole], len(whole) < len(texts)


def _text_length(column: pyarrow.DictionaryArray) -> int:
    """Return the bytes of the texts that the indices stand for."""
    pc = require("pyarrow.compute")
    return pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0


class ParquetWriter:
    """Writes a table in parts, with types and index.

    source: whose index of row numbers is kept, and with `fills` its schema.
    """

    def __init__(self, file: IO[bytes], name: str, source: ParquetReader | None, fills: bool) -> None:
        self.file, self.name, self.source, self.fills = file, name, source, fills
        self._writer: Any = None

    def write(self, frame: pandas.DataFrame, texts: pyarrow.Table | None = None, mask: object = None) -> None:
        """Write further rows."""
        with arrow_errors(self.name):
            table = self._table(frame)
            if self._writer is None:
                self._writer = require("pyarrow.parquet").ParquetWriter(self.file, table.schema)
            self._writer.write_table(table.cast(self._writer.schema))

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()

    def _table(self, frame: pandas.DataFrame) -> pyarrow.Table:
        pa = require("pyarrow")
        if self.fills and self.source is not None:
            return pa.Table.from_pandas(frame, schema=self.source.schema).cast(self.source.schema)
        if self._writer is not None:
            return pa.Table.from_pandas(frame, schema=self._writer.schema)
        table = pa.Table.from_pandas(frame)
        return table if self.source is None else table.cast(_schema_like(table, self.source))


def _schema_like(table: pyarrow.Table, source: ParquetReader) -> pyarrow.Schema:
    """Return the schema of all parts by the first: an index that counts rows counts them as in the source."""
    note = json.loads((table.schema.metadata or {}).get(_PANDAS, b"{}"))
    if not any(isinstance(each, dict) for each in note.get("index_columns", [])):
        return table.schema
    of_source = json.loads((source.schema.metadata or {}).get(_PANDAS, b"{}"))
    note["index_columns"] = [each for each in of_source.get("index_columns", []) if isinstance(each, dict)]
    return table.schema.with_metadata({**table.schema.metadata, _PANDAS: json.dumps(note).encode()})
