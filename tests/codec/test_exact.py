"""Perceptrons whose sums are whole numbers: they equal integer arithmetic, however they are added."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.codec.entropy.device_predictor import DevicePredictor
from narrows.codec.entropy.engines import predictor as predictor_of
from narrows.codec.entropy.exact_predictor import INPUT_UNIT, LARGEST, ExactPredictor, shifted
from narrows.codec.learning.predictor import LIMIT, Predictor, Windows

from .engines import ENGINES, engine

GROUPS = {"a": 0, "b": 1}


def predictor(seed, scale=1.0, hidden=24):
    torch.manual_seed(seed)
    made = Predictor({"a": 40, "b": 0}, GROUPS, places=3, steps=2, hidden=hidden, depth=2, outputs=5)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape) * scale)
    return made


def in_integers(tensors, key, windows, place, step):
    """What an exact perceptron gives, in int64; and the largest sum on the way."""

    def rounded(sums, places):
        return (sums + (1 << (places - 1))) >> places if places > 0 else sums << -places

    def layer(h, name, added=0):
        sums = h @ wide(f"{name}.weight").T + wide(f"{name}.bias") + added
        largest.append(int(np.abs(sums).max()))
        return sums

    def wide(name):
        return tensors[name].astype(np.int64)

    largest = []
    windows = windows if windows.shape[1] else np.zeros((len(windows), 1), np.int64)
    sums = layer(windows, f"first.{key}", wide("place")[place] + wide("step")[step])
    h = np.clip(rounded(sums, int(tensors["first.shift"][0]) + 2), 0, LARGEST)
    for number in range(3):
        name = f"rest.{GROUPS[key]}.{number}"
        sums, shift = layer(h, name), int(tensors[f"{name}.shift"][0])
        h = np.clip(rounded(sums, shift), 0, LARGEST) if number < 2 else rounded(sums, shift - 2)
    return h, max(largest)


@settings(max_examples=60)
@given(st.integers(0, 999), st.floats(0.001, 40), st.sampled_from("ab"), st.booleans())
def test_exact_sums_equal_integer_arithmetic(seed, scale, key, extreme):
    tensors = predictor(seed, scale).tensors()
    exact = ExactPredictor(tensors, GROUPS)
    rng = np.random.default_rng(seed)
    windows = rng.integers(-LARGEST, LARGEST + 1, (50, 40 if key == "a" else 0))
    if extreme:
        windows = np.sign(windows) * LARGEST
    place = rng.integers(0, 3, 50)
    wanted, largest = in_integers(tensors, key, windows, place, 1)
    found = exact(key, windows.astype(np.float32), place, 1)
    assert (found == wanted).all()
    assert largest < LIMIT
    for name in ENGINES:
        with engine(name):
            assert (predictor_of(tensors, GROUPS)(key, windows, place, 1) == wanted).all()
    assert (DevicePredictor(tensors, GROUPS, "cpu")(key, windows, place, 1) == wanted).all()
    order = rng.permutation(50)
    again = exact(key, windows[order].astype(np.float32), place[order], 1)
    assert np.array_equal(again, found[order])


@pytest.mark.parametrize("key", ["a", "b"])
def test_exact_perceptrons_are_near_the_trained_ones(key):
    made = predictor(0, 0.15)
    exact = ExactPredictor(made.tensors(), GROUPS)
    windows = torch.from_numpy(np.random.default_rng(0).integers(-255, 256, (200, 40 if key == "a" else 0))).float()
    place, step = torch.zeros(200, dtype=torch.long), torch.ones(200, dtype=torch.long)
    with torch.no_grad():
        trained = made([Windows(key, windows / INPUT_UNIT, place, step)])
    assert np.abs(exact(key, windows.numpy(), place.numpy(), 1) / 256 - trained.numpy()).max() < 0.2


@given(st.integers(-(2**24), 2**24), st.integers(-4, 16))
def test_shifting_rounds_halves_up(number, places):
    if places <= 0:
        assert shifted(np.array([number >> 8], np.float32), places).item() == (number >> 8) * 2**-places
    else:
        number = max(min(number, LIMIT), -LIMIT)
        assert shifted(np.array([number], np.float32), places).item() == (number + (1 << (places - 1))) >> places


@pytest.mark.parametrize("scale", [1e4, float("nan"), float("inf")])
def test_weights_too_large_are_refused_where_they_are_made(scale):
    with pytest.raises(ValueError, match="too large"):
        predictor(0, scale).tensors()


@pytest.mark.parametrize(
    "name", ["first.a.weight", "first.a.bias", "place", "step", "rest.0.1.weight", "rest.1.2.bias"]
)
def test_weights_too_large_are_refused_where_they_are_read(name):
    tensors = predictor(0).tensors()
    most = {np.dtype(np.int16): 2**15 - 1, np.dtype(np.int32): 2**30}
    tensors[name] = np.full_like(tensors[name], most[tensors[name].dtype])
    with pytest.raises(ValueError, match="exact"):
        ExactPredictor(tensors, GROUPS)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.bool_])
def test_weights_that_are_no_integers_are_refused(dtype):
    tensors = predictor(0).tensors()
    tensors["place"] = tensors["place"].astype(dtype)
    with pytest.raises(ValueError, match="no integers"):
        ExactPredictor(tensors, GROUPS)


@pytest.mark.parametrize(
    ("name", "dtype"), [("first.a.weight", np.int32), ("rest.1.2.weight", np.int64), ("place", np.int64)]
)
def test_weights_of_more_bits_are_refused(name, dtype):
    tensors = predictor(0).tensors()
    tensors[name] = tensors[name].astype(dtype)
    with pytest.raises(ValueError, match="no integers of at most"):
        ExactPredictor(tensors, GROUPS)


def test_more_layers_than_any_engine_computes_are_refused():
    tensors = predictor(0, hidden=5).tensors()
    for number in range(3, 7):
        tensors |= {f"rest.1.{number}.{part}": tensors[f"rest.1.1.{part}"] for part in ("weight", "bias", "shift")}
    wanted = ExactPredictor(tensors, GROUPS)("a", np.ones((3, 40), np.int16), np.zeros(3, int), 0)
    for name in ENGINES:
        with engine(name):
            found = predictor_of(tensors, GROUPS)("a", np.ones((3, 40), np.int16), np.zeros(3, int), 0)
            assert np.array_equal(found, wanted)
    tensors |= {f"rest.1.7.{part}": tensors[f"rest.1.1.{part}"] for part in ("weight", "bias", "shift")}
    with pytest.raises(ValueError, match="more than 7 layers"):
        ExactPredictor(tensors, GROUPS)


@pytest.mark.parametrize("name", ["first.a.weight", "rest.0.0.weight", "rest.1.1.bias", "place", "step"])
def test_weights_of_other_shapes_are_refused(name):
    tensors = predictor(0).tensors()
    exact = ExactPredictor(tensors, GROUPS)
    exact.check({"a": 40, "b": 0}, places=3, steps=2, outputs=5)
    with pytest.raises(ValueError, match="other shapes"):
        exact.check({"a": 41, "b": 0}, places=3, steps=2, outputs=5)
    tensors[name] = np.zeros((*tensors[name].shape[:-1], tensors[name].shape[-1] + 1), tensors[name].dtype)
    with pytest.raises(ValueError, match=r"other shapes|broadcast"):
        ExactPredictor(tensors, GROUPS).check({"a": 40, "b": 0}, 3, 2, 5)
