"""Gzip around a file of another format."""

import gzip
import zlib
from typing import IO

from narrows.data.formats import find_by_name
from narrows.data.formats.content import Content, opened
from narrows.data.items import Items
from narrows.data.memory import check_fits
from narrows.errors import DataError

BLOCK = 2**24  # bytes at a time


def unwrap(content: Content, name: str) -> bytes:
    """Decompress a file, as far as the memory reaches."""
    unpacked = bytearray()
    try:
        with opened(content) as file, gzip.GzipFile(fileobj=file) as packed:
            while block := packed.read(BLOCK):
                unpacked += block
                check_fits(len(unpacked), name)
        return bytes(unpacked)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"damaged .gz file ({error})", source=name) from None


def write(items: Items, file: IO[bytes], name: str) -> None:
    """Write items in the format that the name without .gz asks for, and compress the file."""
    plain = name.removesuffix(".gz")
    inner = find_by_name(plain)
    assert inner is not None  # the registry names the suffixes
    with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        inner.load().write(items, packed, plain)
