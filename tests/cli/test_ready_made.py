"""Verbs without MODEL: photographs are denoised, filled, compressed and measured by ready-made models."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from narrows import data
from narrows.cli.show_verbs import model_session
from narrows.ready import ready_models

from .conftest import narrows, smooth_pictures, spawned


def noisy(picture, sigma=20, seed=0):
    noise = np.random.default_rng(seed).normal(size=picture.shape) * sigma
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a noisy grey and a noisy colour picture, a mask, and a folder of pictures."""
    monkeypatch.chdir(tmp_path)
    grey, *others = smooth_pictures([(72, 96)] * 3)
    Image.fromarray(grey).save("clean.png")
    Image.fromarray(noisy(grey)).save("noisy.png", dpi=(300, 300))
    Image.fromarray(noisy(np.stack([grey, *others], -1))).save("colour.png")
    Image.fromarray((np.random.default_rng(1).random(grey.shape) < 0.5).astype(np.uint8) * 255).save("mask.png")
    for index, picture in enumerate(smooth_pictures([(40, 48), (40, 48)], seed=5)):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(picture).save(f"photos/{index}.png")
    return tmp_path


def values(name):
    return np.asarray(Image.open(name)).astype(float)


def test_denoise_one_photograph(place):
    ran = narrows("denoise", "noisy.png", "-o", "out.png")
    assert (ran.code, ran.out) == (0, b"")
    assert ran.err == "narrows: with the ready-made model photo-denoiser-grey\n"
    before, after = (((values(name) - values("clean.png")) ** 2).mean() for name in ("noisy.png", "out.png"))
    assert after < 0.4 * before
    assert Image.open("out.png").info["dpi"] == pytest.approx((300, 300), rel=0.01)
    for name in ("photo", "photo-denoiser", "photo-denoiser-grey"):
        assert narrows("denoise", name, "noisy.png", "-o", f"{name}.png", "-q").err == ""
        np.testing.assert_array_equal(values(f"{name}.png"), values("out.png"))


def test_colours_choose_the_model(place):
    ran = narrows("denoise", "colour.png", "-o", "out.png", "--uncertainty", "u.npy")
    assert (ran.code, ran.err) == (0, "narrows: with the ready-made model photo-denoiser-colour\n")
    assert Image.open("out.png").mode == "RGB"
    assert np.load("u.npy").shape == (1, 72, 96, 3)


@pytest.mark.parametrize(("name", "mode", "model"), [("noisy", "LA", "grey"), ("colour", "RGBA", "colour")])
def test_transparency_is_kept_by_denoise_and_filled_by_fill(place, name, mode, model):
    picture = Image.open(f"{name}.png").convert(mode)
    alpha = np.asarray(Image.open("mask.png"))
    picture.putalpha(Image.fromarray(alpha))
    picture.save("holes.png")
    assert narrows("denoise", "holes.png", "-o", "clean.tif").code == 0
    np.testing.assert_array_equal(tifffile.imread("clean.tif")[..., -1], alpha)
    ran = narrows("fill", "holes.png", "-o", "whole.png")
    assert (ran.code, ran.err) == (0, f"narrows: with the ready-made model photo-imputer-{model}\n")
    found, original = np.asarray(Image.open("whole.png")), np.asarray(picture)[..., :-1]
    assert Image.open("whole.png").mode == mode[:-1]
    np.testing.assert_array_equal(found[alpha > 0], original[alpha > 0].reshape(found[alpha > 0].shape))


def test_fill_one_photograph(place):
    ran = narrows("fill", "clean.png", "--mask", "mask.png", "-o", "whole.png")
    assert (ran.code, ran.err) == (0, "narrows: with the ready-made model photo-imputer-grey\n")
    assert np.abs(values("whole.png") - values("clean.png")).mean() < 3


@pytest.mark.parametrize("bits", [12, 16])
def test_more_bits_keep_their_range(place, bits):
    tifffile.imwrite("x.tif", np.asarray(Image.open("noisy.png")).astype(np.uint16) * 2 ** (bits - 8))
    assert narrows("denoise", "x.tif", "-o", "y.tif").code == 0
    found = tifffile.imread("y.tif")
    assert found.dtype == np.uint16
    assert narrows("denoise", "noisy.png", "-o", "out.png").code == 0
    assert np.abs(found / 2 ** (bits - 8) - values("out.png")).max() < 4


