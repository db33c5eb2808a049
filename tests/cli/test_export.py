"""ONNX files give what the models give, in onnxruntime, at any size of items."""

import json
import lzma
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

import narrows as package
from narrows import data
from narrows.models import load_model
from narrows.networks import Restoration, build

from ..made_up import table, waves
from .conftest import narrows

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "onnx.md"


def fixture(name, folder):
    path = folder / f"{name}.safetensors"
    path.write_bytes(lzma.decompress((ROOT / "tests" / "fixtures" / f"{name}.safetensors.xz").read_bytes()))
    return path


def exported(model, folder, part=None):
    """Return the session of a model that is exported."""
    package.export(model, folder / "model.onnx", part)
    return onnxruntime.InferenceSession(folder / "model.onnx")


def items_like(model, *sizes, seed=0):
    """Return items in the unit of a model, as real numbers, and their scaled values (N, C, *S)."""
    rng = np.random.default_rng(seed)
    scaled = np.clip(rng.normal(0.5, 0.4, (*sizes, model.channels)), 0, 1).astype(np.float32)
    return in_unit(model, scaled), np.moveaxis(scaled, -1, 1)


def in_unit(model, scaled):
    """Return scaled values (N, *S, C) as items in the unit of a model that scales by range."""
    values = scaled * np.float32(model.scaling.high - model.scaling.low) + np.float32(model.scaling.low)
    plain = model.item_axes[-1] != "C"
    return data.Items(values[..., 0] if plain else values, model.item_axes, unit=model.scaling)


def in_graph(model, items, deviation=False):
    """Return values of items as an ONNX file has them: scaled, (N, C, *S)."""
    values = items.values if model.item_axes[-1] == "C" else items.values[..., None]
    low = 0.0 if deviation else model.scaling.low
    return np.moveaxis((values - low) / (model.scaling.high - model.scaling.low), -1, 1)


def untrained(model, task, dims, channels, preset, **fields):
    """Return a model with random weights in place of those of a trained one."""
    architecture = Restoration(channels, (16,) * dims, task, 12, preset)
    network = build(architecture).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if not parameter.any():  # the last layers of residual blocks
            parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    axes = {1: "NT", 2: "NYX", 3: "NZYX"}[dims] + "C" * (channels > 1)
    manifest = replace(model.manifest, architecture=architecture, axes=axes, **fields)
    return replace(model, manifest=manifest, network=network)


DENOISERS = {
    "trained": (None, [(2, 13, 22), (1, 1, 2)]),
    "default": (("denoise", 2, 3, "default"), [(1, 8, 8), (2, 19, 30)]),
    "blind": (("blind", 1, 1, "lesson"), [(2, 13), (1, 2)]),
}


@pytest.mark.parametrize("kind", DENOISERS)
def test_denoisers(kind, tmp_path):
    model = load_model(fixture("denoiser-lesson", tmp_path)).on("cpu")
    changes, sizes = DENOISERS[kind]
    if changes is not None:
        blind = {"calibration": None, "clip": True} if kind == "blind" else {}
        model = untrained(model, *changes, **blind)
    session = exported(model, tmp_path)
    for size in sizes:
        items, noisy = items_like(model, *size)
        denoised, std = session.run(["denoised", "std"], {"noisy": noisy})
        np.testing.assert_allclose(denoised.clip(0, 1), in_graph(model, model.denoise(items)), atol=1e-5)
        np.testing.assert_allclose(std, in_graph(model, model.predictive_std(items), deviation=True), atol=1e-5)


@pytest.mark.parametrize("kind", ["trained", "mode"])
def test_fillers(kind, tmp_path):
    model = load_model(fixture("imputer-images", tmp_path)).on("cpu")
    if kind == "mode":
        model = untrained(model, "fill", 1, 2, "lesson", strategy="mode")
    session = exported(model, tmp_path)
    for size in [(2, 13, 22), (1, 1, 2)] if kind == "trained" else [(3, 21)]:
        items, values = items_like(model, *size)
        mask = np.random.default_rng(1).random(values.shape) < 0.5
        missing = np.moveaxis(mask, 1, -1).reshape(items.values.shape)
        items = replace(items, mask=missing)
        filled, std = session.run(["filled", "std"], {"values": np.where(mask, np.nan, values), "mask": mask})
        assert (filled[~mask] == values[~mask]).all()
        assert (std[~mask] == 0).all()
        close = np.isclose(filled.clip(0, 1), in_graph(model, model.fill(items)), rtol=0, atol=1e-5)
        assert close.all() if kind == "trained" else close.mean() > 0.98  # two modes may be equally high
        np.testing.assert_allclose(std, in_graph(model, model.predictive_std(items), deviation=True), atol=1e-5)


@pytest.mark.parametrize("kind", ["images", "volumes"])
def test_codes_on_a_grid(kind, tmp_path, unguarded):
    if kind == "images":
        model = load_model(fixture("autoencoder-conv", tmp_path)).on("cpu")
    else:
        model = package.Autoencoder("conv", code="2x2x3x2", epochs=1, axes="NZYX", device="cpu")
        model = model.fit(waves(20, 4, 6, 4)).model_
    encoder, decoder = (exported(model, tmp_path, part) for part in ("encoder", "decoder"))
    for size in [(3, 13, 22), (1, 1, 2)] if kind == "images" else [(2, 3, 5, 7)]:
        items, scaled = items_like(model, *size)
        (code,) = encoder.run(["code"], {"items": scaled})
        rows = np.moveaxis(code, 1, -1).reshape(len(code), -1)
        np.testing.assert_allclose(rows, model.encode(items), atol=1e-5)
        (decoded,) = decoder.run(["items"], {"code": code})
        rebuilt = model.decode_scaled(rows, size[1:])
        np.testing.assert_allclose(decoded[(slice(None), 0, *map(slice, size[1:]))], rebuilt, atol=1e-5)


