"""The text of CSV files: separator, names of columns, and rows, whose encoding and form are checked."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from narrows.data.formats.content import Content, first_bytes, opened, path_or_buffer
from narrows.data.formats.gzip_files import check_table
from narrows.data.tables.cells import require
from narrows.data.tables.frames import quote_names
from narrows.errors import DataError

if TYPE_CHECKING:
    import pyarrow

SEPARATORS = ",;\t|"
BLOCK = 2**22  # bytes of text at a time
WIDE_BLOCK, WIDE_ROWS = 2**27, 512  # of tables of many columns, each of which takes time in each block
SNIFFED = 20  # rows


class CsvParser:
    """Parses a CSV file, which may be gzipped, by pyarrow; all cells are text.

    Raises DataError, which names the line or the byte, where it is no table in UTF-8.

    Attributes
    ----------
    separator : str
        What stands between cells.
    names : list of str
        The names of the columns.
    head : bytes
        The beginning of the file up to the first row: byte order mark, and the line of names.
    """

    def __init__(self, content: Content, name: str) -> None:
        self.name = name
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
        width = sum(map(len, self.names))
        self._block = max(BLOCK, 32 * width, min(WIDE_BLOCK, WIDE_ROWS * width))
        with self._opened() as file:
            self.head = file.read(self._start) + self._skip_header(file)

    def rows(self) -> Iterator[pyarrow.Table]:
        """Yield the rows in parts, all cells as text."""
        pa, reader = require("pyarrow"), require("pyarrow.csv")
        labels = [f"{place}" for place in range(len(self.names))]
        with self._opened() as file:
            file.read(len(self.head))
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
        if "\r" in text and "\n" not in text:
            raise self._error("its lines end in CR alone", "save it with line ends of LF or CRLF")
        if re.match("(?i)sep=.\r?\n", text):
            raise self._error(f"line 1 is {text[:5]!r}, an instruction to Excel", "remove it")
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
        if all(is_number(name) for name in names):
            raise self._error(f"line 1 holds numbers alone ({quote_names(names)})", "expected the names of the columns")
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise self._error(f"line 1 names column {twice!r} twice", "each needs a name of its own")
        return names

    def _skip_header(self, file: IO[bytes]) -> bytes:
        """Read on to the first row, and return the line of names, which may have line ends in them."""
        head = b""
        while line := file.readline(BLOCK):
            head += line
            if head.count(b'"') % 2 == 0 and head.strip():
                break
        return head

    def _reason(self, error: str) -> str:
        """Return what pyarrow found wrong, in words for the user."""
        if "UTF8" in error or "UTF-8" in error:
            return self._encoding()
        if "columns, got" in error:
            line, found = self._ragged()
            return f"line {line} has {plural(found, 'cell')}; line 1 names {plural(len(self.names), 'column')}"
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

    def _error(self, message: str, hint: str | None = None) -> DataError:
        return DataError(message, source=self.name, hint=hint)


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


def plural(count: int, noun: str) -> str:
    """Return a count and what is counted."""
    return f"{count} {noun}{'s' * (count != 1)}"


def is_number(text: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
