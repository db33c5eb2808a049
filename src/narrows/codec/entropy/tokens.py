"""Integers of any size as tokens of a small alphabet and extra bits, and the tables of exact arithmetic.

Magnitudes below 16 have a token each; from there each octave has eight, and extra bits of uniform probability say
which magnitude of a token it is. Signs belong to the token:

    number   0  -1  1  -2  2 ... -15  15  -16|-17  16|17 ...  -30|-31  30|31  -32..-35 ...
    token    0   1  2   3  4      29  30     31      32          45      46      47
"""

from functools import cache

import numpy as np

WEIGHT_UNIT = 2**12  # integer that stands for 1 in the weights of a linear prediction
_DIRECT, _PER_OCTAVE_BITS = 16, 3
_OCTAVE = 2**_PER_OCTAVE_BITS


def magnitudes(bits: int) -> int:
    """Return the number of tokens, signs aside, for magnitudes below 2**bits."""
    return int(_DIRECT + max(0, bits - 4) * _OCTAVE)


def alphabet(bits: int) -> int:
    """Return the number of tokens for numbers of magnitudes below 2**bits."""
    return 2 * magnitudes(bits) - 1


def smallest(bits: int) -> np.ndarray:
    """Return the smallest magnitude of each token for magnitudes below 2**bits, signs aside."""
    token = np.arange(magnitudes(bits))
    octave = np.maximum(token - _DIRECT, 0) >> _PER_OCTAVE_BITS
    return np.asarray(np.where(token < _DIRECT, token, ((token & (_OCTAVE - 1)) + _OCTAVE) << (octave + 1)))


def ordered(token: np.ndarray, bits: int) -> np.ndarray:
    """Return the places of tokens of numbers of magnitudes below 2**bits among all of them by size."""
    return np.asarray(magnitudes(bits) - 1 + ((token + 1) >> 1) * np.where(token & 1, -1, 1))


def from_ordered(place: np.ndarray, bits: int) -> np.ndarray:
    """Return the tokens at places; the inverse of `ordered`."""
    signed = place - (magnitudes(bits) - 1)
    return np.asarray(2 * np.abs(signed) - (signed < 0))


def split(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the tokens of numbers (int64), the values of their extra bits and how many there are; all int32."""
    magnitude = np.abs(numbers)
    exponent = np.maximum(np.frexp(magnitude.astype(np.float64))[1] - 1, 3)  # exact: a power of two is read off
    extra = exponent - _PER_OCTAVE_BITS
    large = magnitude >= _DIRECT
    token = np.where(large, _DIRECT + (exponent - 4) * _OCTAVE + (magnitude >> extra) - _OCTAVE, magnitude)
    extra = np.where(large, extra, 0)
    signed = np.where(numbers > 0, 2 * token, 2 * token - 1)
    signed = np.where(numbers == 0, 0, signed)
    return signed.astype(np.int32), (magnitude & ((1 << extra) - 1)).astype(np.int32), extra.astype(np.int32)


def extra_bits(tokens: np.ndarray) -> np.ndarray:
    """Return the number of extra bits of each token, int32."""
    token = (tokens + 1) >> 1
    return np.where(token < _DIRECT, 0, ((token - _DIRECT) >> _PER_OCTAVE_BITS) + 1).astype(np.int32)


def join(tokens: np.ndarray, extra: np.ndarray) -> np.ndarray:
    """Return the numbers of tokens and extra bits; the inverse of `split`."""
    token = ((tokens + 1) >> 1).astype(np.int64)
    bits = extra_bits(tokens).astype(np.int64)
    large = token >= _DIRECT
    top = np.where(large, ((token - _DIRECT) & (_OCTAVE - 1)) + _OCTAVE, 0)
    magnitude = np.where(large, (top << bits) + extra, token)
    return np.where(tokens & 1, -magnitude, magnitude)


@cache
def compressed() -> tuple[np.ndarray, np.ndarray]:
    """Return tables of compressed numbers, float32: those below 2048, and those below 2**22 by their upper 11 bits."""
    return _squeezed(np.arange(2048)), _squeezed(np.arange(2048) * 2048 + 1024)


def _squeezed(eighths: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.log2(1 + eighths / 2) / 21).astype(np.float32)


@cache
def decay() -> np.ndarray:
    """Return the frequencies of logits, round(2**20 exp(-i / 256)) and at least 1, for i up to where it stays 1."""
    return np.maximum(1, np.rint(2.0**20 * np.exp(-np.arange(3700) / 256)))
