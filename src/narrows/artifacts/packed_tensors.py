"""Tensors of few different values in few bytes: one array of bytes that xz makes of them.

    JSON: [name, type, shape] of each tensor | newline | each tensor: the lowest bytes of its values, the next ones, ...

Integers k are stored as 2 k, or -2 k - 1 where they are negative: the higher bytes of small ones are 0.
"""

import json
import lzma
import math

import numpy as np

from narrows.artifacts.schema import Shape, Text, typed

NAME = "packed"  # of the tensor that holds the bytes
MOST_TIMES = 256  # more than the packed size, that tensors may take: weights do not compress as well
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 0, "lp": 0, "pb": 0}]


def pack(tensors: dict[str, np.ndarray]) -> np.ndarray:
    """Return tensors as bytes; `unpack` is the inverse."""
    table = [[name, tensor.dtype.str, list(tensor.shape)] for name, tensor in tensors.items()]
    parts = [json.dumps(table, separators=(",", ":")).encode(), b"\n"]
    for tensor in tensors.values():
        flat = np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).reshape(-1, 1)
        if flat.dtype.kind == "i":
            flat = flat << 1 ^ flat >> 8 * flat.itemsize - 1
        parts.append(flat.view(np.uint8).T.tobytes())
    content = lzma.compress(b"".join(parts), lzma.FORMAT_XZ, lzma.CHECK_NONE, filters=_FILTERS)
    return np.frombuffer(content, np.uint8)


def unpack(packed: np.ndarray) -> dict[str, np.ndarray]:
    """Return the tensors that `pack` packed; ValueError where it did not, or where they take far more bytes."""
    most = MOST_TIMES * packed.size
    reader = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        content = reader.decompress(packed.tobytes(), most + 1)
    except lzma.LZMAError as error:
        raise ValueError(f"packed weights that cannot be unpacked ({error})") from None
    if len(content) > most or not reader.eof or reader.unused_data:
        raise ValueError(f"packed weights that do not end where they should, after {most:,} bytes at most")
    table, _, rest = content.partition(b"\n")
    found, start = {}, 0
    for name, kind, shape in typed(tuple[tuple[Text, Text, Shape], ...], json.loads(table)):
        dtype = np.dtype(kind)
        if dtype.kind not in "if":
            raise ValueError(f"packed weights of type {kind}")
        stop = start + math.prod(shape) * dtype.itemsize
        planes = np.frombuffer(rest[start:stop], np.uint8).reshape(dtype.itemsize, math.prod(shape))
        flat = np.ascontiguousarray(planes.T).view(dtype.newbyteorder("<"))
        if dtype.kind == "i":
            unsigned = flat.view(f"<u{dtype.itemsize}")
            flat = (unsigned >> 1).view(flat.dtype) ^ -(flat & 1)
        found[name] = flat.astype(dtype).reshape(shape)
        start = stop
    if start != len(rest):
        raise ValueError(f"{len(rest) - start} bytes of packed weights too many")
    return found
