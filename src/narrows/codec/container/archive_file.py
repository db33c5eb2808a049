"""The `.narrow` file. `docs/format.md` is its contract.

magic, version | header length | header | CRC-32 | model | chunk | chunk | ...
"""

import io
import os
import shutil
import tempfile
import threading
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import BinaryIO

from narrows.codec.container.fields import VARINT_BYTES, Fields, pack_varint
from narrows.codec.container.header import ArchiveHeader, Shapes, check_values, values_of
from narrows.codec.container.metadata import ArchiveMetadata
from narrows.errors import DataError, FormatError

MAGIC = b"NRW"
FORMAT = 2
_ALWAYS_VALUES, _VALUES_A_BYTE = 2**26, 2**14  # that a file may announce: always, and for each of its bytes
_ALWAYS_ITEMS, _ITEMS_A_BYTE = 2**16, 2**6
_CHECK_BYTES = 4
_MAX_HEADER = 2**27
_MAX_MODEL = 2**32
_IN_MEMORY = 2**25


def write_archive(
    target: BinaryIO,
    *,
    fingerprint: str,
    mode: dict[str, bool | int | float],
    chunk_items: Sequence[int],
    chunks: Iterable[bytes],
    axes: str | None = None,
    dtype: str | None = None,
    shapes: Shapes | None = None,
    names: Sequence[str] | None = None,
    metadata: ArchiveMetadata | None = None,
    parameters: bytes = b"",
    model: bytes | None = None,
) -> dict[str, int]:
    """Write a file, and return the bytes of its parts as `ArchiveReader.sizes` does; `ArchiveReader` is the inverse.

    The fields are those of `ArchiveHeader`; of `fingerprint` the first 12 hex digits count. `chunks` yields the payload
    of each chunk in turn; together they may exceed the memory, and wait in a temporary file until all are there.
    Raises DataError for names that are not allowed in a file, or too many, before the first chunk is asked for.
    """
    header = ArchiveHeader(
        fingerprint=fingerprint[:12],
        mode=mode,
        axes=axes,
        dtype=dtype,
        shapes=shapes,
        names=None if names is None else list(names),
        metadata=metadata or ArchiveMetadata(),
        parameters=parameters,
        chunk_items=list(chunk_items),
        chunk_lengths=[],
        chunk_checks=[],
        model_length=len(model or b""),
        model_check=zlib.crc32(model or b""),
    )
    if len(header.to_bytes()) + len(chunk_items) * (VARINT_BYTES + _CHECK_BYTES) > _MAX_HEADER:
        raise DataError("too many names, shapes or chunks for one file: split it")
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="narrows-") as spool:
        for chunk in chunks:
            spool.write(chunk)
            header.chunk_lengths.append(len(chunk))
            header.chunk_checks.append(zlib.crc32(chunk))
        if len(header.chunk_lengths) != len(chunk_items):
            raise ValueError(f"{len(header.chunk_lengths)} chunks came where chunk_items has {len(chunk_items)}")
        described = header.to_bytes()
        start = MAGIC + bytes([FORMAT]) + pack_varint(len(described)) + described
        start += zlib.crc32(start).to_bytes(_CHECK_BYTES, "little")
        target.write(start)
        target.write(model or b"")
        spool.seek(0)
        shutil.copyfileobj(spool, target, 2**20)
    return _sizes(len(start), header.model_length, sum(header.chunk_lengths))


