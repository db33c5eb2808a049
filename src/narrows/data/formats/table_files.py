"""Files of tables: CSV and Parquet, larger than memory too, read into items, worked on in parts, and written."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import numpy as np

from narrows.artifacts import atomic
from narrows.data.formats import csv_tables
from narrows.data.formats import parquet as parquet_tables
from narrows.data.formats.content import Content, first_bytes
from narrows.data.formats.csv_tables import Csv
from narrows.data.formats.parquet import Parquet
from narrows.data.items import Items
from narrows.data.progress import Progress, no_progress
from narrows.data.tables import frames as tables
from narrows.data.tables.columns import Columns
from narrows.data.tables.frames import require
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas
    import pyarrow

MOST_CELLS = 2**24  # in memory; of more, a sample of the rows
CELLS_AT_ONCE, MOST_ROWS_AT_ONCE, FEWEST_ROWS_AT_ONCE = 2**21, 2**16, 2**8
CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
FORMS = (*CSV, ".parquet")


def is_csv_name(name: str) -> bool:
    return name.lower().endswith(CSV)


def is_table_name(name: str) -> bool:
    """Whether a file of this name holds a table: what `read` and `write` make of it."""
    return name.lower().endswith(FORMS)


def opened_table(content: Content, name: str, columns: Columns | None = None) -> Csv | Parquet:
    """A file of a table. columns: those that it is to have, by which the text of a CSV is read; else they are told."""
    head = first_bytes(content)
    if head.startswith(parquet_tables.MAGIC):
        return Parquet(content, name, columns)
    return Csv(content, name, columns, packed=head.startswith(b"\x1f\x8b"))


def read_table(
    content: Content,
    name: str,
    columns: Columns | None = None,
    progress: Progress = no_progress,
    most: int = MOST_CELLS,
) -> Items:
    """A table as items with a frame. Of more than `most` cells, those of rows that are drawn at random, in their order.

    Of all rows are the columns, which are learnt where they are not given.
    """
    pd = require("pandas")
    source = opened_table(content, name, columns)
    learning = tables.ColumnInference(name)
    rows = source.rows if source.rows is not None else sum(part.num_rows for part in source.texts())  # type: ignore[union-attr]
    if not rows:
        raise DataError(f"{name}: holds no rows")
    kept = min(rows, max(1, most // len(source.names)))
    chosen = np.sort(np.random.default_rng(0).choice(rows, kept, replace=False)) if kept < rows else None
    parts, done = [], 0
    for frame in frames_of(source, rows if chosen is None else None):
        learning.see(frame)
        if chosen is not None:
            start, end = np.searchsorted(chosen, [done, done + len(frame)])
            parts.append(frame.iloc[chosen[start:end] - done])
        else:
            parts.append(frame)
        done += len(frame)
        progress(f"reading {Path(name).name}", done, rows)
    columns = learning.columns() if columns is None else columns
    frame = pd.concat(parts) if len(parts) > 1 else parts[0]
    for place, (column, dtype) in enumerate(zip(columns, parts[0].dtypes, strict=True)):
        if str(dtype) == "category" and str(frame.dtypes.iloc[place]) != "category":  # parts had others of them
            values = pd.Categorical(frame.iloc[:, place], categories=list(column.categories), ordered=column.ordered)
            frame.isetitem(place, pd.Series(values, index=frame.index))
    notes = [] if chosen is None else [f"{name}: {kept:,} of its {rows:,} rows are used, drawn at random"]
    notes += [f"{name}: column {column.name!r} has no known value" for column in columns if _is_blank(column, frame)]
    return tables.frame_to_items(frame, columns, name, notes=notes)


def _is_blank(column: Any, frame: pandas.DataFrame) -> bool:
    return column.empty and bool(frame[column.name].isna().all())


def frames_of(source: Csv | Parquet, rows: int | None = None) -> Iterator[pandas.DataFrame]:
    """The rows of a file in parts that fit in memory, or in parts of so many."""
    if isinstance(source, Parquet):
        yield from source.frames(rows or rows_at_once(len(source.names)))
    else:
        for frame, _ in source.frames():
            yield frame


def rows_at_once(columns: int) -> int:
    return max(FEWEST_ROWS_AT_ONCE, min(MOST_ROWS_AT_ONCE, CELLS_AT_ONCE // columns))


def write_table(frame: pandas.DataFrame, target: str, file: IO[bytes]) -> None:
    """Write a frame to an open file in the form that the target's name asks for, CSV where it asks for none."""
    with Writer(file, target) as writer:
        writer.write(frame)


