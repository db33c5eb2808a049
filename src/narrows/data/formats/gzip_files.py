"""Gzip around a file of another format."""

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import IO

from narrows.data.formats import find_by_name
from narrows.data.formats.content import Content, opened, size
from narrows.data.items import Items
from narrows.data.memory import MAX_DEFLATE_RATIO, Budget, check_bomb, fits
from narrows.errors import DataError

BLOCK = 2**24  # bytes at a time
_MAX_TABLE_RATIO = 100  # bytes that real tables make of one


def unwrap(content: Content, name: str) -> bytes:
    """Decompress a file, as far as the memory reaches."""
    unpacked, budget = io.BytesIO(), Budget(name)
    for block in _blocks(content, name):
        budget.take(len(block))
        unpacked.write(block)
    return unpacked.getvalue()


def check_table(content: Content, name: str) -> None:
    """Raise DataError where the file of a table, which will be unpacked in parts, is a decompression bomb."""
    if fits(MAX_DEFLATE_RATIO * size(content)):
        return
    length = 0
    for block in _blocks(content, name):
        length += len(block)
        check_bomb(length, _MAX_TABLE_RATIO * size(content), name)


def _blocks(content: Content, name: str) -> Iterator[bytes]:
    try:
        with opened(content) as file, gzip.GzipFile(fileobj=file) as packed:
            while block := packed.read(BLOCK):
                yield block
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"damaged .gz file ({error})", source=name) from None


def write(items: Items, file: IO[bytes], name: str) -> None:
    """Write items in the format that the name without .gz asks for, and compress the file."""
    plain = name.removesuffix(".gz")
    inner = find_by_name(plain)
    assert inner is not None  # the registry names the suffixes
    with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        inner.load().write(items, packed, plain)
