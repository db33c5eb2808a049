"""Tables from file to file, part by part, so that they may be larger than memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from narrows.artifacts import atomic
from narrows.data.formats import find_by_name, find_format, identify
from narrows.data.formats.content import Content, content_of
from narrows.data.formats.table_files import TableReader, TableWriter, rows_at_once
from narrows.data.tables.cell_text import CellText
from narrows.data.tables.columns import Columns
from narrows.errors import DataError

if TYPE_CHECKING:
    import pandas


def is_table_name(name: str) -> bool:
    """Whether a file of this name holds a table."""
    return find_by_name(name, "table") is not None


def open_table(
    content: Content, name: str, columns: Columns | None = None, cell_text: CellText | None = None
) -> TableReader:
    """Open a table in a file or in bytes; DataError where it is none.

    columns: those that it must have, by which the text of a CSV is read; inferred where they are not given. cell_text:
    how the text of its cells is read.
    """
    format, content = identify(content, name)
    if format.kind != "table":
        format = find_format("csv")  # says what is wrong with it
    reader: TableReader = format.load().open_table(content, name, columns, cell_text)
    return reader


def open_writer(file: BinaryIO, name: str, source: TableReader | None = None, fills: bool = False) -> TableWriter:
    """Start a table in an open file, in the format that the name asks for; CSV where it asks for none."""
    format = find_by_name(name, "table") or find_format("csv")
    writer: TableWriter = format.load().open_writer(file, name.lower(), source, fills)
    return writer


def convert(
    source: str,
    target: str,
    work: Callable[[pandas.DataFrame], pandas.DataFrame],
    columns: Columns | None = None,
    cell_text: CellText | None = None,
    fills: bool = False,
    holes: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
    note: Callable[[str], None] | None = None,
    stdout: BinaryIO | None = None,
    content: Content | None = None,
) -> Mapping[str, int]:
    """Write to a target what `work` returns for the rows of a source, part by part; the target is whole or absent.

    Parameters
    ----------
    source, target : str
        Files of tables, or ``"-"``.
    work : callable
        From a frame of some rows to a frame of as many.
    columns : Columns, optional
        The columns that the source must have.
    cell_text : CellText, optional
        How the text of the source's cells is read.
    fills : bool
        Whether `work` only fills missing cells: then known cells keep their text from CSV to CSV, and columns their
        types from Parquet to Parquet.
    holes : bool array of shape (rows, columns) or (columns,), optional
        Which further cells `work` fills; those of missing cells are found by their text.
    progress : callable, optional
        Called with the rows done and the number of rows, where the file states it.
    note : callable, optional
        Called with each line that the user should know about the source.
    stdout : file, optional
        What ``"-"`` writes to.
    content : Path or bytes, optional
        What the source holds, where it was read before.

    Returns
    -------
    mapping of str to int
        By the name of a column of numbers or dates, how many of its known cells are none.
    """
    try:
        reader = open_table(*((content, source) if content is not None else content_of(source)), columns, cell_text)
        if target == "-":
            writer = open_writer(stdout or sys.stdout.buffer, target, reader, fills)
            _convert(reader, writer, work, fills, holes, progress)
            _pass_on(reader, note)
            return reader.unread
        with atomic.replacing(target) as temporary, open(temporary, "wb") as file:
            _convert(reader, open_writer(file, target, reader, fills), work, fills, holes, progress)
            if fills and reader.unread and target.lower().endswith(".parquet"):
                name, count = next(iter(reader.unread.items()))
                raise DataError(
                    f"column {name!r} has {count:,} known cells of another type, which .parquet cannot hold",
                    source=target,
                    hint="write .csv, or say which texts are missing",
                    suggestion={"missing": "TEXT"},
                )
        _pass_on(reader, note)
        return reader.unread
    except BrokenPipeError:
        raise  # the business of whoever opened the pipe
    except OSError as error:
        raise DataError(error.strerror or str(error), source=error.filename or target) from None


def _pass_on(reader: TableReader, note: Callable[[str], None] | None) -> None:
    if note is not None:
        for line in reader.notes:
            note(line)


def _convert(
    reader: TableReader,
    writer: TableWriter,
    work: Callable[[pandas.DataFrame], pandas.DataFrame],
    fills: bool,
    holes: np.ndarray | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    done = 0
    try:
        for frame, texts in reader.parts(rows_at_once(len(reader.names))):
            part = holes[done : done + len(frame)] if holes is not None and holes.ndim > 1 else holes
            writer.write(work(frame), texts if fills else None, part)
            done += len(frame)
            if progress is not None and reader.rows is not None:
                progress(done, reader.rows)
        if not done:
            raise DataError("holds no rows", source=reader.name)
    finally:
        writer.close()
