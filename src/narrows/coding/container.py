"""The `.narrow` file: a header that says everything, maybe a model, and chunks. `docs/format.md` is its contract.

magic, version | header length | header | CRC-32 | model | chunk | chunk | ...
"""

import io
import math
import os
import re
import shutil
import struct
import tempfile
import threading
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import BinaryIO

import numpy as np

from narrows.errors import DataError, FormatError

MAGIC = b"NRW"
FORMAT = 1
MAX_PIXELS = 2**33
MODES = ("lossless", "max_error", "quality", "psnr")
AXES = ("NF", "NT", "NTC", "NYX", "NYXC", "NZYX", "NZYXC")
DTYPES = tuple("bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64".split())

_AS_THE_MODEL, _ONE_SHAPE, _SHAPE_EACH = range(3)
_NAMES, _MODEL, _CHUNKS, _COUNT = 1 << 4, 1 << 5, 1 << 6, 1 << 7
_CHECK = struct.Struct("<I")
_VARINT_BYTES = 9
_MAX_HEADER = 2**27
_MAX_MODEL = 2**32
_MAX_INFLATED = 2**24
_IN_MEMORY = 2**25
_UNSAFE = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|\\|^[A-Za-z]:|[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says of itself before anything is decoded.

    fingerprint: of the model, its first 12 hex digits.
    count: items in the file, at least 1.
    mode: what was asked for: {"lossless": True}, or "max_error", "quality" or "psnr" with a number.
    axes, dtype, shapes: of the items; all three None where they are those of the model. shapes is a tuple where items
        share one shape, else (N, item axes) int64.
    names: one an item, unique relative paths with forward slashes; or None.
    parameters: the coder's own, for the whole file.
    chunk_items, chunk_lengths, chunk_checks: of each chunk its items, its bytes and their CRC-32.
    model_length, model_check: bytes of the embedded model and their CRC-32; both 0 where there is none.
    """

    fingerprint: str
    count: int
    mode: dict[str, bool | int | float]
    axes: str | None
    dtype: str | None
    shapes: tuple[int, ...] | np.ndarray | None
    names: list[str] | None
    parameters: bytes
    chunk_items: list[int]
    chunk_lengths: list[int]
    chunk_checks: list[int]
    model_length: int
    model_check: int

    def to_bytes(self) -> bytes:
        """The header's bytes; `from_bytes` undoes it."""
        ((mode, value),) = self.mode.items()
        layout = _AS_THE_MODEL if self.shapes is None else _ONE_SHAPE if isinstance(self.shapes, tuple) else _SHAPE_EACH
        several = len(self.chunk_items) > 1
        flags = MODES.index(mode) | layout << 2
        flags |= _NAMES * (self.names is not None) | _MODEL * (self.model_length > 0)
        flags |= _CHUNKS * several | _COUNT * (self.count > 1)
        parts = [bytes.fromhex(self.fingerprint), bytes([flags])]
        if self.count > 1:
            parts.append(pack_varint(self.count))
        if several:
            parts.append(_pack_chunk_items(self.chunk_items))
            parts += map(pack_varint, self.chunk_lengths[:-1])
        parts += map(_CHECK.pack, self.chunk_checks)
        if self.model_length:
            parts += [pack_varint(self.model_length), _CHECK.pack(self.model_check)]
        if mode != "lossless":
            parts.append(_pack_number(value))
        if self.axes is not None and self.dtype is not None and self.shapes is not None:
            parts.append(bytes([AXES.index(self.axes) | DTYPES.index(self.dtype) << 3]))
            parts.append(_pack_shapes(self.shapes))
        if self.names is not None:
            parts.append(_pack_block("\0".join(self.names).encode()))
        return b"".join([*parts, self.parameters])

    @classmethod
    def from_bytes(cls, header: bytes, beyond: int, name: str, max_pixels: int) -> "Header":
        """The header in `header`; the model and the chunks take the `beyond` bytes after it. FormatError else."""
        fields = _Fields(header, name)
        fingerprint = fields.take(6).hex()
        flags = fields.take(1)[0]
        count = fields.varint() if flags & _COUNT else 1
        if count < 1:
            raise fields.nonsense("it holds no items")
        _check_values(count, max_pixels, name)
        items, lengths = [count], []
        if flags & _CHUNKS:
            items = _unpack_chunk_items(fields, count)
            lengths = [fields.varint() for _ in items[1:]]
        checks = [fields.check() for _ in items]
        model_length, model_check = (fields.varint(), fields.check()) if flags & _MODEL else (0, 0)
        if model_length > _MAX_MODEL:
            raise fields.nonsense(f"a model of {model_length:,} bytes")
        lengths.append(max(0, beyond - model_length - sum(lengths)))
        mode = MODES[flags & 3]
        value = True if mode == "lossless" else _unpack_number(fields)
        axes = dtype = shapes = None
        if flags >> 2 & 3:
            axes, dtype = _unpack_layout(fields)
            shapes = _unpack_shapes(fields, flags >> 2 & 3, axes, count)
            _check_values(_values(shapes, count), max_pixels, name)
        names = _unpack_names(fields, count) if flags & _NAMES else None
        return cls(
            fingerprint=fingerprint,
            count=count,
            mode={mode: value},
            axes=axes,
            dtype=dtype,
            shapes=shapes,
            names=names,
            parameters=fields.rest(),
            chunk_items=items,
            chunk_lengths=lengths,
            chunk_checks=checks,
            model_length=model_length,
            model_check=model_check,
        )


def write(
    target: BinaryIO,
    *,
    fingerprint: str,
    mode: dict[str, bool | int | float],
    chunk_items: Sequence[int],
    chunks: Iterable[bytes],
    axes: str | None = None,
    dtype: str | None = None,
    shapes: tuple[int, ...] | np.ndarray | None = None,
    names: Sequence[str] | None = None,
    parameters: bytes = b"",
    model: bytes | None = None,
) -> dict[str, int]:
    """Write a file, and give the bytes of its parts as `Reader.sizes` does; `Reader` undoes it.

    The fields are those of `Header`; of `fingerprint` the first 12 hex digits count. `axes`, `dtype` and `shapes` are
    None all three where the items are in these as the model's. `chunks` yields the payload of each chunk in turn; they
    may take more than the memory, and wait in a temporary file until all are there.
    Raises DataError for names that a file cannot hold, before the first chunk is asked for.
    """
    if not re.match("[0-9a-f]{12}", fingerprint):
        raise ValueError(f"fingerprint is {fingerprint!r}: at least 12 hex digits")
    if not chunk_items or min(chunk_items) < 1:
        raise ValueError(f"chunk_items is {chunk_items}: a file has chunks, and each has items")
    if len({axes is None, dtype is None, shapes is None}) > 1:
        raise ValueError(f"axes {axes}, dtype {dtype}, shapes {shapes}: give all three or none")
    if not all(math.isfinite(value) and value >= 0 for value in mode.values()):
        raise ValueError(f"mode is {mode}: a number from 0 on")
    if names is not None and len(names) != sum(chunk_items):
        raise ValueError(f"{len(names)} names for {sum(chunk_items)} items")
    fault = names_fault(names or ())
    if fault:
        raise DataError(f"{fault}: rename it")
    header = Header(
        fingerprint=fingerprint[:12],
        count=sum(chunk_items),
        mode=mode,
        axes=axes,
        dtype=dtype,
        shapes=shapes,
        names=None if names is None else list(names),
        parameters=parameters,
        chunk_items=list(chunk_items),
        chunk_lengths=[],
        chunk_checks=[],
        model_length=len(model or b""),
        model_check=zlib.crc32(model or b""),
    )
    if len(header.to_bytes()) + len(chunk_items) * (_VARINT_BYTES + _CHECK.size) > _MAX_HEADER:
        raise DataError("too many names, shapes or chunks for one file: split it")
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="narrows-") as spool:
        for chunk in chunks:
            spool.write(chunk)
            header.chunk_lengths.append(len(chunk))
            header.chunk_checks.append(zlib.crc32(chunk))
        if len(header.chunk_lengths) != len(chunk_items):
            raise ValueError(f"{len(header.chunk_lengths)} chunks came where chunk_items says {len(chunk_items)}")
        described = header.to_bytes()
        start = MAGIC + bytes([FORMAT]) + pack_varint(len(described)) + described
        start += _CHECK.pack(zlib.crc32(start))
        target.write(start)
        target.write(model or b"")
        spool.seek(0)
        shutil.copyfileobj(spool, target, 2**20)
    return _sizes(len(start), header.model_length, sum(header.chunk_lengths))


