"""What formats of tables share: reading into memory, reading and writing in parts, the frame of items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from narrows.data.axes import check_axes
from narrows.data.formats import ReadOptions
from narrows.data.items import Items
from narrows.data.memory import Budget
from narrows.data.tables.cell_text import CellText
from narrows.data.tables.cells import require
from narrows.data.tables.columns import Columns
from narrows.data.tables.frames import ColumnInference, decode_frame, frame_to_items, name_columns, without_marks
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas
    import pyarrow

CELLS_AT_ONCE, MOST_ROWS_AT_ONCE, FEWEST_ROWS_AT_ONCE = 2**21, 2**16, 2**8


class TableReader(Protocol):
    """A table in a file, read in parts, so that it may be larger than memory.

    Attributes
    ----------
    name : str
        What messages call the file.
    names : list of str
        The names of the columns, without those of the index.
    rows : int or None
        The number of rows; None where only reading tells.
    """

    name: str
    names: list[str]
    rows: int | None

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about the rows that were read, one line each."""

    @property
    def unread(self) -> Mapping[str, int]:
        """How many known cells of columns of numbers and of dates are none, by the name of the column."""

    def count_rows(self) -> int:
        """Return the number of rows, for which the file may have to be read."""

    def parts(self, rows: int) -> Iterator[tuple[pandas.DataFrame, pyarrow.Table | None]]:
        """Yield the rows as frames of about `rows` rows, each with the text of its cells if the file is text."""


class TableWriter(Protocol):
    """Writes a table in parts."""

    def write(
        self, frame: pandas.DataFrame, texts: pyarrow.Table | None = None, mask: np.ndarray | None = None
    ) -> None:
        """Write further rows.

        Parameters
        ----------
        frame : pandas.DataFrame
            The rows.
        texts : pyarrow.Table, optional
            The text that the cells had before missing ones were filled; known cells keep it.
        mask : bool array of shape (rows, columns) or (columns,), optional
            Further cells that were filled.
        """

    def close(self) -> None:
        """Finish the file, which stays open."""


def read_table(reader: TableReader, options: ReadOptions) -> Items:
    """Read a table as items with a frame; of more than ``options.most_cells`` cells, a random sample of the rows.

    The columns are inferred from all rows unless the options have them.
    """
    check_axes(options.axes, "NF", reader.name)
    rows = reader.count_rows()
    if not rows:
        raise DataError("holds no rows", source=reader.name)
    chosen = _draw_rows(reader, rows, options.most_cells)
    inference = ColumnInference(reader.name)
    parts, done, budget = [], 0, Budget(reader.name, "read fewer rows or columns")
    marks = (options.cell_text or CellText()).marks
    for frame, texts in reader.parts(rows if chosen is None else rows_at_once(len(reader.names))):
        frame = without_marks(frame, marks) if texts is None else frame  # of text, they are missing already
        inference.see(frame)
        if chosen is not None:
            start, end = np.searchsorted(chosen, [done, done + len(frame)])
            parts.append(frame.iloc[chosen[start:end] - done])
        else:
            parts.append(frame)
        budget.take(int(parts[-1].memory_usage(index=False).sum()))
        done += len(frame)
        options.progress(f"reading {Path(reader.name).name}", done, rows)
    columns = inference.columns() if options.columns is None else options.columns
    frame = require("pandas").concat(parts) if len(parts) > 1 else parts[0]
    _unify_categories(frame, parts[0], columns)
    notes = [*reader.notes, *_notes_on_columns(frame, columns, reader.name, inferred=options.columns is None)]
    if chosen is not None:
        notes.insert(0, f"{reader.name}: {len(chosen):,} of its {rows:,} rows are used, drawn at random")
    return frame_to_items(frame, columns, reader.name, notes=notes, cell_text=options.cell_text)


def _draw_rows(reader: TableReader, rows: int, most_cells: int) -> np.ndarray | None:
    """Return the indices, rising, of a random sample of the rows; None where all of them are read."""
    kept = max(1, most_cells // len(reader.names))
    if kept >= rows:
        return None
    Budget(reader.name, "read fewer rows", f"drawing from {rows:,} rows takes").take(8 * rows)
    return np.sort(np.random.default_rng(0).choice(rows, kept, replace=False))


def _notes_on_columns(frame: pandas.DataFrame, columns: Columns, source: str, inferred: bool) -> list[str]:
    """Return which columns have no known value and, if they were inferred, no text that gets a code."""
    unknown = [column.name for column in columns if column.empty]
    blank = [name for name in unknown if frame[name].isna().all()]
    ignored = [name for name in unknown if name not in blank] if inferred else []
    notes = []
    if blank:
        notes.append(f"{name_columns(blank)} {'have' if blank[1:] else 'has'} no known value")
    if ignored:
        are, their = ("are", "their") if ignored[1:] else ("is", "its")
        notes.append(f"{name_columns(ignored)} {are} ignored, since none of {their} texts occurs twice")
    return [f"{source}: {note}" for note in notes]


def rows_at_once(columns: int) -> int:
    """Return the number of rows in a part of a table with that many columns."""
    return max(FEWEST_ROWS_AT_ONCE, min(MOST_ROWS_AT_ONCE, CELLS_AT_ONCE // columns))


def to_frame(items: Items) -> pandas.DataFrame:
    """Return the frame of items that are rows of a table; rows of plain numbers get the columns c0, c1, ..."""
    pd = require("pandas")
    if items.frame is not None:
        return items.frame
    if items.columns is not None:
        return decode_frame(items.values, items.columns)
    if items.axes != "NF":
        raise DataError(f"items with the axes {items.axes[1:]} are no rows of a table", hint="write .npy instead")
    return pd.DataFrame(items.values, columns=[f"c{place}" for place in range(items.values.shape[1])])


@contextmanager
def arrow_errors(target: str) -> Iterator[None]:
    """Raise errors of pyarrow, while it writes, as DataError."""
    try:
        yield
    except require("pyarrow").ArrowException as error:
        raise DataError(f"cannot hold the table ({str(error).splitlines()[0]})", source=target) from None


def _unify_categories(frame: pandas.DataFrame, first: pandas.DataFrame, columns: Columns) -> None:
    """Give a categorical column, whose parts had different categories, those that were inferred from all."""
    pd = require("pandas")
    for place, (column, dtype) in enumerate(zip(columns, first.dtypes, strict=True)):
        if str(dtype) == "category" and str(frame.dtypes.iloc[place]) != "category":
            values = pd.Categorical(frame.iloc[:, place], categories=list(column.categories), ordered=column.ordered)
            frame.isetitem(place, pd.Series(values, index=frame.index))
