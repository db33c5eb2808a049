"""Reading: from what the user names to items, whatever its form."""

import codecs
import os
import re
import sys
from pathlib import Path
from typing import BinaryIO

from narrows.data.axes import layout_of
from narrows.data.datasets import named
from narrows.data.formats import arrays, folders, recordings, table_files, tiff
from narrows.data.formats import images as pictures
from narrows.data.formats import parquet as parquet_tables
from narrows.data.formats import wav as audio
from narrows.data.formats.content import Content, first_bytes, opened_zip
from narrows.data.items import Items
from narrows.data.progress import Progress, no_progress
from narrows.data.tables.columns import Columns
from narrows.errors import DataError

_TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]*\Z")
_ANYMAP = re.compile(rb"P[1-7fF]\s|\x89PNG|GIF8|\xff\xd8")


def read(
    source: str | os.PathLike[str],
    *,
    axes: str | None = None,
    strict: bool = False,
    columns: Columns | None = None,
    progress: Progress | None = None,
    stdin: BinaryIO | None = None,
) -> Items:
    """The items that a source holds.

    source: a named set ("mnist", "mnist:test"), a picture or a WAV, a folder, a glob or a zip of pictures or of WAVs, a
        .npy, an .npz ("x.npz:key" for one array of several), an IDX file or a TIFF stack, any of these files as .gz, a
        table (.csv, .tsv, either as .gz, or .parquet), or "-" for one of these files on standard input. A file's form
        is told by its content, but that of .csv and .tsv, which have no mark, by its name.
    axes: which axis is which, where an array's shape does not tell: "NZYX", "NT", ...
    strict: whether a picture or recording that cannot be read, among others, is an error rather than skipped.
    columns: those that a table is to have, by which the text of a CSV is read, as those of a model.
    progress: called with (description, done, total or None) as work goes on.
    stdin: what "-" reads from.

    Of a table of more than 16 million cells, a random sample of its rows is read, and `notes` say so.
    Raises DataError, one line that names the source and says what is wrong with it.
    """
    text, progress = os.fspath(source), progress or no_progress
    if axes is not None:
        layout_of(axes)
    if text == "-":
        content = (stdin or sys.stdin.buffer).read()
        return _read_file(content, "standard input", axes, strict, columns, progress)
    if isinstance(source, str) and named.is_named(text):
        return _with_axes(named.read_named(text, progress), axes)
    path = Path(text)
    try:
        if path.is_dir():
            return _with_axes(_read_files(folders.in_folder(path), text, strict, progress), axes)
        if path.exists():
            return _read_file(path, text, axes, strict, columns, progress)
        archive, colon, key = text.rpartition(":")
        if colon and archive.endswith(".npz") and Path(archive).exists():
            return _read_npz(Path(archive), archive, axes, key)
        if any(wildcard in text for wildcard in "*?["):
            return _with_axes(_read_files(folders.in_glob(text), text, strict, progress), axes)
    except OSError as error:
        raise DataError(f"{text}: {error.strerror or error}") from None
    except MemoryError:
        raise DataError(f"{text}: larger than the memory of this machine") from None
    names = ", ".join(known.name for known in named.named_sets())
    raise DataError(f"{text}: no such file or folder, and no named data set (those are {names})")


def _read_file(
    source: Content, name: str, axes: str | None, strict: bool, columns: Columns | None, progress: Progress
) -> Items:
    """The items in one file, or in the bytes of one, by what it begins with."""
    head = first_bytes(source)
    if not head:
        raise DataError(f"{name}: empty, 0 bytes")
    if _is_table(source, name, head):
        if axes is not None and layout_of(axes) != "NF":
            raise DataError("a table has the axes NF", source=name, parameter="axes", value=axes)
        return table_files.read_table(source, name, columns, progress)
    if head.startswith(b"\x1f\x8b"):
        return _read_file(arrays.gunzip(source, name), name, axes, strict, columns, progress)
    if head.startswith(arrays.NPY_MAGIC):
        return Items.from_array(arrays.read_npy(source, name), axes, source=name)
    if arrays.is_idx(head):
        return Items.from_array(arrays.read_idx(source, name), axes, source=name)
    if head.startswith(b"PK"):
        with opened_zip(source, name) as archive:
            members = archive.namelist()
            if not (members and all(member.endswith(".npy") for member in members)):
                return _with_axes(_read_files(folders.in_zip(archive, name), name, strict, progress), axes)
        return _read_npz(source, name, axes)
    if tiff.is_tiff(head):
        return _read_tiff(source, name, axes)
    if audio.is_wav(head):
        return _with_axes(recordings.read_recordings([_alone(source, name)], name, strict=True), axes)
    return _with_axes(_read_picture(source, name), axes)


