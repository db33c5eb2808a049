"""CSV files of tables, read in parts, with types that hold for the whole file, and written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from narrows.data.formats import ReadOptions
from narrows.data.formats.content import Content
from narrows.data.formats.csv_columns import (
    INTEGER,
    READ_SHARE,
    ColumnKinds,
    all_match,
    common_locales,
    locale_hint,
    match_kind,
    to_dates,
)
from narrows.data.formats.csv_parser import CsvParser
from narrows.data.formats.csv_text import observed_texts, plain_numbers
from narrows.data.formats.csv_writer import CsvWriter
from narrows.data.formats.table_files import TableReader, read_table, to_frame
from narrows.data.items import Items
from narrows.data.tables.cell_text import CellText
from narrows.data.tables.cells import require
from narrows.data.tables.columns import Columns
from narrows.data.tables.frames import check_names
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas
    import pyarrow

MARKS_NAMED = 3


@dataclass
class Unread:
    """Known cells of a column of numbers or dates that are none: how many, the row of the first, and some texts."""

    count: int
    row: int
    texts: list[str]


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read a table as items."""
    return read_table(open_table(content, name, options.columns, options.cell_text), options)


def write(items: Items, file: IO[bytes], name: str) -> None:
    """Write items that are rows of a table."""
    with closing(open_writer(file, name)) as writer:
        writer.write(to_frame(items))


def open_table(
    content: Content, name: str, columns: Columns | None = None, cell_text: CellText | None = None
) -> CsvReader:
    """Open a table for reading in parts."""
    return CsvReader(content, name, columns, cell_text)


def open_writer(file: IO[bytes], name: str, source: TableReader | None = None, fills: bool = False) -> CsvWriter:
    """Start a table in an open file.

    It has the separator of the source, unless the name asks for one, and with `fills` its first line and line ends.
    """
    tabs = name.endswith((".tsv", ".tsv.gz"))
    if not isinstance(source, CsvReader):
        return CsvWriter(file, name, "\t" if tabs else ",", CellText())
    separator = "\t" if tabs else source.parser.separator
    head = source.parser.head if fills and separator == source.parser.separator else b""
    return CsvWriter(file, name, separator, source.cell_text, head)


