"""Array files: .npy, .npz and IDX, each read and written side by side.

Arrays that lie in a file on disk as they are in memory are mapped, not loaded.
"""

import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import IO, Literal

import numpy as np

from narrows.data.formats.content import Content, opened, opened_zip, size
from narrows.errors import DataError

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
NPY_MAGIC = b"\x93NUMPY"


def is_idx(head: bytes) -> bool:
    """Whether a file that begins so is an IDX file: two zeros, a type, a number of axes."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in IDX_TYPES and 1 <= head[3] <= 32


def read_npy(source: Content, name: str) -> np.ndarray:
    """The array in a .npy file; DataError where it is damaged, or holds objects rather than numbers."""
    with opened(source) as file:
        try:
            version = np.lib.format.read_magic(file)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"version {version[0]}.{version[1]} of the form, for records of named fields")
            read_header = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, fortran, dtype = read_header(file)
        except Exception as error:  # NumPy parses the header as Python, which fails in many ways
            raise DataError(f"{name}: no array of numbers can be read ({error})".replace("\n", " ")) from None
        offset = file.tell()
    if dtype.hasobject:
        raise DataError(f"{name}: holds pickled Python objects, which are not read; save an array of numbers")
    return _array_at(source, name, offset, dtype, shape, "F" if fortran else "C")


def write_npy(file: IO[bytes], array: np.ndarray) -> None:
    """Writes what `read_npy` reads."""
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(file, {**header, "fortran_order": False})
    file.write(np.ascontiguousarray(array).data)  # NumPy's own writing does not say why it failed


def read_npz(source: Content, name: str) -> dict[str, np.ndarray]:
    """The arrays in an .npz file by their names, in their order."""
    arrays = {}
    with opened_zip(source, name) as archive:
        for entry in archive.infolist():
            key = entry.filename.removesuffix(".npy")
            try:
                content = archive.read(entry)
            except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as error:
                raise DataError(f"{name}: array {key!r} cannot be read ({error})") from None
            arrays[key] = read_npy(content, f"{name}:{key}")
    return arrays


def write_npz(file: IO[bytes], arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Writes what `read_npz` reads."""
    with zipfile.ZipFile(file, "w") as archive:
        for key, array in arrays:
            with archive.open(f"{key}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def read_idx(source: Content, name: str) -> np.ndarray:
    """The array in an IDX file, the form of the MNIST files."""
    with opened(source) as file:
        head = file.read(4)
        if not is_idx(head):
            raise DataError(f"{name}: not an IDX file, it begins with {head.hex(' ') or 'nothing'}")
        lengths = file.read(4 * head[3])
    if len(lengths) < 4 * head[3]:
        raise DataError(f"{name}: its header promises {head[3]} axes, but the file ends after {4 + len(lengths)} bytes")
    shape = struct.unpack(f">{head[3]}I", lengths)
    return _array_at(source, name, 4 + len(lengths), np.dtype(IDX_TYPES[head[2]]), shape, "C")


def write_idx(file: IO[bytes], array: np.ndarray) -> None:
    """Writes what `read_idx` reads; DataError for a type of number that IDX has no code for."""
    codes = {np.dtype(dtype): code for code, dtype in IDX_TYPES.items()}
    big_endian = array.dtype.newbyteorder(">")
    if big_endian not in codes:
        names = ", ".join(dtype.newbyteorder("=").name for dtype in codes)
        raise DataError(f"IDX holds {names}, not {array.dtype}; write .npy instead")
    file.write(struct.pack(f">HBB{array.ndim}I", 0, codes[big_endian], array.ndim, *array.shape))
    file.write(np.ascontiguousarray(array, big_endian).data)


def gunzip(source: Content, name: str) -> bytes:
    """The content of a .gz file."""
    try:
        with opened(source) as file:
            return gzip.GzipFile(fileobj=file).read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: damaged .gz file ({error})") from None


def _array_at(
    source: Content, name: str, offset: int, dtype: np.dtype, shape: tuple[int, ...], order: Literal["C", "F"]
) -> np.ndarray:
    """The array that begins at `offset`, once its promised size is found to be that of the file."""
    found = size(source) - offset
    expected = math.prod(shape) * dtype.itemsize
    if expected == 0:
        raise DataError(f"{name}: its shape is {shape}, so it holds no values")
    if found != expected:
        raise DataError(
            f"{name}: its header promises {dtype.name} of shape {shape}, {expected} bytes, but {found} follow"
        )
    if isinstance(source, bytes):
        return np.frombuffer(source, dtype, offset=offset).reshape(shape, order=order)
    return np.memmap(source, dtype, mode="r", offset=offset, shape=shape, order=order)
