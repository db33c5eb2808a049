"""The entropy coder: symbols and their distributions to words, and back, by `constriction` or by the compiled kernel.

Encoders and decoders take the same calls in the same order, so that one loop can serve both, and both kinds of them
write and read the same bytes.
"""

from typing import Any, Protocol

import constriction
import numpy as np

from narrows.codec.entropy import engines
from narrows.codec.entropy.distributions import Distributions
from narrows.errors import FormatError

_CATEGORICAL = constriction.stream.model.Categorical(perfect=False)
_UNIFORM = constriction.stream.model.Uniform()
_PRECISION = 24  # bits of probabilities

FEW = 2**17  # numbers in the frequencies of so few symbols that the shortest payload is looked for
SPARED = 8  # bytes at the end of which some may not be needed


class Encoder(Protocol):
    """Takes symbols, and returns the payload."""

    def categorical(self, given: Distributions, symbols: np.ndarray) -> np.ndarray:
        """Code symbols (P,) int32 of P distributions -> what each costs in bits, (P,)."""

    def uniform(self, bits: np.ndarray, symbols: np.ndarray) -> None:
        """Code symbols (P,) int32 of so many bits (P,) int32, 1 to 24, and uniform probability."""

    def payload(self) -> bytes:
        """Return the words as bytes, big-endian; the decoder takes what is missing at the end for zeros.

        For a few symbols, such as those of one small item, the fewest bytes from which they can be decoded.
        """


class Decoder(Protocol):
    """Returns the symbols that an `Encoder` took; FormatError where the payload is corrupt."""

    def categorical(self, given: Distributions) -> np.ndarray:
        """Decode symbols (P,) of P distributions."""

    def uniform(self, bits: np.ndarray) -> np.ndarray:
        """Decode symbols (P,) of so many bits (P,) and uniform probability."""


def encoder() -> Encoder:
    """Return an encoder of one payload."""
    return ConstrictionEncoder() if engines.kernel is None else KernelEncoder(engines.kernel)


def decoder(payload: bytes) -> Decoder:
    """Return a decoder of a payload."""
    return ConstrictionDecoder(payload) if engines.kernel is None else KernelDecoder(engines.kernel, payload)


