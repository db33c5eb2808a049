"""A chunk: the payload of a run of items, each coded or, where that is smaller, stored as it is.

parts | stored items | exceptions | coder's payload of the 1st group | ... | of the last group

parts            1 byte; bit 0: stored items, bit 3: exceptions, or in format 1 bit 1
stored items     a block of one bit an item, the lowest of a byte first: whether it is stored; the length (varint)
                 of the rest; the values of the stored items, as `stored.pack_values` packs them
exceptions       length (varint); the values that the quantiser's grid does not hold, as `pack_exceptions` packs
                 them, of all coded items, group after group
payloads         of the coded items of one shape, the shapes in the order in which they first come; each but the
                 last with its length (varint) before it

What a checksum covers, so that another computation than that of the encoder is noticed: the values of the items, or on
the transform path, where they come from floating point, the indices of each group.
"""

import math
import zlib
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from narrows.codec import stored
from narrows.codec.coder import CodedItems, Coder
from narrows.codec.coding_plan import CodingPlan
from narrows.codec.container.fields import Fields, pack_block, pack_varint
from narrows.codec.exception_coding import (
    exception_bits,
    pack_exceptions,
    unpack_exceptions,
    unpack_listed_exceptions,
)
from narrows.codec.transforms.quantiser import Exceptions
from narrows.data import Items
from narrows.data.memory import free_memory
from narrows.errors import DataError, FormatError, NarrowsError

MOST_ITEMS, MOST_VALUES = 1024, 2**21  # in a chunk
_STORED, _LISTED, _EXCEPTIONS = 1, 2, 8
_SUSPICIOUS = 4  # coded items that take more than one part in so many of their raw size are compared with stored ones
BYTES_A_VALUE, MASK_BYTES_A_VALUE = 128, 32  # of memory that coding takes, at most, and that masks of exceptions take
_ALWAYS_VALUES = 2**22  # that are coded without asking how much memory is free


def checksum(arrays: Iterable[np.ndarray]) -> int:
    """Return the CRC-32 of the bytes of values in turn, little-endian and in C order."""
    check = 0
    for array in arrays:
        check = zlib.crc32(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data, check)
    return check


