"""Packing at the command line and in Python: files need nothing else, and are never larger than without a model."""

import bz2
import json
import lzma
import re
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

import narrows as package
from narrows import data
from narrows.errors import DataError, ParameterError
from narrows.plans import packing

from .conftest import narrows, smooth_pictures

RNG = np.random.default_rng(0)
PICTURES = np.stack(smooth_pictures([(24, 24)] * 80)) + RNG.integers(0, 4, (80, 24, 24), np.uint8)
SIGNALS = np.cumsum(RNG.normal(size=(80, 400)), 1).astype(np.float32)


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """Trials of two steps, in a folder of its own."""
    monkeypatch.setattr(packing, "FEWEST_STEPS", 2)
    monkeypatch.setattr(packing, "MOST_EPOCHS", 8)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def learning(monkeypatch):
    """No trials, and 340 steps, of which pictures need about that many."""
    monkeypatch.setattr(packing, "FEWEST_STEPS", 10**6)
    monkeypatch.setattr(packing, "MOST_EPOCHS", 40)


def general(x):
    """Bytes of the values by the best general method."""
    plain = np.ascontiguousarray(x).tobytes()
    ways = (zlib.compress(plain, 9), bz2.compress(plain), lzma.compress(plain), lzma.compress(plain, preset=9))
    return min(map(len, ways))


def done(*arguments):
    ran = narrows(*arguments)
    assert ran.code == 0, ran
    return ran.out.decode()


def there_and_back(x, *options):
    """What a file of an array says of itself, and the array that comes back."""
    np.save("x.npy", x)
    done("pack", "x.npy", "-o", "x.narrow", "--minutes", 1, *options)
    done("unpack", "x.narrow", "-o", "back.npy", "--force")
    found, back = json.loads(done("info", "x.narrow", "--json", "--verify")), np.load("back.npy")
    assert (back.shape, back.dtype, found["damaged_chunks"]) == (x.shape, x.dtype, [])
    assert found["bytes"] <= general(x) + 100
    return found, back


def test_pictures_are_learned(learning):
    found, back = there_and_back(PICTURES)
    np.testing.assert_array_equal(back, PICTURES)
    assert (found["model_at"], found["path"]) == ("embedded", "pixel")
    assert found["bytes"] < 0.95 * general(PICTURES)
    assert 500 < found["model_bytes"] < 20_000
    done("unpack", "x.narrow", "-o", "some.npy", "--only", "3,70-71")
    np.testing.assert_array_equal(np.load("some.npy"), PICTURES[[3, 70, 71]])
    done("preview", "x.narrow", "-o", "sheet.png")
    with package.open("x.narrow") as archive:
        np.testing.assert_array_equal(archive[7], PICTURES[7])


@pytest.mark.parametrize(
    ("x", "axes", "bound"), [(PICTURES, "NYX", 3), (SIGNALS, "NT", 0.05)], ids=["pictures", "signals"]
)
def test_every_value_is_kept_within_a_bound(x, axes, bound, learning):
    found, back = there_and_back(x, "--axes", axes, "--max-error", bound)
    assert np.abs(back.astype(np.float64) - x).max() <= bound
    assert found["model_at"] == "embedded"


def test_stored_values_are_kept_within_a_bound(monkeypatch):
    monkeypatch.setattr(packing, "LEAST_STORED", 10**9)
    x = PICTURES.astype(np.int16) * 90
    found, back = there_and_back(x, "--max-error", 500)
    assert np.abs(back.astype(np.int64) - x).max() <= 500
    assert (found["model_at"], found["mode"]) == (None, {"max_error": 500})
    assert found["bytes"] < general(x) / 2


@pytest.mark.parametrize("option", [("--psnr", 40), ("--quality", 60), ("--psnr", 90)])
def test_a_fidelity_is_reached(option):
    found, back = there_and_back(PICTURES, *option)
    psnr = 10 * np.log10(255**2 / max(1e-9, ((back.astype(float) - PICTURES) ** 2).mean()))
    assert psnr >= (30 if option[0] == "--quality" else option[1])
    assert found["mode"] == {option[0][2:]: option[1]}


@pytest.mark.parametrize(
    ("x", "axes"),
    [
        (RNG.integers(0, 256, (40, 20, 20), np.uint8), "NYX"),
        (RNG.integers(0, 2, (40, 20, 20)).astype(bool), "NYX"),
        (RNG.normal(size=(40, 300)), "NT"),
        (np.where(RNG.random((40, 300)) < 0.1, np.nan, SIGNALS[:40, :300]).astype(np.float16), "NT"),
        (np.arange(40 * 300 * 2).reshape(40, 300, 2) ** 2, "NTC"),
        (np.cumsum(np.ones((3, 9, 9, 9, 3), np.uint16), 1), "NZYXC"),
        (np.full((500, 9, 9), 7, np.int32), "NYX"),
    ],
    ids=["noise", "flags", "floats", "halves", "channels", "volumes", "constant"],
)
def test_whatever_it_holds_comes_back(x, axes):
    found, back = there_and_back(x, "--axes", axes)
    assert back.tobytes() == x.tobytes()
    assert found["model_at"] is None or found["model_bytes"]


