"""Fine-tuning: training starts from a model's weights, keeps what the model fixes, and refuses what contradicts it."""

import lzma
import os
import signal
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import narrows.training.loop
from narrows import Autoencoder, Codec, DataError, Denoiser, Imputer, ParameterError, TrainingError, data, load
from narrows.codec.model import CodecModel
from narrows.errors import DataWarning

from ..made_up import table, waves

FEW = {"epochs": 2, "device": "cpu"}
TINY = {"epochs": 1, "learning_rate": 1e-12, "device": "cpu"}  # leaves the weights as they are


def pictures(count, seed, **options):
    return waves(count, 24, 24, seed=seed, **options)


def noisy(count, seed):
    values = waves(count, 24, 24, seed=seed, dtype=np.float32)
    return (values + np.random.default_rng(seed).normal(0, 0.1, values.shape)).astype(np.float32)


def many_values(count, seed):
    """Pictures that a codec codes by mixtures."""
    return (257 * pictures(count, seed).astype(np.uint16) + np.arange(24, dtype=np.uint16)).astype(np.uint16)


def stripes(count, seed):
    """Pictures in which neighbours differ, so that an imputer has something to learn."""
    return (pictures(count, seed) + 20 * (np.arange(24) % 2)).astype(np.uint8)


def flat_colours(count, seed):
    """Pictures that a codec codes as colours: blocks of 4x4 of one colour each."""
    blocks = np.random.default_rng(seed).integers(0, 4, (count, 6, 6, 1)) * np.array([80, 60, 40])
    return blocks.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


def signals(count, seed):
    return waves(count, 3000, seed=seed, dtype=np.float64).round(3).view(np.float64)


# A new estimator, and items by seed, of each kind of network.
KINDS = {
    "autoencoder": (lambda **how: Autoencoder(code="4x3x3", **how), pictures),
    "flat code": (lambda **how: Autoencoder(code=4, **how), pictures),
    "table": (lambda **how: Autoencoder(code=3, **how), lambda count, seed: pd.DataFrame(table(count, seed=seed))),
    "denoiser": (lambda **how: Denoiser("gaussian:0.1", **how), pictures),
    "blind": (Denoiser, noisy),
    "imputer": (Imputer, stripes),
    "values": (Codec, lambda count, seed: pictures(count, seed) // 100),
    "mixtures": (Codec, many_values),
    "colours": (Codec, flat_colours),
    "signals": (lambda **how: Codec(axes="NT", **how), lambda count, seed: (1000 * signals(count, seed)).astype(int)),
}
TRAINED_FOR = {"blind": 30, "denoiser": 12, "imputer": 12}  # epochs, others 6


@cache
def base(kind):
    make, items = KINDS[kind]
    return make(epochs=TRAINED_FOR.get(kind, 6), device="cpu").fit(items(40, 0))


def result(model, X):
    """What a model makes of items."""
    if isinstance(model, Codec):
        return model.compress(X, lossless=True)
    if isinstance(model, Imputer):
        return model.transform(X, np.eye(24))
    return model.transform(X)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind != "blind"]
)  # which learns the level of the noise anew
def test_training_starts_from_the_weights_of_the_model(kind):
    make, items = KINDS[kind]
    start, X = base(kind), items(40, 1)
    same = make(**TINY).fit(X, init_model=start)
    expected, found = result(start, X[:4]), result(same, X[:4])
    if isinstance(start, Codec):
        assert abs(len(found) - len(expected)) <= 0.01 * len(expected) + 8  # a few weights are rounded again
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_result_is_no_worse_than_the_start_and_better_than_as_much_training_alone(kind):
    make, items = KINDS[kind]
    start, X = base(kind), items(40, 1)
    tuned, alone = make(**FEW).fit(X, init_model=start), make(**FEW)
    history, training = tuned.history_["held_out"], tuned.training_
    assert training["held_out_loss"] == min(history) <= history[0]
    try:
        alone.fit(X)
    except TrainingError:  # no better than the mean in so few steps
        return
    assert training["held_out_loss"] < alone.training_["held_out_loss"]


@pytest.mark.parametrize("kind", ["autoencoder", "denoiser", "imputer", "mixtures"])
def test_a_model_is_a_file_an_estimator_or_a_trained_model(kind, tmp_path):
    make, items = KINDS[kind]
    start, X = base(kind), items(24, 1)
    path = tmp_path / "start.safetensors"
    start.save(path)
    losses = {
        make(**FEW).fit(X, init_model=given).training_["held_out_loss"]
        for given in (path, str(path), start, start.model_)
    }
    assert len(losses) == 1


