"""CSV tables, written in parts; filled cells are written as the known cells of their column are."""

from __future__ import annotations

import gzip
import re
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from narrows.data.formats.csv_text import observed_texts, to_text, write_rows
from narrows.data.formats.table_files import arrow_errors
from narrows.data.tables.cell_text import CellText
from narrows.data.tables.cells import require

if TYPE_CHECKING:
    import pandas
    import pyarrow

_FEWEST = 5  # known numbers, from which on their decimals are those of the column
_MOST_DECIMALS = 15
_EXACT = 2.0**53  # up to which floats count units
_DATE = re.compile(
    r"^[0-9-]{10}"
    r"((?P<separator>[T ])[0-9:]{5}(?P<seconds>:[0-9]{2})?(\.(?P<fraction>[0-9]+))?(?P<zone>Z|[+-][0-9:]+)?)?$"
)


class CsvWriter:
    """Writes a table in parts, with the index in front where it has a name.

    head: the beginning of the table whose cells were filled, to write in place of the names.
    """

    def __init__(self, file: IO[bytes], name: str, separator: str, cell_text: CellText, head: bytes = b"") -> None:
        self.name, self.separator, self.cell_text, self.head = name, separator, cell_text, head
        self.line_end = "\r\n" if head.endswith(b"\r\n") else "\n"
        packed = name.endswith(".gz")
        self._packed = gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) if packed else None
        self._file: Any = self._packed or file
        self._begun = False
        self._styles: list[TextStyle] = []

    def write(
        self, frame: pandas.DataFrame, texts: pyarrow.Table | None = None, mask: np.ndarray | None = None
    ) -> None:
        """Write further rows, observed cells with the text they had and filled ones in the style of these."""
        pa = require("pyarrow")
        with arrow_errors(self.name):
            named = [place for place, name in enumerate(frame.index.names) if name is not None]
            index = [frame.index.get_level_values(place).to_series() for place in named]
            if not self._begun:
                names = [*(str(frame.index.names[place]) for place in named), *map(str, frame.columns)]
                if self.head:
                    self._file.write(self.head)
                else:
                    write_rows(self._file, [pa.array([name], pa.large_string()) for name in names], self.separator)
                self._styles = [TextStyle(str(name), self.cell_text) for name in frame.columns]
                self._begun = True
            series = [frame.iloc[:, place] for place in range(frame.shape[1])]
            if texts is None:
                cells = [to_text(each) for each in [*index, *series]]
            else:
                filled = np.broadcast_to(False if mask is None else mask, frame.shape)
                cells = [
                    style.filled(texts.column(place), each, filled[:, place])
                    for place, (style, each) in enumerate(zip(self._styles, series, strict=True))
                ]
            write_rows(self._file, cells, self.separator, self.line_end)

    def close(self) -> None:
        """Finish the compressed stream, if there is one."""
        if self._packed is not None:
            self._packed.close()


