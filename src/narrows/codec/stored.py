"""Values stored without a model: their bytes, by whichever general compressor makes them smallest."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from narrows.codec.parallel import ordered_parallel_map
from narrows.errors import FormatError

PLAIN, DEFLATE, BZIP2, XZ = range(4)
IN_ORDER, DIFFERENCES = 4, 8  # added to the method: values rather than planes; differences rather than values
SAMPLE_BYTES = 2**18  # on which all ways to store values are compared
NEAR = 1.05  # times the bytes of the best way, up to which others are tried on all values
_LARGEST_DICTIONARY = 2**26
_MEMORY = 2**28  # that a reader of xz may need: its dictionary and a little more


def pack(content: bytes) -> bytes:
    """Compress bytes, to 1 more at most; `unpack` is the inverse.

    The first byte says how the rest is packed: 0 as it is, 1 by raw DEFLATE (RFC 1951), 2 as a bzip2 file.
    """
    packed = (content, deflated(content, 9), bz2.compress(content))
    method = min((PLAIN, DEFLATE, BZIP2), key=lambda method: len(packed[method]))
    return bytes([method]) + packed[method]


def unpack(content: bytes, longest: int) -> bytes:
    """Return what `pack` packed; FormatError where it did not, or where that has more than `longest` bytes."""
    method, packed = content[:1], content[1:]
    if method == bytes([PLAIN]):
        plain, ended = packed, True
    elif method in _UNPACKERS:
        unpacker = _UNPACKERS[method]()
        try:
            plain = unpacker.decompress(packed, longest + 1)
        except (zlib.error, OSError, lzma.LZMAError) as error:
            raise FormatError(f"packed bytes that cannot be unpacked ({error})") from None
        ended = unpacker.eof and not unpacker.unused_data
    else:
        raise FormatError(f"bytes packed in an unknown way, {method.hex() or 'of which none are there'}")
    if len(plain) > longest or not ended:
        raise FormatError(f"packed bytes that do not end where they should, after {longest} bytes at most")
    return plain


def pack_values(x: np.ndarray) -> bytes:
    """Return values of one type as packed bytes; `unpack_values` is the inverse."""
    return pack(planes(x))


def pack_thoroughly(x: np.ndarray, channels: int) -> bytes:
    """Return values as packed bytes, as `pack_values`, in the best of many ways: it takes minutes for 100 MB.

    All ways are tried on a sample; on all values the best of them, and of the general compressors on the values as they
    are those that are nearly as good, and the one that finds repeats far away.

    Parameters
    ----------
    x : ndarray
        The values.
    channels : int
        How many values lie between a value and the one beside it.
    """
    count = SAMPLE_BYTES // x.itemsize
    middle = max(0, x.size - count) // 2
    sample = x.reshape(-1)[middle : middle + count]
    orders = (IN_ORDER, 0) if x.itemsize > 1 else (IN_ORDER,)
    forms = {form: arranged(sample, form, channels) for order in orders for form in (order, order | DIFFERENCES)}
    ways = [(form, *way) for form in forms for way in WAYS]
    sizes = list(ordered_parallel_map(lambda way: len(way[2](forms[way[0]])), ways))
    best = min(range(len(ways)), key=sizes.__getitem__)
    forms = {form: arranged(x, form, channels) for form in {IN_ORDER, ways[best][0]}}

    def packed(way: tuple[int, int, Callable[[bytes], bytes]]) -> bytes:
        form, method, compress = way
        return bytes([form | method]) + compress(forms[form])

    chosen = [
        way
        for number, way in enumerate(ways)
        if number == best or (way[0] == IN_ORDER and (way[2] is FAR_SEEING or sizes[number] < NEAR * sizes[best]))
    ]
    return min(ordered_parallel_map(packed, chosen), key=len)


def unpack_values(content: bytes, dtype: np.dtype, count: int, channels: int = 1) -> np.ndarray:
    """Return the values (count,) that `pack_values` packed; FormatError where there is another number of them."""
    form = content[0] & (IN_ORDER | DIFFERENCES) if content else 0
    plain = unpack(bytes([content[0] - form]) + content[1:] if form else content, count * dtype.itemsize)
    if len(plain) != count * dtype.itemsize:
        raise FormatError(f"{len(plain)} bytes of stored values, expected {count * dtype.itemsize}")
    if form & DIFFERENCES:
        words = from_planes(plain, np.dtype(f"u{dtype.itemsize}"), bool(form & IN_ORDER))
        rows = np.concatenate([words, np.zeros(-count % channels, words.dtype)]).reshape(-1, channels)
        plain, form = planes(rows.cumsum(0, dtype=words.dtype).reshape(-1)[:count]), 0
    return from_planes(plain, dtype, bool(form & IN_ORDER))


def arranged(x: np.ndarray, form: int, channels: int) -> bytes:
    """Return the bytes of values in a form: as planes or in order, themselves or differences of unsigned integers."""
    if form & DIFFERENCES:
        words = np.ascontiguousarray(x).reshape(-1).view(f"u{x.itemsize}")
        x = words.copy()
        x[channels:] -= words[:-channels]
    return np.ascontiguousarray(x, x.dtype.newbyteorder("<")).tobytes() if form & IN_ORDER else planes(x)


def planes(x: np.ndarray) -> bytes:
    """Return the bytes of values as planes: the lowest byte of each in turn, then the next higher one of each, ..."""
    little = np.ascontiguousarray(x, x.dtype.newbyteorder("<"))
    return little.reshape(-1, 1).view(np.uint8).T.tobytes()


def from_planes(content: bytes, dtype: np.dtype, in_order: bool = False) -> np.ndarray:
    """Return the values, flat, whose bytes `planes` returned; FormatError where these are not whole values.

    in_order: the bytes are those of one value after another instead.
    """
    count, rest = divmod(len(content), dtype.itemsize)
    if rest:
        raise FormatError(f"{len(content)} bytes of values of type {dtype}, which has {dtype.itemsize}")
    rows = np.frombuffer(content, np.uint8)
    rows = rows.reshape(count, dtype.itemsize) if in_order else rows.reshape(dtype.itemsize, count).T
    if dtype.kind == "b":
        flags: np.ndarray = rows[:, 0] != 0
        return flags
    return np.ascontiguousarray(rows).view(dtype.newbyteorder("<")).reshape(count).astype(dtype)


def bits(x: np.ndarray) -> np.ndarray:
    """Return an upper bound for the packed size of each of the items (n, ...), in bits (n,)."""
    return np.array([8 * min(item.nbytes, len(deflated(planes(item), 1))) for item in x], np.int64)


def deflated(content: bytes, level: int) -> bytes:
    """Return bytes as a raw DEFLATE stream."""
    deflater = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
    return deflater.compress(content) + deflater.flush()


def xz(content: bytes, preset: int, **options: int) -> bytes:
    """Return bytes as an xz file without a check."""
    size = min(_LARGEST_DICTIONARY, max(2**12, 1 << len(content).bit_length()))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": size, **options}]
    return lzma.compress(content, lzma.FORMAT_XZ, lzma.CHECK_NONE, filters=filters)


FAR_SEEING = partial(xz, preset=9 | lzma.PRESET_EXTREME)
WAYS: tuple[tuple[int, Callable[[bytes], bytes]], ...] = (
    (PLAIN, bytes),
    (DEFLATE, partial(deflated, level=9)),
    (BZIP2, bz2.compress),
    (XZ, partial(xz, preset=6)),
    (XZ, FAR_SEEING),
    (XZ, partial(xz, preset=9 | lzma.PRESET_EXTREME, pb=0)),
    (XZ, partial(xz, preset=9 | lzma.PRESET_EXTREME, lc=0, lp=2)),  # values, or colours, of four bytes
)
"""Methods with what compresses."""
_UNPACKERS: dict[bytes, Callable[[], Any]] = {
    bytes([DEFLATE]): partial(zlib.decompressobj, -zlib.MAX_WBITS),
    bytes([BZIP2]): bz2.BZ2Decompressor,
    bytes([XZ]): partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _MEMORY),
}