class Reader:
    """A `.narrow` file: its header at once, its model and its chunks when asked for, also by several threads."""

    def __init__(self, file: BinaryIO | bytes, name: str, max_pixels: int = MAX_PIXELS) -> None:
        """Read and check the header of `file`, all of a seekable one or its content; messages call it `name`.

        FormatError where it is not a .narrow file, too new, its header damaged, or where it holds more values than
        `max_pixels`. A file that is truncated after its header opens, for the chunks that are whole.
        """
        self._file: BinaryIO = io.BytesIO(file) if isinstance(file, bytes) else file
        self._name, self._max_pixels, self._lock = name, max_pixels, threading.Lock()
        self._size = self._file.seek(0, os.SEEK_END)
        start = self._read(0, len(MAGIC) + 1 + _VARINT_BYTES)
        if start[: len(MAGIC)] != MAGIC or start[len(MAGIC) :][:1] in (b"", b"\0"):
            raise FormatError(f"{name}: not a .narrow file")
        if start[len(MAGIC)] > FORMAT:
            raise FormatError(
                f"{name}: of format {start[len(MAGIC)]}; this narrows reads up to format {FORMAT}: upgrade it"
            )
        fields = _Fields(start, name, len(MAGIC) + 1)
        length = fields.varint()
        if length > _MAX_HEADER:
            raise fields.nonsense(f"it has {length:,} bytes, more than the {_MAX_HEADER:,} allowed")
        end = fields.at + length
        if end + _CHECK.size > self._size:
            raise FormatError(f"{name}: truncated: its {self._size:,} bytes end inside its header")
        header = self._read(0, end)
        if zlib.crc32(header) != _CHECK.unpack(self._read(end, _CHECK.size))[0]:
            raise FormatError(f"{name}: damaged: its header fails its checksum")
        self._after_header = end + _CHECK.size
        self.header = Header.from_bytes(header[fields.at :], self._size - self._after_header, name, max_pixels)
        first = self._after_header + self.header.model_length
        self._starts = list(accumulate(self.header.chunk_lengths[:-1], initial=first))

    def complete(self, axes: str, dtype: str, shape: tuple[int, ...]) -> None:
        """Fill in what the header leaves to the model: its axes, dtype and item shape. FormatError for too much."""
        if self.header.shapes is None:
            _check_values(_values(shape, self.header.count), self._max_pixels, self._name)
            self.header = replace(self.header, axes=axes, dtype=dtype, shapes=tuple(shape))

    def model(self) -> bytes | None:
        """The embedded model's file, or None; FormatError where it is damaged."""
        if not self.header.model_length:
            return None
        content = self._read(self._after_header, self.header.model_length)
        if len(content) < self.header.model_length or zlib.crc32(content) != self.header.model_check:
            raise FormatError(
                f"{self._name}: the model in it is damaged; give model {self.header.fingerprint} itself with -m"
            )
        return content

    def chunk(self, index: int) -> bytes:
        """The payload of a chunk, 0 the first; FormatError where it is damaged."""
        start, length = self._starts[index], self.header.chunk_lengths[index]
        if start + length > self._size:
            raise self._damaged(index, f"is cut off: the file ends at byte {self._size}, before byte {start + length}")
        if length > self._longest:
            raise self._damaged(index, f"has {length:,} bytes at byte {start}, too many for what it holds")
        payload = self._read(start, length)
        if len(payload) < length or zlib.crc32(payload) != self.header.chunk_checks[index]:
            raise self._damaged(index, f"fails its checksum at byte {start}")
        return payload

    def _damaged(self, index: int, how: str) -> FormatError:
        chunks = len(self.header.chunk_items)
        mend = "; the other chunks can be read with --keep-going" if chunks > 1 else ""
        return FormatError(f"{self._name}: chunk {index + 1} of {chunks} {how}{mend}")

    def verify(self) -> list[int]:
        """The indices of the damaged chunks."""
        damaged = []
        for index in range(len(self.header.chunk_items)):
            try:
                self.chunk(index)
            except FormatError:
                damaged.append(index)
        return damaged

    def sizes(self) -> dict[str, int]:
        """Bytes of the "header" with its checksum, of the "model", of the "payload", and the "total" in the file."""
        model = min(self.header.model_length, self._size - self._after_header)
        return _sizes(self._after_header, model, self._size - self._after_header - model)

    @property
    def _longest(self) -> int:
        """Bytes that no chunk exceeds: generous, and yet a limit to what is read into memory."""
        shapes, count = self.header.shapes, self.header.count
        return 2**16 + 16 * (self._max_pixels if shapes is None else _values(shapes, count))

    def _read(self, start: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(min(start, self._size))
            return self._file.read(min(length, max(0, self._size - start)))


def _sizes(header: int, model: int, payload: int) -> dict[str, int]:
    return {"header": header, "model": model, "payload": payload, "total": header + model + payload}


class _Fields:
    """The fields of a header, one after the other; FormatError where they end early."""

    def __init__(self, data: bytes, name: str, at: int = 0) -> None:
        self.data, self.name, self.at = data, name, at

    def nonsense(self, what: str) -> FormatError:
        return FormatError(f"{self.name}: its header makes no sense: {what}")

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, length: int) -> bytes:
        if length > self.left():
            raise self.nonsense(f"{length:,} bytes wanted where {self.left():,} are left")
        self.at += length
        return self.data[self.at - length : self.at]

    def rest(self) -> bytes:
        return self.take(self.left())

    def check(self) -> int:
        return int(_CHECK.unpack(self.take(_CHECK.size))[0])

    def varint(self) -> int:
        try:
            value, self.at = unpack_varint(self.data, self.at)
        except FormatError:
            raise self.nonsense("a number without an end") from None
        return value