class TextStyle:
    """The style of the cells of one column, as far as they were seen.

    Numbers have the decimal and thousands separators of the known cells and, where at least five are known, as many
    decimals as they have at most, or all of them have. Dates have the form of the longest, booleans the case of the
    first. Where nothing is known, cells are written as `to_text` writes them.
    """

    def __init__(self, column: str, reading: CellText) -> None:
        self.column, self.reading = column, reading
        self.count = 0  # of known numbers
        self.decimals: list[int] = []  # fewest and most of them
        self.exponents = False
        self.thousands = ""
        self.first = self.longest_date = ""

    def filled(self, texts: Any, series: pandas.Series, mask: np.ndarray) -> Any:
        """Return the text of a column's cells, and for missing ones and `mask` (N,) bool that of the filled series."""
        pa, pc = require("pyarrow"), require("pyarrow.compute")
        observed, texts = observed_texts(texts, self.column, self.reading).combine_chunks(), texts.combine_chunks()
        missing = observed.is_null().to_numpy(zero_copy_only=False) | mask
        filled = missing & series.notna().to_numpy()
        if not filled.any():
            return texts
        cells, known = series[filled], observed.filter(pa.array(~missing))
        if series.dtype.kind in "fiu":
            self._see_numbers(known)
            written = pa.array([self._number(value) for value in cells.tolist()], pa.large_string())
        elif series.dtype.kind == "M":
            self._see_dates(known)
            written = self._dates(cells)
        else:
            self.first = self.first or (known[0].as_py() if len(known) else "")
            written = to_text(cells)
            if self.first.lower() in ("true", "false") and not self.first.istitle():
                written = pc.utf8_upper(written) if self.first.isupper() else pc.utf8_lower(written)
        return pc.replace_with_mask(texts, pa.array(filled), written)

    def _see_dates(self, known: Any) -> None:
        """Take further known cells of a column of dates into account."""
        pc = require("pyarrow.compute")
        known = known.filter(pc.match_substring_regex(known, _DATE.pattern))
        lengths = pc.binary_length(known)
        if len(known) and pc.max(lengths).as_py() > len(self.longest_date):
            self.longest_date = known[pc.index(lengths, pc.max(lengths)).as_py()].as_py()

    def _see_numbers(self, known: Any) -> None:
        """Take further known cells of a column of numbers into account."""
        pc = require("pyarrow.compute")
        known = known.filter(pc.match_substring_regex(known, self.reading.number))
        points = pc.find_substring(known, self.reading.decimal)
        after = pc.subtract(pc.binary_length(known), pc.add(points, len(self.reading.decimal.encode())))
        decimals = pc.min_max(pc.if_else(pc.less(points, 0), 0, after)).as_py()
        self.count += len(known)
        self.decimals = sorted(each for each in (*self.decimals, *decimals.values()) if each is not None)
        self.decimals = self.decimals[:1] + self.decimals[-1:]
        self.exponents = self.exponents or pc.any(pc.match_substring_regex(known, "[eE]")).as_py() is True
        if self.reading.thousands and not self.thousands:
            grouped = pc.index(pc.match_substring_regex(known, self.reading.grouping), True).as_py()
            found = re.search(self.reading.grouping, known[grouped].as_py()) if grouped >= 0 else None
            self.thousands = found[0] if found else ""

    def _number(self, value: float) -> str:
        """Return the text of a number."""
        comma = "," if self.thousands else ""
        if isinstance(value, int):
            text = f"{value:{comma}d}"
        elif self.count < _FEWEST or self.exponents or self.decimals[1] > _MOST_DECIMALS or abs(value) > _EXACT:
            text = repr(value)
        else:
            fewest, most = self.decimals
            text = f"{round(value, most) + 0.0:{comma}.{most}f}"  # which has no -0
            text = text if fewest == most else text.rstrip("0").rstrip(".")
        return text.translate({ord(","): self.thousands, ord("."): self.reading.decimal})

    def _dates(self, cells: pandas.Series) -> Any:
        """Return the texts of dates."""
        form = _DATE.match(self.longest_date)
        if form is None:
            return to_text(cells)
        zone, fraction = form["zone"] or "", form["fraction"] or ""
        if cells.dt.tz is not None:
            cells = cells.dt.tz_convert(f"{zone[:3]}:{zone[-2:]}" if zone[1:] else "UTC").dt.tz_localize(None)
        pattern = "%Y-%m-%d" + (f"{form['separator']}%H:%M" if form["separator"] else "")
        pattern += ":%S" * bool(form["seconds"]) + ".%f" * bool(fraction)
        texts = cells.dt.strftime(pattern)
        if fraction:
            texts = texts.str.ljust(len(texts.iloc[0]) + 3, "0").str[: len(fraction) - 9 or None]
        return require("pyarrow").array(texts + zone, require("pyarrow").large_string())
