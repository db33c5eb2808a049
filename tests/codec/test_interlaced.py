"""Indices into bits and back, whatever the model has learnt."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.codec import parallel
from narrows.codec.entropy.coding import EncodeRequest, TokenCoding
from narrows.codec.entropy.interlaced import InterlacedCoder
from narrows.codec.entropy.range_coder import decoder, encoder
from narrows.errors import FormatError

from .made_up import contents, design, interlaced, model

interlaced = cache(interlaced)
LARGEST_SIDE = {1: 60, 2: 14, 3: 6}


@st.composite
def cases(draw):
    """A model, what it is told of steps, and indices that it holds."""
    axes, channels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    alphabets = ["values", "mixtures", "colours", *(["signals"] if axes == 1 else [])]
    made = design(draw(st.sampled_from(alphabets)), axes, channels, draw(st.sampled_from([0, 1, 2, 7])))
    step = draw(st.integers(0, made.steps - 1))
    size = draw(st.integers(1, made.top)) if made.alphabet == "values" else 1
    most = 2**made.top - 1 if made.alphabet in ("mixtures", "signals") else (made.top + size // 2) // size
    shape = tuple(draw(st.lists(st.integers(1, LARGEST_SIDE[axes]), min_size=axes, max_size=axes)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = dict(contents(rng, (draw(st.integers(1, 3)), channels, *shape), most))
    k = arrays[draw(st.sampled_from(sorted(arrays)))].astype(np.int32)
    return made, step, size, k


def write(made, step, size, k, **more):
    writer = encoder()
    found, costs = interlaced(made).encode(writer, EncodeRequest(k, **more), step, size)
    return writer.payload(), found, costs


@settings(max_examples=60)
@given(cases())
def test_write_and_read_undo_each_other(case):
    made, step, size, k = case
    payload, found, costs = write(made, step, size, k)
    assert np.array_equal(found, k)
    assert 8 * len(payload) < 1.002 * costs.sum() + 72
    n, _, *shape = k.shape
    read = interlaced(made).decode(decoder(payload), n, tuple(shape), step, size)
    assert read.dtype == np.int32
    assert np.array_equal(read, k)


@settings(max_examples=40)
@given(cases(), st.integers(1, 5))
def test_the_coarse_levels_alone_are_every_so_many_th_value(case, level):
    made, step, size, k = case
    payload, *_ = write(made, step, size, k)
    n, _, *shape = k.shape
    coarse = interlaced(made).decode(decoder(payload), n, tuple(shape), step, size, level)
    assert np.array_equal(coarse, k[(..., *(slice(None, None, 2**level) for _ in shape))])


@settings(max_examples=40)
@given(cases(), st.floats(0, 1), st.integers(0, 3))
def test_missing_indices_come_back_as_something_and_cost_mixtures_nothing(case, share, level):
    made, step, size, k = case
    missing = np.random.default_rng(1).random(k.shape) < share
    payload, found, costs = write(made, step, size, k, missing=missing)
    assert np.array_equal(found[~missing], k[~missing])
    n, _, *shape = k.shape
    read = interlaced(made).decode(decoder(payload), n, tuple(shape), step, size, level, missing)
    assert np.array_equal(read, found[(..., *(slice(None, None, 2**level) for _ in shape))])
    if made.alphabet == "mixtures" and share == 1:
        assert costs.max() < 200 * made.channels


@settings(max_examples=40)
@given(cases(), st.sampled_from([1e-9, 0.1, 3]))
def test_cheaper_indices_come_back_as_they_were_chosen(case, weight):
    made, step, size, k = case
    x = k + (0.8 * (np.random.default_rng(0).random(k.shape) - 0.5)).astype(np.float32)
    payload, found, _ = write(made, step, size, k, x=x, weight=weight)
    n, _, *shape = k.shape
    assert np.array_equal(interlaced(made).decode(decoder(payload), n, tuple(shape), step, size), found)
    if weight < 1e-6:
        assert np.array_equal(found, k)
    elif made.alphabet in ("mixtures", "signals"):
        assert np.abs(found - k).max() <= 1
    else:
        assert 0 <= found.min() <= found.max() <= (made.top + size // 2) // size


@pytest.mark.parametrize("alphabet", ["values", "mixtures"])
def test_cores_share_the_blocks_of_one_item(alphabet, monkeypatch):
    made = design(alphabet, 2, 1, 7)
    x = np.random.default_rng(0).normal(3, 1, (1, 1, 150, 150)).clip(0, 7).astype(np.float32)
    k, found = x.round().astype(np.int32), set()
    for cores in (1, 3):
        monkeypatch.setattr(parallel, "usable_cores", lambda cores=cores: cores)
        payload, coded, costs = write(made, 0, 1, k, x=x, weight=0.1)
        found.add(payload + costs.tobytes())
        assert np.array_equal(interlaced(made).decode(decoder(payload), 1, (150, 150), 0, 1), coded)
    assert len(found) == 1


def test_frequencies_that_are_not_kept_are_computed_again(monkeypatch):
    made, rng = design("values", 2, 1, 7), np.random.default_rng(0)
    x = rng.normal(3, 1, (3, 1, 50, 60)).clip(0, 7).astype(np.float32)
    payload, found, _ = write(made, 0, 1, x.round().astype(np.int32), x=x, weight=0.1)
    monkeypatch.setattr("narrows.codec.entropy.value_coding.KEPT", 0)
    again, equal, _ = write(made, 0, 1, x.round().astype(np.int32), x=x, weight=0.1)
    assert again == payload
    assert np.array_equal(equal, found)


def test_spreads_follow_the_noise_of_each_item(monkeypatch):
    made = design("mixtures", 2, 1, 8, hidden=8)
    k = (
        128 + np.array([2, 60])[:, None, None, None] * np.random.default_rng(0).normal(size=(2, 1, 70, 70)) / 2
    ).astype(int)
    payload, _, costs = write(made, 0, 1, k.astype(np.int32))
    assert np.array_equal(interlaced(made).decode(decoder(payload), 2, (70, 70), 0, 1), k)
    monkeypatch.setattr("narrows.codec.entropy.mixture_coding.SHIFTED_FROM", 10**9)
    _, _, unshifted = write(made, 0, 1, k.astype(np.int32))
    assert (costs < unshifted).all()


def test_indices_that_never_occur_cost_nothing():
    made = design("mixtures", 2, 1, 12)
    ranks = dict(contents(np.random.default_rng(0), (1, 1, 90, 90), 30))["smooth"].astype(np.int32)
    payload, _, _ = write(made, 0, 1, ranks)
    sparse, _, _ = write(made, 0, 1, ranks * 120 + 7)
    assert np.array_equal(interlaced(made).decode(decoder(sparse), 1, (90, 90), 0, 1), ranks * 120 + 7)
    assert np.array_equal(
        interlaced(made).decode(decoder(sparse), 1, (90, 90), 0, 1, 2), (ranks * 120 + 7)[..., ::4, ::4]
    )
    assert len(payload) < len(sparse) < len(payload) + 30 * 120 / 8 + 9


def test_residuals_of_any_size_have_tokens():
    made = design("mixtures", 2, 1, 23)
    rng = np.random.default_rng(0)
    for ends in ([0, 2**23 - 1], [1 - 2**23, 2**23 - 1]):
        k = rng.choice(ends, (2, 1, 9, 9)).astype(np.int32)
        payload, found, _ = write(made, 0, 1, k)
        assert np.array_equal(found, k)
        assert np.array_equal(interlaced(made).decode(decoder(payload), 2, (9, 9), 0, 1), k)


def test_predictions_of_more_than_16_bits_are_refused():
    made = design("mixtures", 2, 1)
    tensors = {
        name: tensor.astype(np.int32) if name.startswith("prediction.") else tensor
        for name, tensor in model(made).tensors().items()
    }
    with pytest.raises(ValueError, match="no integers of at most 16 bits"):
        InterlacedCoder(made, tensors)


@pytest.mark.parametrize("alphabet", ["values", "mixtures", "colours"])
def test_an_item_is_coded_alike_whatever_stands_beside_it(alphabet):
    made = design(alphabet, 2, 1)
    rng = np.random.default_rng(0)
    k = rng.integers(0, 8, (5, 1, 11, 13)).astype(np.int32)
    _, _, together = write(made, 0, 1, k)
    apart = np.concatenate([write(made, 0, 1, item[None])[2] for item in k])
    np.testing.assert_allclose(together, apart, rtol=1e-12)


@pytest.mark.parametrize("alphabet", ["values", "mixtures", "colours"])
def test_what_training_measures_is_what_coding_costs(alphabet):
    made = design(alphabet, 2, 2, 7, (1, 1))
    rng = np.random.default_rng(1)
    k = torch.from_numpy(dict(contents(rng, (2, 2, 9, 9), 7))["smooth"])
    learnt = model(made)
    with torch.no_grad():
        step, size = torch.full((2,), 3), torch.ones(2)
        bits = sum(float(learnt.bits(k.float(), step, size, group)) for group in range(3)) * k.numel()
    _, _, costs = write(made, 3, 1, k.numpy().astype(np.int32))
    assert costs.sum() == pytest.approx(bits, rel=0.02)


@pytest.mark.parametrize("alphabet", ["values", "mixtures", "colours"])
@given(payload=st.binary(max_size=120), seed=st.integers(0, 9))
def test_any_payload_gives_indices_or_a_format_error(alphabet, payload, seed):
    made = design(alphabet, 2, 1)
    try:
        k = interlaced(made, seed).decode(decoder(payload), 1, (12, 7), 0, 1)
    except FormatError:
        return
    assert k.shape == (1, 1, 12, 7)
    assert int(np.abs(k).max()) <= (TokenCoding.largest if alphabet == "mixtures" else made.top)
