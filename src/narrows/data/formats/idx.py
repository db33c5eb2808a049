"""IDX, the format of the MNIST files: one array."""

import struct
from typing import IO

import numpy as np

from narrows.data.formats import ReadOptions
from narrows.data.formats.arrays import array_items, map_array, one_array
from narrows.data.formats.content import Content, opened
from narrows.data.formats.signatures import IDX_TYPES, is_idx
from narrows.data.items import Items
from narrows.errors import DataError


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read the array as items."""
    return array_items(read_array(content, name), name, options)


def write(items: Items, file: IO[bytes], name: str = "") -> None:
    """Write items that share one shape."""
    write_array(file, one_array(items))


def read_array(content: Content, name: str) -> np.ndarray:
    """Read the array; DataError where the file is corrupt."""
    with opened(content) as file:
        head = file.read(4)
        if not is_idx(head):
            raise DataError(f"not an IDX file, it begins with {head.hex(' ') or 'nothing'}", source=name)
        lengths = file.read(4 * head[3])
    if len(lengths) < 4 * head[3]:
        raise DataError(
            f"its header promises {head[3]} axes, but the file ends after {4 + len(lengths)} bytes", source=name
        )
    shape = struct.unpack(f">{head[3]}I", lengths)
    return map_array(content, name, 4 + len(lengths), np.dtype(IDX_TYPES[head[2]]), shape)


def write_array(file: IO[bytes], array: np.ndarray) -> None:
    """Write an array that `read_array` reads; DataError for a type of number that IDX has no code for."""
    codes = {np.dtype(dtype): code for code, dtype in IDX_TYPES.items()}
    big_endian = array.dtype.newbyteorder(">")
    if big_endian not in codes:
        names = ", ".join(dtype.newbyteorder("=").name for dtype in codes)
        raise DataError(f"IDX holds {names}, not {array.dtype}", hint="write .npy instead")
    file.write(struct.pack(f">HBB{array.ndim}I", 0, codes[big_endian], array.ndim, *array.shape))
    file.write(np.ascontiguousarray(array, big_endian).data)
