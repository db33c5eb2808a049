"""The denoiser: three ways to learn, items of every form, and doubt that is right."""

import copy
import os
import pickle
import signal
import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

import narrows
import narrows.plans.denoiser_plan
import narrows.training.loop
from narrows import DataError, Denoiser, TrainingError, data
from narrows.networks.restoration.mixture import Mixture

from ..made_up import table, waves

AXES = {1: "NT", 2: "NYX", 3: "NZYX"}
SHAPES = {1: (13,), 2: (11, 14), 3: (5, 7, 6)}


@pytest.fixture
def unguarded(monkeypatch):
    """Few steps are enough: the guard is for users, and what is tested holds for any weights."""
    monkeypatch.setattr("narrows.training.loop.MUST_BEAT", 1e6)
    monkeypatch.setattr("narrows.objectives.restoration.BlindObjective.baseline", lambda *arguments: 1e6)


@cache
def fitted(noise="gaussian:0.2", spatial=2, channels=0, preset="default"):
    axes = AXES[spatial] + "C" * bool(channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", 1e6)
        patch.setattr("narrows.objectives.restoration.BlindObjective.baseline", lambda *arguments: 1e6)
        X = waves(40, *SHAPES[spatial], channels=channels)
        return Denoiser(noise, preset=preset, axes=axes, epochs=3).fit(X)


@cache
def digits_with_noise():
    """A denoiser of digits, trained for some seconds; digits for testing, with and without noise."""
    train, test = data.read("mnist").select(slice(0, 2500)), data.read("mnist:test").select(slice(0, 500))
    model = Denoiser("gaussian:0.5", epochs=4).fit(train)
    return model, test.values / np.float32(255), model.with_noise(test).values / 255


def weights(model):
    return {name: tensor.numpy() for name, tensor in model.network_.state_dict().items()}


def assert_equal_weights(one, other):
    for name, expected in weights(one).items():
        np.testing.assert_array_equal(weights(other)[name], expected, err_msg=name)


@pytest.mark.parametrize("noise", ["gaussian:0.2", None])
@pytest.mark.parametrize("preset", ["default", "lesson"])
@pytest.mark.parametrize(("spatial", "channels"), [(1, 0), (1, 2), (2, 0), (2, 3), (3, 0), (3, 2)])
def test_items_of_every_form(spatial, channels, preset, noise):
    model = fitted(noise, spatial, channels, preset)
    for size in ((1, 1, 1), SHAPES[spatial], (11, 17, 9)):
        X = waves(2, *size[:spatial], channels=channels, seed=1)
        clean, doubt = model.transform(X), model.uncertainty(X)
        assert clean.shape == doubt.shape == X.shape
        assert (clean.dtype, doubt.dtype) == (X.dtype, np.float32)
        assert (doubt >= 0).all()
        assert np.isfinite(doubt).all()
        assert doubt.max() > 0.1  # in the unit of the data


@pytest.mark.parametrize("noise", ["gaussian:0.2", None])
def test_items_of_different_sizes(noise):
    model = fitted(noise)
    X = [waves(1, *size, seed=seed)[0] for seed, size in enumerate(((12, 17), (5, 4), (12, 17), (23, 9)))]
    clean, doubt = model.transform(X), model.uncertainty(X)
    assert isinstance(clean, list)
    for x, y, u in zip(X, clean, doubt, strict=True):
        np.testing.assert_array_equal(y, model.transform(x[None])[0])
        np.testing.assert_allclose(u, model.uncertainty(x[None])[0], rtol=1e-5)
        np.testing.assert_array_equal(y, model.transform(x))
    items = data.Items.from_list(X)
    assert all(np.array_equal(one, other) for one, other in zip(model.transform(items), clean, strict=True))
    some = items.select(np.array([3, 0]))
    assert all(np.array_equal(one, clean[i]) for one, i in zip(model.transform(some), (3, 0), strict=True))


def test_learning_from_items_of_different_sizes(unguarded):
    X = [*waves(12, 12, 17), *waves(12, 20, 9, seed=1), *waves(1, 1, 1, seed=2)]
    noisy = [np.clip(x + np.random.default_rng(0).normal(0, 30, x.shape), 0, 255).astype(np.uint8) for x in X]
    for model, pair in (
        (Denoiser("gaussian:0.2", epochs=1), None),
        (Denoiser(epochs=1), X),
        (Denoiser(epochs=1), None),
    ):
        clean = model.fit(noisy, pair).transform(X)
        assert [x.shape for x in clean] == [x.shape for x in X]


@pytest.mark.parametrize("noise", ["gaussian:0.2", None])
@pytest.mark.parametrize(
    "kind", ["uint8", "uint16", "int16", "float16", "float32", "float64", "unit float32", "bool", "huge"]
)
def test_types(kind, noise, unguarded):
    X = waves(30, 8, 8)
    X = {
        "int16": lambda: X.astype(np.int16) * 100 - 12000,
        "uint16": lambda: X.astype(np.uint16) * 257,
        "unit float32": lambda: X / np.float32(255),
        "bool": lambda: X > 127,
        "huge": lambda: X * 1e30,
    }.get(kind, lambda: X.astype(kind))()
    model = Denoiser(noise, epochs=2).fit(X)
    clean, doubt = model.transform(X), model.uncertainty(X)
    assert clean.dtype == X.dtype
    assert doubt.dtype == np.float32
    assert np.isfinite(clean.astype(float)).all()
    assert np.isfinite(doubt).all()
    assert model.clip_ == (kind in ("uint8", "uint16", "unit float32", "bool"))
    noisy = model.with_noise(X, "gaussian:0.1")
    assert noisy.dtype == (X.dtype if X.dtype.kind == "f" else np.float32)
    if X.dtype != bool:
        off = (noisy.astype(float) - X) / (
            65535 if kind == "uint16" else X.max() if model.clip_ else X.astype(float).std()
        )
        assert off.std() == pytest.approx(0.1, rel=0.25)


def test_uncertainty_is_in_the_unit_of_each_channel(unguarded):
    X = waves(60, 8, 8, channels=2, dtype=np.float64) * [1.0, 1000.0] - 5
    model = Denoiser("gaussian:0.5", epochs=3, axes="NYXC").fit(X)
    doubt = model.uncertainty(model.with_noise(X)).mean((0, 1, 2))
    assert 300 < doubt[1] / doubt[0] < 3000


def test_wherever_an_array_lies_and_in_any_order_of_axes(tmp_path, unguarded):
    X = waves(30, 12, 10, channels=3)
    model = Denoiser("gaussian:0.2", epochs=1).fit(X)
    clean, doubt = model.transform(X), model.uncertainty(X)
    np.save(tmp_path / "x.npy", X)
    for same in (np.load(tmp_path / "x.npy", mmap_mode="r"), np.asfortranarray(X), X[::-1].copy()[::-1], X.tolist()):
        np.testing.assert_array_equal(model.transform(np.asarray(same, np.uint8)), clean)
        np.testing.assert_array_equal(clone(model).fit(np.asarray(same, np.uint8)).transform(X), clean)
    for axes, order in (("NCYX", (0, 3, 1, 2)), ("CNXY", (3, 0, 2, 1))):
        other = Denoiser("gaussian:0.2", epochs=1, axes=axes).fit(X.transpose(order))
        np.testing.assert_array_equal(other.transform(X.transpose(order)), clean.transpose(order))
        np.testing.assert_array_equal(other.uncertainty(X.transpose(order)), doubt.transpose(order))
        one = X.transpose(order).take(0, axes.index("N"))
        np.testing.assert_array_equal(other.transform(one), clean.transpose(order).take(0, axes.index("N")))


@pytest.mark.parametrize("noise", ["gaussian:0.2", None])
def test_one_item_short_items_and_items_that_do_not_vary(noise, unguarded):
    X = waves(1, 40, 30)[0]
    model = Denoiser(noise, axes="YX", epochs=2).fit(X)
    assert model.transform(X).shape == X.shape
    assert model.uncertainty(X).shape == X.shape
    for length in (1, 2, 5):
        X = waves(30, length)
        assert Denoiser(noise, axes="NT", epochs=1).fit(X).transform(X).shape == X.shape
    thin = waves(30, 1, 9)
    assert np.isfinite(Denoiser(noise, epochs=1).fit(thin).history_["held_out"]).all()
    for value in (0, 7, 7.5):
        constant = np.full((30, 8, 8), value)
        model = Denoiser(noise, epochs=1).fit(constant.astype(np.uint8) if value != 7.5 else constant)
        assert np.isfinite(model.transform(constant)).all()


def test_clean_digits_from_noisy_ones():
    model, clean, noisy = digits_with_noise()
    assert noisy.min() == 0
    assert noisy.max() == 1  # clipped, as digits have a range
    error = ((model.transform(255 * noisy) / 255 - clean) ** 2).mean()
    assert error < 0.018 < 0.2 * ((noisy - clean) ** 2).mean()
    assert model.score(255 * noisy, 255 * clean) == pytest.approx(-error, rel=0.01)
    assert model.score((255 * clean).round().astype(np.uint8)) == pytest.approx(-error, rel=0.05)


def test_doubt_about_digits_is_right():
    """Among values of like stated deviation, the error is as large; over all, as many are within it as there should."""
    model, clean, noisy = digits_with_noise()
    off = np.abs(model.transform(255 * noisy) / 255 - clean).ravel()
    stated = model.uncertainty(255 * noisy).ravel() / 255
    assert (off <= stated).mean() >= 0.68
    assert (off <= 2 * stated).mean() >= 0.93
    np.testing.assert_allclose(model.training_["within"], [(off <= far * stated).mean() for far in (1, 2)], atol=0.03)
    order = np.argsort(stated)
    for part in np.array_split(order[2 * len(order) // 3 :], 6):
        rms = np.sqrt((off[part].astype(np.float64) ** 2).mean())
        assert rms == pytest.approx(np.sqrt((stated[part].astype(np.float64) ** 2).mean()), rel=0.25)


@cache
def digits_learnt_blind(white=1):
    """From noisy digits, made here, alone; real numbers, clipped to 0..white."""
    train, test = data.read("mnist").values[:1500], data.read("mnist:test").values[:200]
    rng = np.random.default_rng(0)
    noisy, unseen = (
        white * (x / np.float32(255) + 0.5 * rng.standard_normal(x.shape, np.float32)).clip(0, 1) for x in (train, test)
    )
    return Denoiser(epochs=10).fit(noisy), white * (test / np.float32(255)), unseen


@pytest.mark.parametrize("white", [1, 255])
def test_digits_learnt_from_noisy_ones_alone(white):
    model, clean, noisy = digits_learnt_blind(white)
    error = ((model.transform(noisy) - clean) ** 2).mean()
    assert error < 0.25 * ((noisy - clean) ** 2).mean()
    assert model.score(noisy, clean) == pytest.approx(-error / white**2, rel=0.01)
    assert model.calibration_ is None
    assert model.training_["within"] is None
    stated = model.uncertainty(noisy)
    assert 0.5 < np.sqrt((stated**2).mean() / error) < 2
    with pytest.raises(DataError, match="this denoiser learned from noisy items; specify which noise to add"):
        model.score(clean)


def test_who_finds_no_noise_says_so(unguarded, monkeypatch):
    monkeypatch.setattr(narrows.plans.denoiser_plan, "NEGLIGIBLE_NOISE", 2.0)
    with pytest.warns(ConvergenceWarning, match="hardly any noise was found"):
        Denoiser(epochs=1).fit(waves(40, 11, 14))


@pytest.mark.parametrize(("spatial", "channels"), [(1, 0), (2, 0), (2, 3), (3, 0)])
def test_what_is_expected_of_a_value_does_not_depend_on_it(spatial, channels, monkeypatch):
    """Without clean data: else the noise would be learnt with it."""
    model = fitted(None, spatial, channels)
    X = waves(1, *SHAPES[spatial], channels=channels, seed=1)
    X = X / np.float32(255)
    scaling = data.Scaling("range", "float32")
    model.model_, before = replace(model.model_, manifest=replace(model.model_.manifest, scaling=scaling)), model.model_
    try:
        # What is expected, before it is weighed against what was seen.
        monkeypatch.setattr(Mixture, "posterior", lambda self, y, noise, clipped: self.moments())
        expected = model.transform(X)
        changed = 0
        for place in np.random.default_rng(0).permutation(X.size)[:12]:
            other = X.copy()
            other.flat[place] = (other.flat[place] + 0.3) % 1
            differs = (model.transform(other) != expected).ravel()
            assert not differs[place]
            if channels:
                assert not differs.reshape(-1, channels)[place // channels].any()
            changed += differs.any()
        assert changed > 6
    finally:
        model.model_ = before


def test_without_clean_data_only_what_is_hidden_is_asked_for(unguarded, monkeypatch):
    """And of the network's input there is nothing that it is asked for."""
    seen = []
    original = narrows.objectives.restoration.HideOneInTwo.__call__

    def watched(self, x, generator):
        example = original(self, x, generator)
        seen.append((x, example))
        return example

    monkeypatch.setattr(narrows.objectives.restoration.HideOneInTwo, "__call__", watched)
    X = np.random.default_rng(0).random((30, 9, 8), np.float32)
    Denoiser(epochs=1).fit(X)
    rows = {x.tobytes() for x in X}
    starts = set()
    for x, example in seen:
        assert all(item.tobytes() in rows for item in x.numpy())
        assert (example.inputs[example.target_mask] == 0).all()
        assert not example.observed[example.target_mask].any()
        assert (example.target == x).all()
        assert example.target_mask.flatten(1).any(1).all()
        starts.add(tuple(example.target_mask[0, 0].nonzero()[0].tolist()))
    assert len(starts) > 1


def test_pairs():
    clean, rng = waves(80, 12, 12, dtype=np.float32), np.random.default_rng(0)
    noisy, again = ((clean + rng.normal(0, 0.2, clean.shape)).astype(np.float32) for _ in range(2))
    for target in (clean, again):
        model = Denoiser(epochs=12).fit(noisy, target)
        assert model.noise is None
        assert ((model.transform(noisy) - clean) ** 2).mean() < 0.5 * ((noisy - clean) ** 2).mean()
        assert model.score(noisy, clean) < 0
        assert len(model.training_["within"]) == 2


def test_pairs_of_which_only_one_lies_in_the_range(unguarded):
    """The scaling holds both."""
    clean = waves(40, 8, 8)
    noisy = clean + np.random.default_rng(0).normal(0, 20, clean.shape)
    for X, y in ((noisy, clean / 255), (clean / 255, noisy), (noisy.clip(0).astype(np.uint16), clean)):
        model = Denoiser(epochs=1).fit(X, y)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*if it is in another unit")
            assert model.transform(X).dtype == X.dtype


@pytest.mark.parametrize(
    "noise", ["gaussian:0.1-0.5", "poisson:30", "salt-pepper:0.1-0.3", "speckle:0.3", "blur:1+gaussian:0.1"]
)
def test_every_noise(noise, unguarded):
    X = waves(40, 12, 12)
    model = Denoiser(noise, epochs=2).fit(X)
    noisy = model.with_noise(X)
    np.testing.assert_array_equal(noisy, model.with_noise(X))
    assert not np.array_equal(noisy, model.with_noise(X, seed=1))
    assert not np.array_equal(noisy, X)
    assert 0 <= noisy.min() <= noisy.max() <= 255
    assert -1 < model.score(X) < 0


def test_clipping(unguarded):
    X = waves(40, 8, 8)
    assert Denoiser("gaussian:1", epochs=1).fit(X).with_noise(X).max() == 255
    assert Denoiser("gaussian:1", clip=False, epochs=1).fit(X).with_noise(X).max() > 400
    signed = X.astype(np.int16) - 100
    assert Denoiser("gaussian:1", epochs=1).fit(signed).with_noise(signed).min() < signed.min() - 20
    with pytest.raises(ValueError, match="clip=True: needs values of a known range"):
        Denoiser("gaussian:1", clip=True, epochs=1).fit(signed)


def test_the_lesson_denoises():
    X = waves(80, 16, 16)
    model = Denoiser("gaussian:0.5", preset="lesson", epochs=15).fit(X)
    assert type(model.network_).__name__ == "LessonDenoiser"
    assert model.training_["held_out_loss"] < 0.9 * model.training_["mean_loss"]


@pytest.mark.parametrize("noise", ["gaussian:0.2", None])
def test_saved_and_loaded(noise, tmp_path):
    model, X = fitted(noise), waves(4, 11, 14, seed=1)
    model.save(tmp_path / "m.safetensors")
    again = narrows.load(tmp_path / "m.safetensors")
    assert type(again) is Denoiser
    assert (again.noise, again.clip_, again.calibration_) == (model.noise, model.clip_, model.calibration_)
    assert (again.training_, again.history_) == (model.training_, model.history_)
    for other in (again, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.transform(X), model.transform(X))
        np.testing.assert_array_equal(other.uncertainty(X), model.uncertainty(X))
        if noise:
            assert other.score(X) == model.score(X)
    assert clone(again).get_params() == again.get_params()


RUNS = {
    "noise": lambda: (Denoiser("gaussian:0.1-0.4", epochs=4), waves(50, 9, 9), None),
    "blind": lambda: (Denoiser(epochs=4), waves(50, 9, 9), None),
    "pairs": lambda: (Denoiser(epochs=4), waves(50, 9, 9) ^ 8, waves(50, 9, 9)),
    "crops": lambda: (Denoiser("gaussian:0.3", epochs=3), [*waves(20, 9, 12), *waves(20, 12, 8)], None),
}


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupted_run_resumes_to_the_same_weights(name, tmp_path, unguarded, monkeypatch):
    monkeypatch.setattr(narrows.training.loop, "REPORT_SECONDS", 0.0)
    calls = []

    def report(now):
        calls.append(now)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)

    whole, X, y = RUNS[name]()
    whole.fit(X, y)
    stopped, *_ = RUNS[name]()
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, y, checkpoint=tmp_path / "run", report=report)
    # What it leaves can be used.
    assert stopped.training_["complete"] is False
    assert len(stopped.transform(X)) == len(X)
    assert len(stopped.uncertainty(X)) == len(X)
    resumed, *_ = RUNS[name]()
    resumed.fit(X, y, checkpoint=tmp_path / "run", resume=True)
    assert_equal_weights(whole, resumed)
    assert resumed.calibration_ == whole.calibration_
    for other in ({"noise": "gaussian:0.3-0.4"}, {"clip": False}, {"random_state": 1}) if y is None else ():
        with pytest.raises(TrainingError, match="this run was begun with"):
            RUNS[name]()[0].set_params(**other).fit(X, y, checkpoint=tmp_path / "run", resume=True)


@pytest.mark.parametrize("preset", ["default", "lesson"])
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_the_same_seed_gives_the_same_network(spatial, preset, unguarded):
    X = waves(40, *SHAPES[spatial])
    one, same, other = (
        Denoiser("gaussian:0.3", epochs=1, random_state=seed, axes=AXES[spatial], preset=preset).fit(X)
        for seed in (3, np.int64(3), 4)
    )
    assert_equal_weights(one, same)
    assert not np.array_equal(one.transform(X), other.transform(X))


def test_in_a_pipeline(unguarded):
    X = waves(40, 8, 8)
    pipeline = make_pipeline(Denoiser("gaussian:0.3", epochs=1), Denoiser("gaussian:0.1", epochs=1, axes="NYX"))
    assert pipeline.fit(X).transform(X).shape == X.shape
    assert Denoiser("gaussian:0.3", epochs=1).fit_transform(X).shape == X.shape


def test_a_failed_second_fit_leaves_the_first(unguarded):
    X = waves(40, 8, 8)
    for noise in ("gaussian:0.3", None):
        model = Denoiser(noise, epochs=1).fit(X)
        clean = model.transform(X)
        with pytest.raises(DataError, match="NaN"):
            model.fit(np.full((30, 8, 8), np.nan))
        with pytest.raises(ValueError, match="epochs=0"):
            model.set_params(epochs=0).fit(X.astype(np.int16) - 200)
        np.testing.assert_array_equal(model.transform(X), clean)
        assert model.clip_


def test_noise_alone_teaches_nothing():
    """And leaves what was learnt before."""
    noise = np.random.default_rng(0).random((60, 8, 8), np.float32)
    model = copy.copy(fitted()).set_params(noise=None, epochs=2)
    clean = model.transform(waves(3, 8, 8))
    with pytest.raises(TrainingError, match=r"in \d+ steps no way was found to predict a value from its neighbours"):
        model.fit(noise)
    np.testing.assert_array_equal(model.transform(waves(3, 8, 8)), clean)
    assert not hasattr(clone(model), "network_")


X = waves(40, 8, 8)


@pytest.mark.parametrize(
    ("parameters", "X", "y", "message"),
    [
        ({"noise": "fog:1"}, X, None, "noise='fog:1': there is no noise 'fog'; possible are gaussian:S"),
        ({"noise": "gaussian"}, X, None, "noise='gaussian': gaussian needs a strength"),
        ({"noise": "gaussian:0.3"}, X, X, "noise='gaussian:0.3': noise is added to clean items, and pairs have theirs"),
        ({"preset": "tiny"}, X, None, "preset='tiny': expected default or lesson"),
        ({"device": "tpu"}, X, None, "device='tpu'"),
        ({"epochs": 2, "minutes": 1}, X, None, "either in minutes or in epochs"),
        ({"axes": "NYXC"}, X, None, "axes='NYXC': names 4 axes, not 3"),
        ({}, X, X[:20], "20 items, axes NYX.*; pairs need the same as array: 40 items"),
        ({}, X, X[:, :, :7], r"items of shape \(8, 7\), 1 channel.*pairs need the same"),
        ({}, [*X, X[0, :5]], [*X, X[0]], "pairs need the same"),
        ({}, X, np.where(X > 100, np.nan, X), "holds NaN or infinity; denoisers need complete data"),
        ({}, np.where(X > 100, np.inf, X), None, "holds NaN or infinity; denoisers need complete data"),
        ({}, data.Items.from_array(X, mask=X > 100), None, "has missing values; denoisers need complete data"),
        ({}, table(40), None, "rows of a table; denoisers take signals, images or volumes"),
        ({"noise": "gaussian:1"}, data.Items.from_array(table(40), "NF"), None, "rows of a table; denoisers take"),
    ],
)
def test_what_cannot_be_learnt(parameters, X, y, message):
    with pytest.raises(ValueError, match=message) as error:
        Denoiser(**{"epochs": 1, **parameters}).fit(X, y)
    assert "\n" not in str(error.value)


def test_what_a_denoiser_cannot_take():
    model = fitted()
    for X, message in (
        (waves(3, 8, 8, channels=3), "axes='NYX': names 3 axes, not 4"),
        (data.Items.from_array(waves(3, 8, 8, channels=3)), "this model was trained on axes NYX with 1 channel"),
        (np.full((2, 8, 8), np.nan), "holds NaN or infinity; denoisers need complete data"),
        (data.Items.from_array(waves(3, 8, 8), mask=np.ones((3, 8, 8), bool)), "has missing values"),
    ):
        with pytest.raises(DataError, match=message):
            model.transform(X)
    with pytest.raises(DataError, match="pairs need the same"):
        model.score(waves(3, 8, 8), waves(2, 8, 8))
    with pytest.raises(ValueError, match="noise='fog'"):
        model.with_noise(waves(3, 8, 8), "fog")
    for method in ("transform", "uncertainty", "score", "with_noise"):
        with pytest.raises(ValueError, match="not fitted"):
            getattr(Denoiser(), method)(waves(3, 8, 8))


def test_pairs_in_different_units_are_refused():
    X = waves(30, 8, 8)
    with pytest.raises(DataError, match=r"pairs of uint8 from 0 to 255 and of float64 from 0 to 1; give both in the"):
        Denoiser(epochs=1).fit(X, X / 255)


def test_a_denoiser_that_does_harm_says_so():
    with pytest.warns(ConvergenceWarning, match=r"farther from the clean ones \(held-out mse .*\) than the noisy ones"):
        model = Denoiser("gaussian:0.01", epochs=1).fit(waves(30, 8, 8))
    assert model.training_["noisy_loss"] == pytest.approx(1e-4, rel=0.5)
    assert model.training_["held_out_loss"] > model.training_["noisy_loss"]
