"""Grids of values hold those that they were made for."""

import numpy as np
import pytest

from narrows.codec.container.mode import Mode
from narrows.codec.learning.objective import design_networks, grid_of
from narrows.codec.storing import grid_of_values, quantiser_of
from narrows.data import Items, Scaling

MAKERS = {"codec": lambda items: grid_of(items, Scaling.learn(items)), "packed": grid_of_values}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("low", [0, -5, 3, 10**9, -(2**31)])
@pytest.mark.parametrize("span", [1, 300, 10**6, 2**22 + 7, 2**23 - 2])
@pytest.mark.parametrize("axes", ["NYX", "NCT"])
def test_grids_hold_all_values(make, low, span, axes):
    x = np.linspace(low, low + span, 60).round().astype(np.int32).reshape(3, 4, 5)
    grid = MAKERS[make](Items.from_array(x, axes))
    assert grid.low <= low
    assert grid.high >= low + span


@pytest.mark.parametrize("make", MAKERS)
def test_of_a_range_too_wide_some_values_are_held(make):
    x = np.linspace(-(10**9), 10**9, 60).astype(np.int32).reshape(3, 4, 5)
    grid = MAKERS[make](Items.from_array(x, "NYX"))
    assert grid.low <= -(10**9) <= grid.high


@pytest.mark.parametrize(("dtype", "low"), [("uint64", 2**64 - 60), ("uint64", 2**62), ("int64", -(2**63))])
def test_integers_beyond_the_arithmetic_are_exceptions(dtype, low):
    x = (np.arange(60, dtype=dtype) + np.dtype(dtype).type(low)).reshape(3, 4, 5)
    items = Items.from_array(x, "NYX")
    quantiser = quantiser_of(items, Mode("lossless"), grid_of_values(items), 1.0)
    held, exceptions = quantiser.without_exceptions(x)
    assert held.dtype == x.dtype
    found = quantiser.values(quantiser.indices(x)[0])
    exceptions.put_into(found)
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("value", [0, 1, 7, -3, 1000])
@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_constant_items_have_networks(value, dtype):
    items = Items.from_array(np.full((3, 8, 9), value).astype(dtype), "NYX")
    scaling = Scaling.learn(items)
    for make in MAKERS.values():
        design = design_networks(items, scaling, make(items), None)
        assert all(each.top > 0 for each in design.pixels.values())
