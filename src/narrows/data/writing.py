"""Writing: items into the form that a target's name asks for, the mirror of reading."""

import gzip
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from narrows import atomic
from narrows.data import arrays, pictures, tiff
from narrows.data.items import Items
from narrows.errors import DataError


def write(items: Items, target: str | os.PathLike[str], stdout: BinaryIO | None = None) -> None:
    """Writes items to a target: what `read` reads.

    target: .npy, .npz, .tif (a stack), .idx or a name that ends in -ubyte, and .npy.gz, .idx.gz, -ubyte.gz; a picture
        file such as .png for a single item; "-" for a .npy on standard output; any other name without a suffix is a
        folder of pictures, under the items' own names where they have them: .png, or .tif for what PNG cannot hold.
    stdout: what "-" writes to.

    Files that were there before are replaced, each whole or not at all; other files in a folder stay.
    Raises DataError where the target cannot hold the items, and says which could.
    """
    text = os.fspath(target)
    if text == "-":
        arrays.write_npy(stdout or sys.stdout.buffer, _one_array(items, "standard output"))
        return
    path = Path(text)
    try:
        if _is_folder(text, path):
            for name, content in _picture_files(items, text):
                _write_file(path / name, content)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic.replacing(path) as temporary, open(temporary, "wb") as file:
                _write_form(items, path.name.lower(), text, file)
    except OSError as error:
        raise DataError(f"{text}: cannot be written ({error.strerror or error})") from None


def _is_folder(text: str, path: Path) -> bool:
    named_as_file = path.suffix or path.name.endswith("-ubyte")
    return text.endswith(("/", os.sep)) or path.is_dir() or not named_as_file


def _write_form(items: Items, name: str, text: str, file: BinaryIO) -> None:
    """Writes one file in the form that its name, in small letters, asks for."""
    suffix = PurePosixPath(name).suffix
    if suffix == ".gz":
        inner = name.removesuffix(".gz")
        if not inner.endswith((".npy", ".idx", "-ubyte")):
            raise DataError(f"{text}: of the .gz forms, .npy.gz, .idx.gz and -ubyte.gz can be written")
        with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
            _write_form(items, inner, text, packed)  # type: ignore[arg-type]
    elif suffix == ".npy":
        arrays.write_npy(file, _one_array(items, text))
    elif suffix == ".npz":
        named = [("X", items.values)] if items.uniform else zip(_names(items), items, strict=True)
        arrays.write_npz(file, named)
    elif suffix == ".idx" or name.endswith("-ubyte"):
        try:
            arrays.write_idx(file, _one_array(items, text))
        except DataError as error:
            raise DataError(f"{text}: {error}") from None
    elif suffix in (".tif", ".tiff"):
        _write_tiff(items, text, file)
    elif suffix in pictures.WRITE_FORMATS:
        if len(items) != 1:
            raise DataError(
                f"{text}: one picture cannot hold {len(items)} items; name a folder ({text[: -len(suffix)]}/)"
            )
        _check_pictures(items, text)
        try:
            file.write(pictures.encode(items[0], pictures.WRITE_FORMATS[suffix]))
        except DataError as error:
            raise DataError(f"{text}: {error}") from None
    else:
        forms = ".npy, .npz, .idx, .tif, " + ", ".join(form for form in pictures.WRITE_FORMATS if "tif" not in form)
        raise DataError(f"{text}: unknown form {suffix!r}; use {forms}, or a folder (ending in /)")


def _one_array(items: Items, text: str) -> np.ndarray:
    if not items.uniform:
        raise DataError(f"{text}: items of different sizes are not one array; write .npz or a folder (ending in /)")
    return items.values


def _write_tiff(items: Items, text: str, file: BinaryIO) -> None:
    if items.axes == "NF":
        raise DataError(f"{text}: a table is not a stack of pictures; write .npy instead")
    if items.uniform:
        tiff.write_stack(file, items.values, items.axes)
    elif items.spatial == 2:
        tiff.write_pages(file, items)
    else:
        raise DataError(f"{text}: items of different sizes can be pages only if they are pictures; write .npz instead")


def _check_pictures(items: Items, text: str) -> None:
    if items.spatial != 2:
        raise DataError(
            f"{text}: items with the axes {items.axes[1:]} are not pictures; write .npy, .npz or .tif instead"
        )


def _picture_files(items: Items, text: str) -> Iterator[tuple[str, bytes]]:
    """A file name and its content for each item."""
    _check_pictures(items, text)
    suffix = ".png" if pictures.holds("PNG", items.dtype, items.channels) else ".tif"
    names = _names(items)
    stems = [str(PurePosixPath(name).with_suffix("")) for name in names]
    often = Counter(stems)
    for item, name, stem in zip(items, names, stems, strict=True):
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise DataError(f"{text}: the item's name {name!r} leads out of the folder")
        # a.jpg and a.png of one folder become a.jpg.png and a.png.png rather than one file.
        yield (stem if often[stem] == 1 else name) + suffix, pictures.encode(item, pictures.WRITE_FORMATS[suffix])


def _names(items: Items) -> list[str]:
    return items.names or [f"{index:05d}" for index in range(len(items))]


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(content)
