"""Stored values come back as they were, in few bytes where they are alike, and damaged ones are refused."""

import bz2
import contextlib

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.codec import stored
from narrows.errors import FormatError

DTYPES = ["uint8", "int16", "uint32", "float32", "float64", "bool"]
WAYS = [lambda x: b"\0" + x, lambda x: b"\1" + stored.deflated(x, 9), lambda x: b"\2" + bz2.compress(x)]


@given(st.sampled_from(DTYPES).flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_side=9))))
def test_values_come_back(x):
    packed = stored.pack_values(x)
    assert len(packed) <= x.nbytes + 1
    found = stored.unpack_values(packed, x.dtype, x.size)
    assert found.dtype == x.dtype
    assert found.tobytes() == x.tobytes()


@pytest.mark.parametrize("content", [bytes(range(256)), bytes(5000), b"these words " * 50, b""])
def test_bytes_come_back(content):
    packed = stored.pack(content)
    assert len(packed) <= min(len(content), 300) + 1
    assert stored.unpack(packed, len(content)) == content


@pytest.mark.parametrize("pack", WAYS)
def test_each_way_of_packing_is_read(pack):
    content = b"a" * 100
    assert stored.unpack(pack(content), 100) == content
    for damaged in (pack(content) + b"\0", b"\3" + pack(content)[1:], b""):
        with pytest.raises(FormatError):
            stored.unpack(damaged, 100)


@pytest.mark.parametrize("pack", WAYS[1:])
def test_what_is_cut_short_is_refused(pack):
    with pytest.raises(FormatError, match="do not end where they should"):
        stored.unpack(pack(b"a" * 100)[:-1], 100)


@pytest.mark.parametrize("pack", WAYS)
def test_what_would_fill_the_memory_is_refused(pack):
    with pytest.raises(FormatError, match="do not end where they should"):
        stored.unpack(pack(bytes(10**7)), 1000)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_another_number_of_values_is_refused(count):
    with pytest.raises(FormatError):
        stored.unpack_values(stored.pack_values(np.arange(3)), np.dtype(np.int64), count)


@given(st.binary(max_size=40), st.integers(0, 50))
def test_arbitrary_bytes_are_refused_or_unpacked_within_the_limit(content, longest):
    with contextlib.suppress(FormatError):
        assert len(stored.unpack(content, longest)) <= longest


def test_the_cost_of_items():
    x = np.stack([np.zeros((28, 28)), np.random.default_rng(0).integers(0, 256, (28, 28))]).astype(np.uint8)
    constant, noise = stored.bits(x)
    assert constant < 200
    assert noise == 8 * 784
