"""Windows: a long signal or a large volume, alone in its chunk, is coded in bounded memory and on all cores.

4 | length of a window | length, payload of the 1st window | ... | payload of the last window

4             1 byte, where other chunks list their parts
length        varint, a power of two: the positions of each window but the last along the item's first axis
payloads      of each window, as of a chunk that holds it alone; each but the last with its length (varint) before it
"""

import math
from collections.abc import Collection, Sequence
from contextlib import closing

import numpy as np

from narrows.codec.chunk import MOST_VALUES, decode_chunk, encode_chunk
from narrows.codec.coder import Coder
from narrows.codec.coding_plan import CodingPlan
from narrows.codec.container.fields import Fields, pack_varint
from narrows.codec.parallel import ordered_parallel_map
from narrows.data.memory import allocate

_WINDOWS = 4
FEWEST = 32  # positions along the first axis, so that most values have their neighbours in the window


def window_length(shape: Sequence[int], spatial: int) -> int | None:
    """Return the positions of a window along the first axis of an item; None where it is coded as a whole."""
    if spatial == 2 or math.prod(shape) <= MOST_VALUES:
        return None
    length = max(FEWEST, MOST_VALUES // 2 // math.prod(shape[1:]))
    length = 2 ** (length.bit_length() - 1)
    return length if length < shape[0] else None


def cut(item: np.ndarray, spatial: int) -> list[np.ndarray]:
    """Return the windows of an item, views of it; the item alone where it is coded as a whole."""
    length = window_length(item.shape, spatial)
    return [item] if length is None else [item[start : start + length] for start in range(0, len(item), length)]


def encode(coder: Coder, plan: CodingPlan, items: Sequence[np.ndarray], spatial: int) -> tuple[bytes, list[np.ndarray]]:
    """Return the payload of the items of a chunk, and what its checksum covers; `decode` is the inverse."""
    parts = cut(items[0], spatial)
    if len(items) > 1 or len(parts) == 1:
        return encode_chunk(coder, plan, items, spatial)
    coded = list(ordered_parallel_map(lambda part: encode_chunk(coder, plan, [part], spatial), parts))
    payloads = [payload for payload, _ in coded]
    sized = [piece for payload in payloads[:-1] for piece in (pack_varint(len(payload)), payload)]
    content = b"".join([bytes([_WINDOWS]), pack_varint(len(parts[0])), *sized, payloads[-1]])
    return content, [array for _, covered in coded for array in covered]


def decode(
    coder: Coder | None,
    plan: CodingPlan,
    payload: bytes,
    shapes: Sequence[tuple[int, ...]],
    spatial: int,
    level: int = 0,
    wanted: Collection[int] | None = None,
) -> tuple[list[np.ndarray | None], list[np.ndarray]]:
    """Return the items of a chunk, and what its checksum covers; parameters and errors are those of `decode_chunk`."""
    if payload[:1] != bytes([_WINDOWS]):
        return decode_chunk(coder, plan, payload, shapes, spatial, level, wanted)
    fields = Fields(payload, "its payload")
    fields.byte()
    length, shape = fields.varint(), shapes[0]
    if len(shapes) != 1 or not spatial or length & (length - 1) or not 0 < length < shape[0]:
        raise fields.invalid(f"windows of {length} positions of {len(shapes)} items of {shape}")
    starts = range(0, shape[0], length)
    if len(starts) > len(payload):
        raise fields.invalid(f"{len(starts)} windows in {len(payload)} bytes")
    payloads = [fields.take(fields.varint()) for _ in starts[1:]] + [fields.rest()]
    finest = min(level, length.bit_length() - 1)  # from where on windows have a value each, or less

    def part(index: int) -> tuple[np.ndarray, list[np.ndarray]]:
        size = min(length, shape[0] - starts[index])
        (found,), covered = decode_chunk(coder, plan, payloads[index], [(size, *shape[1:])], spatial, finest)
        assert found is not None
        return found, covered

    step = 2**finest
    coarse = [-(-size // step) for size in shape[:spatial]]
    out = allocate(math.prod(coarse) * math.prod(shape[spatial:]), plan.quantiser.dtype)
    out = out.reshape(*coarse, *shape[spatial:])
    indices = []
    with closing(ordered_parallel_map(part, range(len(starts)))) as parts:
        for start, (found, covered) in zip(starts, parts, strict=True):
            out[start // step : start // step + len(found)] = found
            if plan.path == "transform":
                indices += covered
    item = out[(slice(None, None, 2 ** (level - finest)),) * spatial]
    return [item], indices if plan.path == "transform" else [item]
