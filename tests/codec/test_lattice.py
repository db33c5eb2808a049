"""The interlaced order: every value has its turn, and what its windows hold is known by then."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.codec.entropy.design import Design
from narrows.codec.entropy.lattice import LatticePass, known_taps, parities, passes, reflected
from narrows.codec.entropy.plane import context_taps, full_taps, neighbours, place_cells
from narrows.codec.learning.context_model import ContextModel

shapes = st.integers(1, 3).flatmap(
    lambda axes: st.lists(st.integers(1, {1: 70, 2: 20, 3: 9}[axes]), min_size=axes, max_size=axes).map(tuple)
)


@given(shapes, st.integers(0, 4))
def test_every_value_of_the_lattice_has_one_turn(shape, coarsest):
    turns = np.zeros(shape, int)
    for turn in passes(shape, coarsest):
        assert turns[turn.places(shape)].shape == turn.count(shape)
        turns[turn.places(shape)] += 1
    on_lattice = np.zeros(shape, int)
    on_lattice[(slice(None, None, 2**coarsest),) * len(shape)] = 1
    assert (turns == on_lattice).all()


@given(shapes)
def test_the_number_of_passes_grows_with_the_logarithm(shape):
    assert len(passes(shape)) <= 1 + (2 ** len(shape) - 1) * int(np.ceil(np.log2(max(shape))))


@given(st.integers(1, 100), st.integers(0, 12))
def test_reflection_stays_inside_and_keeps_parity(size, radius):
    index = reflected(size, radius)
    assert (index[radius : radius + size] == np.arange(size)).all()
    assert index.min() >= 0
    assert index.max() < size
    if size > 1:
        assert (index % 2 == np.arange(-radius, size + radius) % 2).all()


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_windows_of_a_pass_hold_what_is_coarser_and_the_passes_before_it(axes):
    origin = (0,) * axes
    assert known_taps(LatticePass(0, origin), 2) == ()
    known = {origin}
    for parity in parities(axes):
        reached = {
            tuple((odd + step) % 2 for odd, step in zip(parity, tap, strict=True))
            for tap in known_taps(LatticePass(0, parity), 2)
        }
        assert reached == known
        known.add(parity)
    assert len(known) == 2**axes


def test_channels_before_are_known_where_the_value_stands():
    def taps(parity, channel, channels):
        return context_taps(LatticePass(0, parity), channel, neighbours(channel, channels), 4)

    assert (-1, 0, 0) in taps((0, 0), 1, 2)
    assert (1, 0, 0) not in taps((0, 0), 0, 2)
    assert (-1, 0, 1) in taps((0, 1), 1, 2)
    assert all(tap[0] == 0 for tap in taps((1, 1), 0, 1))
    assert len(set(full_taps(2, 1, 3, 3))) == 7 * 7 + 2 * 3 * 3


@pytest.mark.parametrize("alphabet", ["values", "mixtures"])
@settings(max_examples=30)
@given(shape=shapes, channels=st.integers(1, 2), seed=st.integers(0, 99))
def test_windows_do_not_depend_on_what_comes_later(alphabet, shape, channels, seed):
    rng = np.random.default_rng(seed)
    design = Design(alphabet, len(shape), channels, 7, (1,) * len(shape), 1, hidden=2, flag_hidden=2)
    model = ContextModel(design)
    k = torch.from_numpy(rng.integers(0, 8, (2, channels, *shape)).astype(np.float32))
    order = torch.zeros(channels, *shape)
    for number, (turn, channel) in enumerate(design.passes(shape)):
        order[(channel, *turn.places(shape))] = number
    number = int(rng.integers(order.max() + 1))
    otherwise = torch.from_numpy(rng.integers(0, 8, k.shape).astype(np.float32))
    altered = torch.where(order >= number, otherwise, k)
    context, other = (next(islice(model.contexts(each), number, None)) for each in (k, altered))
    everything = torch.arange(len(context.bases))
    assert (context.windows(everything) == other.windows(everything)).all()
    coarser = (..., *context.lattice_pass.coarser_places())
    assert (k[coarser] == altered[coarser]).all()
    values = k[context.item_index(shape)].reshape(-1)
    assert (values == k[(slice(None), *(order == number).nonzero().T)].reshape(-1)).all()


@given(shapes, st.data())
def test_the_table_of_places_divides_an_item_evenly(shape, draw):
    cells = tuple(draw.draw(st.integers(1, size)) for size in shape)
    table = place_cells(shape, cells).reshape(shape)
    counts = np.bincount(table.reshape(-1), minlength=int(np.prod(cells)))
    assert counts.min() >= 1
    assert counts.max() <= np.prod([-(-size // count) for size, count in zip(shape, cells, strict=True)])
    for turn in passes(shape):
        assert (place_cells(shape, cells, turn) == table[turn.places(shape)].reshape(-1)).all()
