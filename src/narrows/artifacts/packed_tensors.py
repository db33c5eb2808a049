"""Tensors of few different values in few bytes, by a range coder.

    length (4 bytes) | JSON, deflated: [name, type, shape] of each tensor | words of the range coder

An integer k of a tensor becomes k / 2**unit, and of the quotient the lowest bits, `raw` of them, are coded as they are.
The rest is coded by a hyperbolic distribution, whose scale depends on its row and its column. Floats are integers times
a power of two, or else the integers of their bits.
"""

import json
import math
import zlib
from typing import Any

import constriction
import numpy as np

from narrows.artifacts.schema import Shape, Text, typed

NAME = "packed"  # of the tensor that holds the bytes
MOST_TIMES, MOST_ALWAYS = 2**9, 2**20  # numbers for each packed byte, and always, that tensors may hold
LENGTH_BYTES = 4
LARGEST_BITS = 7  # of integers of which no bits are coded as they are
FIELDS = {"unit": 6, "raw": 6, "largest": 8, "by": 2, "scale": 6, "exponent": 12}  # bits of each
LEAST_SCALE, MOST_SCALE = -16, 47  # binary logarithm of a squared scale
MOST_INTEGER_BITS = 24  # of floats that are integers times a power of two
EXPONENTS = 2**11  # added to the exponent of floats, which is above -1,200
STEEPNESS = 410  # of the distribution, in units of 1/256
BY_ROWS, BY_COLUMNS = 1, 2  # on what the scale depends
UNIFORM_BITS = 16  # coded at once
_UNIFORM = constriction.stream.model.Uniform
_CATEGORICAL = constriction.stream.model.Categorical


def pack(tensors: dict[str, np.ndarray]) -> np.ndarray:
    """Return tensors as bytes; `unpack` is the inverse."""
    table = [[name, tensor.dtype.str, list(tensor.shape)] for name, tensor in tensors.items()]
    described = zlib.compress(json.dumps(table, separators=(",", ":")).encode(), 9, -zlib.MAX_WBITS)
    coder = Encoder()
    for tensor in tensors.values():
        if tensor.size:
            encode(coder, tensor)
    content = len(described).to_bytes(LENGTH_BYTES, "little") + described + coder.payload()
    return np.frombuffer(content, np.uint8)


def unpack(packed: np.ndarray) -> dict[str, np.ndarray]:
    """Return the tensors that `pack` packed; ValueError where it did not, or where they take far more bytes."""
    content, most = packed.tobytes(), MOST_ALWAYS + MOST_TIMES * packed.size
    end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    reader = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        described = reader.decompress(content[LENGTH_BYTES:end], most)
    except zlib.error as error:
        raise ValueError(f"packed weights that cannot be unpacked ({error})") from None
    table = typed(tuple[tuple[Text, Text, Shape], ...], json.loads(described))
    count = sum(math.prod(shape) for _, _, shape in table)
    if not reader.eof or count > most:
        raise ValueError(f"packed weights of {count:,} numbers; {most:,} are allowed")
    coder, found = Decoder(content[end:]), {}
    for name, kind, shape in table:
        dtype = np.dtype(kind)
        if dtype.kind not in "if":
            raise ValueError(f"packed weights of type {kind}")
        found[name] = decode(coder, dtype, shape) if math.prod(shape) else np.zeros(shape, dtype)
    return found


class Encoder:
    """Codes integers; `payload` returns the bytes."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def field(self, name: str, value: int) -> int:
        """Code one of `FIELDS`, and return it."""
        self.bits(FIELDS[name], np.array([value]))
        return value

    def bits(self, bits: int, values: np.ndarray) -> np.ndarray:
        """Code numbers of some bits, the lowest of them first, and return them."""
        for start in range(0, bits, UNIFORM_BITS):
            part = min(UNIFORM_BITS, bits - start)
            self._coder.encode((values >> start & 2**part - 1).astype(np.int32), _UNIFORM(2**part))
        return values

    def symbols(self, frequencies: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Code symbols, all of one distribution, and return them."""
        self._coder.encode(values.astype(np.int32), _CATEGORICAL(frequencies, perfect=False))
        return values

    def payload(self) -> bytes:
        """Return the words, big-endian, without zeros at their end."""
        words: bytes = self._coder.get_compressed().astype(">u4").tobytes()
        return words.rstrip(b"\0")


