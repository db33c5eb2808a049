"""Folders of images or recordings."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from narrows.artifacts import atomic
from narrows.data.formats import ReadOptions, member_suffixes, registered_formats
from narrows.data.formats.content import Content
from narrows.data.formats.members import in_folder, read_members
from narrows.data.items import Items
from narrows.errors import DataError


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read all files in the folder and its sub-folders as one set."""
    assert isinstance(content, Path)
    return read_members(in_folder(content, name), name, options)


def write(items: Items, folder: Path, name: str = "") -> None:
    """Write a file for each item, under its own name where it has one; other files in the folder stay."""
    module, _ = _member_format(items)
    for index, path in enumerate(output_paths(items, atomic.without_link(folder))):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(path) as temporary, open(temporary, "wb") as file:
            module.write(items.select([index]), file, path.name.lower())


def output_paths(items: Items, folder: Path) -> list[Path]:
    """Return the files that `write` would write, one for each item."""
    _, suffix = _member_format(items)
    names = _file_names(items.item_names, suffix)
    for name in names:
        if Path(name).anchor or ".." in Path(name).parts:
            raise DataError(f"the item's name {name!r} leads out of the folder")
    return [folder / name for name in names]


def member_suffix(items: Items) -> str:
    """Return the suffix of the files that `write` would write."""
    return _member_format(items)[1]


def _member_format(items: Items) -> tuple[Any, str]:
    """Return the module that writes such items, one file each, and the suffix of the files."""
    for format in registered_formats():
        if format.members:
            module = format.load()
            suffix = module.suffix_for(items)
            if suffix is not None:
                return module, suffix
    raise DataError(
        f"items with the axes {items.axes[1:]} are neither images nor recordings",
        hint=f"write {'.csv or .parquet' if items.axes == 'NF' else '.npy, .npz or .tif'} instead",
    )


def _file_names(names: list[str], suffix: str) -> list[str]:
    """Return the names with this suffix: in place of another format's, or after it where two would be the same.

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


def _without_suffix(name: str) -> str:
    """Return a name without the suffix of an image or a recording."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in member_suffixes() else name
