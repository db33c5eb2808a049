"""The entropy coder: symbols and their frequencies into words, and back. A range coder of `constriction`.

`Writer` and `Reader` take the same calls in the same order, so that one walk over the data serves both ways.
"""

from typing import Any

import constriction
import numpy as np

from narrows.errors import FormatError

_CATEGORICAL = constriction.stream.model.Categorical(perfect=False)
_UNIFORM = constriction.stream.model.Uniform()
_ANY = np.zeros(0, np.int32)


class Writer:
    """Takes symbols, gives `payload`."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def categorical(self, frequencies: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Code symbols (P,) int32, each of an alphabet with frequencies (P, K): whole numbers from 1 in float64."""
        if len(symbols):
            self._coder.encode(symbols, _CATEGORICAL, frequencies)
        return symbols

    def uniform(self, sizes: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """Code symbols (P,) int32 from 0 to below `sizes` (P,) int32, of 2 or more."""
        if len(symbols):
            self._coder.encode(symbols, _UNIFORM, sizes)
        return symbols

    def payload(self) -> bytes:
        """The words as bytes, little-endian; zeros at the end are left out, because the reader puts them back."""
        return self._coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


class Reader:
    """Gives the symbols that a `Writer` took; FormatError where the payload cannot be what it wrote."""

    def __init__(self, payload: bytes) -> None:
        padded = payload + bytes(-len(payload) % 4)
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(padded, "<u4").astype(np.uint32))

    def categorical(self, frequencies: np.ndarray, symbols: np.ndarray = _ANY) -> np.ndarray:
        return self._decode(_CATEGORICAL, frequencies)

    def uniform(self, sizes: np.ndarray, symbols: np.ndarray = _ANY) -> np.ndarray:
        return self._decode(_UNIFORM, sizes)

    def _decode(self, family: Any, parameters: np.ndarray) -> np.ndarray:
        if not len(parameters):
            return _ANY
        try:
            return self._coder.decode(family, parameters)
        except Exception as error:  # constriction raises AssertionError for what no encoder wrote
            raise FormatError(f"its payload cannot be decoded ({error})") from None