class Decoder:
    """Returns the integers that an `Encoder` coded, by the same calls; what the calls are given is only how many.

    ValueError where the payload is none.
    """

    def __init__(self, payload: bytes) -> None:
        words = np.frombuffer(payload + bytes(-len(payload) % 4 + 8), ">u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def field(self, name: str, value: int = 0) -> int:
        """Decode one of `FIELDS`."""
        return int(self.bits(FIELDS[name], np.zeros(1))[0])

    def bits(self, bits: int, values: np.ndarray) -> np.ndarray:
        """Decode numbers of some bits."""
        found = np.zeros(len(values), np.int64)
        for start in range(0, bits, UNIFORM_BITS):
            found |= self._decode(_UNIFORM(2 ** min(UNIFORM_BITS, bits - start)), len(values)) << start
        return found

    def symbols(self, frequencies: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Decode symbols, all of one distribution."""
        return self._decode(_CATEGORICAL(frequencies, perfect=False), len(values))

    def _decode(self, model: Any, count: int) -> np.ndarray:
        try:
            found: np.ndarray = self._coder.decode(model, count).astype(np.int64)
        except Exception as error:  # constriction raises AssertionError for what no encoder wrote
            raise ValueError(f"packed weights that cannot be unpacked ({error})") from None
        return found


def encode(coder: Encoder, tensor: np.ndarray) -> None:
    """Code a tensor; `decode` is the inverse."""
    integers = tensor
    if tensor.dtype.kind == "f":
        exponent = exponent_of(tensor)
        coder.field("exponent", 0 if exponent is None else EXPONENTS + exponent)
        if exponent is None:
            integers = np.ascontiguousarray(tensor).view(f"i{tensor.itemsize}")
        else:
            integers = np.ldexp(tensor.astype(np.float64), -exponent)
    code_integers(coder, integers.astype(np.int64).reshape(rows_of(tensor.shape), -1))


def decode(coder: Decoder, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return the tensor of a type and shape that `encode` coded; ValueError where it does not hold the values."""
    exponent = coder.field("exponent") if dtype.kind == "f" else 0
    rows = rows_of(shape)
    integers = code_integers(coder, np.zeros((rows, math.prod(shape) // rows), np.int64)).reshape(shape)
    if exponent:
        return np.ldexp(integers.astype(np.float64), exponent - EXPONENTS).astype(dtype)
    found = integers.astype(f"i{dtype.itemsize}")
    if (found != integers).any():
        raise ValueError(f"packed weights that are no {dtype}")
    return found.view(dtype)


def code_integers(coder: Encoder | Decoder, k: np.ndarray, by: int | None = None) -> np.ndarray:
    """Code integers (R, C), or decode as many, and return them. by: on what scales depend; by default what is best."""
    ones = int(np.bitwise_or.reduce(k, axis=None))
    unit = coder.field("unit", (ones & -ones).bit_length() - 1 if ones else 0)
    raw = coder.field("raw", max(0, max(int(k.max()), ~int(k.min())).bit_length() - unit - LARGEST_BITS))
    if unit + raw > 63:
        raise ValueError("packed weights of more than 64 bits")
    largest = coder.field("largest", int(np.abs(k >> unit + raw).max()))
    high, low = k >> unit + raw, k >> unit & (1 << raw) - 1
    if largest:
        scales = code_scales(coder, high, largest, by)
        high = high.copy()
        for scale in np.unique(scales).tolist():
            chosen = scales == scale
            high[chosen] = coder.symbols(frequencies(scale, largest), high[chosen] + largest) - largest
    low = coder.bits(raw, low.reshape(-1)).reshape(k.shape)
    return high << unit + raw | low << unit


def code_scales(coder: Encoder | Decoder, k: np.ndarray, largest: int, by: int | None) -> np.ndarray:
    """Code the scales of integers (R, C), or decode them, and return them as `frequencies` takes them."""
    base, along = 0, [np.zeros(size, np.int64) for size in k.shape]
    if isinstance(coder, Encoder):
        candidates = range(4) if by is None and min(k.shape) > 1 else [by or 0]
        found = [scales_of(k, by, largest) for by in candidates]
        by, base, along = min(found, key=lambda each: cost(k, total(*each[1:]), largest) + cost_of_scales(each[2]))
    by, base = coder.field("by", by or 0), coder.field("scale", base - LEAST_SCALE) + LEAST_SCALE
    for axis, flag in enumerate((BY_ROWS, BY_COLUMNS)):
        if by & flag:
            along[axis] = code_integers(coder, along[axis][None], 0)[0]
    return total(base, along)


def scales_of(k: np.ndarray, by: int, largest: int) -> tuple[int, int, list[np.ndarray]]:
    """Return `by`, the scale of all integers (R, C), and how much those of rows and columns differ from it."""
    size = np.abs(k) + 0.3  # so that zeros have a size
    along = [np.zeros(length, np.int64) for length in k.shape]
    for axis, flag in enumerate((BY_ROWS, BY_COLUMNS)):
        if by & flag:
            means = np.log2(size.mean(1 - axis))
            along[axis] = np.rint(2 * (means - means.mean())).astype(np.int64)
            size = size / np.exp2(np.expand_dims(along[axis], 1 - axis) / 2)
    middle = round(2 * math.log2(size.mean()))
    bases = range(max(LEAST_SCALE, middle - 3), min(MOST_SCALE, middle + 3) + 1)
    return by, min(bases, key=lambda base: cost(k, total(base, along), largest)), along


def total(base: int, along: list[np.ndarray]) -> np.ndarray:
    """Return the scales (R, C) from that of all and those of rows and columns."""
    found: np.ndarray = np.clip(base + along[0][:, None] + along[1], LEAST_SCALE, MOST_SCALE)
    return found


def cost(k: np.ndarray, scales: np.ndarray, largest: int) -> float:
    """Return the bits of integers (R, C), by their scales."""
    bits = 0.0
    for scale in np.unique(scales).tolist():
        likely = frequencies(scale, largest)
        counts = np.bincount(k[scales == scale] + largest, minlength=len(likely))
        bits += float(counts @ (np.log2(likely.sum()) - np.log2(likely)))
    return bits


def cost_of_scales(along: list[np.ndarray]) -> float:
    """Return about how many bits the scales of rows and columns take."""
    return sum(len(each) * (math.log2(1 + float(each.std())) + 2) for each in along if each.any())


def frequencies(scale: int, largest: int) -> np.ndarray:
    """Return the frequencies of -largest to largest, integers from 1, for the binary logarithm of a squared scale."""
    k = np.arange(-largest, largest + 1, dtype=np.float64)
    behind = np.floor(STEEPNESS * (np.sqrt(1 + np.ldexp(k * k, -scale)) - 1) + 0.5)
    return np.asarray(np.maximum(1, np.rint(2.0**20 * np.exp(-np.minimum(behind, 2**12) / 256))))


def exponent_of(values: np.ndarray) -> int | None:
    """Return the power of two of which floats are multiples by small integers; None where they are not."""
    if not np.isfinite(values).all() or (np.signbit(values) & (values == 0)).any():
        return None
    mantissa, exponent = np.frexp(values[values != 0].astype(np.float64))
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    lowest = exponent - 53 + np.log2(whole & -whole).astype(np.int64)
    if not len(lowest):
        return 0
    return int(lowest.min()) if exponent.max() - lowest.min() < MOST_INTEGER_BITS else None


def rows_of(shape: tuple[int, ...]) -> int:
    """Return how many rows a tensor of a shape has."""
    return shape[0] if len(shape) > 1 else 1