def pack_varint(value: int) -> bytes:
    """A whole number from 0 to 2**63 - 1 as LEB128: seven bits a byte, lowest first, the top bit says more follows."""
    if not 0 <= value < 1 << 7 * _VARINT_BYTES:
        raise ValueError(f"{value}: no number from 0 to 2**63 - 1")
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def unpack_varint(data: bytes, at: int = 0) -> tuple[int, int]:
    """The number that starts at `at`, and where it ends; FormatError where it has no end within 9 bytes."""
    value = 0
    for index, byte in enumerate(data[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise FormatError(f"a number without an end at byte {at}")


def _pack_chunk_items(items: list[int]) -> bytes:
    """Items of each chunk: one number where all but the last are alike, else 0, their count, and all but the last."""
    if len({*items[:-1]}) == 1 and items[-1] <= items[0]:
        return pack_varint(items[0])
    return b"".join(map(pack_varint, [0, len(items), *items[:-1]]))


def _unpack_chunk_items(fields: _Fields, count: int) -> list[int]:
    each = fields.varint()
    chunks = -(-count // each) if each else fields.varint()
    if not 1 <= chunks <= fields.left() // _CHECK.size:
        raise fields.nonsense(f"{chunks:,} chunks, and no room for their checksums")
    items = [each or fields.varint() for _ in range(chunks - 1)]
    items.append(count - sum(items))
    if min(items) < 1:
        raise fields.nonsense(f"a chunk of {min(items)} items")
    return items


def _pack_number(value: float) -> bytes:
    """Up to 126.99 with two decimals at most: the whole part, and with its top bit set hundredths after it.

    Any other number: 127 and a float64.
    """
    hundredths = round(value * 100)
    if hundredths / 100 != value or hundredths >= 12700:
        return b"\x7f" + struct.pack("<d", value)
    whole, part = divmod(hundredths, 100)
    return bytes([whole | 0x80, part]) if part else bytes([whole])


def _unpack_number(fields: _Fields) -> int | float:
    small = fields.take(1)[0]
    if small < 0x7F:
        return small
    if small > 0x7F:
        return ((small & 0x7F) * 100 + fields.take(1)[0]) / 100
    value = struct.unpack("<d", fields.take(8))[0]
    if not (math.isfinite(value) and value >= 0):
        raise fields.nonsense(f"{value} was asked for")
    return float(value)


def _unpack_layout(fields: _Fields) -> tuple[str, str]:
    code = fields.take(1)[0]
    axes, dtype = code & 7, code >> 3
    if axes >= len(AXES) or dtype >= len(DTYPES):
        raise fields.nonsense(f"unknown axes {axes} or dtype {dtype}")
    return AXES[axes], DTYPES[dtype]


def _pack_shapes(shapes: tuple[int, ...] | np.ndarray) -> bytes:
    """One shape as varints, a shape each as a block of the narrowest of uint8, uint16 and uint32 that holds them."""
    if isinstance(shapes, tuple):
        return b"".join(map(pack_varint, shapes))
    width = next(width for width in (1, 2, 4) if int(shapes.max()) < 1 << 8 * width)
    return _pack_block(shapes.astype(f"<u{width}").tobytes())


def _unpack_shapes(fields: _Fields, layout: int, axes: str, count: int) -> tuple[int, ...] | np.ndarray:
    columns = len(axes) - 1
    if layout == _ONE_SHAPE:
        shape = tuple(fields.varint() for _ in range(columns))
        if min(shape) < 1:
            raise fields.nonsense(f"items of shape {shape}")
        return shape
    if layout != _SHAPE_EACH or axes == "NF":
        raise fields.nonsense(f"layout {layout} of axes {axes}")
    table = _unpack_block(fields)
    width = len(table) // (count * columns)
    if width not in (1, 2, 4) or len(table) != width * count * columns:
        raise fields.nonsense(f"{len(table):,} bytes for the shapes of {count:,} items")
    if not np.frombuffer(table, f"<u{width}").all():
        raise fields.nonsense("an item without values")
    shapes = np.frombuffer(table, f"<u{width}").reshape(count, columns).astype(np.int64)
    if axes[-1] == "C" and (shapes[:, -1] != shapes[0, -1]).any():
        raise fields.nonsense("items of different numbers of channels")
    return shapes


def _values(shapes: tuple[int, ...] | np.ndarray, count: int) -> int:
    """All values of all items, exact up to 2**53 and never too few by much beyond."""
    if isinstance(shapes, tuple):
        return count * math.prod(shapes)
    return int(shapes.prod(axis=1, dtype=np.float64).sum())


def _check_values(values: int, max_pixels: int, name: str) -> None:
    if values > max_pixels:
        raise FormatError(
            f"{name}: says that it holds {values:,} values or more, and the limit is {max_pixels:,}; "
            f"if you trust it, raise --max-pixels"
        )


def _unpack_names(fields: _Fields, count: int) -> list[str]:
    block = _unpack_block(fields)
    if block.count(0) != count - 1:
        raise fields.nonsense(f"{block.count(0) + 1:,} names for {count:,} items")
    try:
        names = block.decode().split("\0")
    except UnicodeDecodeError:
        raise fields.nonsense("names that are not UTF-8") from None
    fault = names_fault(names)
    if fault:
        raise fields.nonsense(fault)
    return names


def names_fault(names: Sequence[str]) -> str | None:
    """Why names may not stand in a file, or None: each must stay in the folder it is put in, and no two be alike."""
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return f"two items have the name {twice!r}"
    unsafe = next(filter(_UNSAFE.search, names), None)
    if unsafe is not None:
        return f"the name {unsafe!r} is no relative path with forward slashes, without '..' and control characters"
    return None


def _pack_block(content: bytes) -> bytes:
    """Twice the length, plus 1 where the bytes are deflated; then the bytes."""
    deflater = zlib.compressobj(9, wbits=-15)
    deflated = deflater.compress(content) + deflater.flush() if len(content) <= _MAX_INFLATED else content
    if len(deflated) < len(content):
        return pack_varint(2 * len(deflated) + 1) + deflated
    return pack_varint(2 * len(content)) + content


def _unpack_block(fields: _Fields) -> bytes:
    length, deflated = divmod(fields.varint(), 2)
    content = fields.take(length)
    if not deflated:
        return content
    inflater = zlib.decompressobj(wbits=-15)
    try:
        inflated = inflater.decompress(content, _MAX_INFLATED + 1)
    except zlib.error:
        raise fields.nonsense("deflated bytes that cannot be inflated") from None
    if len(inflated) > _MAX_INFLATED:
        raise fields.nonsense(f"{length:,} bytes that inflate to more than the {_MAX_INFLATED:,} allowed")
    if not inflater.eof or inflater.unused_data:
        raise fields.nonsense("deflated bytes that do not end where they should")
    return inflated
