"""A codec without training, for testing what is around codecs."""

from types import SimpleNamespace

import numpy as np

from narrows.codec.coding_plan import Grid
from narrows.codec.model import CodecModel
from narrows.codec.transforms.quantiser import Quantiser

from .stand_in_coder import Coder, Plan


class PlainPlan(Plan):
    def to_bytes(self):
        return bytes([round(self.quantiser.bound)])


class PlainCoder(Coder):
    def __init__(self, axes, channels, dtype):
        super().__init__()
        self.axes, self.channels, self.grid = axes, channels, Grid(dtype, 0, 255)

    def with_fill_value(self, value):
        assert value is None
        return self

    def bounded(self, max_error, dtype):
        return Quantiser.bounded(dtype, max_error, 0, 255)

    def codes(self, quantiser):
        return quantiser.bound > 0  # so that no bound is met without loss

    def pixel_plan(self, quantiser):
        return PlainPlan(quantiser)

    def plan_from_bytes(self, content, dtype):
        return self.pixel_plan(self.bounded(content[0], dtype))


class StandInModel(CodecModel):
    """Takes grey images; claims to have been trained on uint8 of 12x12. content: of its file."""

    axes = item_axes = channels = dtype = item_shape = rate = coder = fingerprint = None  # set for each instance
    training = SimpleNamespace(bits=None)

    def __init__(
        self,
        fingerprint="0123456789abcdef",
        axes="NYX",
        channels=1,
        dtype=np.dtype(np.uint8),  # noqa: B008
        item_shape=(12, 12),
        content=None,
    ):
        item_axes = "".join(sorted(axes, key="NZYXC".index))
        facts = {
            "fingerprint": fingerprint,
            "axes": axes,
            "item_axes": item_axes,
            "channels": channels,
            "dtype": dtype,
            "item_shape": item_shape,
            "coder": PlainCoder(item_axes, channels, dtype),
            "content": content or b"model " + fingerprint.encode(),
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    def to_file(self):
        return self

    def to_condensed(self):
        return self.content

    def save(self, path):
        path.write_bytes(self.content)
