"""`narrows train TOOL --from MODEL`."""

import numpy as np
import pytest

from .conftest import narrows, write_pictures


@pytest.fixture(scope="module")
def start(tmp_path_factory, photos):
    """A denoiser of pictures."""
    model = tmp_path_factory.mktemp("start") / "start.safetensors"
    ran = narrows("train", "denoiser", photos, "-o", model, "--noise", "gaussian:0.1", "--epochs", 12)
    assert ran.code == 0, ran.err
    return model


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("others") / "pictures", [(24, 24)] * 20, seed=1)


def train(others, start, output, *options):
    return narrows(
        "train", "denoiser", others, "--from", start, "-o", output, "--noise", "gaussian:0.1", "--epochs", 2, *options
    )


def test_a_model_starts_from_another_and_info_says_so(start, others, tmp_path):
    model = tmp_path / "tuned.safetensors"
    ran = train(others, start, model)
    assert (ran.code, ran.err) == (0, "")
    described = narrows("info", model).out.decode()
    fingerprint = next(
        line.split()[-1] for line in narrows("info", start).out.decode().splitlines() if "fingerp" in line
    )
    line = next(line for line in described.splitlines() if line.startswith("started from"))
    assert fingerprint[:12] in line
    assert "40 items" in line


def test_options_and_data_that_do_not_fit_the_model_are_refused(start, others, tmp_path):
    ran = train(others, start, tmp_path / "x.safetensors", "--preset", "lesson")
    assert ran.code == 2
    assert "--preset lesson: the model to start from has default; leave the option out" in ran.err
    np.save(tmp_path / "deep.npy", np.arange(64 * 24 * 24, dtype=np.uint16).reshape(64, 24, 24))
    ran = train(tmp_path / "deep.npy", start, tmp_path / "x.safetensors")
    assert (ran.code, ran.out) == (1, b"")
    assert "holds uint16 (0..36863), but the model was trained on uint8 (0..255)" in ran.err


def test_models_of_other_tools_and_missing_ones_are_refused(start, photos, tmp_path):
    ran = narrows("train", "imputer", photos, "--from", start, "-o", tmp_path / "x.safetensors")
    assert (ran.code, ran.out) == (1, b"")
    assert f"{start}: a denoiser; train imputer --from needs an imputer" in ran.err
    ran = narrows("train", "imputer", photos, "--from", "absent.safetensors", "-o", tmp_path / "x.safetensors")
    assert "absent.safetensors: No such file or directory" in ran.err


def test_without_noise_that_of_the_model_is_added(start, others, tmp_path):
    model = tmp_path / "x.safetensors"
    ran = narrows("train", "denoiser", others, "--from", start, "-o", model, "--epochs", 2)
    assert ran.code == 0
    assert ran.err == (
        f"narrows: {others}: taken as clean; training adds the noise of the model to start from, gaussian:0.1\n"
    )
    assert "clean items and the noise gaussian:0.1" in narrows("info", model).out.decode()


def test_a_ready_made_model_is_named(others, tmp_path):
    ran = narrows("train", "codec", others, "--from", "photo", "-o", tmp_path / "x.safetensors", "--epochs", 1)
    assert (ran.code, ran.err) == (0, "narrows: with the ready-made model photo-codec-grey\n")
