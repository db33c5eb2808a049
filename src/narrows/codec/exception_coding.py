"""Exceptions to bytes and back: masks of where they are, and their values, or one value where all are alike.

length of the flags (varint) | flags, as `MaskCoding` codes them | values, as `stored.pack` packs their planes

The masks are those of the coded items of one shape after another, channel by channel. Format 1 lists positions instead.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from narrows.codec import stored
from narrows.codec.container.fields import Fields, pack_varint
from narrows.codec.entropy.mask_coding import MaskCoding
from narrows.codec.entropy.range_coder import decoder, encoder
from narrows.codec.transforms.quantiser import Exceptions
from narrows.errors import FormatError

EDGE_BITS = 6  # what the mask of an item costs, roughly, for each edge that the item before does not have
_WIDTHS = (1, 2, 4, 8)


def pack_exceptions(exceptions: Exceptions, shapes: Sequence[tuple[int, ...]], spatial: int) -> bytes:
    """Return exceptions in groups of items of `shapes` (n, *S[, C]) as bytes; `unpack_exceptions` is the inverse."""
    flags, writer = np.zeros(sum(map(math.prod, shapes)), bool), encoder()
    flags[exceptions.positions] = True
    coding = MaskCoding(writer, spatial)
    for before, mask in _masks(flags, shapes, spatial):
        coding.code(before, mask)
    payload, values = writer.payload(), stored.planes(_one_if_alike(exceptions.values))
    return pack_varint(len(payload)) + payload + stored.pack(values)


def unpack_exceptions(content: bytes, dtype: np.dtype, shapes: Sequence[tuple[int, ...]], spatial: int) -> Exceptions:
    """Return the exceptions that `pack_exceptions` packed; FormatError where the bytes are not such."""
    fields = Fields(content, "its exceptions")
    flags = np.zeros(sum(map(math.prod, shapes)), bool)
    coding = MaskCoding(decoder(fields.take(fields.varint())), spatial)
    for before, mask in _masks(flags, shapes, spatial):
        mask[...] = coding.code(before)
    positions = np.flatnonzero(flags)
    values = stored.from_planes(stored.unpack(fields.rest(), max(1, len(positions)) * dtype.itemsize), dtype)
    if len(values) not in (1, len(positions)):
        raise fields.invalid(f"{len(values)} values for {len(positions)} exceptions")
    return Exceptions(positions, np.broadcast_to(values, positions.shape))


def unpack_listed_exceptions(content: bytes, dtype: np.dtype, size: int) -> Exceptions:
    """Return the exceptions among `size` values in a file of format 1; FormatError where the bytes are not such.

    One byte is the width of a gap; then come, for each exception, how many values lie between it and the one before, in
    that many bytes, and the values, in the planes of `stored.planes`.
    """
    plain = stored.unpack(content, 1 + size * (max(_WIDTHS) + dtype.itemsize))
    width = plain[0] if plain else 0
    count, rest = divmod(len(plain) - 1, width + dtype.itemsize)
    if width not in _WIDTHS or rest:
        raise FormatError(f"{len(plain)} bytes of exceptions of type {dtype}, of which a gap has {width}")
    gaps = np.frombuffer(plain, f"<u{width}", count, 1)
    positions = np.cumsum(gaps.astype(np.int64) + 1) - 1
    if count and (int(gaps.max()) >= size or positions[-1] >= size):
        raise FormatError(f"an exception behind the last of {size} values")
    return Exceptions(positions, stored.from_planes(plain[1 + count * width :], dtype))


def exception_bits(exceptions: Exceptions, shape: tuple[int, ...]) -> np.ndarray:
    """Return about how many bits the exceptions of each of the items of an array (n, *S[, C]) take, (n,)."""
    n = shape[0]
    if not len(exceptions):
        return np.zeros(n)
    flags = np.zeros((n, math.prod(shape[1:])), bool)
    flags.reshape(-1)[exceptions.positions] = True
    changed = flags ^ np.concatenate([np.zeros_like(flags[:1]), flags[:-1]])
    edges = np.count_nonzero(changed[:, 1:] ^ changed[:, :-1], axis=1)
    value = stored.bits(_one_if_alike(exceptions.values)[None])[0] / len(exceptions)
    return np.asarray(EDGE_BITS * edges + value * flags.sum(1))


def _one_if_alike(values: np.ndarray) -> np.ndarray:
    """Return the first value alone where all have the same bits."""
    bits = values.view(f"V{values.itemsize}")
    return values[:1] if (bits == bits[:1]).all() else values


def _masks(
    flags: np.ndarray, shapes: Sequence[tuple[int, ...]], spatial: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each mask, a view (*S) of the flat array of flags, after the mask before it, in coding order."""
    start = 0
    for shape in shapes:
        size = math.prod(shape)
        planes = np.moveaxis(flags[start : start + size].reshape(*shape[: 1 + spatial], -1), -1, 0)
        first = np.zeros(planes.shape[2:], bool)
        for masks in planes:
            yield first, masks[0]
            yield from pairwise(masks)
            first = masks[0]
        start += size
