"""Every verb compares the unit of its input with that of the model, whatever the file."""

import numpy as np
import pytest

from narrows import data

from ..made_up import waves
from .conftest import narrows

BYTES = waves(30, 12, 12)
FORMS = {
    "deep/": BYTES.astype(np.uint16) * 257,
    "unit.npy": BYTES / np.float32(255),
    "radiance.tif": BYTES.astype(np.float32) * 40,
    "mask.npy": BYTES > 127,
}
VERBS = [
    ("autoencoder", "encode {} {data} -o codes.npy"),
    ("autoencoder", "encode {} {data} --errors errors.csv"),
    ("autoencoder", "evaluate {} {data}"),
    ("autoencoder", "report {} {data} -o r.html"),
    ("autoencoder", "view {} {data} --no-browser"),
    ("denoiser", "denoise {} {data} -o out.npy"),
    ("denoiser", "evaluate {} {data}"),
    ("denoiser", "evaluate {} bytes.npy --target {data}"),
    ("denoiser", "report {} bytes.npy --target {data} -o r.html"),
    ("imputer", "fill {} {data} -o out.npy"),
    ("imputer", "evaluate {} {data}"),
    ("imputer", "report {} {data} -o r.html"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("units")
    np.save(folder / "bytes.npy", BYTES)
    for name, values in FORMS.items():
        data.write(data.Items.from_array(values), f"{folder}/{name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", 1e6)
        for tool in ("autoencoder", "denoiser", "imputer"):
            options = ["--noise", "gaussian:0.1"] if tool == "denoiser" else []
            model = folder / f"{tool}.safetensors"
            train = ("train", tool, folder / "bytes.npy", "-o", model, "--epochs", 1, "--preset", "lesson")
            assert narrows(*train, *options).code == 0
    return folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("tool", "line"), VERBS)
def test_other_units_are_refused_in_one_line(folder, monkeypatch, tool, line, form):
    monkeypatch.chdir(folder)
    before = set(folder.iterdir())
    ran = narrows(*line.format(f"{tool}.safetensors", data=form).split())
    assert ran.code == 1
    assert f"{form}: holds {FORMS[form].dtype} (" in ran.err
    assert ran.err.endswith("the model was trained on uint8 (0..255); convert it, or train on data of this kind\n")
    assert ran.err.count("\n") == 1
    assert set(folder.iterdir()) == before


def test_a_doubtful_unit_has_one_note(folder, monkeypatch):
    monkeypatch.chdir(folder)
    np.save("dark.npy", BYTES // 20)
    for line in (
        "denoise denoiser.safetensors dark.npy -o out.npy --uncertainty u.npy --force",
        "evaluate denoiser.safetensors dark.npy",
        "evaluate autoencoder.safetensors dark.npy",
    ):
        ran = narrows(*line.split())
        assert ran.code == 0
        assert ran.err.count("dark.npy: holds uint8 (1..11), but the model was trained on uint8 (0..255)") == 1
