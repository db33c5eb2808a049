"""The header of a `.narrow` file: everything known of it before anything is decoded."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from narrows.codec.container.fields import Fields, pack_block, pack_number, pack_varint
from narrows.codec.container.metadata import ArchiveMetadata
from narrows.errors import DataError, FormatError

NO_MODEL = 12 * "0"  # the fingerprint of files whose items are all stored
MODES = ("lossless", "max_error", "quality", "psnr")
AXES = ("NF", "NT", "NTC", "NYX", "NYXC", "NZYX", "NZYXC")
DTYPES = (
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
)

_AS_THE_MODEL, _ONE_SHAPE, _SHAPE_EACH = range(3)
_NAMES, _MODEL, _CHUNKS, _COUNT, _METADATA = 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8
_CHECK_BYTES = 4
_MOST_ITEMS, _MOST_VALUES = 2**16, 2**24  # in a chunk; one item may have more values
_MOST_LEVELS = 256  # of folders in a name
_UNSAFE = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)|\\|^[A-Za-z]:|[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

Shapes = tuple[int, ...] | np.ndarray


@dataclass(frozen=True, eq=False)
class ArchiveHeader:
    """What a file says of itself.

    Parameters
    ----------
    fingerprint : str
        The first 12 hexadecimal digits of the model's fingerprint; `NO_MODEL` if there is none.
    mode : dict
        What was asked for: ``{"lossless": True}``, or "max_error", "quality" or "psnr" with a number from 0.
    axes, dtype : str or None
        Axes and type of the items; None, like `shapes`, if they are those of the model.
    shapes : tuple of int, ndarray (N, item axes) of int64, or None
        One shape for all items, or one for each.
    names : list of str or None
        A unique relative path with forward slashes for each item.
    metadata : ArchiveMetadata
        Facts about the items beside their values.
    parameters : bytes
        The coding plan.
    chunk_items, chunk_lengths, chunk_checks : list of int
        Items, bytes and CRC-32 of each chunk.
    model_length, model_check : int
        Bytes and CRC-32 of the embedded model; both 0 if there is none.

    Raises
    ------
    ValueError
        If fields do not fit together.
    DataError
        If a name is not allowed.
    """

    fingerprint: str
    mode: dict[str, bool | int | float]
    axes: str | None
    dtype: str | None
    shapes: Shapes | None
    names: list[str] | None
    metadata: ArchiveMetadata
    parameters: bytes
    chunk_items: list[int]
    chunk_lengths: list[int]
    chunk_checks: list[int]
    model_length: int
    model_check: int

    def __post_init__(self) -> None:
        """Check that the fields fit together."""
        if not re.fullmatch("[0-9a-f]{12}", self.fingerprint):
            raise ValueError(f"a fingerprint of {self.fingerprint!r}, not of 12 hex digits")
        if len(self.mode) != 1 or not self.mode.keys() <= {*MODES}:
            raise ValueError(f"a mode of {self.mode}, not one of {', '.join(MODES)}")
        if not all(math.isfinite(value) and value >= 0 for value in self.mode.values()):
            raise ValueError(f"a mode of {self.mode}, not a number from 0 on")
        if not self.chunk_items or min(self.chunk_items) < 1:
            raise ValueError("no chunks, or one without items")
        if max(self.chunk_items) > _MOST_ITEMS and self.has_model:
            raise ValueError(f"a chunk of {max(self.chunk_items):,} items, and {_MOST_ITEMS:,} are allowed")
        if self.axes is not None and self.dtype is not None and self.shapes is not None:
            _check_layout(self.axes, self.dtype, self.shapes, self.count)
            if self.has_model:
                _check_chunks(self.chunk_items, self.shapes)
        elif (self.axes, self.dtype, self.shapes) != (None, None, None) or not self.has_model:
            raise ValueError("axes, dtype and shapes are of the model all three, or none of them is")
        if self.names is not None:
            if len(self.names) != self.count:
                raise ValueError(f"{len(self.names):,} names for {self.count:,} items")
            check_names(self.names)

    @property
    def has_model(self) -> bool:
        """Whether the file was compressed with a model, rather than its items stored by a general method."""
        return self.fingerprint != NO_MODEL

    @cached_property
    def count(self) -> int:
        """Number of items in the file, at least 1."""
        return sum(self.chunk_items)

    def to_bytes(self) -> bytes:
        """Return the bytes of the header; `from_bytes` is the inverse."""
        ((mode, value),) = self.mode.items()
        layout = _AS_THE_MODEL if self.shapes is None else _ONE_SHAPE if isinstance(self.shapes, tuple) else _SHAPE_EACH
        several, metadata = len(self.chunk_items) > 1, self.metadata.to_bytes()
        flags = MODES.index(mode) | layout << 2
        flags |= _NAMES * (self.names is not None) | _MODEL * (self.model_length > 0)
        flags |= _CHUNKS * several | _COUNT * (self.count > 1) | _METADATA * bool(metadata)
        parts = [bytes.fromhex(self.fingerprint), pack_varint(flags)]
        if self.count > 1:
            parts.append(pack_varint(self.count))
        if several:
            parts.append(_pack_chunk_items(self.chunk_items))
            parts += map(pack_varint, self.chunk_lengths[:-1])
        parts += [check.to_bytes(_CHECK_BYTES, "little") for check in self.chunk_checks]
        if self.model_length:
            parts += [pack_varint(self.model_length), self.model_check.to_bytes(_CHECK_BYTES, "little")]
        if mode != "lossless":
            parts.append(pack_number(value))
        if self.axes is not None and self.dtype is not None and self.shapes is not None:
            parts.append(bytes([AXES.index(self.axes) | DTYPES.index(self.dtype) << 3]))
            parts.append(_pack_shapes(self.shapes))
        if self.names is not None:
            parts.append(pack_block("\0".join(self.names).encode()))
        if metadata:
            parts.append(pack_block(metadata))
        return b"".join([*parts, self.parameters])

    @classmethod
    def from_bytes(cls, data: bytes, version: int, beyond: int, name: str, max_pixels: int) -> "ArchiveHeader":
        """Return the header in `data`, of a file of a version called `name` with `beyond` more bytes after it.

        FormatError where it is invalid, or where the items have more than `max_pixels` values in all.
        """
        fields = Fields(data, f"{name}: its header")
        fingerprint = fields.take(6).hex()
        flags = fields.byte() if version == 1 else fields.varint()
        if flags >= 2 * _METADATA:
            raise fields.invalid(f"unknown flags {flags:#x}")
        count = fields.varint() if flags & _COUNT else 1
        if count < 1:
            raise fields.invalid("it holds no items")
        check_values(count, max_pixels, name)
        items, lengths = [count], []
        if flags & _CHUNKS:
            items = _unpack_chunk_items(fields, count)
            lengths = [fields.varint() for _ in items[1:]]
        checks = [fields.uint32() for _ in items]
        model_length, model_check = (fields.varint(), fields.uint32()) if flags & _MODEL else (0, 0)
        lengths.append(max(0, beyond - model_length - sum(lengths)))
        mode = MODES[flags & 3]
        value = True if mode == "lossless" else fields.number()
        axes = dtype = shapes = None
        if flags >> 2 & 3 != _AS_THE_MODEL:
            axes, dtype = _unpack_layout(fields)
            shapes = _unpack_shapes(fields, flags >> 2 & 3, len(axes) - 1, count)
            check_values(values_of(shapes, count), max_pixels, name)
        names = _unpack_names(fields, count) if flags & _NAMES else None
        metadata = fields.block() if flags & _METADATA else b""
        parameters = fields.rest()
        try:
            return cls(
                fingerprint=fingerprint,
                mode={mode: value},
                axes=axes,
                dtype=dtype,
                shapes=shapes,
                names=names,
                metadata=ArchiveMetadata.from_bytes(metadata, count),
                parameters=parameters,
                chunk_items=items,
                chunk_lengths=lengths,
                chunk_checks=checks,
                model_length=model_length,
                model_check=model_check,
            )
        except ValueError as error:
            raise fields.invalid(error) from None


def values_of(shapes: Shapes, count: int) -> int:
    """Return the number of values of all items, exact up to 2**53 and close beyond."""
    if isinstance(shapes, tuple):
        return count * math.prod(shapes)
    return int(shapes.prod(axis=1, dtype=np.float64).sum())


def check_values(values: int, max_pixels: int, name: str) -> None:
    """Raise FormatError for more values than allowed."""
    if values > max_pixels:
        raise FormatError(
            f"its header announces {values:,} values or more; the limit is {max_pixels:,}",
            source=name,
            hint="if you trust the file, raise the limit",
            suggestion={"max_pixels": values},
        )


def check_names(names: Sequence[str]) -> None:
    """Raise DataError for names that are alike, too deep, or might lead out of the folder that they are written to."""
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DataError(f"two items have the name {twice!r:.99}")
    deep = next((name for name in names if name.count("/") >= _MOST_LEVELS), None)
    if deep is not None:
        raise DataError(f"the name {deep!r:.99} has more than {_MOST_LEVELS} levels")
    unsafe = next(filter(_UNSAFE.search, names), None)
    if unsafe is not None:
        raise DataError(
            f"the name {unsafe!r:.99} is no relative path with slashes, without '..' and control characters"
        )


def _check_layout(axes: str, dtype: str, shapes: Shapes, count: int) -> None:
    if axes not in AXES or dtype not in DTYPES:
        raise ValueError(f"axes {axes} of {dtype}")
    table = np.atleast_2d(np.asarray(shapes))
    if table.shape[1] != len(axes) - 1 or table.min() < 1:
        raise ValueError(f"items without values, or of other axes than {axes}")
    if isinstance(shapes, tuple):
        return
    if len(table) != count:
        raise ValueError(f"{len(table):,} shapes for {count:,} items")
    if axes == "NF" or (axes[-1] == "C" and (table[:, -1] != table[0, -1]).any()):
        raise ValueError(f"axes {axes} of items with different numbers of {'features' if axes == 'NF' else 'channels'}")


def _check_chunks(chunk_items: list[int], shapes: Shapes) -> None:
    items, sizes = np.array(chunk_items), np.prod(shapes, axis=-1, dtype=np.float64)
    values = items * sizes if isinstance(shapes, tuple) else np.add.reduceat(sizes, np.cumsum(items) - items)
    if (values[items > 1] > _MOST_VALUES).any():
        raise ValueError(f"a chunk of {int(values[items > 1].max()):,} values, and {_MOST_VALUES:,} are allowed")


def _pack_chunk_items(items: list[int]) -> bytes:
    """Pack the items of each chunk: one number if all but the last are equal, else 0, their count, all but the last."""
    if len({*items[:-1]}) == 1 and items[-1] <= items[0]:
        return pack_varint(items[0])
    return b"".join(map(pack_varint, [0, len(items), *items[:-1]]))


def _unpack_chunk_items(fields: Fields, count: int) -> list[int]:
    each = fields.varint()
    chunks = -(-count // each) if each else fields.varint()
    if not 1 <= chunks <= fields.left // _CHECK_BYTES:
        raise fields.invalid(f"{chunks:,} chunks where {fields.left:,} bytes are left")
    items = [each or fields.varint() for _ in range(chunks - 1)]
    return [*items, count - sum(items)]


def _unpack_layout(fields: Fields) -> tuple[str, str]:
    code = fields.byte()
    axes, dtype = code & 7, code >> 3
    if axes >= len(AXES) or dtype >= len(DTYPES):
        raise fields.invalid(f"unknown axes {axes} or dtype {dtype}")
    return AXES[axes], DTYPES[dtype]


def _pack_shapes(shapes: Shapes) -> bytes:
    """Pack one shape as varints, or a shape each as a block of the narrowest unsigned type that holds them."""
    if isinstance(shapes, tuple):
        return b"".join(map(pack_varint, shapes))
    width = next(width for width in (1, 2, 4, 8) if int(shapes.max()) < 1 << 8 * width)
    return pack_block(shapes.astype(f"<u{width}").tobytes())


def _unpack_shapes(fields: Fields, layout: int, columns: int, count: int) -> Shapes:
    if layout == _ONE_SHAPE:
        return tuple(fields.varint() for _ in range(columns))
    if layout != _SHAPE_EACH:
        raise fields.invalid(f"shapes of kind {layout}")
    table = fields.block()
    width, over = divmod(len(table), count * columns)
    if over or width not in (1, 2, 4, 8):
        raise fields.invalid(f"{len(table):,} bytes for the shapes of {count:,} items")
    return np.frombuffer(table, f"<u{width}").reshape(count, columns).astype(np.int64)


def _unpack_names(fields: Fields, count: int) -> list[str]:
    block = fields.block()
    if block.count(0) != count - 1:
        raise fields.invalid(f"{block.count(0) + 1:,} names for {count:,} items")
    try:
        return block.decode().split("\0")
    except UnicodeDecodeError:
        raise fields.invalid("names that are not UTF-8") from None
