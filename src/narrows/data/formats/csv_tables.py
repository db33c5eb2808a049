"""CSV files of tables: read in parts, with types that hold for the whole file, and written; text <-> cells.

pyarrow reads the text; what the cells are is decided here, by patterns over whole columns.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from narrows.data.formats.content import Content, opened, path_or_buffer
from narrows.data.tables.columns import Columns
from narrows.data.tables.frames import check_names, quote_names, require
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas
    import pyarrow

SEPARATORS = ",;\t|"
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
BLOCK = 2**22  # bytes of text at a time
SNIFFED = 20  # rows

_INTEGER = r"^[+-]?(0|[1-9][0-9]{0,17})$"
_NUMBER = r"^[+-]?((0|[1-9][0-9]{0,17})(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(?i:inf|infinity)$"
_BOOLEAN = r"^(?i:true|false)$"
_DAY = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_DATE = rf"{_DAY}([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{{1,9}})?)?)?$"
_ZONED = rf"{_DAY}[T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{{1,9}})?)?(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$"
_PATTERNS = {"boolean": _BOOLEAN, "integer": _INTEGER, "number": _NUMBER, "date": _DATE, "zoned": _ZONED}
_DECIMAL_COMMA = r"^[+-]?[0-9]+,[0-9]+$"


class Csv:
    """A CSV file: its separator, the names of its columns, and the types of their cells.

    A cell is missing where it is empty, NA, NaN, null or None. A column is boolean, integer, number or date where all
    of its known cells are such (whole numbers with leading zeros, or more than 18 digits, are text: they are names),
    else text; or it is what the columns of a model say.
    Raises DataError, one line that names the file and the line, where it is no table.
    """

    def __init__(self, content: Content, name: str, columns: Columns | None = None, packed: bool = False) -> None:
        self.content, self.name, self.packed = content, name, packed
        with self._opened() as file:
            head = file.read(BLOCK)
        if not head.strip():
            raise DataError(f"{name}: empty, without a line of names")
        self._start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
        text = self._text(head[self._start :])
        self.separator = sniff(text, name)
        self.names = self._header(text)
        self.columns = columns
        if columns is None:
            self.kinds = self._kinds()
        else:
            check_names(self.names, columns, name)
            self.kinds = [column.kind for column in columns]

    @property
    def rows(self) -> int | None:
        return None  # it does not say

    def frames(self) -> Iterator[tuple[pandas.DataFrame, pyarrow.Table]]:
        """Its rows in parts: as a frame, and the text of the cells."""
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
        """Its rows in parts, all cells as the text that stands there."""
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
                    raise DataError(f"{self.name}: {self._reason(str(error))}") from None

    def _cells(self, texts: pyarrow.ChunkedArray, place: int, start: int) -> pandas.Series:
        """A part of one column as cells of its type."""
        pd, pa, pc = require("pandas"), require("pyarrow"), require("pyarrow.compute")
        kind, column = self.kinds[place], None if self.columns is None else self.columns[place]
        known = known_texts(texts)
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
        if kind == "integer":
            cells = pc.cast(pc.replace_substring_regex(known, r"^\+", ""), pa.int64())
            return cells.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get if known.null_count else None)
        if kind == "number":
            return pc.cast(pc.replace_substring_regex(known, r"^\+", ""), pa.float64()).to_pandas()
        dates = pd.to_datetime(known.to_pandas(), format="ISO8601", utc=kind == "zoned")
        return dates.dt.as_unit("us")

    def _checked(self, known: pyarrow.ChunkedArray, place: int, start: int) -> str:
        """The kind by which the cells of a model's column are read; DataError where one cannot be."""
        pc = require("pyarrow.compute")
        kind = self.kinds[place]
        tried = {"integer": ("integer", "number"), "number": ("number",), "date": ("date", "zoned")}.get(kind, (kind,))
        for each in tried:
            wrong = pc.invert(pc.match_substring_regex(known, _PATTERNS[each]))
            first = pc.index(wrong, True).as_py()
            if first < 0:
                return each
        raise DataError(
            f"{self.name}: row {start + first + 1} of column {self.names[place]!r} is {known[first].as_py()!r}; "
            f"the model learnt {kind} cells"
        )

    def _kinds(self) -> list[str]:
        """What the cells of each column are, by all of its rows."""
        pc = require("pyarrow.compute")
        open_kinds: list[list[str]] = [list(_PATTERNS) for _ in self.names]
        seen, commas = np.zeros(len(self.names), bool), np.ones(len(self.names), bool)
        for table in self.texts():
            for place in range(len(self.names)):
                if not open_kinds[place] and not commas[place]:
                    continue
                known = known_texts(table.column(place)).drop_null()
                if len(known):
                    seen[place] = True
                    open_kinds[place] = [
                        kind
                        for kind in open_kinds[place]
                        if pc.all(pc.match_substring_regex(known, _PATTERNS[kind])).as_py()
                        and self._are_dates(known, kind)
                    ]
                    commas[place] &= pc.all(pc.match_substring_regex(known, _DECIMAL_COMMA)).as_py()
        if (commas & seen).any():
            first = self.names[int((commas & seen).argmax())]
            raise DataError(
                f"{self.name}: column {first!r} holds numbers with a decimal comma; save with decimal points"
            )
        return [
            "empty" if not known else (kinds[0] if kinds else "text")
            for known, kinds in zip(seen, open_kinds, strict=True)
        ]

    def _are_dates(self, known: pyarrow.ChunkedArray, kind: str) -> bool:
        """Whether cells that look like dates are some: there is no 30th of February."""
        if kind not in ("date", "zoned"):
            return True
        pd = require("pandas")
        return bool(pd.to_datetime(known.to_pandas(), format="ISO8601", utc=True, errors="coerce").notna().all())

    def _opened(self) -> IO[bytes]:
        if not self.packed:
            return opened(self.content)
        import gzip

        return gzip.open(path_or_buffer(self.content), "rb")  # type: ignore[return-value]

    def _text(self, head: bytes) -> str:
        """The begin of the file as text; DataError where it is not UTF-8."""
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            text = decoder.decode(head)
        except UnicodeDecodeError:
            raise DataError(f"{self.name}: {self._encoding()}") from None
        if "\0" in text:
            raise DataError(
                f"{self.name}: byte {self._start + head.index(0)} is 0, so it is no text of UTF-8; save it as UTF-8"
            )
        return text

    def _encoding(self) -> str:
        """Where the file ceases to be UTF-8, and what to do."""
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

    def _header(self, text: str) -> list[str]:
        reader = csv.reader(io.StringIO(text), delimiter=self.separator)
        names = [name.strip() for name in next(row for row in reader if row)]
        self._block = max(BLOCK, 32 * sum(map(len, names)))
        if all(is_number(name) for name in names):
            raise DataError(
                f"{self.name}: line 1 holds numbers alone ({quote_names(names)}); expected the names of the columns"
            )
        twice = [name for place, name in enumerate(names) if name in set(names[:place])]
        if twice:
            raise DataError(f"{self.name}: line 1 names column {twice[0]!r} twice; each needs a name of its own")
        return names

    def _skip_header(self, file: IO[bytes]) -> None:
        """Read on to the first row, past a header whose names may have line ends."""
        quotes, blank = 0, True
        while line := file.readline():
            quotes += line.count(b'"')
            blank &= not line.strip()
            if quotes % 2 == 0 and not blank:
                return

    def _reason(self, error: str) -> str:
        """What pyarrow found wrong, in our words."""
        if "UTF8" in error or "UTF-8" in error:
            return self._encoding()
        if "columns, got" in error:
            line, found = self._ragged()
            return f"line {line} has {found} cells; line 1 names {len(self.names)} columns"
        return f"cannot be read ({error.splitlines()[0]})"

    def _ragged(self) -> tuple[int, int]:
        """The line of the first row with another number of cells than columns, and that number."""
        with self._opened() as file:
            file.read(self._start)
            reader = csv.reader(io.TextIOWrapper(file, "utf-8", newline=""), delimiter=self.separator)
            for row in reader:
                if len(row) != len(self.names) and (row or len(self.names) == 1):
                    return reader.line_num, len(row)
        return reader.line_num, 0