class ConstrictionEncoder:
    """An `Encoder`."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()
        self._calls: list[tuple[Any, np.ndarray, np.ndarray]] = []
        self._values = 0  # in the calls that are kept

    def categorical(self, given: Distributions, symbols: np.ndarray) -> np.ndarray:
        """Code symbols."""
        rows = np.ascontiguousarray(given.frequencies())  # other orders are misread
        self._encode(_CATEGORICAL, rows, symbols)
        chosen = np.take_along_axis(rows, symbols[:, None].astype(np.int64), 1)[:, 0]
        return np.asarray(np.log2(rows.sum(1) / chosen))

    def uniform(self, bits: np.ndarray, symbols: np.ndarray) -> None:
        """Code numbers of some bits."""
        self._encode(_UNIFORM, np.left_shift(1, bits, dtype=np.int32), symbols)

    def payload(self) -> bytes:
        """Return the bytes."""
        content: bytes = self._coder.get_compressed().astype(">u4").tobytes()
        for length in range(max(0, len(content) - SPARED), len(content)) if self._values <= FEW else ():
            for more in (0, 1):
                number = int.from_bytes(content[:length], "big") + more
                if number < 256**length and self._decodes(number.to_bytes(length, "big")):
                    return number.to_bytes(length, "big").rstrip(b"\0")
        return content.rstrip(b"\0")

    def _encode(self, family: Any, parameters: np.ndarray, symbols: np.ndarray) -> None:
        if not len(symbols):
            return
        self._coder.encode(symbols, family, parameters)
        self._values += parameters.size
        if self._values <= FEW:
            self._calls.append((family, parameters, symbols))
        else:
            self._calls.clear()

    def _decodes(self, payload: bytes) -> bool:
        reader = ConstrictionDecoder(payload)
        try:
            return all(
                np.array_equal(reader.decode(family, parameters), symbols)
                for family, parameters, symbols in self._calls
            )
        except FormatError:
            return False


class ConstrictionDecoder:
    """A `Decoder`."""

    def __init__(self, payload: bytes) -> None:
        padded = payload + bytes(-len(payload) % 4 + SPARED)
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))

    def categorical(self, given: Distributions) -> np.ndarray:
        """Decode symbols."""
        return self.decode(_CATEGORICAL, np.ascontiguousarray(given.frequencies()))

    def uniform(self, bits: np.ndarray) -> np.ndarray:
        """Decode numbers of some bits."""
        return self.decode(_UNIFORM, np.left_shift(1, bits, dtype=np.int32))

    def decode(self, family: Any, parameters: np.ndarray) -> np.ndarray:
        """Decode symbols, each of a distribution of the family with its own parameters."""
        if not len(parameters):
            return np.zeros(0, np.int32)
        try:
            symbols: np.ndarray = self._coder.decode(family, parameters)
        except Exception as error:  # constriction raises AssertionError for what no encoder wrote
            raise FormatError(f"its payload cannot be decoded ({error})") from None
        return symbols


class KernelEncoder:
    """An `Encoder` that keeps the interval of each symbol until the end."""

    def __init__(self, kernel: Any) -> None:
        self._kernel, self._values = kernel, 0
        self._starts: list[np.ndarray] = []
        self._widths: list[np.ndarray] = []

    def categorical(self, given: Distributions, symbols: np.ndarray) -> np.ndarray:
        """Code symbols."""
        starts, widths = (np.empty(len(given), np.uint32) for _ in range(2))
        shares = np.empty(len(given))
        self._kernel.intervals(given.symbols, given.arrays, symbols, starts, widths, shares)
        self._keep(starts, widths, given.symbols)
        return np.asarray(np.log2(shares))

    def uniform(self, bits: np.ndarray, symbols: np.ndarray) -> None:
        """Code numbers of some bits."""
        widths = np.right_shift(2**_PRECISION, bits).astype(np.uint32)
        self._keep(symbols.astype(np.uint32) * widths, widths, 1)

    def payload(self) -> bytes:
        """Return the bytes."""
        if not self._starts:
            return b""
        lower, width = self._kernel.encode(np.concatenate(self._starts), np.concatenate(self._widths))
        low = int.from_bytes(lower, "big")
        content = ((low + 2**32 - 1) >> 32).to_bytes(len(lower) - 4, "big")
        for length in range(max(0, len(content) - SPARED), len(content)) if self._values <= FEW else ():
            for number in range(at := int.from_bytes(content[:length], "big"), at + 2):
                if number < 256**length and low <= number << 8 * (len(lower) - length) < low + width:
                    return number.to_bytes(length, "big").rstrip(b"\0")
        return content.rstrip(b"\0")

    def _keep(self, starts: np.ndarray, widths: np.ndarray, values: int) -> None:
        if len(starts):
            self._starts.append(starts)
            self._widths.append(widths)
            self._values += len(starts) * values


class KernelDecoder:
    """A `Decoder`."""

    def __init__(self, kernel: Any, payload: bytes) -> None:
        self._kernel = kernel
        self._words = np.frombuffer(payload + bytes(-len(payload) % 4 + SPARED), ">u4").astype(np.uint32)
        first = int(self._words[0]) << 32 | int(self._words[1])
        self._state = np.array([2**64 - 1, first, 2], np.uint64)  # range, offset, words read

    def categorical(self, given: Distributions) -> np.ndarray:
        """Decode symbols."""
        symbols = np.empty(len(given), np.int32)
        good = self._kernel.decode(given.symbols, given.arrays, self._state, self._words, symbols)
        return self._checked(symbols, good)

    def uniform(self, bits: np.ndarray) -> np.ndarray:
        """Decode numbers of some bits."""
        symbols = np.empty(len(bits), np.int32)
        return self._checked(symbols, self._kernel.decode_bits(self._state, self._words, bits, symbols))

    def _checked(self, symbols: np.ndarray, good: bool) -> np.ndarray:
        if not good:
            raise FormatError("its payload cannot be decoded (it holds a symbol that no encoder writes)")
        return symbols
