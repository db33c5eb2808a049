"""Symbols into bytes and back, and bytes that no writer gave, by each engine."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.range_coder import decoder, encoder
from narrows.errors import FormatError

from .engines import ENGINES, engine


def calls(seed, count, most=200):
    """What a walk asks of an entropy coder: kinds, distributions and symbols, some of them very unlikely."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size = int(rng.integers(0, most))
        if rng.random() < 0.3:
            bits = rng.integers(1, 25, size).astype(np.int32)
            yield "uniform", bits, (rng.random(size) * 2.0**bits).astype(np.int32)
        else:
            given = distributions(rng, size, int(rng.integers(2, 300)))
            yield "categorical", given, rng.integers(0, given.symbols, size).astype(np.int32)


def distributions(rng, size, values):
    """Distributions of some values, or of symbols that stand for several, with or without some of the first ones.

    The logits of some differ by more than 2^32.
    """
    logits = (rng.integers(-4000, 4000, (size, values)) * rng.choice([1, 1, 2**20])).astype(np.float32)
    if rng.random() < 0.5:
        return Distributions.from_logits(logits, int(rng.integers(0, values)))
    edges = np.unique(rng.integers(0, values + 1, 20))
    edges = edges if len(edges) > 2 else np.array([0, 1, values])
    return Distributions.from_logits(logits, int(edges[0]), edges)


def written(asked):
    writer = encoder()
    for kind, parameters, symbols in asked:
        getattr(writer, kind)(parameters, symbols)
    return writer.payload()


@pytest.fixture(params=ENGINES, autouse=True)
def use_engine(request):
    with engine(request.param):
        yield


@given(st.integers(0, 999), st.integers(0, 6), st.sampled_from([3, 200]))
def test_all_engines_write_the_same_and_cost_the_same(seed, count, most):
    payloads, costs = set(), set()
    for name in ENGINES:
        with engine(name):
            writer, bits = encoder(), []
            for kind, parameters, symbols in calls(seed, count, most):
                bits.append(np.asarray(getattr(writer, kind)(parameters, symbols), float).tobytes())
            payloads.add(writer.payload())
            costs.add(b"".join(bits))
    assert (len(payloads), len(costs)) == (1, 1)


@given(st.integers(0, 999), st.integers(0, 6), st.sampled_from([3, 200]))
def test_write_and_read_undo_each_other(seed, count, most):
    asked = list(calls(seed, count, most))
    reader = decoder(written(asked))
    for kind, parameters, symbols in asked:
        assert np.array_equal(getattr(reader, kind)(parameters), symbols)


@pytest.mark.parametrize("number", [100, 30_000])
def test_the_payload_is_as_long_as_the_symbols_are_unlikely(number):
    rng = np.random.default_rng(0)
    given = Distributions.from_logits(rng.integers(-2000, 2000, (number, 16)).astype(np.float32))
    frequencies = given.frequencies()
    symbols = np.array([rng.choice(16, p=row / row.sum()) for row in frequencies], np.int32)
    bits = np.log2(frequencies.sum(1) / frequencies[np.arange(number), symbols]).sum()
    writer = encoder()
    assert writer.categorical(given, symbols).sum() == pytest.approx(bits)
    payload = writer.payload()
    assert bits - 8 < 8 * len(payload) < 1.001 * bits + 40
    assert np.array_equal(decoder(payload).categorical(given), symbols)


def test_nothing_costs_nothing():
    assert written([]) == b""
    sure = Distributions.from_logits(np.tile(np.float32([0, -9999]), (10, 1)))
    assert len(written([("categorical", sure, np.zeros(10, np.int32))])) == 0


@given(st.binary(max_size=200), st.integers(0, 999))
@example(b"\xff" * 64, 0)
@example(b"", 1)
def test_any_bytes_give_symbols_or_a_format_error(payload, seed):
    reader = decoder(payload)
    try:
        for kind, parameters, _ in calls(seed, 5, 40):
            symbols = getattr(reader, kind)(parameters)
            assert symbols.dtype == np.int32
            assert symbols.shape == (len(parameters),)
            sizes = 2**parameters if kind == "uniform" else parameters.symbols
            assert ((symbols >= 0) & (symbols < sizes)).all()
    except FormatError as error:
        assert "payload" in str(error)  # noqa: PT017


@given(st.integers(0, 99), st.floats(0, 1))
def test_truncated_payloads_give_symbols_or_a_format_error(seed, share):
    asked = list(calls(seed, 4, 40))
    payload = written(asked)
    reader = decoder(payload[: int(share * len(payload))])
    try:
        for kind, parameters, symbols in asked:
            assert getattr(reader, kind)(parameters).shape == symbols.shape
    except FormatError:
        return
