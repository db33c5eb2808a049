"""NumPy's .npz: named arrays in a zip archive; of items that differ in size, one array each."""

import zipfile
import zlib
from collections.abc import Iterable
from typing import IO

import numpy as np

from narrows.data.formats import ReadOptions
from narrows.data.formats.arrays import array_items
from narrows.data.formats.content import Content, opened_zip
from narrows.data.formats.npy import read_array as read_npy
from narrows.data.items import Items
from narrows.data.memory import check_fits
from narrows.errors import DataError


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read one array; or several that have the axes of one item, as items with names."""
    key = options.member
    found = read_arrays(content, name, key)
    if key or len(found) == 1:
        ((only, array),) = found.items()
        return array_items(array, f"{name}:{only}" if key else name, options)
    try:
        return array_items(list(found.values()), name, options, names=list(found))
    except DataError:
        listing = ", ".join(f"{each} {'x'.join(map(str, array.shape))}" for each, array in found.items())
        raise DataError(
            f"holds several arrays ({listing})",
            source=name,
            hint=f"name one, as in {name}:{next(iter(found))}, or specify the axes of each",
            suggestion={"axes": "YXC"},
        ) from None


def write(items: Items, file: IO[bytes], name: str = "") -> None:
    """Write items of one shape as the array X; items of different shapes, or of an .npz, as arrays of their own."""
    if items.uniform and not (items.names and items.array_axes):
        write_arrays(file, [("X", items.to_array())])
    else:
        write_arrays(file, zip(items.item_names, items.to_arrays(), strict=True))


def read_array(content: Content, name: str) -> np.ndarray | list[np.ndarray]:
    """Read the only array, or the list of all."""
    found = list(read_arrays(content, name).values())
    return found[0] if len(found) == 1 else found


def read_arrays(content: Content, name: str, key: str = "") -> dict[str, np.ndarray]:
    """Read the arrays by their names, in their order; with `key`, the one of that name alone."""
    arrays = {}
    with opened_zip(content, name) as archive:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        if key and key not in entries:
            raise DataError(f"has no array {key!r}; it has {', '.join(entries)}", source=name)
        wanted = [key] if key else list(entries)
        check_fits(sum(entries[each].file_size for each in wanted), f"{name}:{key}" if key else name)
        for each in wanted:
            try:
                array = archive.read(entries[each])
            except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, ValueError) as error:
                raise DataError(f"array {each!r} cannot be read ({error})", source=name) from None
            arrays[each] = read_npy(array, f"{name}:{each}")
    return arrays


def write_arrays(file: IO[bytes], arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write named arrays that `read_arrays` reads."""
    with zipfile.ZipFile(file, "w") as archive:
        for key, array in arrays:
            with archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
