"""Symbols into bytes and back, and bytes that no writer gave."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from narrows.codec.entropy.range_coder import SymbolDecoder, SymbolEncoder
from narrows.errors import FormatError


def calls(seed, count, most=200):
    """What a walk asks of an entropy coder: kinds, parameters and symbols, some of them very unlikely."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size = int(rng.integers(0, most))
        if rng.random() < 0.3:
            sizes = np.left_shift(1, rng.integers(1, 24, size)).astype(np.int32)
            yield "uniform", sizes, (rng.random(size) * sizes).astype(np.int32)
        else:
            frequencies = np.rint(2.0 ** rng.uniform(0, 20, (size, int(rng.integers(2, 300)))))
            yield "categorical", frequencies, rng.integers(0, frequencies.shape[1], size).astype(np.int32)


def written(asked):
    writer = SymbolEncoder()
    for kind, parameters, symbols in asked:
        assert getattr(writer, kind)(parameters, symbols) is symbols
    return writer.payload()


@given(st.integers(0, 999), st.integers(0, 6), st.sampled_from([3, 200]))
def test_write_and_read_undo_each_other(seed, count, most):
    asked = list(calls(seed, count, most))
    reader = SymbolDecoder(written(asked))
    for kind, parameters, symbols in asked:
        assert np.array_equal(getattr(reader, kind)(parameters), symbols)


@pytest.mark.parametrize("number", [100, 30_000])
def test_the_payload_is_as_long_as_the_symbols_are_unlikely(number):
    rng = np.random.default_rng(0)
    frequencies = np.rint(2.0 ** rng.uniform(0, 20, (number, 16)))
    symbols = np.array([rng.choice(16, p=row / row.sum()) for row in frequencies], np.int32)
    bits = np.log2(frequencies.sum(1) / frequencies[np.arange(number), symbols]).sum()
    payload = written([("categorical", frequencies, symbols)])
    assert bits - 8 < 8 * len(payload) < 1.001 * bits + 40
    assert np.array_equal(SymbolDecoder(payload).categorical(frequencies), symbols)


def test_nothing_costs_nothing():
    assert written([]) == b""
    sure = np.tile([2.0**20, 1.0], (10, 1))
    assert len(written([("categorical", sure, np.zeros(10, np.int32))])) == 0


@given(st.binary(max_size=200), st.integers(0, 999))
@example(b"\xff" * 64, 0)
@example(b"", 1)
def test_any_bytes_give_symbols_or_a_format_error(payload, seed):
    reader = SymbolDecoder(payload)
    try:
        for kind, parameters, _ in calls(seed, 5, 40):
            symbols = getattr(reader, kind)(parameters)
            assert symbols.dtype == np.int32
            assert symbols.shape == (len(parameters),)
            sizes = parameters if kind == "uniform" else parameters.shape[1]
            assert ((symbols >= 0) & (symbols < sizes)).all()
    except FormatError as error:
        assert "payload" in str(error)  # noqa: PT017


@given(st.integers(0, 99), st.floats(0, 1))
def test_truncated_payloads_give_symbols_or_a_format_error(seed, share):
    asked = list(calls(seed, 4, 40))
    payload = written(asked)
    reader = SymbolDecoder(payload[: int(share * len(payload))])
    try:
        for kind, parameters, symbols in asked:
            assert getattr(reader, kind)(parameters).shape == symbols.shape
    except FormatError:
        return
