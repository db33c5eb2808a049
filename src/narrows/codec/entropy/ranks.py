"""Indices as ranks among those that items have, where many in between never occur, as after a stretch of contrast."""

import math

import numpy as np

from narrows.codec.entropy.range_coder import Decoder, Encoder
from narrows.errors import FormatError

RANKED_FROM = 2**12  # indices
BITS = 16  # of the largest index


def encode_used(encoder: Encoder, k: np.ndarray, allowed: bool = True) -> np.ndarray | None:
    """Encode which indices occur in k, and return them in order, if that is allowed and saves bits; else None."""
    if k.size < RANKED_FROM:
        return None
    used = np.unique(k)
    low, high = int(used[0]), int(used[-1])
    saved = k.size * math.log2((high - low + 1) / len(used))
    ranked = allowed and low >= 0 and high < 2**BITS and saved > 2 * (high + 1 + BITS)
    encoder.uniform(np.ones(1, np.int32), np.array([ranked], np.int32))
    if not ranked:
        return None
    encoder.uniform(np.full(1, BITS, np.int32), np.array([high], np.int32))
    encoder.uniform(np.ones(high + 1, np.int32), np.isin(np.arange(high + 1), used).astype(np.int32))
    return used


def decode_used(decoder: Decoder, size: int) -> np.ndarray | None:
    """Return the indices that occur, None where `size` indices are coded themselves."""
    if size < RANKED_FROM or not decoder.uniform(np.ones(1, np.int32))[0]:
        return None
    high = int(decoder.uniform(np.full(1, BITS, np.int32))[0])
    used = np.flatnonzero(decoder.uniform(np.ones(high + 1, np.int32))).astype(np.int32)
    if not len(used):
        raise FormatError("items without any index")
    return used