@pytest.mark.parametrize("kind", ["table", "blind", "imputer", "colours"])
def test_what_is_trained_on_can_be_saved_and_says_what_it_started_from(kind, tmp_path):
    make, items = KINDS[kind]
    start, X = base(kind), items(24, 1)
    tuned = make(**FEW).fit(X, init_model=start)
    fingerprint = start.model_.to_file().fingerprint
    assert tuned.training_["init_model"] == {"fingerprint": fingerprint, "data": start.training_["data"], "items": 40}
    assert tuned.model_.to_file().fingerprint != fingerprint
    tuned.save(tmp_path / "tuned.safetensors")
    again = load(tmp_path / "tuned.safetensors")
    assert again.training_ == tuned.training_
    assert fingerprint[:12] in dict(again.model_.describe())["started from"]
    assert "init_model" not in start.training_


def test_a_codec_that_was_tuned_decompresses_what_it_compressed():
    start, X = base("mixtures"), many_values(24, 1)
    tuned = Codec(**FEW).fit(X, init_model=start)
    assert tuned.fingerprint_ != start.fingerprint_
    assert (tuned.decompress(tuned.compress(X, lossless=True)) == X).all()


def test_items_of_other_sizes_fit_where_the_network_takes_them():
    tuned = Autoencoder(**FEW).fit(waves(24, 32, 40, seed=1), init_model=base("autoencoder"))
    assert tuned.reconstruct(waves(2, 32, 40)).shape == (2, 32, 40)
    assert tuned.get_params()["code"] is None
    assert tuned.model_.manifest.architecture == base("autoencoder").model_.manifest.architecture
    denoiser = Denoiser("gaussian:0.2", **FEW).fit([waves(1, 40, 30)[0]] * 24, init_model=base("denoiser"))
    assert denoiser.transform([waves(1, 9, 11)[0]])[0].shape == (9, 11)


def test_scaling_and_axes_are_those_of_the_model():
    X = pictures(24, 1)
    linear = {"architecture": "linear", "code": 8, "epochs": 30, "device": "cpu"}
    start, dark = Autoencoder(**linear).fit(X), np.minimum(X, 127)
    assert Autoencoder(**linear).fit(dark).scaling_.high == 127
    assert Autoencoder(**linear).fit(dark, init_model=start).scaling_ == start.scaling_
    signals = waves(24, 64, channels=2)
    first = Autoencoder("conv", code="2x8", axes="NTC", **FEW).fit(signals)
    assert Autoencoder(**FEW).fit(signals, init_model=first).axes_ == "NTC"


@pytest.mark.parametrize(
    ("given", "kind", "X", "message"),
    [
        (Autoencoder(preset="lesson"), "autoencoder", pictures(24, 1), "preset='lesson'.*has default"),
        (Autoencoder(code="8x3x3"), "autoencoder", pictures(24, 1), "code=.8, 3, 3.*has .4, 3, 3"),
        (Autoencoder("linear"), "autoencoder", pictures(24, 1), "architecture='linear'.*has conv"),
        (Autoencoder(upsampling="unpool"), "autoencoder", pictures(24, 1), "upsampling='unpool'.*has nearest"),
        (Denoiser("gaussian:0.1", preset="lesson"), "denoiser", pictures(24, 1), "preset='lesson'.*has default"),
        (Imputer(preset="lesson"), "imputer", pictures(24, 1), "preset='lesson'.*has default"),
        (Denoiser("gaussian:0.1"), "blind", pictures(24, 1), "learned from noisy items alone"),
        (Imputer(), "denoiser", pictures(24, 1), "is of the tool denoiser; expected a model of the tool imputer"),
        (Codec(), "autoencoder", pictures(24, 1), "is of the tool autoencoder"),
    ],
)
def test_options_that_contradict_the_model_are_refused(given, kind, X, message):
    with pytest.raises(ParameterError, match=message):
        given.fit(X, init_model=base(kind))


def test_a_denoiser_that_knows_noisy_items_alone_learns_the_noise_of_others():
    values = waves(40, 24, 24, seed=1, dtype=np.float32)
    X = values + np.random.default_rng(1).normal(0, 0.4, values.shape).astype(np.float32)
    start = base("blind")
    tuned = Denoiser(epochs=20, device="cpu").fit(X, init_model=start)
    deviation = start.scaling_.scale[0]
    assert start.model_.noise_level() * deviation < 0.25
    assert 0.35 < tuned.model_.noise_level() * deviation < 0.5

    def error(model):
        return np.square(model.transform(X) - values).mean()

    assert error(tuned) < 0.9 * error(start)


