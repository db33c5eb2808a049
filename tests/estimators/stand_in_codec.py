"""A codec without training, for what is around codecs."""

import numpy as np

from narrows.codec.transforms.quantiser import Quantiser

from ..coding.stand_in import Coder, Plan


class PlainPlan(Plan):
    def to_bytes(self):
        return bytes([round(self.quantiser.bound)])


class PlainCoder(Coder):
    def bounded(self, max_error, dtype):
        return Quantiser.bounded(dtype, max_error, 0, 255)

    def pixel_plan(self, quantiser):
        return PlainPlan(quantiser)

    def plan_from_bytes(self, content, dtype):
        return self.pixel_plan(self.bounded(content[0], dtype))


class PlainCodec:
    """Takes grey pictures; says that it was trained on uint8 of 12x12."""

    def __init__(self, fingerprint="0123456789abcdef", axes="NYX"):
        self.coder_ = PlainCoder()
        self.fingerprint_ = fingerprint
        self.axes_, self.item_axes_, self.channels_ = axes, "NYX", 1
        self.dtype_, self.item_shape_ = np.dtype(np.uint8), (12, 12)
        self.rate_ = None

    def save(self, path):
        path.write_bytes(b"model " + self.fingerprint_.encode())

    def _items(self, X):
        return X

    def _as_given(self, values):
        return values.transpose([self.item_axes_.index(axis) for axis in self.axes_])

    def _item_as_given(self, item):
        return item.transpose([self.item_axes_[1:].index(axis) for axis in self.axes_ if axis != "N"])
