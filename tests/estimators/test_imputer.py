"""The imputer: what is known stays bit for bit, however the holes are marked, and doubt about the rest is right."""

import copy
import os
import pickle
import signal
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import narrows
import narrows.training.loop
from narrows import DataError, Imputer, TrainingError, data
from narrows.corruption import Masks
from narrows.models.item_checks import missing_mask
from narrows.objectives.restoration import FillObjective

from ..made_up import waves

AXES = {1: "NT", 2: "NYX", 3: "NZYX"}
SHAPES = {1: (13,), 2: (11, 14), 3: (5, 7, 6)}


@pytest.fixture
def unguarded(monkeypatch):
    """Few steps are enough: the guard is for users, and what is tested holds for any weights."""
    monkeypatch.setattr("narrows.training.loop.MUST_BEAT", 1e6)


def of_type(X, dtype):
    """Waves of 0..255 in another type, which they fill."""
    scales = {"uint16": 257, "int16": 100, "float32": 1 / 255, "float64": 1 / 7}
    return (X.astype(np.float64) * scales.get(dtype, 1) - (9000 if dtype == "int16" else 0)).astype(dtype)


@cache
def fitted(spatial=2, channels=0, dtype="uint8", preset="default", **parameters):
    axes = AXES[spatial] + "C" * bool(channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", 1e6)
        X = of_type(waves(40, *SHAPES[spatial], channels=channels), dtype)
        return Imputer(preset=preset, axes=axes, epochs=2, **parameters).fit(X)


def random_mask(*shape, seed=0, share=0.4):
    return np.random.default_rng(seed).random(shape) < share


def bits(array):
    return np.ascontiguousarray(array).view(np.uint8).reshape(*array.shape, -1)


def assert_known_untouched(filled, X, hidden):
    np.testing.assert_array_equal(bits(filled)[~hidden], bits(X)[~hidden])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64", "bool"])
@pytest.mark.parametrize(("spatial", "channels"), [(1, 0), (2, 0), (2, 3)])
def test_what_is_known_stays_bit_for_bit(spatial, channels, dtype):
    model = fitted(spatial, channels, dtype)
    X = of_type(waves(5, *((7, 19) if spatial == 2 else (23,)), channels=channels, seed=1), dtype)
    if dtype.startswith("float"):
        X.flat[::7] = np.nextafter(X.flat[::7], np.inf)  # not what a scaling there and back would give
        X.flat[0] = -0.0
    hidden = random_mask(*X.shape)
    filled = model.transform(X, hidden)
    assert filled.dtype == X.dtype
    assert filled.shape == X.shape
    assert_known_untouched(filled, X, hidden)
    assert np.isfinite(filled.astype(float)).all()
    doubt = model.uncertainty(X, hidden)
    assert doubt.dtype == np.float32
    assert (doubt[~hidden] == 0).all()
    assert (doubt[hidden] >= 0).all()
    assert doubt.max() > 0
    if dtype == "bool":
        return
    one, other = model.sample(X, 2, hidden)
    for sample in (one, other):
        assert sample.dtype == X.dtype
        assert_known_untouched(sample, X, hidden)
        assert np.isfinite(sample.astype(float)).all()
    assert (one != other)[hidden].mean() > 0.5


@pytest.mark.parametrize("preset", ["default", "lesson"])
@pytest.mark.parametrize(("spatial", "channels"), [(1, 0), (1, 2), (2, 0), (2, 5), (3, 0), (3, 2)])
def test_items_of_every_form(spatial, channels, preset):
    model = fitted(spatial, channels, preset=preset)
    for size in ((1, 1, 1), SHAPES[spatial], (11, 17, 9)):
        X = waves(2, *size[:spatial], channels=channels, seed=1)
        hidden = random_mask(*X.shape[: 1 + spatial])
        each = hidden[..., None].repeat(channels, -1) if channels else hidden
        filled, doubt = model.transform(X, hidden), model.uncertainty(X, hidden)
        assert filled.shape == doubt.shape == X.shape
        assert_known_untouched(filled, X, each)
        assert (doubt[~each] == 0).all()
        np.testing.assert_array_equal(model.transform(X, each), filled)


def test_what_stands_in_a_hole_says_nothing():
    model, X, hidden = fitted(), waves(4, 11, 14, seed=1), random_mask(4, 11, 14)
    changed = np.where(hidden, 255 - X, X)
    for answer in (model.transform, model.uncertainty, lambda *given: model.sample(given[0], 1, given[1])[0]):
        np.testing.assert_array_equal(answer(X, hidden), answer(changed, hidden))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_every_way_to_mark_holes_gives_the_same(dtype):
    model = fitted(dtype=dtype)
    X, mask = of_type(waves(4, 11, 14, seed=1), dtype), random_mask(4, 11, 14)
    expected, doubt = model.transform(X, mask), model.uncertainty(X, mask)
    alpha = np.stack([X, np.where(mask, 0, 1).astype(dtype)], -1)
    with_value = np.where(mask, 250, X).astype(dtype)
    by_value = copy.copy(model).set_params(missing_values=250)
    ways = {
        "of numbers": (model, X, mask * 3.5),
        "Items of colour": (model, X, data.Items.from_array(mask[..., None].repeat(3, -1).astype(np.uint8))),
        "Items": (model, X, data.Items.from_array(mask.astype(np.uint8))),
        "a list": (model, list(X), list(mask)),
        "alpha": (model, alpha, None),
        "a list with alpha": (model, list(alpha), None),
        "Items with alpha": (model, data.Items.from_array(alpha), None),
        "a value": (by_value, with_value, None),
        "a value and a mask": (by_value, with_value, mask & random_mask(4, 11, 14, seed=1)),
        "marked Items": (model, data.Items.from_array(X, mask=mask), None),
    }
    if dtype == "float32":
        ways["NaN"] = (model, np.where(mask, np.nan, X).astype(dtype), None)
        ways["NaN and a mask"] = (model, np.where(mask, np.nan, X).astype(dtype), mask)
    for name, (how, given, its_mask) in ways.items():
        for answered, right in ((how.transform(given, its_mask), expected), (how.uncertainty(given, its_mask), doubt)):
            answered = answered.values if isinstance(answered, data.Items) else answered
            np.testing.assert_array_equal(np.asarray(answered), right, err_msg=name)
        (sample,) = how.sample(given, 1, its_mask, random_state=5)
        sample = sample.values if isinstance(sample, data.Items) else np.asarray(sample)
        np.testing.assert_array_equal(sample, model.sample(X, 1, mask, random_state=5)[0], err_msg=name)


def test_colour_with_alpha():
    model, X, mask = fitted(2, 3), waves(4, 11, 14, channels=3, seed=1), random_mask(4, 11, 14)
    alpha = np.concatenate([X, np.where(mask, 0, 255).astype(np.uint8)[..., None]], -1)
    np.testing.assert_array_equal(model.transform(alpha), model.transform(X, mask))


def test_one_mask_for_all():
    model, X, mask = fitted(2, 3), waves(4, 11, 14, channels=3, seed=1), random_mask(11, 14)
    filled = model.transform(X, np.stack([mask] * 4))
    for same in (mask, mask[..., None].repeat(3, -1), [mask] * 4, [mask]):
        np.testing.assert_array_equal(model.transform(X, same), filled)
    by_channel = random_mask(11, 14, 3)
    assert_known_untouched(model.transform(X, by_channel), X, np.stack([by_channel] * 4))


def test_masks_that_hide_nothing_or_everything():
    for dtype in ("uint8", "float32"):
        model, X = fitted(dtype=dtype), of_type(waves(3, 11, 14, seed=1), dtype)
        for nothing in (None, np.zeros((11, 14))):
            np.testing.assert_array_equal(model.transform(X, nothing), X)
            assert not model.uncertainty(X, nothing).any()
            assert all(np.array_equal(sample, X) for sample in model.sample(X, 2, nothing))
        everything = model.transform(X, np.ones((11, 14)))
        assert np.isfinite(everything.astype(float)).all()
        np.testing.assert_array_equal(everything[0], everything[1])
        assert (model.uncertainty(X, np.ones((11, 14))) > 0).all()
        assert len({sample.tobytes() for sample in model.sample(X, 3, np.ones((11, 14)))}) == 3


def test_items_of_different_sizes():
    model = fitted()
    X = [waves(1, *size, seed=seed)[0] for seed, size in enumerate(((12, 17), (5, 4), (12, 17), (23, 9)))]
    masks = [random_mask(*x.shape, seed=seed) for seed, x in enumerate(X)]
    filled, doubt = model.transform(X, masks), model.uncertainty(X, masks)
    assert isinstance(filled, list)
    for x, mask, y, u in zip(X, masks, filled, doubt, strict=True):
        assert_known_untouched(y, x, mask)
        np.testing.assert_array_equal(y, model.transform(x, mask))
        np.testing.assert_array_equal(y, model.transform(x[None], mask[None])[0])
        np.testing.assert_allclose(u, model.uncertainty(x, mask), rtol=1e-5)
    (sample,) = model.sample(X, 1, masks)
    for x, mask, y in zip(X, masks, sample, strict=True):
        assert_known_untouched(y, x, mask)
    marked = model.with_holes(X, "pixels:0.5")
    some = marked.select(np.array([3, 1]))
    for answered, index in zip(model.transform(some), (3, 1), strict=True):
        np.testing.assert_array_equal(answered, model.transform(marked)[index])
    for answered, index in zip(model.uncertainty(some), (3, 1), strict=True):
        np.testing.assert_allclose(answered, model.uncertainty(marked)[index], rtol=1e-5)
    assert -1 < model.score(X) < 0
    assert -1 < model.score(some) < 0


def test_learning_from_items_of_different_sizes_with_holes(unguarded):
    X = [*waves(12, 12, 17, dtype=np.float32), *waves(12, 20, 9, dtype=np.float32, seed=1), np.full((3, 3), np.nan)]
    X = [np.where(random_mask(*x.shape, seed=seed), np.nan, x).astype(np.float32) for seed, x in enumerate(X)]
    model = Imputer(epochs=2).fit(X)
    assert np.isfinite(model.history_["loss"]).all()
    filled = model.transform(X)
    for x, y in zip(X, filled, strict=True):
        assert_known_untouched(y, x, np.isnan(x))
        assert np.isfinite(y).all()
    as_items = data.Items.from_list(X)
    assert clone(model).fit(as_items.select(np.arange(20)[::-1])).training_["items"] == 20


def test_real_holes_are_never_learnt_from(unguarded):
    """Whatever stands where a value or an alpha channel says that there is nothing."""
    X, mask = waves(40, 9, 8), random_mask(40, 9, 8)
    X = np.where(X == 255, 254, X)
    alpha = np.where(mask, 0, 255).astype(np.uint8)
    by_alpha = [
        Imputer(missing_values="alpha", epochs=1).fit(np.stack([np.where(mask, other, X), alpha], -1).astype(np.uint8))
        for other in (X, 0, 254)
    ]
    by_value = Imputer(missing_values=255, epochs=1).fit(np.where(mask, 255, X).astype(np.uint8))
    as_items = [
        Imputer(epochs=1).fit(data.Items.from_array(np.where(mask, other, X).astype(np.uint8), mask=mask))
        for other in (0, 255)
    ]
    expected = by_alpha[0].transform(X, mask)
    for model in (*by_alpha, by_value, *as_items):
        np.testing.assert_array_equal(model.transform(X, mask), expected)
        assert model.calibration_ == by_alpha[0].calibration_
    floats = np.where(mask, np.nan, X.astype(np.float32) - 9)
    by_nan = Imputer(epochs=1).fit(floats)
    marked = Imputer(missing_values=-999, epochs=1).fit(np.where(mask, -999, floats))
    np.testing.assert_array_equal(by_nan.transform(floats), marked.transform(floats))
    assert by_nan.scaling_ == marked.scaling_


def test_most_values_unknown(unguarded):
    """Batches in which nothing known is hidden teach nothing, and spoil nothing."""
    X = np.where(random_mask(30, 8, 8, share=0.97), np.nan, waves(30, 8, 8, dtype=np.float32))
    model = Imputer("pixels:0.1", epochs=4).fit(X)
    assert np.isfinite(model.history_["loss"]).all()
    assert np.isfinite(model.transform(X)).all()


def test_wherever_an_array_lies_and_in_any_order_of_axes(tmp_path, unguarded):
    X, mask = waves(30, 12, 10, channels=3), random_mask(30, 12, 10)
    model = Imputer(epochs=1).fit(X)
    filled, doubt = model.transform(X, mask), model.uncertainty(X, mask)
    (sample,) = model.sample(X, 1, mask)
    score = model.score(X)
    np.save(tmp_path / "x.npy", X)
    for same in (np.load(tmp_path / "x.npy", mmap_mode="r"), np.asfortranarray(X), X[::-1].copy()[::-1]):
        np.testing.assert_array_equal(model.transform(same, mask), filled)
        np.testing.assert_array_equal(model.sample(same, 1, mask)[0], sample)
        np.testing.assert_array_equal(clone(model).fit(same).transform(X, mask), filled)
        assert model.score(same) == score
        floats = same.astype(np.float64, order="K")[::-1][::-1]
        assert model.score(floats) == pytest.approx(score, rel=0.05)
    for axes, order in (("NCYX", (0, 3, 1, 2)), ("CNXY", (3, 0, 2, 1))):
        turned = X.transpose(order)
        other = Imputer(epochs=1, axes=axes).fit(turned)
        without = mask.transpose([("NYX").index(axis) for axis in axes if axis != "C"])
        each = np.broadcast_to(mask[..., None], X.shape).transpose(order)
        for its_mask in (without, each):
            np.testing.assert_array_equal(other.transform(turned, its_mask), filled.transpose(order))
            np.testing.assert_array_equal(other.uncertainty(turned, its_mask), doubt.transpose(order))
            np.testing.assert_array_equal(other.sample(turned, 1, its_mask)[0], sample.transpose(order))
        one, one_mask = turned.take(0, axes.index("N")), without.take(0, axes.replace("C", "").index("N"))
        np.testing.assert_array_equal(other.transform(one, one_mask), filled.transpose(order).take(0, axes.index("N")))
        assert other.score(turned) == pytest.approx(score)


def test_one_item_short_items_and_items_that_do_not_vary(unguarded):
    X = waves(1, 40, 30)[0]
    model = Imputer(axes="YX", epochs=2).fit(X)
    mask = random_mask(40, 30)
    assert_known_untouched(model.transform(X, mask), X, mask)
    assert model.uncertainty(X, mask).shape == X.shape
    assert model.sample(X, 1, mask)[0].shape == X.shape
    with pytest.raises(DataError, match="too few values are observed"):
        Imputer(axes="NT", epochs=1).fit(waves(30, 1))
    for length in (2, 5):
        X = waves(30, length)
        assert Imputer(axes="NT", epochs=1).fit(X).transform(X, np.ones(length)).shape == X.shape
    for constant in (np.zeros((30, 8, 8)), np.full((30, 8, 8), 7, np.uint8), np.full((30, 8, 8), -7.5)):
        model = Imputer(epochs=1).fit(constant)
        assert np.isfinite(model.transform(constant, np.eye(8))).all()


def test_samples():
    model, X, mask = fitted(), waves(3, 11, 14, seed=1), random_mask(3, 11, 14)
    samples = model.sample(X, 3, mask, random_state=1)
    for one, same, other in zip(
        samples, model.sample(X, 3, mask, random_state=1), model.sample(X, 3, mask, random_state=2), strict=True
    ):
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)
        assert_known_untouched(one, X, mask)
    assert len({sample.tobytes() for sample in samples}) == 3
    assert model.sample(X, 0, mask) == []
    drawn = model.sample(X, 1, mask, random_state=np.random.RandomState(1))[0]
    np.testing.assert_array_equal(drawn, samples[0])


