"""A coder without a model, for what is around coders: differences of indices, deflated."""

import zlib
from dataclasses import dataclass

import numpy as np

from narrows.codec.coder import CodedItems
from narrows.codec.transforms.quantiser import Quantiser
from narrows.errors import FormatError


@dataclass(frozen=True)
class Plan:
    quantiser: Quantiser
    path: str = "pixel"


class Coder:
    """Codes the indices of the quantiser; `encoded` and `decoded` are the shapes that it was asked for."""

    def __init__(self):
        self.encoded, self.decoded = [], []

    def encode(self, plan, x, missing=None):
        self.encoded.append(x.shape)
        assert np.isfinite(x).all()
        k, exceptions = plan.quantiser.indices(x)
        assert len(exceptions) == 0
        steps = np.diff(k.reshape(len(k), -1), axis=1, prepend=0).astype(np.int32)
        bits = np.array([8 * len(zlib.compress(item.tobytes())) for item in steps])
        return CodedItems(zlib.compress(steps.tobytes()), bits, k)

    def decode(self, plan, payload, shape, level=0, missing=None):
        self.decoded.append((shape, level))
        try:
            k = np.frombuffer(zlib.decompress(payload), np.int32).reshape(shape[0], -1).cumsum(axis=1).reshape(shape)
        except (zlib.error, ValueError) as error:
            raise FormatError(f"a payload that does not fit ({error})") from None
        spatial = 2 if len(shape) > 2 else 1
        return k[(slice(None), *[slice(None, None, 2**level)] * spatial)].copy()

    def values(self, plan, indices, shape, level=0):
        return plan.quantiser.values(indices)
