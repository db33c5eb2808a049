"""Chunks give back what went into them, whatever the coder makes of it, and refuse payloads that are none."""

import contextlib

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.codec import chunk
from narrows.codec.chunk import checksum, decode_chunk, encode_chunk, store_chunk
from narrows.codec.transforms.quantiser import Quantiser
from narrows.data import Items
from narrows.errors import FormatError

from .stand_in_coder import Coder, Plan

RNG = np.random.default_rng(0)
SHAPES = [(15, 17), (15, 17), (1, 1), (18, 13), (15, 17), (18, 13), (30, 30)]


def plan(dtype, max_error=0.0, low=0, high=255):
    return Plan(Quantiser.bounded(dtype, max_error, low, high))


def smooth(shape, dtype=np.uint8):
    return (np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % 120).astype(dtype)


def noise(shape, dtype=np.uint8):
    return RNG.integers(0, 256, shape).astype(dtype)


@st.composite
def items(draw, dtypes=("uint8", "int16", "uint16", "bool")):
    dtype = draw(st.sampled_from(dtypes))
    shapes = draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=6))
    elements = st.integers(0, 1) if dtype == "bool" else None
    return [draw(arrays.arrays(dtype, shape, elements=elements, fill=st.just(1))) for shape in shapes]


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@given(items(), st.integers(-20, 20), st.integers(0, 300), st.integers(0, 2))
def test_every_integer_comes_back_at_every_level(x, low, span, level):
    one = plan(x[0].dtype, low=low, high=low + span)
    payload, encoded = encode_chunk(Coder(), one, x, 2)
    found, decoded = decode_chunk(Coder(), one, payload, [item.shape for item in x], 2, level)
    same(found, [item[:: 2**level, :: 2**level] for item in x])
    if level == 0:
        assert checksum(encoded) == checksum(decoded) == checksum(x)


@given(items(["float32", "float64"]), st.floats(1e-3, 1e3))
def test_every_float_keeps_its_bound(x, max_error):
    one = plan(x[0].dtype, max_error)
    payload, encoded = encode_chunk(Coder(), one, x, 2)
    items, decoded = decode_chunk(Coder(), one, payload, [i.shape for i in x], 2)
    assert checksum(encoded) == checksum(decoded)
    for found, expected in zip(items, x, strict=True):
        finite = np.isfinite(expected)
        assert (np.abs(found[finite] - expected[finite]) <= max_error).all()
        np.testing.assert_array_equal(found[~finite], expected[~finite])


def test_one_item_costs_one_byte_over_the_coder():
    x, one = smooth((20, 20)), plan("uint8")
    assert len(encode_chunk(Coder(), one, [x], 2)[0]) == 1 + len(Coder().encode(one, x[None]).payload)


def test_what_the_coder_makes_larger_is_stored():
    x = [smooth((40, 40)), noise((40, 40)), np.full((40, 40), 255, np.uint8), noise((40, 40))]
    coder, one = Coder(), plan("uint8")
    payload, _ = encode_chunk(coder, one, x, 2)
    assert coder.encoded == [(4, 40, 40), (2, 40, 40)]
    assert len(payload) < 1.02 * 3200 + 200
    same(decode_chunk(Coder(), one, payload, [(40, 40)] * 4, 2)[0], x)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_noise_costs_little_over_its_own_size(dtype):
    x = [RNG.integers(0, np.iinfo(dtype).max, (50, 50)).astype(dtype) for _ in range(10)]
    assert len(encode_chunk(Coder(), plan(dtype), x, 2)[0]) < 1.001 * sum(item.nbytes for item in x) + 10


def test_items_out_of_the_range_are_not_given_to_the_coder():
    x = [smooth((9, 9), np.uint16), smooth((9, 9), np.uint16) + 5000]
    coder = Coder()
    payload, _ = encode_chunk(coder, plan("uint16"), x, 2)
    assert coder.encoded == [(1, 9, 9)]
    same(decode_chunk(coder, plan("uint16"), payload, [(9, 9)] * 2, 2)[0], x)


