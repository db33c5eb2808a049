"""Values stored without a model: their bytes, by whichever general compressor makes them smallest."""

import bz2
import zlib

import numpy as np

from narrows.errors import FormatError

PLAIN, DEFLATE, BZIP2 = range(3)


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
    elif method in (bytes([DEFLATE]), bytes([BZIP2])):
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if method == bytes([DEFLATE]) else bz2.BZ2Decompressor()
        try:
            plain = unpacker.decompress(packed, longest + 1)
        except (zlib.error, OSError) as error:
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


def unpack_values(content: bytes, dtype: np.dtype, count: int) -> np.ndarray:
    """Return the values (count,) that `pack_values` packed; FormatError where there is another number of them."""
    values = from_planes(unpack(content, count * dtype.itemsize), dtype)
    if len(values) != count:
        raise FormatError(f"{len(values)} stored values, expected {count}")
    return values


def planes(x: np.ndarray) -> bytes:
    """Return the bytes of values as planes: the lowest byte of each in turn, then the next higher one of each, ..."""
    little = np.ascontiguousarray(x, x.dtype.newbyteorder("<"))
    return little.reshape(-1, 1).view(np.uint8).T.tobytes()


def from_planes(content: bytes, dtype: np.dtype) -> np.ndarray:
    """Return the values, flat, whose bytes `planes` returned; FormatError where these are not whole values."""
    count, rest = divmod(len(content), dtype.itemsize)
    if rest:
        raise FormatError(f"{len(content)} bytes of values of type {dtype}, which has {dtype.itemsize}")
    rows = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, count).T
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
