"""The content of a file, on disk or in memory, as every format takes it."""

import io
import sys
import zipfile
from pathlib import Path
from typing import IO

from narrows.data.memory import Budget
from narrows.errors import DataError

Content = Path | bytes
STANDARD_INPUT = "standard input"
_BLOCK = 2**24  # bytes


def opened(content: Content) -> IO[bytes]:
    """Open for reading, at the beginning."""
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")


def read_standard_input(file: IO[bytes] | None = None) -> bytes:
    """Return what comes on standard input, or from another file; DataError where it is closed or too much."""
    if file is None and sys.stdin is None:
        raise DataError("is closed", source=STANDARD_INPUT)
    file, content, budget = (
        file or sys.stdin.buffer,
        io.BytesIO(),
        Budget(STANDARD_INPUT, "write it to a file first", "has"),
    )
    while block := file.read(_BLOCK):
        budget.take(len(block))
        content.write(block)
    return content.getvalue()


def path_or_buffer(content: Content) -> Path | io.BytesIO:
    """Return what decoders take that open and close files themselves."""
    return io.BytesIO(content) if isinstance(content, bytes) else content


def opened_zip(content: Content, name: str) -> zipfile.ZipFile:
    """Open a zip archive; DataError where its table of contents is corrupt."""
    try:
        return zipfile.ZipFile(path_or_buffer(content))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"damaged archive ({error})", source=name) from None


def first_bytes(content: Content) -> bytes:
    """Return the first 16 bytes, by which formats are recognised."""
    with opened(content) as file:
        return file.read(16)


def size(content: Content) -> int:
    """Return the length in bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size
