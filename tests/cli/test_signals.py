"""Signals, recordings and volumes through every verb, and back in the form they came in."""

import math
import re
from itertools import product

import numpy as np
import pytest
import tifffile

from narrows import data

from ..made_up import waves
from .conftest import narrows

soundfile = pytest.importorskip("soundfile")
TOOLS = ("autoencoder", "codec", "denoiser", "imputer")
LENGTHS = (900, 700, 1100)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """By tool and data: models of recordings, and of volumes, that have learnt next to nothing."""
    folder = tmp_path_factory.mktemp("models")
    sounds = [(waves(1, length, seed=length, dtype=float)[0] * 2000 - 1000).astype(np.int16) for length in LENGTHS]
    names = ["a/1.wav", "a/2.wav", "b.wav"]
    data.write(data.Items.from_list(sounds, "T", names=names, rate=8000), f"{folder}/sounds/")
    tifffile.imwrite(folder / "scan.tif", waves(1, 20, 24, 16)[0], photometric="minisblack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", 1e6)
        for source, axes in (("sounds", ()), ("scan.tif", ("--axes", "ZYX"))):
            for tool in TOOLS:
                noise = ("--noise", "gaussian:0.1") if tool == "denoiser" else ()
                model = folder / f"{tool}-{source}.safetensors"
                ran = narrows("train", tool, folder / source, "-o", model, "--epochs", 1, *axes, *noise)
                assert ran.code == 0, ran.err
    return folder


