import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from narrows import data
from narrows.data import Scaling
from narrows.errors import DataError, FormatError

tables = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)


def fitted(array, axes=None):
    return Scaling.learn(data.Items.from_array(array, axes))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16"])
def test_every_value_of_a_small_type_comes_back(dtype):
    kind = np.dtype(dtype)
    values = np.array([False, True]) if kind.kind == "b" else np.arange(np.iinfo(kind).min, np.iinfo(kind).max + 1)
    values = values.astype(kind)[:, None]
    scaling = fitted(values)
    scaled = scaling.forward(values)
    assert scaled.dtype == np.float32
    back = scaling.inverse(scaled)
    assert back.dtype == kind
    np.testing.assert_array_equal(back, values)


@given(st.sampled_from([np.uint8, np.int8, np.uint16, np.int16]).flatmap(lambda kind: hnp.arrays(kind, tables)))
def test_small_integers_come_back_whatever_the_scaling(array):
    scaling = fitted(array)
    np.testing.assert_array_equal(scaling.inverse(scaling.forward(array)), array)


@example(np.array([[2**63 - 512]]))
@given(st.sampled_from([np.uint32, np.int32, np.uint64, np.int64]).flatmap(lambda kind: hnp.arrays(kind, tables)))
def test_large_integers_come_back_as_near_as_float32_allows(array):
    scaling = fitted(array)
    back = scaling.inverse(scaling.forward(array))
    assert back.dtype == array.dtype
    span = float(array.max()) - float(array.min()) if scaling.kind == "standard" else scaling.high
    np.testing.assert_allclose(back.astype(float), array.astype(float), rtol=0, atol=max(1, span * 2**-20))


finite = st.floats(-1e6, 1e6, width=32)


@given(hnp.arrays(np.float32, tables, elements=finite))
def test_real_numbers_come_back_within_rounding(array):
    scaling = fitted(array)
    back = scaling.inverse(scaling.forward(array))
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, array, rtol=1e-5, atol=1e-5 * np.abs(array).max())


@pytest.mark.parametrize(("largest", "high"), [(0, 1), (1, 1), (16, 31), (255, 255), (4000, 4095), (65535, 65535)])
def test_the_range_of_unsigned_integers_is_that_of_the_fewest_bits(largest, high):
    scaling = fitted(np.array([[0, largest]], np.uint16))
    assert (scaling.is_range, scaling.low, scaling.high) == (True, 0, high)
    assert scaling.inverse(np.array([-9.0, 9.0])).tolist() == [0, high]


def test_real_numbers_within_zero_and_one_are_a_range_and_stay_as_they_are():
    array = np.random.default_rng(0).random((3, 4, 4)).astype(np.float32)
    scaling = fitted(array)
    assert scaling.is_range
    np.testing.assert_array_equal(scaling.inverse(scaling.forward(array)), array)
    assert scaling.inverse(np.array([-0.5, 1.5])).tolist() == [0, 1]


@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 9), st.integers(1, 4)), elements=st.floats(-100, 100)))
def test_each_feature_gets_mean_zero_and_deviation_one(array):
    array[0] = -101  # outside 0..1, so that there is something to standardise
    scaling = fitted(array)
    np.testing.assert_allclose(scaling.mean, array.mean(axis=0), rtol=1e-9, atol=1e-9)
    deviation = array.std(axis=0)
    np.testing.assert_allclose(scaling.scale, np.where(deviation > 0, deviation, 1), rtol=1e-6)


def test_channels_are_standardised_each_for_itself_and_chunks_make_no_difference(monkeypatch):
    array = np.random.default_rng(0).normal([0, 50], [1, 9], (40, 3, 5, 2))
    whole = fitted(array)
    monkeypatch.setattr("narrows.data.items._CHUNK_VALUES", 100)
    chunked = fitted(array)
    np.testing.assert_allclose(whole.mean, array.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(whole.scale, array.std(axis=(0, 1, 2)))
    np.testing.assert_allclose([*chunked.mean, *chunked.scale], [*whole.mean, *whole.scale])


def test_a_constant_feature_is_left_at_its_own_scale():
    scaling = fitted(np.full((7, 2), 0.1) * [1e9, 1])
    assert scaling.scale == (1, 1)
    np.testing.assert_allclose(scaling.forward(np.full((1, 2), 0.1) * [1e9, 1]), 0, atol=1e-6)


def test_missing_values_do_not_count():
    assert fitted(np.array([[1.0, np.nan], [3.0, 8.0]])).mean == (2, 8)


def test_clipping_is_told_from_how_many_values_lie_at_the_ends():
    noise = np.random.default_rng(0).normal(100, 80, (50, 400)).astype(np.float32)

    def clipped(array):
        return Scaling.detect_clipping(data.Items.from_array(array))

    assert clipped(noise) is None
    assert clipped(np.full((3, 4), 7.0)) is None
    assert clipped(np.full((3, 4), np.nan)) is None
    with_holes = noise.clip(0, 255)
    with_holes[:5] = np.nan
    assert clipped(with_holes) == Scaling("range", "float32", 0, 255)
    assert clipped(noise.clip(0)) == Scaling("range", "float32", 0, float(noise.max()))


def test_selected_items_alone_are_fitted():
    items = data.Items.from_list([np.full((2, 2), 200, np.uint8), np.full((3, 3), 7, np.uint8)])
    assert Scaling.learn(items.select([1])).high == 7


@pytest.mark.parametrize("array", [np.uint8([[3]]), np.float32([[-2, 5]]), np.int16([[4, -4], [1, 1]])])
def test_a_scaling_survives_json(array):
    scaling = fitted(array)
    assert Scaling.from_dict(json.loads(json.dumps(scaling.to_dict()))) == scaling


def test_a_document_that_is_no_scaling_is_refused():
    good = fitted(np.uint8([[3]])).to_dict()
    for change in ({"kind": "log"}, {"dtype": "complex64"}, {"dtype": "no type"}, {"high": 0}, {"high": "much"}):
        with pytest.raises(FormatError, match="scaling"):
            Scaling.from_dict({**good, **change})
    with pytest.raises(FormatError, match="scaling"):
        Scaling.from_dict({})


def test_a_scaling_checks_itself():
    with pytest.raises(DataError, match="scales"):
        Scaling("standard", "float32", mean=(1.0,), scale=(0.0,))
