"""Weights in few bytes: they come back, and bytes that are no weights are refused."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.artifacts.packed_tensors import pack, unpack

TYPES = ["int8", "int16", "int32", "int64", "float16", "float32", "float64"]


kinds_and_shapes = st.tuples(st.sampled_from(TYPES), st.lists(st.integers(0, 5), max_size=4))


@given(st.lists(kinds_and_shapes, max_size=6), st.integers(0, 99))
def test_tensors_come_back(kinds, seed):
    rng = np.random.default_rng(seed)
    tensors = {f"t.{i}": (rng.normal(size=shape) * 50).astype(kind) for i, (kind, shape) in enumerate(kinds)}
    tensors["ends"] = np.array([-128, -1, 0, 1, 127], np.int8)
    found = unpack(pack(tensors))
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
        np.testing.assert_array_equal(found[name], tensor)


def test_small_integers_take_about_their_entropy():
    weights = np.rint(np.random.default_rng(0).normal(size=100_000) * 10).astype(np.int16)
    _, counts = np.unique(weights, return_counts=True)
    entropy = -(counts / weights.size * np.log2(counts / weights.size)).sum()
    assert 8 * pack({"w": weights}).size < 1.06 * entropy * weights.size


def test_scales_of_rows_and_columns_save_bytes():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(200, 60)) * np.exp2(rng.integers(0, 6, (200, 1)) - rng.integers(0, 3, 60))
    together, apart = np.rint(weights).astype(np.int16), np.rint(weights * 8).astype(np.int16)
    assert pack({"w": together}).size < 0.8 * pack({"w": rng.permuted(together, axis=None)}).size
    np.testing.assert_array_equal(unpack(pack({"w": apart}))["w"], apart)


def described(text, rest=bytes(99)):
    stream = zlib.compressobj(9, wbits=-15)
    stream = stream.compress(text) + stream.flush()
    return np.frombuffer(len(stream).to_bytes(4, "little") + stream + rest, np.uint8)


@pytest.mark.parametrize(
    "packed",
    [
        np.zeros(0, np.uint8),
        np.arange(99, dtype=np.uint8),
        pack({"w": np.arange(9)})[:20],
        described(b'[["w","<i2",[-3]]]'),
        described(b'[["w","<U9",[1]]]'),
        described(b'[["w","O",[1]]]'),
        described(b'[["w","nonsense",[1]]]'),
        described(b'[["w","<i2"]]'),
        described(b'[["w","<i8",[4611686018427387904, 4]]]'),
        described(b'[["w","<i2",[2000000]]]'),
        described(b'[["w","|i1",[9]]]', b"\xff" * 99),
        described(b"{}"),
        described(b"\xff"),
    ],
)
def test_what_is_not_packed_is_refused(packed):
    with pytest.raises((ValueError, TypeError)):
        print(unpack(packed))
