"""NumPy's .npy: one array."""

from typing import IO

import numpy as np

from narrows.data.formats import ReadOptions
from narrows.data.formats.arrays import array_items, map_array, one_array
from narrows.data.formats.content import Content, opened
from narrows.data.items import Items
from narrows.errors import DataError


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read the array as items."""
    return array_items(read_array(content, name), name, options)


def write(items: Items, file: IO[bytes], name: str = "") -> None:
    """Write items that share one shape."""
    write_array(file, one_array(items))


def read_array(content: Content, name: str) -> np.ndarray:
    """Read the array; DataError where the file is corrupt, or holds objects rather than numbers."""
    with opened(content) as file:
        try:
            version = np.lib.format.read_magic(file)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"version {version[0]}.{version[1]} of the format, for records of named fields")
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read_header(file)
        except Exception as error:  # NumPy parses the header as Python, which fails in many ways
            raise DataError(f"no array of numbers can be read ({error})".replace("\n", " "), source=name) from None
        offset = file.tell()
    if dtype.hasobject:
        raise DataError(
            "holds pickled Python objects, which are not read", source=name, hint="save an array of numbers"
        )
    if dtype.subdtype is not None:
        raise DataError(f"values of the type {dtype}, arrays in themselves, are not read", source=name)
    return map_array(content, name, offset, dtype, shape, "F" if fortran else "C")


def write_array(file: IO[bytes], array: np.ndarray) -> None:
    """Write an array that `read_array` reads."""
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(file, {**header, "fortran_order": False})
    file.write(np.ascontiguousarray(array).data)  # NumPy's own writing does not say why it failed