class ArchiveReader:
    """Reads a `.narrow` file: its header at once, its model and its chunks when asked for, also by several threads.

    Parameters
    ----------
    file : binary file or bytes
        A seekable file, or its contents.
    name : str
        What error messages call it.
    max_pixels : int, optional
        The largest number of values that it may announce. By default, 64 million and 16,384 for each byte of the file,
        in 65,536 items and 64 for each byte: more than data have that are not made to exhaust a machine.

    Attributes
    ----------
    version : int
        That of the file's format.

    Raises
    ------
    FormatError
        If it is not a `.narrow` file, too new, its header is damaged, or it announces too many values. A file that is
        cut off after its header opens, for the chunks that are whole.
    """

    def __init__(self, file: BinaryIO | bytes, name: str, max_pixels: int | None = None) -> None:
        self._file: BinaryIO = io.BytesIO(file) if isinstance(file, bytes) else file
        self._name, self._lock = name, threading.Lock()
        self._size = self._file.seek(0, os.SEEK_END)
        self._on_disk = hasattr(os, "pread") and isinstance(getattr(file, "raw", None), io.FileIO)
        self._max_pixels = _ALWAYS_VALUES + _VALUES_A_BYTE * self._size if max_pixels is None else max_pixels
        start = self._read(0, len(MAGIC) + 1 + VARINT_BYTES)
        self.version = start[len(MAGIC)] if len(start) > len(MAGIC) else 0
        if not start.startswith(MAGIC) or self.version == 0:
            raise FormatError(f"{name}: not a .narrow file")
        if self.version > FORMAT:
            raise FormatError(
                f"of format {self.version}; this narrows reads up to format {FORMAT}", source=name, hint="upgrade it"
            )
        fields = Fields(start, f"{name}: its header", len(MAGIC) + 1)
        length = fields.varint()
        end = fields.at + length
        if end + _CHECK_BYTES > self._size:
            raise FormatError(f"{name}: truncated: its {self._size:,} bytes end inside its header")
        if length > _MAX_HEADER:
            raise fields.invalid(f"it has {length:,} bytes, and {_MAX_HEADER:,} are allowed")
        header = self._read(0, end)
        if zlib.crc32(header).to_bytes(_CHECK_BYTES, "little") != self._read(end, _CHECK_BYTES):
            raise FormatError(f"{name}: damaged: its header fails its checksum")
        self._header_end = end + _CHECK_BYTES
        self.header = ArchiveHeader.from_bytes(
            header[fields.at :], self.version, self._size - self._header_end, name, self._max_pixels
        )
        if max_pixels is None:
            self._check_items()
        first = self._header_end + self.header.model_length
        self._starts = list(accumulate(self.header.chunk_lengths[:-1], initial=first))
        self._longest = _longest(self.header, self._max_pixels)

    def _check_items(self) -> None:
        """Raise FormatError for more items than a file of this size may announce."""
        most = _ALWAYS_ITEMS + _ITEMS_A_BYTE * self._size
        if self.header.count > most:
            raise FormatError(
                f"its header announces {self.header.count:,} items; {most:,} are allowed in {self._size:,} bytes",
                source=self._name,
                hint="if you trust the file, raise the limit",
                suggestion={"max_pixels": self._max_pixels},
            )

    def complete(self, axes: str, dtype: str, shape: tuple[int, ...]) -> None:
        """Fill in axes, dtype and shape where the header leaves them to the model; FormatError if they do not fit."""
        if self.header.shapes is None:
            check_values(values_of(shape, self.header.count), self._max_pixels, self._name)
            try:
                self.header = replace(self.header, axes=axes, dtype=dtype, shapes=tuple(shape))
            except ValueError as error:
                raise FormatError(f"{self._name}: does not fit its model: {error}") from None
            self._longest = _longest(self.header, self._max_pixels)

    def model(self) -> bytes | None:
        """Return the contents of the embedded model file, or None; FormatError where it is damaged."""
        length = self.header.model_length
        content = self._read(self._header_end, length) if length <= _MAX_MODEL else b""
        if len(content) < length or zlib.crc32(content) != self.header.model_check:
            raise FormatError(
                "the model in it is damaged",
                source=self._name,
                hint=f"give the model {self.header.fingerprint} itself",
                suggestion={"model": "FILE"},
            )
        return content or None

    def chunk(self, index: int) -> bytes:
        """Return the payload of a chunk, 0 the first; FormatError where it is damaged."""
        start, length = self._starts[index], self.header.chunk_lengths[index]
        if start + length > self._size:
            raise self._damaged(index, f"is cut off: the file ends at byte {self._size}, not at {start + length}")
        if length > self._longest:
            raise self._damaged(index, f"has {length:,} bytes at byte {start}, too many for what it holds")
        payload = self._read(start, length)
        if len(payload) < length or zlib.crc32(payload) != self.header.chunk_checks[index]:
            raise self._damaged(index, f"fails its checksum at byte {start}")
        return payload

    def verify(self) -> list[int]:
        """Return the indices of the damaged chunks."""
        damaged = []
        for index in range(len(self.header.chunk_items)):
            try:
                self.chunk(index)
            except FormatError:
                damaged.append(index)
        return damaged

    def sizes(self) -> dict[str, int]:
        """Return the bytes of the "header" with its checksum, the "model" and the "payload", and the "total"."""
        model = min(self.header.model_length, self._size - self._header_end)
        return _sizes(self._header_end, model, self._size - self._header_end - model)

    def _damaged(self, index: int, how: str) -> FormatError:
        chunks = len(self.header.chunk_items)
        several = chunks > 1
        return FormatError(
            f"chunk {index + 1} of {chunks} {how}",
            source=self._name,
            hint="to read the other chunks, use" if several else None,
            suggestion={"keep_going": True} if several else None,
        )

    def _read(self, start: int, length: int) -> bytes:
        """Return bytes of the file, fewer where it ends.

        They are read at their place where the system can, because processes that are forked share the file's position.
        """
        length = max(0, min(length, self._size - start))
        if not self._on_disk:
            with self._lock:
                self._file.seek(start)
                return self._file.read(length)
        found, descriptor = bytearray(), self._file.fileno()
        while len(found) < length and (part := os.pread(descriptor, length - len(found), start + len(found))):
            found += part
        return bytes(found)


def _longest(header: ArchiveHeader, max_pixels: int) -> int:
    """Return a generous limit to the bytes of a chunk, which bounds what is read into memory."""
    return 2**16 + 16 * (max_pixels if header.shapes is None else values_of(header.shapes, header.count))


def _sizes(header: int, model: int, payload: int) -> dict[str, int]:
    return {"header": header, "model": model, "payload": payload, "total": header + model + payload}