def test_a_denoiser_adds_the_noise_of_the_model_that_it_starts_from():
    with pytest.warns(DataWarning, match=r"taken as clean; training adds the noise .*, gaussian:0\.1$"):
        tuned = Denoiser(**FEW).fit(pictures(24, 1), init_model=base("denoiser"))
    assert tuned.model_.noise == "gaussian:0.1"
    X = pictures(24, 1)
    pairs = Denoiser(**FEW).fit(X, X, init_model=base("denoiser"))
    assert pairs.model_.noise is None
    with pytest.raises(ParameterError, match="learned from pairs"):
        Denoiser().fit(X, init_model=pairs)


def test_a_ready_made_model_is_chosen_by_the_items():
    tuned = Imputer(**FEW).fit(257 * pictures(20, 1, channels=3).astype(np.uint16), init_model="photo")
    assert tuned.training_["init_model"]["fingerprint"] == load("photo-imputer-colour").model_.to_file().fingerprint
    assert (tuned.axes_, tuned.scaling_.high) == ("NYXC", 65535)
    with pytest.raises(DataError, match="ready-made imputers are for"):
        Imputer().fit(waves(20, 24), init_model="photo")


@pytest.mark.parametrize(
    ("make", "kind", "X", "message"),
    [
        (Autoencoder, "autoencoder", pictures(24, 1, channels=3), "axes='NYX': names 3 axes, not 4"),
        (Autoencoder, "flat code", waves(24, 20, 20), "takes items of shape .24, 24. alone"),
        (Autoencoder, "table", pd.DataFrame(table(24)).rename(columns=str).drop(columns="0"), "0"),
        (lambda: Denoiser("gaussian:0.1"), "denoiser", many_values(24, 1), "holds uint16.*trained on uint8"),
        (Imputer, "imputer", many_values(24, 1), "holds uint16.*trained on uint8"),
        (Imputer, "imputer", table(24), "axes='NYX': names 3 axes, not 2"),
        (Codec, "mixtures", data.Items(pictures(24, 1, channels=3), "NYXC"), "this model was trained on axes NYX"),
        (Codec, "mixtures", pictures(24, 1, dtype=np.float32), "float32 values; this model was trained on uint16"),
        (Codec, "values", many_values(24, 1), "holds uint16.*trained on uint8"),
    ],
)
def test_data_that_do_not_fit_the_model_are_refused(make, kind, X, message):
    with pytest.raises((DataError, ValueError), match=message):
        make().fit(X, init_model=base(kind))


def test_training_on_tables_starts_from_no_imputer():
    imputer = Imputer(epochs=2).fit(table(40))
    with pytest.raises(ParameterError, match=r"of tables.*train on all rows together"):
        Imputer().fit(table(40), init_model=imputer)


def test_training_starts_from_no_codec_of_a_kind_that_is_no_longer_trained():
    old = Path(__file__).parents[1] / "codec" / "fixtures" / "digits.safetensors.xz"
    model = CodecModel.from_bytes(lzma.decompress(old.read_bytes()))
    with pytest.raises(ParameterError, match=r"narrows 0.1.0, whose codecs code residuals"):
        Codec().fit(data.read("digits"), init_model=model)


@pytest.mark.parametrize("given", [Autoencoder(), 3, np.zeros(3)])
def test_what_is_no_model_is_refused(given):
    with pytest.raises(ParameterError, match="neither a model file nor a trained model"):
        Autoencoder().fit(pictures(24, 1), init_model=given)


@pytest.mark.parametrize("kind", ["autoencoder", "imputer", "mixtures"])
def test_a_stopped_run_resumes_to_the_same_result_from_the_same_model_alone(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(narrows.training.loop, "REPORT_SECONDS", 0.0)
    make, items = KINDS[kind]
    start, X, checkpoint = base(kind), items(24, 1), tmp_path / "run"
    whole = make(**FEW).fit(X, init_model=start)

    def stop(now):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make(**FEW).fit(X, init_model=start, checkpoint=checkpoint, report=stop)
    other = make(epochs=2).fit(items(24, 2), init_model=start)
    for model in (None, other):
        with pytest.raises(TrainingError):
            make(**FEW).fit(X, init_model=model, checkpoint=checkpoint, resume=True)
    resumed = make(**FEW).fit(X, init_model=start, checkpoint=checkpoint, resume=True)
    assert resumed.history_["held_out"] == whole.history_["held_out"]
    assert resumed.model_.to_file().fingerprint == whole.model_.to_file().fingerprint


def test_a_learning_rate_that_is_too_high_leads_to_new_attempts_from_the_same_weights():
    start, X = base("autoencoder"), pictures(40, 1)
    tuned = Autoencoder(epochs=4, learning_rate=50.0, device="cpu").fit(X, init_model=start)
    assert tuned.training_["attempts"] > 1
    first = Autoencoder(**TINY).fit(X, init_model=start).history_["held_out"][0]
    assert tuned.history_["held_out"][0] == pytest.approx(first)
    assert tuned.training_["held_out_loss"] <= first