def _is_table(source: Content, name: str, head: bytes) -> bool:
    """Whether a file is a table; of bytes without a name, those that begin as text does, but as no picture."""
    if head.startswith(parquet_tables.MAGIC) or table_files.is_csv_name(name):
        return True
    plain = head.removeprefix(codecs.BOM_UTF8)
    return isinstance(source, bytes) and _TEXT.match(plain) is not None and not _ANYMAP.match(plain)


def _read_files(found: list[folders.File], name: str, strict: bool, progress: Progress) -> Items:
    """Pictures, or recordings; DataError where there are both."""
    sounds = [file for file in found if file.name.lower().endswith(audio.SUFFIX)]
    if not sounds:
        return folders.read_pictures(found, name, strict, progress)
    if len(sounds) < len(found):
        picture = next(file.name for file in found if file not in sounds)
        raise DataError(
            f"{name}: holds pictures ({picture}) and recordings ({sounds[0].name}): name one kind, as in '*.wav'"
        )
    return recordings.read_recordings(sounds, name, strict, progress)


def _read_npz(source: Content, name: str, axes: str | None, key: str = "") -> Items:
    """One array of an .npz; several, where all have the axes of one item, as items of their own."""
    found = arrays.read_npz(source, name)
    listing = ", ".join(f"{key} {'x'.join(map(str, array.shape))}" for key, array in found.items())
    if key and key not in found:
        raise DataError(f"{name}: has no array {key!r}; it has {listing}")
    if key or len(found) == 1:
        key = key or next(iter(found))
        return Items.from_array(found[key], axes, source=f"{name}:{key}" if len(found) > 1 else name)
    try:
        return Items.from_list(list(found.values()), axes, source=name, names=list(found))
    except DataError:
        raise DataError(
            f"holds several arrays ({listing})",
            source=name,
            hint=f"name one, as in {name}:{next(iter(found))}, or specify the axes of each, such as",
            suggestion={"axes": "YXC"},
        ) from None


def _read_tiff(source: Content, name: str, axes: str | None) -> Items:
    """The pages of a TIFF as pictures, or as whatever its metadata or the user says that they are."""
    try:
        with pictures.quiet():
            is_picture = tiff.is_picture(source) and (axes is None or layout_of(axes) in ("NYX", "NYXC"))
            stack, its_axes = ([], "") if is_picture else tiff.read_stack(source)
    except Exception as error:  # decoders raise whatever they like on damaged files
        raise DataError(f"{name}: {pictures.reason(error, source)}") from None
    if is_picture:
        return _with_axes(_read_picture(source, name), axes)
    if isinstance(stack, list):
        return _with_axes(Items.from_list(stack, its_axes, source=name), axes)
    return Items.from_array(stack, axes or its_axes or None, source=name)


def _read_picture(source: Content, name: str) -> Items:
    """One picture that stands alone."""
    return folders.read_pictures([_alone(source, name)], name, strict=True)


def _alone(source: Content, name: str) -> folders.File:
    return folders.File(Path(name).name, name, lambda: source)


def _with_axes(items: Items, axes: str | None) -> Items:
    """The items, if the axes that the user says are those they have; pictures and recordings leave no choice."""
    if axes is not None and layout_of(axes) != items.axes:
        kind = "pictures" if items.spatial_dims == 2 else "recordings"
        raise DataError(
            f"these are {kind} with the axes {items.axes}", source=items.source, parameter="axes", value=axes
        )
    return items
