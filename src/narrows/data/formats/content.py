"""The content of a file, on disk or in memory: the two things that every decoder here takes."""

import io
import zipfile
from pathlib import Path
from typing import IO

from narrows.errors import DataError

Content = Path | bytes


def opened(content: Content) -> IO[bytes]:
    """A file to read, at its beginning."""
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")


def path_or_buffer(content: Content) -> Path | io.BytesIO:
    """What decoders that open and close files themselves take."""
    return io.BytesIO(content) if isinstance(content, bytes) else content


def opened_zip(content: Content, name: str) -> zipfile.ZipFile:
    """An archive to read; DataError, with the name that messages give it, where its table of contents is damaged."""
    try:
        return zipfile.ZipFile(path_or_buffer(content))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"{name}: damaged archive ({error})") from None


def first_bytes(content: Content) -> bytes:
    """The first 16 bytes, by which the forms of files are told apart."""
    with opened(content) as file:
        return file.read(16)


def size(content: Content) -> int:
    """Length in bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size