@pytest.mark.parametrize("axes", ["NT", "NF"])
def test_flat_codes(axes, tmp_path, unguarded):
    items = waves(30, 21, dtype=np.float64) if axes == "NT" else table(30)
    model = package.Autoencoder("linear", code=3, epochs=3, axes=axes, device="cpu").fit(items)
    encoder, decoder = (exported(model, tmp_path, part) for part in ("encoder", "decoder"))
    scaled = model.scaling_.forward(items)
    (code,) = encoder.run(["code"], {"items": scaled[:, None] if axes == "NT" else scaled})
    np.testing.assert_allclose(code, model.transform(items), rtol=1e-5, atol=1e-5)
    (decoded,) = decoder.run(["items"], {"code": code})
    decoded = model.scaling_.inverse(decoded.reshape(items.shape))
    np.testing.assert_allclose(decoded, model.inverse_transform(code), rtol=1e-5, atol=1e-5)


def test_the_verb_describes_the_file(tmp_path):
    model, output = fixture("autoencoder-conv", tmp_path), tmp_path / "encoder.onnx"
    ran = narrows("export", model, "-o", output, "--part", "encoder")
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    session = onnxruntime.InferenceSession(output)
    assert session.get_inputs()[0].shape == ["batch", 1, "height", "width"]
    assert session.get_outputs()[0].shape == ["batch", 2, "grid_height", "grid_width"]
    facts, trained = session.get_modelmeta().custom_metadata_map, load_model(model)
    assert facts["fingerprint"] == trained.to_file().fingerprint
    assert json.loads(facts["scaling"]) == json.loads(json.dumps(trained.scaling.to_dict()))
    assert [facts[key] for key in ("tool", "part", "axes", "opset")] == ["autoencoder", "encoder", "NCYX", "18"]
    assert str(Path(package.__file__).parent).encode() not in output.read_bytes()
    assert narrows("export", model, "-o", output, "--part", "encoder").err.endswith("use --force to replace it\n")


@pytest.mark.parametrize(
    ("name", "part", "says"),
    [
        ("autoencoder-conv", None, "--part: expected encoder or decoder; an autoencoder is exported in two files"),
        ("denoiser-lesson", "decoder", "--part decoder: is for autoencoders; leave it out"),
        ("autoencoder-unpool", "encoder", "{}: upsamples by unpooling, which ONNX has no operation for; train with "),
        ("autoencoder-table", "encoder", "{}: an autoencoder of a table with columns, whose cells ONNX cannot turn "),
        ("imputer-table", None, "{}: an imputer of tables, which ONNX cannot hold; fill tables with narrows fill"),
    ],
)
def test_what_cannot_be_exported_is_refused(name, part, says, tmp_path):
    model = fixture(name, tmp_path)
    ran = narrows("export", model, "-o", tmp_path / "x.onnx", *([] if part is None else ["--part", part]))
    assert ran.code in (1, 2)
    assert ran.err.startswith(f"narrows: error: {says.format(model)}")
    assert ran.err.count("\n") == 1


def test_codecs_are_refused(digits_codec, tmp_path):
    ran = narrows("export", digits_codec, "-o", tmp_path / "x.onnx")
    assert (ran.code, "a codec; export needs an autoencoder, a denoiser or an imputer" in ran.err) == (1, True)
    with pytest.raises(package.DataError, match="a codec cannot be exported"):
        package.export(package.load(digits_codec), tmp_path / "x.onnx")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    ran = narrows("export", fixture("denoiser-lesson", tmp_path), "-o", tmp_path / "x.onnx")
    assert (ran.code, ran.err.endswith("export needs onnxscript; pip install 'narrows[onnx]'\n")) == (1, True)


WITHOUT = """
import sys
sys.modules["torch"] = sys.modules["narrows"] = None
"""


def test_the_examples_of_the_guide_run_on_a_photograph(tmp_path):
    photo = load_sample_image("flower.jpg")[100:356, 200:456]
    package.export(package.load("photo-denoiser-colour"), tmp_path / "denoiser.onnx")
    package.export(package.load("photo-imputer-colour"), tmp_path / "filler.onnx")
    rng = np.random.default_rng(0)
    noisy = (photo + rng.normal(0, 25, photo.shape)).clip(0, 255).astype(np.uint8)
    missing = rng.random(photo.shape[:2]) < 0.5
    Image.fromarray(noisy).save(tmp_path / "noisy.png")
    Image.fromarray(np.where(missing[..., None], 0, photo).astype(np.uint8)).save(tmp_path / "torn.png")
    Image.fromarray(missing).save(tmp_path / "mask.png")
    examples = [block for block in re.findall(r"```python\n(.+?)```", PAGE.read_text(), re.DOTALL) if "onnx" in block]
    code = WITHOUT + "\n".join(examples)
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr

    def error(name):
        return ((np.asarray(Image.open(tmp_path / name), float) - photo) ** 2).mean()

    assert error("clean.png") < 0.3 * error("noisy.png")
    assert error("whole.png") < 0.05 * error("torn.png")
