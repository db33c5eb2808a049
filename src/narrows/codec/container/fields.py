"""Binary fields: integers of variable length, floats, and blocks that are deflated where that is smaller."""

import math
import struct
import zlib

from narrows.errors import FormatError

MAX_INFLATED = 2**24
VARINT_BYTES = 9


class Fields:
    """Reads fields one after the other.

    Parameters
    ----------
    data : bytes
        The fields.
    name : str
        What error messages call them.
    at : int
        Where the first field begins.
    """

    def __init__(self, data: bytes, name: str, at: int = 0) -> None:
        self.data, self.name, self.at = data, name, at

    def invalid(self, what: object) -> FormatError:
        """Return the error for fields that hold something invalid."""
        return FormatError(f"{self.name} is invalid: {what}")

    @property
    def left(self) -> int:
        """Number of bytes not read yet."""
        return len(self.data) - self.at

    def take(self, length: int) -> bytes:
        """Read bytes; FormatError where fewer are left."""
        if length > self.left:
            raise self.invalid(f"{length:,} bytes wanted where {self.left:,} are left")
        self.at += length
        return self.data[self.at - length : self.at]

    def byte(self) -> int:
        """Read a byte."""
        return self.take(1)[0]

    def uint32(self) -> int:
        """Read a little-endian uint32."""
        return int.from_bytes(self.take(4), "little")

    def rest(self) -> bytes:
        """Read all bytes that are left."""
        return self.take(self.left)

    def varint(self) -> int:
        """Read what `pack_varint` wrote, at most 9 bytes."""
        value = 0
        for shift in range(0, 7 * VARINT_BYTES, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise self.invalid("a number without an end")

    def number(self) -> int | float:
        """Read what `pack_number` wrote."""
        first = self.byte()
        if first < 0x7F:
            return first
        if first > 0x7F:
            return ((first & 0x7F) * 100 + self.byte()) / 100
        return float(struct.unpack("<d", self.take(8))[0])

    def block(self) -> bytes:
        """Read what `pack_block` wrote."""
        length, deflated = divmod(self.varint(), 2)
        content = self.take(length)
        if not deflated:
            return content
        inflater = zlib.decompressobj(wbits=-15)
        try:
            inflated = inflater.decompress(content, MAX_INFLATED + 1)
        except zlib.error:
            raise self.invalid("deflated bytes that cannot be inflated") from None
        if len(inflated) > MAX_INFLATED:
            raise self.invalid(f"{length:,} bytes that inflate to more than the {MAX_INFLATED:,} allowed")
        if not inflater.eof or inflater.unused_data:
            raise self.invalid("deflated bytes that do not end where they should")
        return inflated


def pack_varint(value: int) -> bytes:
    """Return an integer from 0 to 2**63 - 1 as LEB128: seven bits a byte, lowest first, the top bit if more follow."""
    if not 0 <= value < 1 << 7 * VARINT_BYTES:
        raise ValueError(f"{value}: no number from 0 to 2**63 - 1")
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def pack_number(value: float) -> bytes:
    """Return a number from 0 as bytes.

    Below 127, with two decimals at most: the whole part, its top bit set where hundredths follow. Any other number is
    127 and a float64.
    """
    hundredths = round(value * 100) if value < 127 else math.inf
    if hundredths / 100 != value:
        return b"\x7f" + struct.pack("<d", value)
    whole, part = divmod(int(hundredths), 100)
    return bytes([whole | 0x80, part]) if part else bytes([whole])


def pack_block(content: bytes) -> bytes:
    """Return twice the length, plus 1 where the bytes are deflated; then the bytes."""
    if len(content) <= MAX_INFLATED:
        deflater = zlib.compressobj(9, wbits=-15)
        deflated = deflater.compress(content) + deflater.flush()
        if len(deflated) < len(content):
            return pack_varint(2 * len(deflated) + 1) + deflated
    return pack_varint(2 * len(content)) + content
