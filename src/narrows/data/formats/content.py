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


def content_of(source: str, stdin: IO[bytes] | None = None) -> tuple[Content, str]:
    """Return the content that a source names, and what messages call it.

    Standard input (``"-"``) and pipes, which can be read only once, are read to their end: DataError where standard
    input is closed, or where they hold too much.
    """
    if source == "-":
        if stdin is None and sys.stdin is None:
            raise DataError("is closed", source=STANDARD_INPUT)
        return _read_stream(stdin or sys.stdin.buffer, STANDARD_INPUT), STANDARD_INPUT
    if is_stream(source):
        with open(source, "rb") as file:
            return _read_stream(file, source), source
    return Path(source), source


def is_stream(source: str) -> bool:
    """Return whether a source can be read only once: standard input or a pipe."""
    return source == "-" or Path(source).is_fifo()


def _read_stream(file: IO[bytes], name: str) -> bytes:
    content, budget = io.BytesIO(), Budget(name, "write it to a file first", "has")
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
        archive = zipfile.ZipFile(path_or_buffer(content))
        if any(entry.compress_size > size(content) for entry in archive.infolist()):
            raise ValueError("it says that a file in it is larger than the archive")
        return archive
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"damaged archive ({error})", source=name) from None


def first_bytes(content: Content) -> bytes:
    """Return the first 16 bytes, by which formats are recognised."""
    with opened(content) as file:
        return file.read(16)


def size(content: Content) -> int:
    """Return the length in bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size