def test_files_without_a_model_are_read_in_parts():
    x = RNG.integers(0, 9, (30, 12, 10, 3)).astype(np.uint16)
    np.save("x.npy", x)
    ran = narrows("pack", "x.npy", "-o", "x.narrow", "--axes", "NYXC", "--minutes", 0.01)
    assert ran.err == "narrows: x.npy: stored without a model: no model that was tried pays\n"
    assert "stored by a general method" in done("info", "x.narrow")
    with package.open("x.narrow") as archive:
        assert (archive.model, archive.path, len(archive), archive.array_axes) == (None, "stored", 30, "NYXC")
        np.testing.assert_array_equal(archive[4:9], x[4:9])
        np.testing.assert_array_equal(archive.read([2], level=1).values[0], x[2, ::2, ::2])
    done("preview", "x.narrow", "-o", "sheet.png")
    assert "stored without a model" in narrows("view", "x.narrow", "--no-browser").err


def test_few_items_take_no_time(quick):
    began = time.perf_counter()
    packed = package.pack(PICTURES[:4, :9, :9], "x.narrow")
    assert packed.reason == "the items take too few bytes for a model to pay"
    assert time.perf_counter() - began < 2
    assert packed.sizes["total"] == (quick / "x.narrow").stat().st_size < general(PICTURES[:4, :9, :9]) + 100


def test_the_trade_is_printed():
    np.save("x.npy", PICTURES)
    lines = done("pack", "x.npy", "-o", "x.narrow", "--sizes").splitlines()
    assert lines[0].split() == ["networks", "model", "items", "file"]
    assert [bool(re.match(r"\d+ units(, chosen)?( +[\d,]+){3}$", line)) for line in lines] == [0, 1, 1, 1, 0, 0, 0]


def test_facts_of_pictures_are_kept():
    tifffile.imwrite("x.tif", PICTURES[0], resolution=(30, 40), description="a picture", metadata=None)
    done("pack", "x.tif", "-o", "x.narrow")
    done("unpack", "x.narrow", "-o", "back.tif")
    with tifffile.TiffFile("back.tif") as file:
        np.testing.assert_array_equal(file.asarray(), PICTURES[0])
        assert (file.pages.first.resolution, file.pages.first.description) == ((30, 40), "a picture")


def test_recordings_keep_their_rate():
    x = data.Items.from_array((SIGNALS[:3] * 99).astype(np.int16), "NT", rate=8000)
    assert package.pack(x, "x.narrow").reason
    with package.open("x.narrow") as archive:
        assert archive.read().rate == 8000


def test_pictures_of_different_sizes():
    for index, picture in enumerate(smooth_pictures([(70, 90), (120, 40), (33, 75)])):
        Image.fromarray(picture).save(f"{index}.png")
    done("pack", "*.png", "-o", "x.narrow", "--minutes", 0.05)
    with package.open("x.narrow") as archive:
        np.testing.assert_array_equal(archive[1], np.asarray(Image.open("1.png")))


def test_stopped_runs_write_complete_files(monkeypatch):
    train = packing.train
    monkeypatch.setattr(packing, "train", lambda *given: replace(train(*given), interrupted=True))
    np.save("x.npy", PICTURES)
    ran = narrows("pack", "x.npy", "-o", "x.narrow")
    assert ran.code == 1
    assert ran.err.endswith("narrows: stopped; x.narrow is complete, with what was learned until then\n")
    with package.open("x.narrow") as archive:
        np.testing.assert_array_equal(archive[:], PICTURES)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(lossless=True, psnr=3), "expected one of"),
        (dict(minutes=0), "minutes=0: expected a number above 0"),
        (dict(max_error=-1), "max_error=-1: expected a number from 0"),
    ],
)
def test_what_makes_no_sense_is_refused(options, words):
    with pytest.raises(ParameterError, match=words):
        package.pack(PICTURES, "x.narrow", **options)


def test_tables_and_masked_values_are_refused():
    with pytest.raises(DataError, match="rows of a table"):
        package.pack(PICTURES[0], "x.narrow", axes="NF")
    with pytest.raises(DataError, match="missing values"):
        package.pack(np.ma.masked_less(PICTURES, 9), "x.narrow")
    with pytest.raises(DataError, match="cannot be written"):
        package.pack(PICTURES[:2, :5], "missing/x.narrow")