@cache
def digits_with_holes():
    train, test = data.read("mnist").select(slice(0, 3000)), data.read("mnist:test").select(slice(0, 500))
    return Imputer(epochs=5).fit(train), test


def test_digits_are_filled():
    model, test = digits_with_holes()
    unit = test.values / np.float32(255)
    for holes, at_most in (("pixels:0.75", 0.03), ("blocks:0.25", 0.08)):
        marked = model.with_holes(test, holes)
        hidden = missing_mask(marked)
        error = ((model.transform(marked).values / np.float32(255) - unit)[hidden] ** 2).mean()
        assert error < at_most < unit[hidden].var()
    hidden = missing_mask(model.with_holes(test))
    error = ((model.transform(test.values, hidden) / np.float32(255) - unit)[hidden] ** 2).mean()
    assert model.score(test) == pytest.approx(-error, rel=1e-3)


def test_doubt_about_digits_is_right():
    """Among values of like stated deviation, the error is as large; over all, as many are within it as there should."""
    model, test = digits_with_holes()
    marked = model.with_holes(test)
    hidden = missing_mask(marked)
    off = np.abs(model.transform(marked).values.astype(float) - test.values)[hidden]
    stated = model.uncertainty(marked).values[hidden].astype(float)
    assert (off <= stated).mean() >= 0.68
    assert (off <= 2 * stated).mean() >= 0.93
    np.testing.assert_allclose(model.training_["within"], [(off <= far * stated).mean() for far in (1, 2)], atol=0.03)
    order = np.argsort(stated)
    for part in np.array_split(order[len(order) // 2 :], 6):
        assert np.sqrt((off[part] ** 2).mean()) == pytest.approx(np.sqrt((stated[part] ** 2).mean()), rel=0.25)


def test_samples_of_digits_spread_as_the_doubt_says():
    model, test = digits_with_holes()
    X, mask = test.values[:40], np.zeros((28, 28), bool)
    mask[7:21, 7:21] = True
    samples = np.stack(model.sample(X, 6, mask)).astype(float)[:, :, mask]
    spread = np.sqrt(samples.var(0, ddof=1).mean())
    stated = np.sqrt((model.uncertainty(X, mask)[:, mask] ** 2).mean())
    assert 0.6 < spread / stated < 1.5


@pytest.mark.parametrize("missing_values", [np.nan, 7.0, "alpha"])
def test_saved_and_loaded(missing_values, tmp_path, unguarded):
    X, mask = waves(30, 11, 14), random_mask(30, 11, 14)
    given = np.stack([X, np.where(mask, 0, 9).astype(np.uint8)], -1) if missing_values == "alpha" else X
    model = Imputer("lines:0.3", missing_values, epochs=1).fit(given)
    model.save(tmp_path / "m.safetensors")
    again = narrows.load(tmp_path / "m.safetensors")
    assert type(again) is Imputer
    assert again.holes == "lines:0.3"
    assert again.missing_values == missing_values or np.isnan(missing_values)
    assert (again.training_, again.calibration_) == (model.training_, model.calibration_)
    for other in (again, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.transform(given), model.transform(given))
        np.testing.assert_array_equal(other.transform(X, mask), model.transform(X, mask))
        np.testing.assert_array_equal(other.uncertainty(X, mask), model.uncertainty(X, mask))
        np.testing.assert_array_equal(other.sample(X, 1, mask)[0], model.sample(X, 1, mask)[0])
        assert other.score(X) == model.score(X)


@pytest.mark.parametrize("holes", ["mixed", "crops", "real"])
def test_an_interrupted_run_resumes_to_the_same_weights(holes, tmp_path, unguarded, monkeypatch):
    monkeypatch.setattr(narrows.training.loop, "REPORT_SECONDS", 0.0)
    X = [*waves(25, 9, 12), *waves(25, 12, 8)] if holes == "crops" else waves(50, 9, 9, channels=2)
    if holes == "real":
        X = data.Items.from_array(X, mask=random_mask(*X.shape))
    calls = []

    def report(now):
        calls.append(now)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    whole = Imputer(epochs=3).fit(X)
    stopped = Imputer(epochs=3)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, checkpoint=tmp_path / "run", report=report)
    assert stopped.training_["complete"] is False
    assert len(stopped.transform(X)) == len(X)
    resumed = Imputer(epochs=3).fit(X, checkpoint=tmp_path / "run", resume=True)
    for name, tensor in whole.network_.state_dict().items():
        np.testing.assert_array_equal(tensor, resumed.network_.state_dict()[name], err_msg=name)
    assert resumed.calibration_ == whole.calibration_
    with pytest.raises(TrainingError, match="this run was begun with holes=mixed, not lines"):
        Imputer("lines", epochs=3).fit(X, checkpoint=tmp_path / "run", resume=True)


def test_in_a_pipeline(unguarded):
    X = np.where(random_mask(40, 8, 8), np.nan, waves(40, 8, 8, dtype=np.float64))
    filled = make_pipeline(Imputer(epochs=1), narrows.Denoiser("gaussian:0.1", epochs=1)).fit_transform(X)
    assert np.isfinite(filled).all()


X = waves(40, 8, 8)


@pytest.mark.parametrize(
    ("parameters", "X", "message"),
    [
        ({"holes": "moths"}, X, "holes='moths': there are no holes 'moths'"),
        ({"holes": "channels"}, X, "holes='channels': needs items with several channels; these have one"),
        ({"holes": "pixels:0.3+channels"}, X, "channels"),
        ({"missing_values": "beta"}, X, "missing_values='beta': expected numbers, NaN or alpha"),
        ({"missing_values": None}, X, "missing_values=None: expected numbers"),
        ({"missing_values": "alpha"}, X, "an alpha channel is the last of 2 or 4 of an image"),
        ({"missing_values": 5}, np.full((30, 8, 8), 5), "no value of it is observed"),
        ({"preset": "tiny"}, X, "preset='tiny'"),
        ({}, np.full((30, 8, 8), np.nan), "no value of it is observed, so there is nothing to learn from"),
        ({}, np.where(X > 100, np.inf, X), "holds infinity; mark missing values as NaN"),
        ({"add_indicator": True}, X, "only tables have columns to add"),
        ({"strategy": "median"}, X, "strategy='median': expected mean or mode"),
    ],
)
def test_what_cannot_be_learnt(parameters, X, message):
    with pytest.raises(ValueError, match=message) as error:
        Imputer(**{"epochs": 1, **parameters}).fit(X)
    assert "\n" not in str(error.value)


def test_what_an_imputer_cannot_take():
    model, X = fitted(), waves(3, 8, 8)
    for given, mask, message in (
        (waves(3, 8, 8, channels=3), None, r"this model was trained on axes NYX with 1 channel"),
        (waves(3, 8, 8, 8, channels=2), None, "axes='NYX': names 3 axes, not 5"),
        (np.where(X > 100, np.inf, X), None, "holds infinity"),
        (X, np.zeros((8, 7)), r"mask has shape \(8, 7\): expected the axes NYX"),
        (X, np.zeros((2, 8, 8)), r"mask has shape \(2, 8, 8\): expected the axes NYX"),
        (X, np.zeros(8), r"mask has shape \(8,\)"),
        (list(X), [np.zeros((8, 8))] * 2, "2 masks for 3 items"),
        (list(X), [np.zeros((8, 9))] * 3, r"a mask of \(8, 9\) for item 0 of \(8, 8\)"),
    ):
        for method in (model.transform, model.uncertainty, lambda given, mask: model.sample(given, 1, mask)):
            with pytest.raises(DataError, match=message) as error:
                method(given, mask)
            assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="this model was trained on axes NTC with 2 channel"):
        fitted(1, 2).transform(waves(3, 8, channels=3))
    for method in ("transform", "uncertainty", "score", "with_holes"):
        with pytest.raises(ValueError, match="not fitted"):
            getattr(Imputer(), method)(X)


