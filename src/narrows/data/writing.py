"""Writing: items into the format that a target's name asks for, the mirror of reading."""

import io
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from narrows.artifacts import atomic
from narrows.data.formats import (
    Format,
    find_by_name,
    find_format,
    folders,
    image_files,
    tiff_writing,
    writable_suffixes,
)
from narrows.data.items import Items
from narrows.errors import DataError, DataWarning


def write(items: Items, target: str | os.PathLike[str], stdout: BinaryIO | None = None) -> None:
    """Write items to a target that `read` reads.

    Files that were there before are replaced, each whole or not at all; other files in a folder stay.

    Parameters
    ----------
    items : Items
        The items.
    target : str or path
        A .npy, .npz, .tif (a stack), .idx or a name that ends in -ubyte, and .npy.gz, .idx.gz, -ubyte.gz; .csv, .tsv,
        either as .gz, or .parquet for tables; an image such as .png, or .wav, for a single item; ``"-"`` for a .npy
        (of a table with columns, a CSV) on standard output. Any other name without a suffix is a folder, of .wav for
        recordings, else of .png, or .tif for what PNG cannot hold, under the items' own names where they have them.
    stdout : binary file, optional
        What ``"-"`` writes to; standard output by default.

    Raises
    ------
    DataError
        If the target cannot hold the items, with a hint at formats that can, or cannot be written.

    Examples
    --------
    >>> import io
    >>> from narrows.data import Items, read
    >>> file = io.BytesIO()
    >>> write(Items.from_array([[1.0, 2.0], [3.0, 4.0]]), "-", file)
    >>> _ = file.seek(0)
    >>> read("-", stdin=file).values.tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    text, path = os.fspath(target), Path(target)
    if not text:
        raise DataError("the name of the target is empty", hint="name a file or a folder")
    try:
        if text == "-":
            format = find_format("npy" if items.columns is None else "csv")
            _warn_of_lost_metadata(items, format, text)
            format.load().write(items, stdout or sys.stdout.buffer, text)
            return
        format = choose_format(text, path)
        if format.kind != "table":
            check_numbers(items)
        _warn_of_lost_metadata(items, format, text)
        if format.directory:
            format.load().write(items, path, path.name.lower())
        else:
            atomic.without_link(path).parent.mkdir(parents=True, exist_ok=True)
            with atomic.replacing(path) as temporary, open(temporary, "wb") as file:
                format.load().write(items, file, path.name.lower())
    except DataError as error:
        error.source = "standard output" if text == "-" else text
        raise
    except OSError as error:
        if text == "-":
            raise  # a closed pipe is the business of whoever opened it
        raise DataError(f"cannot be written ({error.strerror or error})", source=text) from None


def output_paths(items: Items, target: str | os.PathLike[str]) -> list[Path]:
    """Return the files that `write` would write; none for standard output.

    Raises
    ------
    DataError
        If the target cannot hold such items.
    """
    text, path = os.fspath(target), Path(target)
    if text == "-":
        return []
    try:
        format = choose_format(text, path)
        if format.name == "folder":
            return folders.output_paths(items, path)
        if items.columns is None and not format.directory:
            format.load().write(_specimen(items), io.BytesIO(), path.name.lower())
        return [path]
    except DataError as error:
        error.source = text
        raise


def _specimen(items: Items) -> Items:
    """Return small items that a format takes if it takes these: at most two, of one value along each spatial axis."""
    few = items.select(slice(2))
    if few.shapes is None:
        cut = tuple(slice(None) if axis in "NFC" else slice(1) for axis in few.axes)
        return replace(few, values=few.values[cut], mask=None)
    shapes = np.where(np.arange(few.shapes.shape[1]) < few.spatial_dims, 1, few.shapes)
    shapes[0, 0] = 2
    sizes = shapes.prod(axis=1)
    values = np.zeros(sizes.sum(), items.dtype)
    return replace(few, values=values, mask=None, shapes=shapes, offsets=np.cumsum(sizes) - sizes)


def check_numbers(items: Items) -> None:
    """Raise DataError for a table with cells other than numbers, whose codes mean nothing without its columns."""
    for column in items.columns or ():
        if column.kind in ("category", "date"):
            raise DataError(
                f"an array cannot hold column {column.name!r}, of {column.kind} cells", hint="write .csv or .parquet"
            )


def _warn_of_lost_metadata(items: Items, format: Format, target: str) -> None:
    """Warn of what the files of the images say that the target does not keep."""
    if items.pictures is None:
        return
    suffix = folders.member_suffix(items) if format.directory else Path(target).suffix.lower()
    image_format = image_files.ENCODERS.get(suffix, "")
    lost = {what for each in set(items.pictures) for what in each.lost(image_format, items.channels)}
    if format.name == "tiff" and items.spatial_dims == 3 and len(set(items.pictures)) > 1:
        lost.add("metadata in which they differ")
    if image_format == "TIFF" and any(each.scale for each in items.pictures):
        files = [items.select([index]) for index in range(len(items))] if format.directory else [items]
        if not all(map(tiff_writing.keeps_scale, files)):
            lost.add("scale")
    if lost:
        warnings.warn(
            f"{target} does not keep what the images' files say: {', '.join(sorted(lost))}", DataWarning, stacklevel=3
        )


def choose_format(text: str, path: Path) -> Format:
    """Return the format that a target's name asks for; DataError where it is unknown."""
    format = find_by_name(path.name)
    if (text.endswith(("/", os.sep)) or path.is_dir()) and not (format and format.directory):
        return find_format("folder")
    if format is not None:
        return format
    if not path.suffix:
        return find_format("folder")
    known = ", ".join(writable_suffixes())
    raise DataError(
        f"unknown format {path.suffix.lower()!r}", source=text, hint=f"use {known} or a folder (ending in /)"
    )
