"""Signals to residuals and back, by every engine alike."""

import numpy as np
import pytest

from narrows.codec.entropy.whitening import unwhiten, whiten

from .engines import ENGINES, KERNEL, engine
from .made_up import contents

CASES = [(1, 1, 1), (1, 1, 200), (2, 2, 70), (1, 5, 40)]


def signals(shape):
    yield from contents(np.random.default_rng(0), shape, 2**9 - 1)
    jumps = np.where(np.arange(shape[-1]) % 50 < 25, 2**9 - 1, -(2**9))
    yield "jumps", np.broadcast_to(jumps, shape)
    yield "tone", np.broadcast_to(np.rint(400 * np.sin(np.arange(shape[-1]) / 5)), shape)


@pytest.mark.parametrize("shape", CASES, ids=str)
def test_every_engine_whitens_alike_and_back(shape):
    for name, signal in signals(shape):
        k, found = signal.astype(np.int32), set()
        for chosen in ENGINES:
            with engine(chosen):
                residuals = whiten(k, 9)
                found.add(residuals.tobytes())
                assert residuals.min() >= -(2**9), name
                assert residuals.max() < 2**9, name
                np.testing.assert_array_equal(unwhiten(residuals, 9), k, name)
        assert len(found) == 1, name


def test_corrupt_residuals_give_indices_within_the_range_by_every_engine():
    residuals = np.random.default_rng(0).integers(-(2**23), 2**23, (2, 3, 100), np.int32)
    found = set()
    for chosen in ENGINES:
        with engine(chosen):
            k = unwhiten(residuals, 9)
            assert k.min() >= -(2**9)
            assert k.max() < 2**9
            found.add(k.tobytes())
    assert len(found) == 1


def test_predictable_signals_leave_small_residuals():
    t = np.arange(600)
    chord = sum(np.sin(t / period) for period in (3, 7, 11.3))
    other = 3 * chord + np.random.default_rng(0).normal(size=600) / 100
    k = np.rint(np.stack([chord, other])[None] * 3000).astype(np.int32)
    residuals = np.abs(whiten(k, 15))[..., 100:]
    assert residuals[0, 0].mean() < 5
    assert residuals[0, 1].mean() < residuals[0, 0].mean() + 60
    assert np.abs(np.diff(k[0, 0])).mean() > 500


@pytest.mark.skipif(KERNEL is None, reason="the kernel is not built here")
def test_the_kernel_takes_no_arrays_of_other_sizes():
    given, out = np.zeros(12, np.int32), np.zeros(12, np.int32)
    for target, *sizes in [(out, 5, 2, 9), (out[:6], 1, 6, 9), (out, 0, 6, 9), (out, 1, 6, 30)]:
        with pytest.raises(ValueError, match="signals"):
            KERNEL.whitening(given, target, *sizes, 0)