def test_in_training_some_holes_are_seen_partly_filled():
    """In so many items as there should; never where it is asked, and never of what is held out."""
    x = torch.rand(400, 2, 6, 7, generator=torch.Generator().manual_seed(0))
    x[:, :, 0] = torch.nan
    objective = FillObjective(Masks.parse("blocks:0.5"), seed=3)
    drawn = objective.corruption(x, objective.generator(x, 5))
    example, again = objective.example(x, 5), objective.example(x, 5)
    assert torch.equal(example.x, again.x)
    filled = (drawn.target_mask & ~example.target_mask).flatten(1)
    share = filled.sum(1) / drawn.target_mask.flatten(1).sum(1)
    assert 0.15 < (share > 0).float().mean() < 0.35
    assert 0.35 < share[share > 0].mean() < 0.65
    assert torch.equal(example.target_mask | example.observed, x.isfinite())
    assert not (example.target_mask & example.observed).any()
    assert torch.equal(example.inputs[example.observed], x[example.observed])
    assert (example.inputs[~example.observed] == 0).all()
    held_out, plain = objective.example(x, None), objective.corruption(x, objective.generator(x, None))
    assert torch.equal(held_out.x, plain.x)


@pytest.mark.parametrize("seed", [-1, 2**32, 2**70, 1.5, "some"])
def test_seeds_that_nothing_can_be_drawn_with_are_refused(seed):
    with pytest.raises(narrows.ParameterError, match=r"random_state=.*: expected a whole number from 0 to 4294967295"):
        Imputer(epochs=1, random_state=seed).fit(waves(8, 6, 6))
    with pytest.raises(narrows.ParameterError, match=r"random_state=.*: expected a whole number from 0 to 4294967295"):
        fitted().sample(waves(2, *SHAPES[2]), 1, random_state=seed)


def test_the_largest_seed_serves_every_purpose():
    Imputer(epochs=1, random_state=2**32 - 1).fit(waves(8, 6, 6))