def sniff(text: str, name: str) -> str:
    """The separator of a text's first lines: the one that cuts all of them into as many cells, the more the better."""
    best, most = ",", 1
    for separator in SEPARATORS:
        lines = csv.reader(io.StringIO(text), delimiter=separator)
        try:
            counts = [len(row) for row, _ in zip(lines, range(SNIFFED), strict=False) if row]
        except csv.Error as error:
            raise DataError(f"{name}: line {lines.line_num} cannot be read ({error})") from None
        if counts[-1:] != counts[:1] and len(text) >= BLOCK // 2:
            counts.pop()  # cut off
        if len(set(counts)) == 1 and counts[0] > most:
            best, most = separator, counts[0]
    if most > 1:
        return best
    first = text.split("\n", 1)[0]
    return max(SEPARATORS, key=first.count)


def known_texts(texts: Any) -> Any:
    """The text of cells without blanks around it, null where they are missing."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(texts, pa.array(MISSING, pa.large_string())), pa.scalar(None, pa.large_string()), texts)


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_csv(file: IO[bytes], texts: list[pyarrow.Array], separator: str) -> None:
    """Write rows of cells that are text, (N,) a column, those in quotes that need them."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    special = rf'["\r\n{separator}]|^\s|\s$' + ("|^$" if len(texts) == 1 else "")  # not an empty line
    cells = []
    for column in texts:
        column = pc.cast(column, pa.large_string())
        needs = pc.match_substring_regex(column, special)
        if pc.any(needs).as_py():
            column = pc.if_else(needs, _joined(['"', pc.replace_substring(column, '"', '""'), '"'], ""), column)
        cells.append(column)
    lines = _joined([_joined(cells, separator), ""], "\n")
    for chunk in lines.chunks if isinstance(lines, pa.ChunkedArray) else [lines]:
        file.write(b"".join(chunk.cast(pa.large_binary()).to_pylist()))


def _joined(parts: list[Any], separator: str) -> Any:
    """Arrays of text, and texts, one after the other in each row."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    parts = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in [*parts, separator]]
    return pc.binary_join_element_wise(*parts)


def kept(texts: Any, series: pandas.Series) -> Any:
    """The text of known cells, and for missing ones that of the filled series, booleans in the case of those known."""
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    known, texts = known_texts(texts).combine_chunks(), texts.combine_chunks()
    filled = known.is_null().to_numpy(zero_copy_only=False) & series.notna().to_numpy()
    if not filled.any():
        return texts
    cells = text_of(series[filled])
    first = known.drop_null()[0].as_py() if known.null_count < len(known) else ""
    if first.lower() in ("true", "false") and not first.istitle():
        cells = pc.utf8_upper(cells) if first.isupper() else pc.utf8_lower(cells)
    return pc.replace_with_mask(texts, pa.array(filled), cells)


def text_of(series: pandas.Series) -> Any:
    """The cells of a column as text, which reads back as they are; empty where they are missing."""
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