def chunks_of(items: Items) -> list[range]:
    """Return the runs of items that make up the chunks: as many items as the limits allow, and one at least."""
    if items.shapes is None:
        each = max(1, min(MOST_ITEMS, MOST_VALUES // items[0].size))
        return [range(start, min(start + each, len(items))) for start in range(0, len(items), each)]
    runs, start, values = [], 0, 0
    for index, size in enumerate(np.prod(items.shapes, axis=1).tolist()):
        if index > start and (index - start == MOST_ITEMS or values + size > MOST_VALUES):
            runs.append(range(start, index))
            start, values = index, 0
        values += size
    return [*runs, range(start, len(items))]


def encode_chunk(
    coder: Coder, plan: CodingPlan, items: Sequence[np.ndarray], spatial: int
) -> tuple[bytes, list[np.ndarray]]:
    """Return the payload of items of one type, and what its checksum covers; `decode_chunk` is the inverse.

    spatial: number of spatial axes of an item.
    """
    is_stored = np.zeros(len(items), bool)
    payloads, positions, values, shapes, before = [], [], [], [], 0
    decoded, indices = list(items), []
    for members in groups([item.shape for item in items]):
        x = np.stack([items[index] for index in members])
        _check_memory(x.size, DataError)
        is_coded, coded, exceptions = _encode_group(coder, plan, x, math.prod(x.shape[1 + spatial :]))
        is_stored[members] = ~is_coded
        if coded is None:
            continue
        payloads.append(coded.payload)
        positions.append(exceptions.positions + before)
        values.append(exceptions.values)
        shapes.append(x[is_coded].shape)
        before += x[is_coded].size
        if plan.path == "transform":
            indices.append(coded.indices)
        else:
            found = coder.values(plan, coded.indices, x[is_coded].shape)
            exceptions.put_into(found)
            for index, item in zip(np.array(members)[is_coded].tolist(), found, strict=True):
                decoded[index] = item
    parts = [bytes([_STORED * bool(is_stored.any()) | _EXCEPTIONS * any(map(len, positions))])]
    if is_stored.any():
        flat = np.concatenate([items[index].reshape(-1) for index in np.flatnonzero(is_stored).tolist()])
        parts += [pack_block(np.packbits(is_stored, bitorder="little").tobytes()), *_sized(stored.pack_values(flat))]
    if any(map(len, positions)):
        exceptions = Exceptions(np.concatenate(positions), np.concatenate(values))
        parts += _sized(pack_exceptions(exceptions, shapes, spatial))
    for payload in payloads[:-1]:
        parts += _sized(payload)
    return b"".join([*parts, *payloads[-1:]]), indices if plan.path == "transform" else decoded


def store_chunk(items: Items) -> bytes:
    """Return the payload of items of which none is coded, packed together in the best way that there is."""
    places = np.packbits(np.ones(len(items), bool), bitorder="little").tobytes()
    channels = items.channels if items.axes.endswith("C") else 1
    flat = items.values.reshape(-1) if items.shapes is None else np.concatenate([item.reshape(-1) for item in items])
    return b"".join([bytes([_STORED]), pack_block(places), *_sized(stored.pack_thoroughly(flat, channels))])


def decode_chunk(
    coder: Coder | None,
    plan: CodingPlan,
    payload: bytes,
    shapes: Sequence[tuple[int, ...]],
    spatial: int,
    level: int = 0,
    wanted: Collection[int] | None = None,
) -> tuple[list[np.ndarray | None], list[np.ndarray]]:
    """Return the items of a chunk, and what its checksum covers.

    Parameters
    ----------
    coder : Coder, optional
        The coder of the file's model; a file without one has no coded items.
    plan : CodingPlan
        How the file is coded.
    payload : bytes
        What `encode_chunk` returned.
    shapes : sequence of tuple
        Shapes of the items.
    spatial : int
        Number of spatial axes of an item.
    level : int
        Decode only every ``2**level``-th value along each spatial axis.
    wanted : collection of int, optional
        Items to decode; all by default. In the place of others there may be None. The checksum is that of all items,
        at level 0.

    Raises
    ------
    FormatError
        If the payload does not fit the shapes.
    """
    fields, dtype = Fields(payload, "its payload"), plan.quantiser.dtype
    found: list[np.ndarray | None] = [None] * len(shapes)
    wanted = range(len(shapes)) if wanted is None else wanted
    parts = fields.byte()
    if parts & ~(_STORED | _LISTED | _EXCEPTIONS):
        raise fields.invalid(f"parts {parts} of unknown kinds")
    is_stored = np.zeros(len(shapes), bool)
    if parts & _STORED:
        is_stored = _unpack_places(fields, len(shapes))
        block = fields.take(fields.varint())
        kept = np.flatnonzero(is_stored).tolist()
        if any(index in wanted for index in kept):
            sizes = [math.prod(shapes[index]) for index in kept]
            channels = math.prod(shapes[kept[0]][spatial:])
            flat = stored.unpack_values(block, dtype, sum(sizes), channels)
            for index, values in zip(kept, np.split(flat, np.cumsum(sizes)[:-1]), strict=True):
                found[index] = values.reshape(shapes[index])[_coarse(spatial, level)]
    coded = [[i for i in members if not is_stored[i]] for members in groups(shapes)]
    coded = [members for members in coded if members]
    coded_shapes = [(len(members), *shapes[members[0]]) for members in coded]
    if coder is None and (coded or parts != _STORED):
        raise fields.invalid("coded items in a file without a model")
    exceptions = Exceptions(np.empty(0, np.int64), np.empty(0, dtype))
    total = sum(map(math.prod, coded_shapes))
    if parts & _LISTED:
        exceptions = unpack_listed_exceptions(fields.take(fields.varint()), dtype, total)
    if parts & _EXCEPTIONS:
        _check_memory(total, FormatError, MASK_BYTES_A_VALUE)
        exceptions = unpack_exceptions(fields.take(fields.varint()), dtype, coded_shapes, spatial)
    before, covered = 0, []
    for number, (members, shape) in enumerate(zip(coded, coded_shapes, strict=True)):
        content = fields.rest() if number + 1 == len(coded) else fields.take(fields.varint())
        if any(index in wanted for index in members):
            assert coder is not None
            _check_memory(math.prod(shape) >> spatial * level, FormatError)
            here = exceptions.between(before, before + math.prod(shape))
            indices = coder.decode(plan, content, shape, level, here.mask(shape) if parts & _EXCEPTIONS else None)
            covered.append(indices)
            x = coder.values(plan, indices, shape, level)
            _put(here, x, shape, spatial, level)
            for index, item in zip(members, x, strict=True):
                found[index] = item
        before += math.prod(shape)
    if fields.left:
        raise fields.invalid(f"{fields.left} bytes too many")
    return found, covered if plan.path == "transform" else [item for item in found if item is not None]


def _encode_group(
    coder: Coder, plan: CodingPlan, items: np.ndarray, channels: int
) -> tuple[np.ndarray, CodedItems | None, Exceptions]:
    """Return which of the items (n, ...) are coded rather than stored, these as coded, and their exceptions."""
    size, raw = items[0].size, 8 * items[0].nbytes
    x, exceptions = plan.quantiser.without_exceptions(items, channels)
    holders = exceptions.positions // size
    beside = exception_bits(exceptions, x.shape)
    is_coded, coded = (beside < raw) & (np.bincount(holders, minlength=len(x)) < size), None
    missing = exceptions.mask(x.shape)

    def encoded() -> CodedItems:
        return coder.encode(plan, x[is_coded], None if missing is None else missing[is_coded])

    if is_coded.any():
        coded = encoded()
        bits = coded.bits
        cost = beside[is_coded] + bits + max(0, 8 * len(coded.payload) - bits.sum()) / len(bits)
        alternative = np.full(len(cost), np.inf)
        costly = cost * _SUSPICIOUS > raw
        alternative[costly] = stored.bits(items[is_coded][costly])
        kept = cost <= alternative
        if not kept.all():
            is_coded[is_coded] = kept
            coded = encoded() if kept.any() else None
        if coded and 8 * len(coded.payload) + beside[is_coded].sum() > alternative[kept].sum():
            is_coded[:], coded = False, None
    renumbered = np.cumsum(is_coded) - 1
    held = is_coded[holders]
    positions = renumbered[holders[held]] * size + exceptions.positions[held] % size
    return is_coded, coded, Exceptions(positions, exceptions.values[held])


def _check_memory(values: int, error: type[NarrowsError], bytes_a_value: int = BYTES_A_VALUE) -> None:
    """Raise an error where coding so many values at once takes more than the free memory."""
    if values > _ALWAYS_VALUES and bytes_a_value * values > (free := free_memory()):
        needed = bytes_a_value * values / 2**30
        raise error(f"an item of {values:,} values takes {needed:,.1f} GiB of memory; {free / 2**30:,.1f} GiB are free")


def _put(exceptions: Exceptions, x: np.ndarray, shape: tuple[int, ...], spatial: int, level: int) -> None:
    """Write exceptions, whose positions are in an array of this shape, to the coarse values of that array."""
    places = list(np.unravel_index(exceptions.positions, shape))
    held = np.ones(len(exceptions), bool)
    for axis in range(1, 1 + spatial):
        held &= places[axis] % 2**level == 0
        places[axis] = places[axis] >> level
    x[tuple(place[held] for place in places)] = exceptions.values[held]


def _coarse(spatial: int, level: int) -> tuple[slice, ...]:
    return (slice(None, None, 2**level),) * spatial


def groups(shapes: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Return the indices of the items of each shape, the shapes in the order in which they first occur."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, shape in enumerate(shapes):
        groups.setdefault(tuple(shape), []).append(index)
    return list(groups.values())


def _sized(content: bytes) -> list[bytes]:
    return [pack_varint(len(content)), content]


def _unpack_places(fields: Fields, count: int) -> np.ndarray:
    """Return for each item whether it is stored."""
    bitmap = fields.block()
    if len(bitmap) != -(-count // 8):
        raise fields.invalid(f"{len(bitmap)} bytes say which of {count} items are stored")
    return np.unpackbits(np.frombuffer(bitmap, np.uint8), count=count, bitorder="little").astype(bool)
