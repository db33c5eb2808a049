"""The quantiser holds its bounds for every value of every type, and gives the same indices and values back."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.codec.transforms.quantiser import MOST, Quantiser
from narrows.errors import DataError, ParameterError

WHOLE = ["uint8", "uint16", "int8", "int16", "int32", "uint32", "int64", "uint64", "bool"]
REAL = ["float16", "float32", "float64"]


def extremes(dtype):
    """All values of a type, its ends among them often."""
    if np.dtype(dtype).kind in "fb":
        return arrays.from_dtype(np.dtype(dtype))
    ends = np.iinfo(dtype)
    near = st.integers(max(ends.min, -40), 300 if ends.max > 300 else ends.max)
    return near | st.integers(ends.min, ends.max) | st.sampled_from([int(ends.min), int(ends.max)])


@st.composite
def contents(draw, dtypes):
    dtype = draw(st.sampled_from(dtypes))
    shape = draw(arrays.array_shapes(max_dims=3, max_side=5))
    return draw(arrays.arrays(dtype, shape, elements=extremes(dtype)))


def fractions(shape):
    return arrays.arrays(np.int8, shape)


def rebuilt(quantiser, x, fraction=None):
    k, exceptions = quantiser.indices(x)
    values = quantiser.values(k, fraction)
    assert values.dtype == x.dtype
    assert (abs(k) < MOST).all()
    exceptions.put_into(values)
    return values


def test_the_largest_bound_on_the_widest_range_is_kept():
    quantiser = Quantiser.bounded("int64", 2.0**62, 0, 2**62)
    x = np.array([0, 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63)])
    assert max(abs(int(a) - int(b)) for a, b in zip(rebuilt(quantiser, x), x, strict=True)) <= 2**62


@given(st.data(), contents(WHOLE), st.integers(0, 40) | st.floats(0, 1e30))
def test_integers_keep_their_bound(data, x, max_error):
    low = data.draw(st.integers(-50, 50))
    high = low + data.draw(st.integers(0, 400) | st.integers(0, 2**64))
    quantiser = Quantiser.bounded(x.dtype, max_error, low, high)
    found = rebuilt(quantiser, x, data.draw(st.none() | fractions(x.shape)))
    errors = [abs(int(a) - int(b)) for a, b in zip(found.flat, x.flat, strict=True)]
    assert max(errors) <= max_error
    if max_error < 1:
        np.testing.assert_array_equal(found, x)


@given(st.data(), contents(REAL), st.floats(1e-6, 1e6))
def test_floats_keep_their_bound_in_their_own_type(data, x, max_error):
    quantiser = Quantiser.bounded(x.dtype, max_error, origin=data.draw(st.floats(-100, 100)))
    found = rebuilt(quantiser, x, data.draw(st.none() | fractions(x.shape)))
    finite = np.isfinite(x)
    np.testing.assert_array_equal(found[~finite], x[~finite])
    with np.errstate(over="ignore"):
        assert (np.abs(found[finite] - x[finite]) <= np.float64(max_error).astype(x.dtype)).all()
    assert (np.abs(found[finite].astype(float) - x[finite].astype(float)) <= max_error).all()


@given(st.data(), contents(["uint8", "int16"]), st.integers(1, 300))
def test_a_value_stays_in_its_cell(data, x, step):
    quantiser = Quantiser(x.dtype, step, -100, 1000)
    k, _ = quantiser.indices(x)
    again, exceptions = quantiser.indices(quantiser.values(k, data.draw(fractions(x.shape))))
    inside = (x >= -100) & (x <= 1000)
    np.testing.assert_array_equal(again[inside], k[inside])
    assert len(exceptions) <= (~inside).sum()
    assert k.max() < quantiser.levels


def test_cells_are_where_they_are_said_to_be():
    x = np.arange(256, dtype=np.uint8)
    quantiser = Quantiser("uint8", 51, 0, 255)
    k, exceptions = quantiser.indices(x)
    assert quantiser.levels == 6
    assert len(exceptions) == 0
    np.testing.assert_array_equal(np.bincount(k), [26, 51, 51, 51, 51, 26])
    np.testing.assert_array_equal(quantiser.values(np.arange(6)), [0, 51, 102, 153, 204, 255])
    np.testing.assert_array_equal(quantiser.values(np.arange(6), np.full(6, -128, np.int8)), [0, 26, 77, 128, 179, 230])
    np.testing.assert_array_equal(
        quantiser.values(np.arange(6), np.full(6, 127, np.int8)), [25, 76, 127, 178, 229, 255]
    )


def test_under_a_bound_a_cell_that_is_cut_leaves_room_and_a_whole_one_leaves_none():
    quantiser = Quantiser.bounded("uint8", 8, 0, 255)
    everywhere = [quantiser.values(np.array([0, 3, 15]), np.full(3, f, np.int8)) for f in (-128, 0, 127)]
    np.testing.assert_array_equal(np.transpose(everywhere), [[0, 0, 8], [51, 51, 51], [247, 255, 255]])


def test_the_range_of_the_model_may_be_wider_or_narrower_than_the_type():
    x = np.array([0, 7, 255], np.uint8)
    for low, high in ((0, 4095), (0, 15), (300, 400), (-100, -50)):
        np.testing.assert_array_equal(rebuilt(Quantiser.bounded("uint8", 0, low, high), x), x)
    assert rebuilt(Quantiser("uint8", 200, 0, 4095), x, np.full(3, 127, np.int8)).max() == 255


def test_large_floats_stay_finite():
    x = np.array([65504, -65504], np.float16)
    assert np.isfinite(rebuilt(Quantiser("float16", 1000.0), x)).all()


@pytest.mark.parametrize(
    ("dtype", "max_error", "words"),
    [
        ("float32", 0, "float32 values: lossless is for integers"),
        ("uint8", -1, "max_error=-1: expected a number from 0"),
        ("uint8", float("nan"), "max_error=nan"),
        ("complex64", 1, "cannot be quantised"),
    ],
)
def test_what_cannot_be_is_refused(dtype, max_error, words):
    with pytest.raises((DataError, ParameterError), match=words):
        Quantiser.bounded(dtype, max_error, 0, 255)


@pytest.mark.parametrize("values", [{"step": 0}, {"step": 1.5}, {"step": 1, "low": 5}, {"step": 1, "bound": -1}])
def test_grids_that_are_none_are_refused(values):
    with pytest.raises(DataError, match="a grid"):
        Quantiser("uint8", **values)
