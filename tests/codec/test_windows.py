"""Long signals and large volumes are coded in windows, and come back as if they were not."""

import numpy as np
import pytest

from narrows.codec import windows
from narrows.codec.chunk import checksum
from narrows.codec.transforms.quantiser import Quantiser
from narrows.errors import FormatError

from .stand_in_coder import Coder, Plan

PLAN = Plan(Quantiser.bounded(np.int16, 0, -500, 500))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr("narrows.codec.windows.MOST_VALUES", 256)


def signal(length):
    return np.random.default_rng(0).integers(-600, 600, length).astype(np.int16)  # some of them exceptions


@pytest.mark.parametrize("length", [1, 256, 257, 384, 1000])
@pytest.mark.parametrize("level", [0, 1, 3, 7, 9])
def test_a_signal_comes_back_at_every_level(length, level):
    x, coder = signal(length), Coder()
    payload, encoded = windows.encode(coder, PLAN, [x], 1)
    assert max(shape[1] for shape in coder.encoded) <= 256
    assert (payload[0] == 4) == (length > 256)
    found, decoded = windows.decode(Coder(), PLAN, payload, [x.shape], 1, level)
    if level == 0:
        assert checksum(encoded) == checksum(decoded) == checksum([x])
    np.testing.assert_array_equal(found[0], x[:: 2**level])


def test_what_is_cut():
    assert windows.window_length((256,), 1) is None
    assert windows.window_length((257,), 1) == 128
    assert windows.window_length((300, 2), 1) == 64
    assert windows.window_length((100, 100), 2) is None  # a picture
    assert windows.window_length((100, 100, 100), 3) == windows.FEWEST
    assert windows.window_length((30, 100, 100), 3) is None


def test_several_items_of_a_chunk_are_not_cut():
    items = [signal(100), signal(60)]
    payload, _ = windows.encode(Coder(), PLAN, items, 1)
    for one, other in zip(windows.decode(Coder(), PLAN, payload, [(100,), (60,)], 1)[0], items, strict=True):
        np.testing.assert_array_equal(one, other)


def test_damaged_windows_are_refused():
    x = signal(1000)
    payload, _ = windows.encode(Coder(), PLAN, [x], 1)
    inner, _ = windows.encode(Coder(), PLAN, [x[:500]], 1)
    nested = b"\x04\x80\x04" + bytes([128 + len(inner) % 128, len(inner) // 128]) + inner + inner
    for shapes, content in (
        ([(1000,)], payload[:40]),
        ([(1000,)], payload[:1]),
        ([(1000,)], b"\x04\x00" + payload[2:]),
        ([(1000,)], b"\x04\x7f" + payload[3:]),  # no power of two
        ([(1000,)], b"\x04\x01" + payload[3:]),  # more windows than bytes
        ([(128,)], payload),
        ([(500,), (500,)], payload),
        ([(1000,)], nested),
    ):
        with pytest.raises(FormatError):
            windows.decode(Coder(), PLAN, content, shapes, 1)
