"""Numbers as tokens, and tables that are the same on every machine."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narrows.codec.entropy import tokens

FAR = 1e-6  # from a rounding boundary: billions of times what a mathematical library is off by


@given(st.lists(st.integers(-(2**24) + 1, 2**24 - 1), min_size=1), st.integers(24, 30))
def test_split_and_join_undo_each_other(numbers, bits):
    numbers = np.array(numbers, np.int64)
    token, extra, count = tokens.split(numbers)
    assert (tokens.join(token, extra) == numbers).all()
    assert (tokens.extra_bits(token) == count).all()
    assert (extra >= 0).all()
    assert (extra < 2 ** count.astype(np.int64)).all()
    assert token.min() >= 0
    assert token.max() < tokens.alphabet(bits)


@pytest.mark.parametrize("bits", [1, 3, 4, 5, 9, 16, 24])
def test_the_alphabet_is_as_large_as_the_numbers_need(bits):
    ends = np.array([2**bits - 1, 1 - 2**bits])
    assert tokens.split(ends)[0].max() < tokens.alphabet(bits)
    assert tokens.split(np.array([2**bits]))[0].max() + 1 >= tokens.alphabet(bits) or bits < 4


def test_every_token_stands_for_a_number_and_every_small_number_has_its_own():
    token, extra, _ = tokens.split(np.arange(-5000, 5001))
    assert len(set(zip(token.tolist(), extra.tolist(), strict=True))) == 10001
    every = np.arange(tokens.alphabet(16))
    for extra in (np.zeros(len(every), np.int64), 2 ** tokens.extra_bits(every).astype(np.int64) - 1):
        numbers = tokens.join(every, extra)
        again, left, _ = tokens.split(numbers)
        assert (again == every).all()
        assert (left == extra).all()
    assert tokens.join(np.arange(6), np.zeros(6, int)).tolist() == [0, -1, 1, -2, 2, -3]


def test_no_value_of_a_table_is_near_where_rounding_turns():
    for argument in (np.arange(2048), np.arange(2048) * 2048 + 1024):
        exact = 255 * np.log2(1 + argument / 2) / 21
        assert from_boundary(exact[1:]) > FAR
        assert exact[0] == 0 or from_boundary(exact[:1]) > FAR
    exact = 2.0**20 * np.exp(-np.arange(3700) / 256)
    assert from_boundary(exact) > FAR


def test_no_value_of_a_table_of_mixtures_is_near_where_rounding_turns():
    assert from_boundary(2.0**15 * 2.0 ** (-np.arange(4) / 4)) > FAR
    for parts in (4, 16):
        assert from_boundary(2.0**14 * 2.0 ** (np.arange(parts) / parts)) > FAR
    assert from_boundary(2.0**18 / (1 + np.exp(-np.arange(-256, 258) / 16))) > FAR
    logarithms = 16 * np.log2(np.arange(257, 512) / 256)
    assert np.abs(logarithms - np.rint(logarithms)).min() > FAR


@pytest.mark.parametrize("bits", [1, 3, 4, 5, 9, 16, 24])
def test_ordered_tokens_are_in_the_order_of_numbers(bits):
    every = np.arange(tokens.alphabet(bits))
    places = tokens.ordered(every, bits)
    assert (tokens.from_ordered(places, bits) == every).all()
    numbers = tokens.join(every, np.zeros(len(every), int))
    assert (np.diff(numbers[np.argsort(places)]) > 0).all()
    assert sorted(places.tolist()) == every.tolist()
    magnitudes = tokens.smallest(bits)
    assert (tokens.split(magnitudes)[1] == 0).all()
    assert (magnitudes == np.sort(numbers[numbers >= 0])).all()


def from_boundary(exact):
    """How far the nearest value is from a half, in units of the values."""
    return np.abs(exact - np.floor(exact) - 0.5).min()


def test_the_tables():
    small, large = tokens.compressed()
    assert small[0] == 0
    assert (np.diff(small) >= 0).all()
    assert (np.diff(large) >= 0).all()
    assert 0 < large[-1] <= 255
    decay = tokens.decay()
    assert decay[0] == 2**20
    assert decay[-1] == 1
    assert (np.diff(decay) <= 0).all()
    assert (decay == np.rint(decay)).all()
