"""Calibration: from what is expected of values to how far they are off."""

import json

import numpy as np
import pytest

from narrows.models.calibration import Calibration
from narrows.plans.fit_calibration import fit_calibration


def drawn(count, right, seed=0):
    """Expected deviations, and errors whose deviation is another function of them."""
    rng = np.random.default_rng(seed)
    expected = rng.gamma(1.0, 0.1, count) + 0.01
    return expected, rng.normal(size=count) * right(expected)


@pytest.mark.parametrize("right", [lambda x: x, lambda x: 3 * x, lambda x: 0.2 * np.sqrt(x), lambda x: 0 * x + 0.3])
def test_wrong_deviations_are_put_right(right):
    calibration = fit_calibration(*drawn(200_000, right))
    expected, errors = drawn(100_000, right, seed=1)
    stated = calibration(expected)
    assert stated.dtype == np.float32
    inside = (expected > np.quantile(expected, 0.02)) & (expected < np.quantile(expected, 0.98))
    np.testing.assert_allclose(stated[inside], right(expected)[inside], rtol=0.15)
    for shares in (calibration.within, [(np.abs(errors) <= far * stated).mean() for far in (1, 2)]):
        np.testing.assert_allclose(shares, (0.683, 0.954), atol=0.02)


def test_more_is_never_less():
    """Whatever the errors: even where they fall with what is expected."""
    rng = np.random.default_rng(0)
    expected = rng.random(5000)
    for errors in (rng.normal(size=5000), rng.normal(size=5000) * (1 - expected), np.zeros(5000)):
        calibration = fit_calibration(expected, errors)
        stated = calibration(np.linspace(0, 3, 500))
        assert (np.diff(stated) >= 0).all()
        assert (np.diff(calibration.expected) > 0).all()


def test_beyond_what_was_seen():
    expected, errors = drawn(20_000, lambda x: 2 * x)
    calibration = fit_calibration(expected, errors)
    far = 10 * calibration.expected[-1]
    assert calibration(np.array([far]))[0] == pytest.approx(10 * calibration.measured[-1], rel=1e-6)
    assert calibration(np.zeros(1))[0] == pytest.approx(calibration.measured[0], rel=1e-6)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_few_values(count):
    calibration = fit_calibration(np.full(count, 0.1, np.float32), np.full(count, 0.2, np.float32))
    np.testing.assert_allclose(calibration(np.array([[0.1]], np.float32)), [[0.2]], rtol=1e-6)
    assert calibration.within == (pytest.approx(1), 1)


def test_errors_that_are_all_0():
    calibration = fit_calibration(np.full(50, 0.1), np.zeros(50))
    assert calibration(np.array([0.05, 0.1, 0.5])).tolist() == [0, 0, 0]
    assert calibration.within == (1, 1)


def test_as_a_document():
    calibration = fit_calibration(*drawn(3000, lambda x: x))
    document = json.loads(json.dumps(calibration.to_dict()))
    assert Calibration.from_dict(document) == calibration
    for wrong in ({**document, "measured": [0.1]}, {**document, "expected": [], "measured": []}):
        with pytest.raises(ValueError, match="calibration of"):
            Calibration.from_dict(wrong)


@pytest.mark.parametrize("spread", [1e-8, 1e-6, 1e-5, 1e-3])
def test_deviations_that_are_nearly_the_same(spread):
    rng = np.random.default_rng(0)
    expected = (0.14 + spread * rng.random(300) ** 0.2).astype(np.float32)
    calibration = fit_calibration(expected, rng.normal(size=300).astype(np.float32))
    assert np.isfinite(calibration.measured).all()
    assert np.isfinite(calibration(np.float32([0, 0.14, 1]))).all()


def test_what_was_measured_as_nan_is_left_out():
    document = {"expected": [0.1, 0.2, 0.3], "measured": [0.2, float("nan"), 0.4], "within": [0.6, 0.9]}
    calibration = Calibration.from_dict(json.loads(json.dumps(document)))
    assert (calibration.expected, calibration.measured) == ((0.1, 0.3), (0.2, 0.4))
    for measured in ([0.1, 0.2], [float("nan")] * 3, [0.1, -0.2, 0.3], [0.1, float("inf"), 0.3]):
        with pytest.raises(ValueError, match="calibration of"):
            Calibration.from_dict({**document, "measured": measured})