def test_few_exceptions_do_not_make_an_item_stored():
    x = np.stack([smooth((40, 40), np.float32)] * 3)
    x[1, 3, 4], x[2, 8, 8], x[0, 0, 0] = np.nan, np.inf, -np.inf
    coder, one = Coder(), plan("float32", 0.5)
    payload, _ = encode_chunk(coder, one, list(x), 2)
    assert coder.encoded == [(3, 40, 40)]
    found = np.stack(decode_chunk(coder, one, payload, [(40, 40)] * 3, 2)[0])
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(x))
    assert found[2, 8, 8] == np.inf
    coarse = np.stack(decode_chunk(coder, one, payload, [(40, 40)] * 3, 2, level=3)[0])
    assert np.isfinite(coarse).sum() == coarse.size - 2
    assert (coarse[2, 1, 1], coarse[0, 0, 0]) == (np.inf, -np.inf)


def test_only_the_groups_that_are_wanted_are_decoded():
    x = [smooth(shape) if sum(shape) > 2 else noise(shape) for shape in SHAPES]
    one = plan("uint8")
    payload, _ = encode_chunk(Coder(), one, x, 2)
    for wanted in ([6], [1, 2], range(7)):
        coder = Coder()
        found, _ = decode_chunk(coder, one, payload, SHAPES, 2, wanted=wanted)
        assert {shape[1:] for shape, _ in coder.decoded} == {SHAPES[i] for i in wanted if x[i].size > 1}
        same([found[index] for index in wanted], [x[index] for index in wanted])


def test_damaged_payloads_are_refused():
    x = [smooth((30, 30)), smooth((5, 5)), noise((30, 30)), smooth((30, 30), np.uint16)[:7].astype(np.uint8)]
    one = plan("uint8", high=50)
    payload, _ = encode_chunk(Coder(), one, x, 2)
    shapes = [item.shape for item in x]
    assert payload[0] == 9
    for index in range(len(payload)):
        for damaged in (
            payload[:index],
            bytes([*payload[:index], payload[index] ^ 1 << index % 8, *payload[index + 1 :]]),
        ):
            with contextlib.suppress(FormatError):
                found, _ = decode_chunk(Coder(), one, damaged, shapes, 2)
                assert [item.shape for item in found] == shapes
    only_stored, _ = encode_chunk(Coder(), one, [noise((30, 30))], 2)
    for damaged in (b"", b"\4" + only_stored[1:], only_stored + b"\0"):
        with pytest.raises(FormatError, match="its payload is invalid"):
            decode_chunk(Coder(), one, damaged, [(30, 30)], 2)


@pytest.mark.parametrize(("axes", "shape", "spatial"), [("NYX", (30, 30), 2), ("NF", (5,), 0)])
def test_without_a_model_all_items_are_stored(axes, shape, spatial):
    x = noise((3, *shape))
    content, masks = store_chunk(Items.from_array(x, axes)), b"\2\0\0"
    same(decode_chunk(None, plan("uint8"), content, [shape] * 3, spatial)[0], list(x))
    for parts, rest in ((0, b""), (2, masks), (8, masks), (9, content[1:] + masks), (3, content[1:] + masks)):
        with pytest.raises(FormatError, match="without a model"):
            decode_chunk(None, plan("uint8"), bytes([parts]) + rest, [shape] * 3, spatial)


def test_masks_that_would_fill_the_memory_are_refused(monkeypatch):
    x, one = smooth((30, 30), np.float32), plan("float32", 0.5)
    x[3, 4] = np.nan
    payload, _ = encode_chunk(Coder(), one, [x], 2)
    monkeypatch.setattr(chunk, "_ALWAYS_VALUES", 0)
    monkeypatch.setattr(chunk, "free_memory", lambda: 900 * chunk.MASK_BYTES_A_VALUE - 1)
    monkeypatch.setattr(chunk, "unpack_exceptions", None)
    with pytest.raises(FormatError, match="GiB of memory"):
        decode_chunk(Coder(), one, payload, [(30, 30)], 2)
