"""Signatures: by which content a file format is recognised. These functions import nothing that is slow to import."""

import codecs
import re
import zipfile
from collections.abc import Callable

from narrows.data.formats.content import Content, path_or_buffer

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

Sniff = Callable[[bytes, Content], bool]
"""``sniff(head, content)``: whether content whose first 16 bytes are `head` is of a format."""

_TEXT = re.compile(rb"[\t\n\f\r\x20-\x7e\x80-\xff]*\Z")
_IMAGE = re.compile(rb"P[1-7fF]\s|\x89PNG|GIF8|\xff\xd8")


def magic(*beginnings: bytes) -> Sniff:
    """Return a function that recognises content by the bytes it begins with.

    Examples
    --------
    >>> is_gzip = magic(bytes([0x1F, 0x8B]))
    >>> is_gzip(bytes([0x1F, 0x8B, 8, 0]), b"")
    True
    """
    return lambda head, content: head.startswith(beginnings)


def anything(head: bytes, content: Content) -> bool:
    """Recognise whatever no other format recognises."""
    return True


def is_idx(head: bytes, content: Content = b"") -> bool:
    """Recognise an IDX file: two zeros, a type, a number of axes."""
    return len(head) >= 4 and head[:2] == b"\0\0" and head[2] in IDX_TYPES and 1 <= head[3] <= 32


def is_npz(head: bytes, content: Content) -> bool:
    """Recognise a zip archive of .npy files alone."""
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path_or_buffer(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return False  # left to the format of zip archives, which says what is wrong
    return bool(names) and all(name.endswith(".npy") for name in names)


def is_wav(head: bytes, content: Content = b"") -> bool:
    """Recognise a WAV file."""
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE"


def is_text(head: bytes, content: Content) -> bool:
    """Recognise text that arrives without a name; a file on disk has one, and is a table if the name says so."""
    return isinstance(content, bytes) and looks_like_text(head)


def looks_like_text(beginning: bytes) -> bool:
    """Return whether bytes may be the beginning of a text, and are not that of an image."""
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    plain = beginning.removeprefix(codecs.BOM_UTF8)
    return _TEXT.match(plain) is not None and not _IMAGE.match(plain)