def convert(
    source: str,
    target: str,
    work: Callable[[pandas.DataFrame], pandas.DataFrame],
    columns: Columns | None = None,
    fills: bool = False,
    progress: Callable[[int, int], None] | None = None,
    stdout: BinaryIO | None = None,
) -> None:
    """Write to a target what work makes of the rows of a source, part by part; both are CSV or Parquet, or "-".

    columns: those that the source is to have. fills: work fills missing cells alone, so that from CSV to CSV known
    cells keep the text they are written in, and from Parquet to Parquet columns keep their types. progress: called
    with the rows done and the rows in all, where a file says how many. The target is whole or absent.
    """
    content: Content = sys.stdin.buffer.read() if source == "-" else Path(source)
    try:
        opened = opened_table(content, "standard input" if source == "-" else source, columns)
        if target == "-":
            _convert(opened, Writer(stdout or sys.stdout.buffer, target, opened, fills), work, progress)
            return
        with atomic.replacing(target) as temporary, open(temporary, "wb") as file:
            _convert(opened, Writer(file, target, opened, fills), work, progress)
    except OSError as error:
        if target == "-" and not error.filename:
            raise  # a pipe that was closed is the business of whoever opened it
        raise DataError(f"{error.filename or target}: {error.strerror or error}") from None


def _convert(source: Csv | Parquet, writer: Writer, work: Any, progress: Any) -> None:
    done = 0
    with writer:
        if isinstance(source, Parquet):
            parts: Any = ((frame, None) for frame in source.frames(rows_at_once(len(source.names))))
        else:
            parts = source.frames()
        for frame, texts in parts:
            writer.write(work(frame), texts if writer.fills else None)
            done += len(frame)
            if progress is not None and source.rows is not None:
                progress(done, source.rows)
        if not done:
            raise DataError(f"{source.name}: holds no rows")


class Writer:
    """Writes a table in parts: Parquet with types and index; CSV as text, with the index in front where it has a name.

    source: where the rows come from, whose separator and kind of index are kept, and with `fills` its schema.
    """

    def __init__(self, file: Any, target: str, source: Csv | Parquet | None = None, fills: bool = False) -> None:
        name = target.lower()
        self.file, self.target, self.fills = file, target, fills
        self.source = source if isinstance(source, Parquet) else None
        self.parquet = name.endswith(".parquet")
        self.separator = "\t" if name.endswith((".tsv", ".tsv.gz")) else getattr(source, "separator", ",")
        self.packed = gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) if name.endswith(".gz") else None
        self.writer: Any = None
        self.begun = False

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: Any) -> None:
        for each in (self.writer, self.packed):
            if each is not None:
                each.close()

    def write(self, frame: pandas.DataFrame, texts: pyarrow.Table | None = None) -> None:
        """Write further rows. texts: of a frame that was filled, the text that its cells had, missing ones as well."""
        try:
            if self.parquet:
                self._write_parquet(frame)
            else:
                self._write_csv(frame, texts)
        except require("pyarrow").ArrowException as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{self.target}: cannot hold the table ({reason})") from None

    def _write_parquet(self, frame: pandas.DataFrame) -> None:
        pa, pq = require("pyarrow"), require("pyarrow.parquet")
        if self.fills and self.source is not None:
            table = pa.Table.from_pandas(frame, schema=self.source.schema).cast(self.source.schema)
        elif self.writer is None:
            table = pa.Table.from_pandas(frame)
            if self.source is not None:
                table = table.cast(parquet_tables.schema_like(table, self.source))
        else:
            table = pa.Table.from_pandas(frame, schema=self.writer.schema)
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.file, table.schema)
        self.writer.write_table(table.cast(self.writer.schema))

    def _write_csv(self, frame: pandas.DataFrame, texts: pyarrow.Table | None) -> None:
        pa = require("pyarrow")
        file: Any = self.packed or self.file
        named = [place for place, name in enumerate(frame.index.names) if name is not None]
        index = [frame.index.get_level_values(place).to_series() for place in named]
        if not self.begun:
            names = [*(str(frame.index.names[place]) for place in named), *map(str, frame.columns)]
            csv_tables.write_csv(file, [pa.array([name], pa.large_string()) for name in names], self.separator)
            self.begun = True
        series = [frame.iloc[:, place] for place in range(frame.shape[1])]
        if texts is None:
            cells = [csv_tables.text_of(each) for each in [*index, *series]]
        else:
            cells = [csv_tables.kept(text, each) for text, each in zip(texts.columns, series, strict=True)]
        csv_tables.write_csv(file, cells, self.separator)


def in_memory(items: Items) -> Any:
    """The frame of items that are a table: their own, or one of their numbers, with the columns c0, c1, ..."""
    pd = require("pandas")
    if items.frame is not None:
        return items.frame
    if items.columns is not None:
        return tables.decode_frame(items.values, items.columns)
    if items.axes != "NF":
        raise DataError(f"items with the axes {items.axes[1:]} are no rows of a table; write .npy instead")
    return pd.DataFrame(items.values, columns=[f"c{place}" for place in range(items.values.shape[1])])
