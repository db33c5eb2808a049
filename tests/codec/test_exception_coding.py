"""Exceptions come back as they were, masks take little room, and bytes that are none are refused."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.codec import stored
from narrows.codec.exception_coding import (
    exception_bits,
    pack_exceptions,
    unpack_exceptions,
    unpack_listed_exceptions,
)
from narrows.codec.transforms.quantiser import Exceptions
from narrows.errors import FormatError

RNG = np.random.default_rng(0)
DTYPES = ["uint8", "int16", "uint32", "int64", "bool", "float16", "float32", "float64"]


def where(mask, values):
    positions = np.flatnonzero(mask)
    return Exceptions(positions, np.broadcast_to(values, mask.shape).reshape(-1)[positions])


def land(shape):
    """A mask with a smooth border."""
    y, x = (np.linspace(-3, 3, size) for size in shape)
    return np.add.outer(np.sin(y), np.cos(2 * x)) > 0.3


@given(st.sampled_from(DTYPES), st.integers(1, 3), st.booleans(), st.data())
def test_exceptions_are_unpacked_as_they_were_packed(dtype, spatial, has_channels, data):
    axes = spatial + has_channels
    shapes = data.draw(st.lists(arrays.array_shapes(min_dims=axes + 1, max_dims=axes + 1, max_side=5), max_size=3))
    size = sum(int(np.prod(shape)) for shape in shapes)
    positions = np.flatnonzero(data.draw(arrays.arrays(bool, size, fill=st.just(False))))
    values = data.draw(arrays.arrays(dtype, len(positions)))
    packed = pack_exceptions(Exceptions(positions, values), shapes, spatial)
    found = unpack_exceptions(packed, np.dtype(dtype), shapes, spatial)
    np.testing.assert_array_equal(found.positions, positions)
    assert found.values.tobytes() == values.tobytes()


def test_nan_of_different_bits_come_back():
    bits = np.array([0x7FC00000, 0x7FC00001, 0xFFC00000], np.uint32)
    x = RNG.choice(bits, (1, 30, 30)).view(np.float32)
    exceptions = where(np.ones(x.shape, bool), x)
    found = unpack_exceptions(pack_exceptions(exceptions, [x.shape], 2), x.dtype, [x.shape], 2)
    assert found.values.tobytes() == x.tobytes()


def test_a_mask_of_all_items_is_stored_once():
    one, size = land((200, 150)), []
    for count in (1, 60):
        masks = np.broadcast_to(one, (count, *one.shape))
        size.append(len(pack_exceptions(where(masks, np.float32(np.nan)), [masks.shape], 2)))
    assert size[0] < 300
    assert size[1] < size[0] + 30


def test_masks_of_channels_are_compared_with_their_own():
    channels = np.stack([land((100, 100)), land((100, 100)).T], -1)
    one = len(pack_exceptions(where(channels[None], np.float32(1e20)), [(1, *channels.shape)], 2))
    many = np.broadcast_to(channels, (30, *channels.shape))
    assert len(pack_exceptions(where(many, np.float32(1e20)), [many.shape], 2)) < one + 30


def test_moving_masks_take_less_than_by_xz():
    masks = np.stack([np.roll(land((128, 128)), step, axis=1) for step in range(20)])
    changes = masks ^ np.concatenate([np.zeros_like(masks[:1]), masks[:-1]])
    packed = pack_exceptions(where(masks, np.int16(-32768)), [masks.shape], 2)
    assert len(packed) < 0.7 * min(len(stored.xz(np.packbits(each).tobytes(), 9)) for each in (masks, changes))


@pytest.mark.parametrize("share", [1e-3, 0.5])
def test_noise_takes_about_its_entropy(share):
    mask = RNG.random((10, 100, 100)) < share
    entropy = -mask.size / 8 * (share * np.log2(share) + (1 - share) * np.log2(1 - share))
    assert len(pack_exceptions(where(mask, np.float64(-1)), [mask.shape], 2)) < 1.1 * entropy + 20


@given(st.binary(max_size=40), st.integers(1, 6))
def test_damaged_exceptions_are_refused(content, side):
    try:
        found = unpack_exceptions(content, np.dtype("uint16"), [(2, side, side)], 2)
    except FormatError:
        return
    assert found.positions.shape == found.values.shape
    assert all(0 <= position < 2 * side * side for position in found.positions)


def test_listed_exceptions_are_unpacked():
    values = np.array([np.nan, 1e30], np.float32)
    content = stored.pack(bytes([1, 3, 0]) + stored.planes(values))
    found = unpack_listed_exceptions(content, values.dtype, 5)
    np.testing.assert_array_equal(found.positions, [3, 4])
    assert found.values.tobytes() == values.tobytes()


@given(st.binary(max_size=30) | st.binary(max_size=30).map(lambda rest: bytes([0, 2]) + rest), st.integers(1, 40))
def test_damaged_listed_exceptions_are_refused(content, size):
    try:
        found = unpack_listed_exceptions(content, np.dtype("uint16"), size)
    except FormatError:
        return
    assert (np.diff(found.positions) > 0).all()
    assert all(0 <= position < size for position in found.positions)


def test_exceptions_that_would_fill_the_memory_are_refused():
    with pytest.raises(FormatError):
        unpack_listed_exceptions(stored.pack(bytes(10**7)), np.dtype("uint8"), 1000)
    with pytest.raises(FormatError):
        unpack_exceptions(b"\0" + stored.pack(bytes(10**7)), np.dtype("uint8"), [(1, 30, 30)], 2)


@pytest.mark.parametrize("stray", [0, 1])
def test_land_costs_no_item_much_even_beside_a_stray_value(stray):
    x = np.broadcast_to(np.where(land((60, 80)), np.float32(1e20), 0), (5, 60, 80)).copy()
    x[2, 3, :stray] = np.nan
    exceptions = where(x != 0, x)
    bits = exception_bits(exceptions, x.shape)
    packed = 8 * len(pack_exceptions(exceptions, [x.shape], 2))
    assert bits.shape == (5,)
    assert 0.3 * packed < bits.sum() < 5 * packed