def test_compressed_photographs_need_no_model_beside_them(place):
    for name in ("clean.png", "colour.png"):
        ran = narrows("compress", name, "-o", "x.narrow", "--lossless", "--force")
        assert (ran.code, "with the ready-made model photo-codec-" in ran.err) == (0, True)
        (place / "elsewhere").mkdir(exist_ok=True)
        (place / "x.narrow").rename(place / "elsewhere/x.narrow")
        program = (
            "import sys; sys.modules['torch'] = None\n"
            "from narrows.cli import main\n"
            "main(['decompress', 'elsewhere/x.narrow', '-o', 'back.png', '--force'])"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
        assert (ran.returncode, ran.stderr) == (0, "")
        np.testing.assert_array_equal(values("back.png"), values(name))
    ran = narrows("info", "elsewhere/x.narrow")
    assert b"photo-codec-colour.safetensors" in ran.out


def test_standard_input(place):
    ran = spawned("denoise", "-", "-o", "out.npy", stdin=(place / "clean.png").read_bytes())
    assert (ran.code, ran.err) == (0, "narrows: with the ready-made model photo-denoiser-grey\n")
    assert np.load("out.npy").shape == (1, 72, 96)


def test_evaluate_and_report_on_a_folder(place):
    ran = narrows("evaluate", "photos", "--noise", "gaussian:0.1", "--json")
    found = json.loads(ran.out)
    assert found["psnr"] > found["before"]["psnr"] + 5
    assert json.loads(narrows("evaluate", "photo", "photos", "--holes", "pixels:0.5", "--json").out)["psnr"] > 25
    for index in range(2):
        picture = np.asarray(Image.open(f"photos/{index}.png")).astype(np.uint16) * 257
        (place / "deep").mkdir(exist_ok=True)
        data.write(data.Items(picture[None], "NYX"), f"deep/{index}.png")
    deep = json.loads(narrows("evaluate", "deep", "--noise", "gaussian:0.1", "--json").out)
    assert deep["psnr"] == pytest.approx(found["psnr"], abs=0.3)
    ran = narrows("evaluate", "photos")
    assert (ran.code, "names models of several tools; there are photo-denoiser, photo-imputer" in ran.err) == (2, True)
    ran = narrows("report", "photo-denoiser", "photos", "-o", "r.html", "--noise", "gaussian:0.1", "-q")
    assert (ran.code, ran.err) == (0, "")
    ran = narrows("report", "photo-codec", "photos", "-o", "c.html", "-q")
    assert (ran.code, ran.err) == (0, "")


def test_view_takes_the_models_that_suit(place):
    session = model_session(["photo"], "photos", None, False)
    assert sorted(session.models) == ["codec", "denoiser", "imputer"]
    session = model_session(["photo-denoiser"], "noisy.png", None, False)
    assert list(session.models) == ["denoiser"]
    Image.open("colour.png").convert("RGBA").save("alpha.png")
    assert model_session(["photo"], "alpha.png", None, False).shape == (72, 96, 3)


def test_models_say_that_they_take_any_range():
    for model in ready_models():
        ran = narrows("info", model.path)
        assert (b"of any type, scaled by its own range" in ran.out) == (model.tool != "codec")


def test_models_are_listed():
    ran = narrows("models")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.decode().splitlines()
    for model in ready_models():
        [line] = [line for line in lines if line.startswith(f"{model.name} ")]
        assert model.what in line
        assert str(model.figures[0]) in line
    found = json.loads(narrows("models", "--json").out)["models"]
    assert [each["name"] for each in found] == [model.name for model in ready_models()]
    assert all(each["command"] and each["data"][0]["licence"] for each in found)


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("denoise table.csv -o x.csv", 1, "table.csv: rows of a table"),
        ("denoise sound.npy --axes NT -o y.npy", 1, "train one with narrows train denoiser"),
        ("fill table.npy -o y.npy", 1, "table.npy: rows of a table"),
        ("compress deep.tif -o y.narrow --lossless", 1, "narrows pack, which needs no model"),
        ("denoise photo-codec noisy.png -o y.png", 2, "'photo-codec' names no ready-made denoiser"),
        ("denoise m.safetensors -o y.png", 2, "m.safetensors: is a model; name the data as well"),
        ("denoise a.png b.png c.png -o y/", 2, "expected [MODEL] and one DATA; found 'a.png' 'b.png' 'c.png'"),
        ("denoise noisy.png clean.png -o y.png", 1, "noisy.png: not a model file"),
        ("denoise nothing.png -o y.png", 1, "nothing.png: no such file"),
    ],
)
def test_where_no_model_suits(place, line, code, message):
    (place / "table.csv").write_text("a,b\n1,2\n3,4\n")
    np.save("table.npy", np.arange(40.0).reshape(5, 8))
    np.save("sound.npy", np.arange(400.0).reshape(2, 200))
    tifffile.imwrite("deep.tif", np.arange(4000, dtype=np.uint16).reshape(50, 80))
    ran = narrows(*line.split())
    assert (ran.code, ran.out) == (code, b"")
    assert message in ran.err
    assert ran.err.count("\n") == 1
