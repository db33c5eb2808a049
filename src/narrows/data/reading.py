"""Reading: from what the user names to items."""

import os
from pathlib import Path
from typing import BinaryIO

from narrows.data.axes import check_axes, layout_of
from narrows.data.datasets import named
from narrows.data.formats import MOST_CELLS, ReadOptions, find_by_name, read_content
from narrows.data.formats.content import content_of, is_stream
from narrows.data.formats.members import in_glob, read_members
from narrows.data.items import Items
from narrows.data.tables.cell_text import CellText
from narrows.data.tables.columns import Columns
from narrows.errors import DataError
from narrows.progress import Progress, no_progress


def read(
    source: str | os.PathLike[str],
    *,
    axes: str | None = None,
    expected_axes: str | None = None,
    strict: bool = False,
    columns: Columns | None = None,
    cell_text: CellText | None = None,
    most_cells: int = MOST_CELLS,
    progress: Progress | None = None,
    stdin: BinaryIO | None = None,
) -> Items:
    """Read the items that a source holds.

    Parameters
    ----------
    source : str or path
        A named data set (``"mnist"``, ``"mnist:test"``); an image, a WAV recording, or a folder, a glob or a zip
        archive of either; a .npy, an .npz (``"x.npz:key"`` for one array of several), an IDX file or a TIFF stack, any
        of these as .gz; a table as .csv, .tsv (either as .gz) or .parquet; or ``"-"`` for any of these files on
        standard input. Formats are recognised by content, except for .csv and .tsv.
    axes : str, optional
        Which axis is which, such as ``"NZYX"`` or ``"NT"``; needed where the shape of an array is ambiguous.
    expected_axes : str, optional
        As `axes`, for files alone that do not say which axis is which; tried with and without N.
    strict : bool
        Raise an error for a file of a set that cannot be read, rather than skip it.
    columns : Columns, optional
        The columns that a table must have, such as those of a model; they decide how the text of a CSV is read.
    cell_text : CellText, optional
        How the text of the cells of a CSV is read: marks of missing cells, decimal and thousands separators.
    most_cells : int
        Of a table with more cells, a random sample of the rows is read, which `Items.notes` mention.
    progress : callable, optional
        Called with (description, done, total or None).
    stdin : binary file, optional
        What ``"-"`` reads from; standard input by default.

    Returns
    -------
    Items
        The items, memory-mapped where the file does not fit in memory.

    Raises
    ------
    DataError
        If the source does not exist, is corrupt, or does not fit `axes` or `columns`.

    Examples
    --------
    >>> items = read("digits:test")
    >>> items.axes, len(items), items.item_shape
    ('NYX', 898, (8, 8))
    """
    text = os.fspath(source)
    if not text:
        raise DataError("the name of the source is empty", hint="name data or a file")
    options = ReadOptions(
        axes, expected_axes, strict, columns, cell_text, progress or no_progress, most_cells=most_cells
    )
    if axes is not None:
        layout_of(axes)
    if is_stream(text):
        return read_content(*content_of(text, stdin), options)
    if isinstance(source, str) and named.is_named(text):
        items = named.read_named(text, options.progress)
        check_axes(axes, items.axes, text)
        return items
    try:
        return _read_path(text, options)
    except OSError as error:
        raise DataError(error.strerror or str(error), source=text) from None
    except MemoryError:
        raise DataError("larger than the memory of this machine", source=text) from None


def _read_path(text: str, options: ReadOptions) -> Items:
    """Read a file, one array in a file, a directory or a glob."""
    if Path(text).exists():
        return read_content(Path(text), text, options)
    file, colon, key = text.rpartition(":")
    format = find_by_name(file)
    if colon and format is not None and format.keyed and Path(file).exists():
        items: Items = format.load().read(
            Path(file), file, ReadOptions(options.axes, options.expected_axes, member=key)
        )
        return items
    if any(wildcard in text for wildcard in "*?["):
        return read_members(in_glob(text), text, options)
    names = ", ".join(known.name for known in named.named_sets())
    raise DataError(f"no such file or folder, and no named data set (those are {names})", source=text)
