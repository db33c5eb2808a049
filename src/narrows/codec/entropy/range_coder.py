"""The entropy coder: symbols and their frequencies to words, and back. A range coder of `constriction`.

`SymbolEncoder` and `SymbolDecoder` take the same calls in the same order, so that one loop can serve both.
"""

from typing import Any

import constriction
import numpy as np

from narrows.errors import FormatError

_CATEGORICAL = constriction.stream.model.Categorical(perfect=False)
_UNIFORM = constriction.stream.model.Uniform()
_NONE = np.zeros(0, np.int32)

FEW = 2**17  # numbers in the frequencies of so few symbols that the shortest payload is looked for
SPARED = 8  # bytes at the end of which some may not be needed


class SymbolEncoder:
    """Takes symbols, and returns the `payload`."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()
        self._calls: list[tuple[Any, np.ndarray, np.ndarray]] = []
        self._values = 0  # in the calls that are kept

    def categorical(self, frequencies: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Code symbols (P,) int32, each of an alphabet with frequencies (P, K): integers from 1 in float64."""
        return self._encode(_CATEGORICAL, frequencies, symbols)

    def uniform(self, sizes: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Code symbols (P,) int32 from 0 to below `sizes` (P,) int32, of 2 or more."""
        return self._encode(_UNIFORM, sizes, symbols)

    def payload(self) -> bytes:
        """Return the words as bytes, big-endian; the decoder takes what is missing at the end for zeros.

        For a few symbols, such as those of one small item, the fewest bytes from which they can be decoded.
        """
        content: bytes = self._coder.get_compressed().astype(">u4").tobytes()
        for length in range(max(0, len(content) - SPARED), len(content)) if self._values <= FEW else ():
            for more in (0, 1):
                number = int.from_bytes(content[:length], "big") + more
                if number < 256**length and self._decodes(number.to_bytes(length, "big")):
                    return number.to_bytes(length, "big").rstrip(b"\0")
        return content.rstrip(b"\0")

    def _encode(self, family: Any, parameters: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        if len(symbols):
            parameters = np.ascontiguousarray(parameters)  # other orders are misread
            self._coder.encode(symbols, family, parameters)
            self._values += parameters.size
            if self._values <= FEW:
                self._calls.append((family, parameters, symbols))
            else:
                self._calls.clear()
        return symbols

    def _decodes(self, payload: bytes) -> bool:
        reader = SymbolDecoder(payload)
        try:
            return all(
                np.array_equal(reader.decode(family, parameters), symbols)
                for family, parameters, symbols in self._calls
            )
        except FormatError:
            return False


class SymbolDecoder:
    """Returns the symbols that a `SymbolEncoder` took; FormatError where the payload is corrupt."""

    def __init__(self, payload: bytes) -> None:
        padded = payload + bytes(-len(payload) % 4 + SPARED)
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(padded, ">u4").astype(np.uint32))

    def categorical(self, frequencies: np.ndarray) -> np.ndarray:
        """Decode symbols (P,) of an alphabet with frequencies (P, K)."""
        return self.decode(_CATEGORICAL, frequencies)

    def uniform(self, sizes: np.ndarray) -> np.ndarray:
        """Decode symbols (P,) from 0 to below `sizes` (P,)."""
        return self.decode(_UNIFORM, sizes)

    def decode(self, family: Any, parameters: np.ndarray) -> np.ndarray:
        """Decode symbols, each of a distribution of the family with its own parameters."""
        if not len(parameters):
            return _NONE
        try:
            symbols: np.ndarray = self._coder.decode(family, np.ascontiguousarray(parameters))
        except Exception as error:  # constriction raises AssertionError for what no encoder wrote
            raise FormatError(f"its payload cannot be decoded ({error})") from None
        return symbols