@pytest.fixture
def place(models, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return models


def ok(*arguments):
    ran = narrows(*arguments)
    assert ran.code == 0, ran.err
    return ran.out.decode()


def same_form(one, other):
    assert (one.names, one.axes, one.dtype, one.rate) == (other.names, other.axes, other.dtype, other.rate)
    assert [item.shape for item in one] == [item.shape for item in other]


def test_recordings_through_every_tool(place):
    sounds = data.read(place / "sounds")
    ok("encode", place / "autoencoder-sounds.safetensors", place / "sounds", "-o", "codes.npz")
    ok("decode", place / "autoencoder-sounds.safetensors", "codes.npz", "-o", "decoded/")
    ok("denoise", place / "denoiser-sounds.safetensors", place / "sounds", "-o", "clean/", "--uncertainty", "u.npz")
    for folder in ("decoded", "clean"):
        same_form(data.read(folder), sounds)
    for tool in TOOLS:
        assert "8,000 samples a second" in ok("info", place / f"{tool}-sounds.safetensors")
        if tool != "codec":
            assert "mse" in ok("evaluate", place / f"{tool}-sounds.safetensors", place / "sounds")


@pytest.mark.parametrize("mode", [("--lossless",), ("--max-error", 20), ("--quality", 40)])
def test_recordings_to_one_file_and_back(place, mode):
    ok("compress", place / "codec-sounds.safetensors", place / "sounds", "-o", "x.narrow", "--embed-model", *mode)
    ok("decompress", "x.narrow", "-o", "back/")
    sounds, back = data.read(place / "sounds"), data.read("back")
    same_form(back, sounds)
    most = {"--lossless": 0, "--max-error": 20}.get(mode[0], math.inf)
    for one, other in zip(back, sounds, strict=True):
        assert np.abs(one.astype(int) - other).max() <= most


def test_one_recording_with_a_gap(place):
    ok("fill", place / "imputer-sounds.safetensors", place / "sounds/b.wav", "-o", "same.wav")
    x = data.read(place / "sounds/b.wav")[0]
    mask = np.zeros(len(x), bool)
    mask[300:320] = True
    np.save("mask.npy", mask)
    ok("fill", place / "imputer-sounds.safetensors", place / "sounds/b.wav", "--mask", "mask.npy", "-o", "whole.wav")
    whole = data.read("whole.wav")
    assert whole.rate == 8000
    np.testing.assert_array_equal(whole[0][~mask], x[~mask])


def test_arrays_take_the_rate_of_the_model(place):
    np.save("x.npy", data.read(place / "sounds/b.wav")[0])
    ok("denoise", place / "denoiser-sounds.safetensors", "x.npy", "-o", "y.wav")
    assert data.read("y.wav").rate == 8000


def test_recordings_of_another_rate_are_refused(place):
    items = data.read(place / "sounds/b.wav")
    data.write(data.Items.from_array(items.values, "NT", rate=16000), "fast.wav")
    ran = narrows("denoise", place / "denoiser-sounds.safetensors", "fast.wav", "-o", "y.wav")
    assert ran.code == 1
    assert ran.err == (
        "narrows: error: fast.wav: 16000 samples a second; this model was trained on 8000: resample them\n"
    )


def test_one_volume_through_every_tool(place):
    scan = data.read(place / "scan.tif", axes="ZYX")
    ok("encode", place / "autoencoder-scan.tif.safetensors", place / "scan.tif", "-o", "codes.npz")
    ok("decode", place / "autoencoder-scan.tif.safetensors", "codes.npz", "-o", "decoded.tif")
    ok("denoise", place / "denoiser-scan.tif.safetensors", place / "scan.tif", "-o", "clean.tif")
    for file in ("decoded.tif", "clean.tif"):
        found = data.read(file, axes="ZYX" if data.read(file).axes == "NYX" else None)
        assert (found.axes, found.values.shape, found.dtype) == ("NZYX", scan.values.shape, scan.dtype)
    ok("compress", place / "codec-scan.tif.safetensors", place / "scan.tif", "-o", "x.narrow", "--lossless")
    ok("decompress", "x.narrow", "-m", place / "codec-scan.tif.safetensors", "-o", "back.npy")
    np.testing.assert_array_equal(np.load("back.npy").reshape(20, 24, 16), scan[0])
    ok("fill", place / "imputer-scan.tif.safetensors", place / "scan.tif", "--missing", 200, "-o", "whole.tif")
    known = scan[0] != 200
    np.testing.assert_array_equal(tifffile.imread("whole.tif").reshape(20, 24, 16)[known], scan[0][known])


def test_a_flat_code_of_one_recording_is_an_error_that_says_what_to_do(place):
    ran = narrows("train", "autoencoder", place / "sounds/b.wav", "-o", "m.safetensors", "--code", 32)
    assert ran.code == 1
    assert (
        "a flat code of 32 cannot be learned; cut it into many items of one size, or specify channels x grid" in ran.err
    )


def write_wavs(folder, subtype, rate=8000, channels=1):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(24):
        phases = np.arange(400)[:, None] * np.linspace(0.1, 0.2, channels) + rng.uniform(0, 6)
        x = 0.3 * np.sin(phases) + rng.normal(0, 0.01, phases.shape)
        soundfile.write(folder / f"{number:02}.wav", x, rate, subtype=subtype)


@pytest.mark.parametrize(
    ("verb", "subtype"),
    [
        *product(("denoise", "fill", "decode"), ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")),
        ("decompress", "PCM_24"),
    ],
)
def test_recordings_keep_depth_rate_and_channels(tmp_path, monkeypatch, unguarded, verb, subtype):
    monkeypatch.chdir(tmp_path)
    write_wavs(tmp_path / "in", subtype, 11025, 2)
    tool, options = {
        "denoise": ("denoiser", ("--noise", "gaussian:0.1", "--preset", "lesson")),
        "fill": ("imputer", ("--preset", "lesson")),
        "decode": ("autoencoder", ("--preset", "lesson", "--architecture", "linear", "--code", 4)),
        "decompress": ("codec", ()),
    }[verb]
    ran = narrows("train", tool, "in", "-o", "m.safetensors", "--epochs", 1, *options)
    assert ran.code == 0, ran.err
    if verb == "decode":
        first, second = ("encode", "m.safetensors", "in", "-o", "c.npz"), ("decode", "m.safetensors", "c.npz")
    elif verb == "decompress":
        first, second = ("compress", "m.safetensors", "in", "-o", "c.narrow", "--psnr", 40), ("decompress", "c.narrow")
    else:
        first, second = None, (verb, "m.safetensors", "in")
    for line in filter(None, (first, (*second, "-o", "out/"))):
        ran = narrows(*line)
        assert ran.code == 0, ran.err
    for number in range(24):
        info = soundfile.info(tmp_path / f"out/{number:02}.wav")
        assert (info.subtype, info.samplerate, info.channels, info.frames) == (subtype, 11025, 2, 400)


@pytest.mark.parametrize(
    ("trained", "given"),
    [
        ("PCM_16", "FLOAT"),
        ("PCM_16", "PCM_24"),
        ("PCM_24", "PCM_16"),
        ("FLOAT", "PCM_16"),
        ("PCM_U8", "PCM_16"),
        ("PCM_16", "PCM_U8"),
        ("PCM_U8", "FLOAT"),
        ("DOUBLE", "PCM_32"),
    ],
)
def test_recordings_of_another_depth_are_refused(tmp_path, monkeypatch, unguarded, trained, given):
    monkeypatch.chdir(tmp_path)
    write_wavs(tmp_path / "in", trained)
    write_wavs(tmp_path / "other", given)
    assert narrows("train", "imputer", "in", "-o", "m.safetensors", "--preset", "lesson", "--epochs", 1).code == 0
    for line in (("fill", "m.safetensors", "other", "-o", "out/"), ("evaluate", "m.safetensors", "other")):
        ran = narrows(*line)
        assert ran.code == 1
        assert re.search("other: holds .*; convert it, or train on data of this kind", ran.err)
    assert not (tmp_path / "out").exists()
