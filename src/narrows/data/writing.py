"""Writing: items into the form that a target's name asks for, the mirror of reading."""

import gzip
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np

from narrows.artifacts import atomic
from narrows.data.formats import arrays, table_files, tiff
from narrows.data.formats import images as pictures
from narrows.data.formats import wav as audio
from narrows.data.items import Items
from narrows.errors import DataError


def write(items: Items, target: str | os.PathLike[str], stdout: BinaryIO | None = None) -> None:
    """Writes items to a target: what `read` reads.

    target: .npy, .npz, .tif (a stack), .idx or a name that ends in -ubyte, and .npy.gz, .idx.gz, -ubyte.gz; .csv, .tsv,
        either as .gz, or .parquet for tables; a picture file such as .png, or .wav for a recording, for a single item;
        "-" for a .npy, or of a table with cells of any type a CSV, on standard output; any other name without a suffix
        is a folder, under the items' own names where they have them: of .wav for recordings, else of .png, or .tif for
        what PNG cannot hold.
    stdout: what "-" writes to.

    Files that were there before are replaced, each whole or not at all; other files in a folder stay.
    Raises DataError where the target cannot hold the items, and says which could.
    """
    text = os.fspath(target)
    path = Path(text)
    try:
        if text == "-" and items.columns is not None:
            table_files.write_table(table_files.in_memory(items), text, stdout or sys.stdout.buffer)
        elif text == "-":
            arrays.write_npy(stdout or sys.stdout.buffer, _one_array(items))
        elif text.endswith(("/", os.sep)) or path.is_dir() or not (path.suffix or path.name.endswith("-ubyte")):
            for item, name, encode in _files(items):
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                with atomic.replacing(path / name) as temporary, open(temporary, "wb") as file:
                    encode(file, item)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic.replacing(path) as temporary, open(temporary, "wb") as file:
                _write_form(items, path.name.lower(), file)
    except DataError as error:
        raise DataError(f"{'standard output' if text == '-' else text}: {error}") from None
    except OSError as error:
        if text == "-":
            raise  # a pipe that was closed is the business of whoever opened it
        raise DataError(f"{text}: cannot be written ({error.strerror or error})") from None


def _write_form(items: Items, name: str, file: IO[bytes]) -> None:
    """Writes one file in the form that its name, in small letters, asks for."""
    suffix = os.path.splitext(name)[1]
    if table_files.is_table_name(name):
        table_files.write_table(table_files.in_memory(items), name, file)
        return
    check_numbers(items)
    if name.endswith((".npy.gz", ".idx.gz", "-ubyte.gz")):
        with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
            _write_form(items, name.removesuffix(".gz"), packed)  # type: ignore[arg-type]
    elif suffix == ".npy":
        arrays.write_npy(file, _one_array(items))
    elif suffix == ".npz":
        arrays.write_npz(file, [("X", items.values)] if items.uniform else zip(_names(items), items, strict=True))
    elif suffix == ".idx" or name.endswith("-ubyte"):
        arrays.write_idx(file, _one_array(items))
    elif suffix in (".tif", ".tiff"):
        _write_tiff(items, file)
    elif suffix == audio.SUFFIX:
        if len(items) != 1:
            raise DataError(f"one WAV cannot hold {len(items)} items; name a folder instead (ending in /)")
        _write_wav(items, file, items[0])
    elif suffix in pictures.WRITE_FORMATS:
        if len(items) != 1:
            raise DataError(f"one picture cannot hold {len(items)} items; name a folder instead (ending in /)")
        _check_pictures(items)
        _write_picture(suffix, file, items[0])
    else:
        forms = ", ".join([".npy", ".npz", ".idx", ".csv", ".parquet", *pictures.WRITE_FORMATS, audio.SUFFIX])
        raise DataError(f"unknown form {suffix!r}; use {forms}, .npy.gz, .idx.gz or a folder (ending in /)")


def check_numbers(items: Items) -> None:
    """DataError for a table with other cells than numbers, whose codes an array would hold without what they mean."""
    for column in items.columns or ():
        if column.kind in ("category", "date"):
            raise DataError(
                f"an array cannot hold column {column.name!r}, of {column.kind} cells; write .csv or .parquet"
            )


def _one_array(items: Items) -> np.ndarray:
    if not items.uniform:
        raise DataError("items of different sizes are not one array; write .npz or a folder (ending in /)")
    return items.values


def _write_tiff(items: Items, file: IO[bytes]) -> None:
    if items.axes == "NF":
        raise DataError("a table is not a stack of pictures; write .npy instead")
    if items.uniform:
        tiff.write_stack(file, items.values, items.axes)
    elif items.spatial_dims == 2:
        tiff.write_pages(file, items)
    else:
        raise DataError("items of different sizes can be pages only if they are pictures; write .npz instead")


def _check_pictures(items: Items) -> None:
    if items.spatial_dims != 2:
        raise DataError(f"items with the axes {items.axes[1:]} are not pictures; write .npy, .npz or .tif instead")


def _write_wav(items: Items, file: IO[bytes], item: np.ndarray) -> None:
    if items.spatial_dims != 1:
        raise DataError(f"items with the axes {items.axes[1:]} are not recordings; write .npy or .npz instead")
    if items.rate is None:
        raise DataError(
            "a WAV needs a sample rate, which neither the data nor the model has; write .npy or .npz instead"
        )
    audio.encode(file, item, items.rate)


def _files(items: Items) -> Iterator[tuple[np.ndarray, Path, Callable[[IO[bytes], np.ndarray], object]]]:
    """Each item, the name of its file, and what writes it."""
    encode: Callable[[IO[bytes], np.ndarray], object]
    if items.spatial_dims == 1 and items.rate is not None:
        suffix, encode = audio.SUFFIX, partial(_write_wav, items)
    else:
        _check_pictures(items)
        suffix = ".png" if pictures.holds("PNG", items.dtype, items.channels) else ".tif"
        encode = partial(_write_picture, suffix)
    for item, name in zip(items, _file_names(_names(items), suffix), strict=True):
        path = Path(name)
        if path.anchor or ".." in path.parts:
            raise DataError(f"the item's name {name!r} leads out of the folder")
        yield item, path, encode


def _write_picture(suffix: str, file: IO[bytes], item: np.ndarray) -> None:
    file.write(pictures.encode(item, pictures.WRITE_FORMATS[suffix]))


def _file_names(names: list[str], suffix: str) -> list[str]:
    """The names with this suffix: in place of that of another form, or after it where two would be alike.

    Beside a.png, a.jpg becomes a.jpg.png.
    """
    wanted = [name if name.lower().endswith(suffix) else _without_suffix(name) + suffix for name in names]
    counts = Counter(wanted)
    taken = {new for name, new in zip(names, wanted, strict=True) if new == name or counts[new] == 1}
    for index, name in enumerate(names):
        if wanted[index] != name and counts[wanted[index]] > 1:
            wanted[index] = name + suffix
            while wanted[index] in taken:
                wanted[index] += suffix
            taken.add(wanted[index])
    return wanted


def _names(items: Items) -> list[str]:
    return items.names or [f"{index:05d}" for index in range(len(items))]


def _without_suffix(name: str) -> str:
    """A name less the suffix of a picture or recording."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in (*pictures.READ_SUFFIXES, audio.SUFFIX) else name
