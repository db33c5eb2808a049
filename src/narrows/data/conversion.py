"""Tables from file to file, part by part, so that they may be larger than memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from narrows.artifacts import atomic
from narrows.data.formats import find_by_name, find_format, identify
from narrows.data.formats.content import Content
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
    try:
        format, content = identify(content, name)
        if format.kind != "table":
            format = find_format("csv")  # says what is wrong with it
        reader: TableReader = format.load().open_table(content, name, columns, cell_text)
        return reader
    except OSError as error:
        raise DataError(error.strerror or str(error), source=name) from None


def convert(
    reader: TableReader,
    target: str,
    transform: Callable[[pandas.DataFrame], pandas.DataFrame],
    *,
    fills: bool = False,
    mask: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a table, transformed part by part, to a file, which is whole or absent.

    Parameters
    ----------
    reader : TableReader
        The table; `open_table` opens one.
    target : str
        The file to write, or ``"-"`` for standard output.
    transform : callable
        From a frame of some rows to a frame of as many.
    fills : bool
        Whether `transform` only fills missing cells: then known cells keep their text from CSV to CSV, and columns
        their types from Parquet to Parquet.
    mask : bool array of shape (rows, columns) or (columns,), optional
        Which further cells `transform` fills; those of missing cells are found by their text.
    progress : callable, optional
        Called with the rows done and the number of rows, where the file states it.

    Raises
    ------
    DataError
        If the table cannot be read or has no rows, or the target cannot hold it or be written.
    """
    try:
        if target == "-":
            _write_parts(
                reader, _open_writer(sys.stdout.buffer, target, reader, fills), transform, fills, mask, progress
            )
            return
        with atomic.replacing(target) as temporary, open(temporary, "wb") as file:
            _write_parts(reader, _open_writer(file, target, reader, fills), transform, fills, mask, progress)
            if fills and reader.unread and target.lower().endswith(".parquet"):
                name, count = next(iter(reader.unread.items()))
                raise DataError(
                    f"column {name!r} has {count:,} known cells of another type, which .parquet cannot hold",
                    source=target,
                    hint="write .csv, or say which texts are missing",
                    suggestion={"missing": "TEXT"},
                )
    except BrokenPipeError:
        raise  # the business of whoever opened the pipe
    except OSError as error:
        raise DataError(error.strerror or str(error), source=error.filename or target) from None


def _open_writer(file: BinaryIO, name: str, source: TableReader, fills: bool) -> TableWriter:
    """Start a table in an open file, in the format that the name asks for; CSV where it asks for none."""
    format = find_by_name(name, "table") or find_format("csv")
    writer: TableWriter = format.load().open_writer(file, name.lower(), source, fills)
    return writer


def _write_parts(
    reader: TableReader,
    writer: TableWriter,
    transform: Callable[[pandas.DataFrame], pandas.DataFrame],
    fills: bool,
    mask: np.ndarray | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    done = 0
    try:
        for frame, texts in reader.parts(rows_at_once(len(reader.names))):
            part = mask[done : done + len(frame)] if mask is not None and mask.ndim > 1 else mask
            writer.write(transform(frame), texts if fills else None, part)
            done += len(frame)
            if progress is not None and reader.rows is not None:
                progress(done, reader.rows)
        if not done:
            raise DataError("holds no rows", source=reader.name)
    finally:
        writer.close()
