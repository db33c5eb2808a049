"""CSV files of tables, read in parts, with types that hold for the whole file, and written.

pyarrow reads the text; what the cells are is decided here, by patterns over whole columns.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import shlex
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from narrows.data.formats import ReadOptions
from narrows.data.formats.content import Content, first_bytes, opened, path_or_buffer
from narrows.data.formats.csv_columns import (
    INTEGER,
    LOCALES,
    NUMBERS_SHARE,
    PATTERNS,
    ColumnKinds,
    Unread,
    all_match,
    is_number,
)
from narrows.data.formats.csv_text import keep_text, observed_texts, plain_numbers, to_text, write_rows
from narrows.data.formats.gzip_files import check_table
from narrows.data.formats.table_files import TableReader, arrow_errors, read_table, to_frame
from narrows.data.items import Items
from narrows.data.tables.cell_text import CellText
from narrows.data.tables.cells import require
from narrows.data.tables.columns import Columns
from narrows.data.tables.frames import check_names, quote_names
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas
    import pyarrow

SEPARATORS = ",;\t|"
BLOCK = 2**22  # bytes of text at a time
WIDE_BLOCK, WIDE_ROWS = 2**27, 512  # of tables of many columns, each of which takes time in each block
SNIFFED = 20  # rows


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
    """Start a table in an open file, with the separator of the source unless the name asks for one."""
    separator, reading = (source.separator, source.cell_text) if isinstance(source, CsvReader) else (",", CellText())
    return CsvWriter(file, name, "\t" if name.endswith((".tsv", ".tsv.gz")) else separator, reading)


class CsvReader:
    """A CSV file: its separator, the names of its columns, and the types of their cells.

    A cell is missing where its text is one that pandas reads as missing, or a mark of `cell_text`. A column is boolean,
    integer, number or date where all of its observed cells are (whole numbers with leading zeros, or more than 18
    digits, are text: they are names), and of numbers where 90 % of them are, and less than 1 % have leading zeros: the
    others are not read, stay as they are when the table is filled, and are named in a note. Else it is text; or it is
    what `columns` say. Raises DataError, which names the line, where it is no table.
    """

    def __init__(
        self, content: Content, name: str, columns: Columns | None = None, cell_text: CellText | None = None
    ) -> None:
        self.name, self.columns, self.cell_text = name, columns, cell_text or CellText()
        self._unread: dict[int, Unread] = {}  # cells of a column of numbers that are none
        self._hints: list[str] = []
        self.rows: int | None = None  # known once all rows were read
        self._content, self._packed = content, first_bytes(content).startswith(b"\x1f\x8b")
        if self._packed:
            check_table(content, name)
        with self._opened() as file:
            head = file.read(BLOCK)
        if not head.strip():
            raise DataError("empty, without a line of names", source=name)
        self._start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        text = self._text(head[self._start :])
        self.separator = guess_separator(text, name)
        self.names = self._header(text, len(head) == BLOCK)
        if columns is None:
            self.kinds = self._kinds()
        else:
            check_names(self.names, columns, name)
            self.kinds = [column.kind for column in columns]

    def count_rows(self) -> int:
        """Return the number of rows, read if it is not known yet."""
        if self.rows is None:
            self.rows = sum(part.num_rows for part in self.texts())
        return self.rows

    def parts(self, rows: int = 0) -> Iterator[tuple[pandas.DataFrame, pyarrow.Table]]:
        """Yield the rows in parts, as frames and as the text of the cells; the size of parts is that of the text."""
        pd = require("pandas")
        start = 0
        for table in self.texts():
            if table.num_rows:
                columns = [self._cells(table.column(place), place, start) for place in range(len(self.names))]
                frame = pd.concat(columns, axis=1)
                frame.columns = pd.Index(self.names)
                frame.index = pd.RangeIndex(start, start + len(frame))
                yield frame, table
                start += len(frame)

    def texts(self) -> Iterator[pyarrow.Table]:
        """Yield the rows in parts, all cells as text."""
        pa, reader = require("pyarrow"), require("pyarrow.csv")
        labels = [f"{place}" for place in range(len(self.names))]
        with self._opened() as file:
            file.read(self._start)
            self._skip_header(file)
            try:
                parts = reader.open_csv(
                    file,
                    reader.ReadOptions(use_threads=False, block_size=self._block, column_names=labels),
                    reader.ParseOptions(
                        delimiter=self.separator, newlines_in_values=True, ignore_empty_lines=len(labels) > 1
                    ),
                    reader.ConvertOptions(column_types=dict.fromkeys(labels, pa.large_string())),
                )
                for part in parts:
                    yield pa.Table.from_batches([part])
            except pa.ArrowInvalid as error:
                if "Empty CSV" not in str(error):
                    raise self._error(self._reason(str(error))) from None

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
        if kind in ("integer", "number"):
            texts, known = known, plain_numbers(known, self.cell_text)
            self._note_unread(texts, known, place, start)
        if kind == "boolean":
            cells = pc.equal(pc.utf8_lower(known), "true").to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
            return cells if known.null_count else cells.astype(bool)
        if kind == "integer":
            cells = pc.cast(known, pa.int64())
            return cells.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get if known.null_count else None)
        if kind == "number":
            return pc.cast(known, pa.float64()).to_pandas()
        dates = pd.to_datetime(known.to_pandas(), format="ISO8601", utc=kind == "zoned")
        return dates.dt.as_unit("us")

    def _checked(self, known: pyarrow.ChunkedArray, place: int, start: int) -> str:
        """Return the kind by which the cells of a model's column are read; DataError where one cannot be."""
        pc = require("pyarrow.compute")
        kind = self.kinds[place]
        if kind in ("integer", "number"):
            numbers = plain_numbers(known, self.cell_text).drop_null()
            if len(numbers) >= NUMBERS_SHARE * (len(known) - known.null_count):
                return kind if kind == "number" or all_match(numbers, INTEGER) else "number"
        tried = {"date": ("date", "zoned")}.get(kind, (kind,))
        for each in tried:
            wrong = pc.invert(pc.match_substring_regex(known, PATTERNS.get(each, self.cell_text.number)))
            first = pc.index(wrong, True).as_py()
            if first < 0:
                return each
        raise self._error(
            f"row {start + first + 1} of column {self.names[place]!r} is {known[first].as_py()!r}, "
            f"but the model was trained on {kind} cells",
            self._locale_hint([text for text in LOCALES if all_match(known.drop_null(), text.number)]),
        )

    def _kinds(self) -> list[str]:
        """Return what the cells of each column are, by all rows, which are counted."""
        found = [ColumnKinds() for _ in self.names]
        self.rows = 0
        for table in self.texts():
            for place, column in enumerate(found):
                known = observed_texts(table.column(place), self.names[place], self.cell_text)
                column.see(known.drop_null(), self.cell_text)
            self.rows += table.num_rows
        for name, column in zip(self.names, found, strict=True):
            if column.kind == "text" and column.locales:
                raise self._error(
                    f"column {name!r} holds numbers with other decimal or thousands separators",
                    self._locale_hint(column.locales),
                )
            if column.kind == "text" and column.other_dates:
                self._hints.append(f"{self.name}: column {name!r} is read as text; write its dates as YYYY-MM-DD")
        return [column.kind for column in found]

    def _locale_hint(self, locales: Sequence[CellText]) -> str | None:
        """Return what to do where numbers are written in another way."""
        if LOCALES[1] in locales:  # then separators of thousands are not needed to read it
            locales = [text for text in locales if text != LOCALES[2]]
        if LOCALES[0] in locales:
            return "read them without --decimal and --thousands"
        ways = [" ".join(f"--{name} {value}" for name, value in text.separators().items()) for text in locales]
        return f"read them with {' or '.join(ways)}" if ways else None

    def _note_unread(self, texts: pyarrow.ChunkedArray, numbers: pyarrow.ChunkedArray, place: int, start: int) -> None:
        """Count the known cells of a column of numbers that are none, and keep the first."""
        count = numbers.null_count - texts.null_count
        if count:
            pc = require("pyarrow.compute")
            first = pc.index(pc.and_(pc.is_null(numbers), pc.is_valid(texts)), True).as_py()
            before = self._unread.get(place, Unread(0, texts[first].as_py(), start + first + 1))
            self._unread[place] = replace(before, count=before.count + count)

    @property
    def unread(self) -> dict[str, int]:
        """How many known cells of columns of numbers are none, by the name of the column."""
        return {self.names[place]: unread.count for place, unread in self._unread.items()}

    @property
    def notes(self) -> list[str]:
        """What the user should know about the cells that were read, one line each."""
        return self._hints + [
            f"{self.name}: column {self.names[place]!r} holds numbers, but {unread.count} of its cells do not, the "
            f"first {unread.text!r} in row {unread.row}; to mark them as missing: --missing {shlex.quote(unread.text)}"
            for place, unread in sorted(self._unread.items())
        ]

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        """Open the file for reading, unpacked; DataError where what is packed turns out to be damaged."""
        try:
            with gzip.open(path_or_buffer(self._content)) if self._packed else opened(self._content) as file:
                yield file  # type: ignore[misc]
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"damaged .gz file ({error})", source=self.name) from None

    def _text(self, head: bytes) -> str:
        """Return the beginning of the file as text; DataError where it is not UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            text = decoder.decode(head)
        except UnicodeDecodeError:
            raise self._error(self._encoding()) from None
        if "\0" in text:
            raise self._error(f"byte {self._start + head.index(0)} is 0, so it is no text of UTF-8", "save it as UTF-8")
        return text

    def _encoding(self) -> str:
        """Return where the file ceases to be UTF-8, and what to do."""
        decoder, done = codecs.getincrementaldecoder("utf-8")(), 0
        with self._opened() as file:
            while block := file.read(BLOCK):
                pending = len(decoder.getstate()[0])
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    return f"byte {done - pending + error.start} is not UTF-8; save the file as UTF-8"
                done += len(block)
        return "its last byte is not UTF-8; save the file as UTF-8"

    def _header(self, text: str, cut: bool) -> list[str]:
        """Return the names in the first line of the text, which may be cut off."""
        reader = csv.reader(io.StringIO(text), delimiter=self.separator)
        with any_field_size():
            names = [name.strip() for name in next(row for row in reader if row)]
            if cut and next(reader, None) is None:
                raise self._error(f"line 1 has no end within {BLOCK:,} bytes", "each row needs a line of its own")
        self._block = max(BLOCK, 32 * sum(map(len, names)), min(WIDE_BLOCK, WIDE_ROWS * sum(map(len, names))))
        if all(is_number(name) for name in names):
            raise self._error(f"line 1 holds numbers alone ({quote_names(names)})", "expected the names of the columns")
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise self._error(f"line 1 names column {twice!r} twice", "each needs a name of its own")
        return names

    def _error(self, message: str, hint: str | None = None) -> DataError:
        return DataError(message, source=self.name, hint=hint)

    def _skip_header(self, file: IO[bytes]) -> None:
        """Read on to the first row, past a header whose names may have line ends."""
        quotes, blank = 0, True
        while line := file.readline(BLOCK):
            quotes += line.count(b'"')
            blank &= not line.strip()
            if quotes % 2 == 0 and not blank:
                return

    def _reason(self, error: str) -> str:
        """Return what pyarrow found wrong, in words for the user."""
        if "UTF8" in error or "UTF-8" in error:
            return self._encoding()
        if "columns, got" in error:
            line, found = self._ragged()
            return f"line {line} has {found} cells; line 1 names {len(self.names)} columns"
        if "straddl" in error:
            return f"a row has no end within {self._block:,} bytes"
        return f"cannot be read ({error.splitlines()[0]})"

    def _ragged(self) -> tuple[int, int]:
        """Return the line of the first row with another number of cells than columns, and that number."""
        with self._opened() as file:
            file.read(self._start)
            reader = csv.reader(io.TextIOWrapper(file, "utf-8", newline=""), delimiter=self.separator)
            with any_field_size():
                for row in reader:
                    if len(row) != len(self.names) and (row or len(self.names) == 1):
                        return reader.line_num, len(row)
        return reader.line_num, 0


class CsvWriter:
    """Writes a table in parts, with the index in front where it has a name."""

    def __init__(self, file: IO[bytes], name: str, separator: str, cell_text: CellText) -> None:
        self.name, self.separator, self.cell_text = name, separator, cell_text
        packed = name.endswith(".gz")
        self._packed = gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) if packed else None
        self._file: Any = self._packed or file
        self._begun = False

    def write(
        self, frame: pandas.DataFrame, texts: pyarrow.Table | None = None, holes: np.ndarray | None = None
    ) -> None:
        """Write further rows, observed cells with the text they had."""
        pa = require("pyarrow")
        with arrow_errors(self.name):
            named = [place for place, name in enumerate(frame.index.names) if name is not None]
            index = [frame.index.get_level_values(place).to_series() for place in named]
            if not self._begun:
                names = [*(str(frame.index.names[place]) for place in named), *map(str, frame.columns)]
                write_rows(self._file, [pa.array([name], pa.large_string()) for name in names], self.separator)
                self._begun = True
            series = [frame.iloc[:, place] for place in range(frame.shape[1])]
            if texts is None:
                cells = [to_text(each) for each in [*index, *series]]
            else:
                filled = np.broadcast_to(False if holes is None else holes, frame.shape)
                cells = [
                    keep_text(texts.column(place), each, filled[:, place], str(frame.columns[place]), self.cell_text)
                    for place, each in enumerate(series)
                ]
            write_rows(self._file, cells, self.separator)

    def close(self) -> None:
        """Finish the compressed stream, if there is one."""
        if self._packed is not None:
            self._packed.close()


def guess_separator(text: str, name: str) -> str:
    """Return the separator that cuts all of the first lines into the same number of cells, the larger the better."""
    best, most = ",", 1
    for separator in SEPARATORS:
        lines = csv.reader(io.StringIO(text), delimiter=separator)
        try:
            with any_field_size():
                counts = [len(row) for row, _ in zip(lines, range(SNIFFED), strict=False) if row]
        except csv.Error as error:
            raise DataError(f"line {lines.line_num} cannot be read ({error})", source=name) from None
        if counts[-1:] != counts[:1] and len(text) >= BLOCK // 2:
            counts.pop()  # cut off
        if len(set(counts)) == 1 and counts[0] > most:
            best, most = separator, counts[0]
    if most > 1:
        return best
    first = text.split("\n", 1)[0]
    return max(SEPARATORS, key=first.count)


@contextmanager
def any_field_size() -> Iterator[None]:
    """Let the module csv read fields of any size, such as the whole line where a wrong separator is tried."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)