class CsvReader:
    """A CSV file, and the types of its columns.

    A cell is missing where its text is one that pandas reads as missing, or a mark of `cell_text`. A column is one of
    booleans where all of its observed cells are, and one of numbers or dates where 90 % of them are: the others are not
    read, stay as they are when the table is filled, and are named in a note. Whole numbers of more than 18 digits, and
    columns of which 1 % have leading zeros, are text, as identifiers are. Else it is text; or it is what `columns` say.
    Raises DataError, which names the line, where it is no table.
    """

    def __init__(
        self, content: Content, name: str, columns: Columns | None = None, cell_text: CellText | None = None
    ) -> None:
        self.name, self.columns, self.cell_text = name, columns, cell_text or CellText()
        self._unread: dict[int, Unread] = {}
        self._hints: list[str] = []
        self.rows: int | None = None  # known once all rows were read
        self.parser = CsvParser(content, name)
        self.names = self.parser.names
        if columns is None:
            self.kinds = self._kinds()
        else:
            check_names(self.names, columns, name)
            self.kinds = [column.kind for column in columns]

    def count_rows(self) -> int:
        """Return the number of rows, read if it is not known yet."""
        if self.rows is None:
            self.rows = sum(part.num_rows for part in self.parser.rows())
        return self.rows

    def parts(self, rows: int = 0) -> Iterator[tuple[pandas.DataFrame, pyarrow.Table]]:
        """Yield the rows in parts, as frames and as the text of the cells; the size of parts is that of the text."""
        pd = require("pandas")
        start = 0
        for table in self.parser.rows():
            if table.num_rows:
                columns = [self._cells(table.column(place), place, start) for place in range(len(self.names))]
                frame = pd.concat(columns, axis=1)
                frame.columns = pd.Index(self.names)
                frame.index = pd.RangeIndex(start, start + len(frame))
                yield frame, table
                start += len(frame)

    def _cells(self, texts: pyarrow.ChunkedArray, place: int, start: int) -> pandas.Series:
        """Return a part of one column as cells of its type."""
        pd, pa, pc = require("pandas"), require("pyarrow"), require("pyarrow.compute")
        kind, column = self.kinds[place], None if self.columns is None else self.columns[place]
        known = observed_texts(texts, self.names[place], self.cell_text)
        if kind in ("text", "category"):
            series = known.to_pandas()
            return series.astype("str" if pd.__version__ >= "3" else object) if series.dtype == object else series
        if kind == "empty":
            return pd.Series(np.full(len(texts), np.nan))
        if column is not None:
            kind = self._checked(known, place, start)
        if kind == "boolean":
            cells = pc.equal(pc.utf8_lower(known), "true").to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
            return cells if known.null_count else cells.astype(bool)
        if kind in ("date", "zoned"):
            dates = to_dates(pc.if_else(match_kind(known, kind), known, pa.scalar(None, known.type)), kind)
            self._note_unread(known, dates.notna().to_numpy(), place, start)
            return dates.dt.as_unit("us")
        numbers = plain_numbers(known, self.cell_text)
        self._note_unread(known, numbers.is_valid().to_numpy(), place, start)
        if kind == "integer":
            cells = pc.cast(numbers, pa.int64())
            return cells.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get if numbers.null_count else None)
        return pc.cast(numbers, pa.float64()).to_pandas()

    def _checked(self, known: pyarrow.ChunkedArray, place: int, start: int) -> str:
        """Return the kind by which the cells of a model's column are read; DataError where one cannot be."""
        pc = require("pyarrow.compute")
        kind = self.kinds[place]
        if kind in ("integer", "number"):
            numbers = plain_numbers(known, self.cell_text)
            whole = kind == "integer" and all_match(numbers.drop_null(), INTEGER)
            fitting = {"integer" if whole else "number": numbers.is_valid()}
        else:
            fitting = {each: match_kind(known, each) for each in (("date", "zoned") if kind == "date" else (kind,))}
        counts = {each: pc.sum(matching).as_py() or 0 for each, matching in fitting.items()}
        best = max(counts, key=counts.__getitem__)
        if counts[best] >= (1 if kind == "boolean" else READ_SHARE) * (len(known) - known.null_count):
            return best
        matching = pc.fill_null(fitting[best], False)
        first = pc.index(pc.and_(pc.is_valid(known), pc.invert(matching)), True).as_py()
        text, found = known[first].as_py(), ColumnKinds()
        found.see(known.drop_null(), self.cell_text)
        raise DataError(
            f"row {start + first + 1} of column {self.names[place]!r} is {text!r}, "
            f"but the model was trained on {kind} cells",
            source=self.name,
            hint=locale_hint(found.better_locales) or f"mark such cells as missing with --missing {shlex.quote(text)}",
        )

    def _kinds(self) -> list[str]:
        """Return what the cells of each column are, by all rows, which are counted."""
        found = [ColumnKinds() for _ in self.names]
        self.rows = 0
        for table in self.parser.rows():
            for place, column in enumerate(found):
                known = observed_texts(table.column(place), self.names[place], self.cell_text)
                column.see(known.drop_null(), self.cell_text)
            self.rows += table.num_rows
        for name, column in zip(self.names, found, strict=True):
            better = column.better_locales
            if column.kind in ("text", "integer", "number") and better:
                raise DataError(
                    f"column {name!r} holds numbers with other decimal or thousands separators",
                    source=self.name,
                    hint=locale_hint([text for text in common_locales(found) if text in better] or better),
                )
            if column.hint:
                self._hints.append(f"{self.name}: column {name!r} is read as text; {column.hint}")
        if len(found) == 1 and found[0].kind == "text" and re.search(r"\S(\s+|:)\S", self.names[0]):
            self._hints.append(
                f"{self.name}: is read as one column, {self.names[0]!r}; columns are separated by , ; | or a tab"
            )
        return [column.kind for column in found]

    def _note_unread(self, known: pyarrow.ChunkedArray, read: np.ndarray, place: int, start: int) -> None:
        """Count the known cells (N,) that were not read, and keep the row of the first and some texts."""
        if read.sum() < len(known) - known.null_count:
            rows = np.flatnonzero(known.is_valid().to_numpy() & ~read)
            unread = self._unread.setdefault(place, Unread(0, start + int(rows[0]) + 1, []))
            unread.count += len(rows)
            texts = known.take(rows[: 2**10]).unique().to_pylist()
            unread.texts = list(dict.fromkeys(unread.texts + texts))[:MARKS_NAMED]

    @property
    def unread(self) -> dict[str, int]:
        """How many known cells of columns of numbers and of dates are none, by the name of the column."""
        return {self.names[place]: unread.count for place, unread in self._unread.items()}

    @property
    def notes(self) -> list[str]:
        """What the user should know about the cells that were read, one line each."""
        notes = list(self._hints)
        for place, unread in sorted(self._unread.items()):
            what = "dates" if self.kinds[place] in ("date", "zoned") else "numbers"
            marks = " ".join(f"--missing {shlex.quote(text)}" for text in unread.texts)
            notes.append(
                f"{self.name}: column {self.names[place]!r} holds {what}, but {unread.count} of its cells do not, the "
                f"first {unread.texts[0]!r} in row {unread.row}; to mark them as missing: {marks}"
            )
        return notes
