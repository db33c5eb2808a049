"""Compressing at the command line: files come back as they were, in whole or in part, and nothing half is left."""

import io
import json
import os
import re
import shutil
import signal
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

import narrows as package
from narrows import data, load

from ..model_files import read_model, write_model
from .conftest import begin, narrows, rest_of, smooth_pictures, spawned

DIGITS = data.read("digits:test").values


@pytest.fixture
def place(tmp_path, digits_codec, monkeypatch):
    """A folder with the codec and the digits in four chunks' worth of items; it is the current one."""
    shutil.copy(digits_codec, tmp_path / "m.safetensors")
    np.save(tmp_path / "many.npy", np.tile(DIGITS, (4, 1, 1)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(*arguments):
    """What a command line that works prints."""
    ran = narrows(*arguments)
    assert (ran.code, ran.err) == (0, "")
    return ran.out.decode()


def refused(*arguments, code=1):
    """What a command line that does not work says."""
    ran = narrows(*arguments)
    assert (ran.code, ran.err.count("\n"), ran.out) == (code, 1, b""), ran
    return ran.err


def test_there_and_back(place):
    said = done("compress", "m.safetensors", "digits:test", "-o", "x.narrow", "--lossless")
    size = (place / "x.narrow").stat().st_size
    bpp, times = 8 * size / DIGITS.size, DIGITS.nbytes / size
    assert said.startswith(
        f"x.narrow: {size:,} bytes ({bpp:.4f} bpp, {times:.1f} times smaller); 898 items; lossless; "
    )
    assert re.search(r"; [\d,]+ items/s\n$", said)
    assert done("decompress", "x.narrow", "-o", "back.npy") == ""
    back = np.load("back.npy")
    assert back.dtype == DIGITS.dtype
    np.testing.assert_array_equal(back, DIGITS)
    assert not list(place.glob(".*"))


def test_an_image_in_a_tiff_stays_one(place):
    tifffile.imwrite("x.tif", DIGITS[0], resolution=(30, 40), description="a digit", metadata=None)
    done("compress", "m.safetensors", "x.tif", "-o", "x.narrow", "--lossless")
    done("decompress", "x.narrow", "-o", "back.tif")
    with tifffile.TiffFile("back.tif") as file:
        np.testing.assert_array_equal(file.asarray(), DIGITS[0])
        assert (file.pages.first.resolution, file.pages.first.description) == ((30, 40), "a digit")


@pytest.mark.parametrize(
    "demand", [("--max-error", 2), ("--quality", 40), ("--psnr", 30)], ids=lambda demand: demand[0]
)
def test_demands_are_met(demand, place):
    found = json.loads(done("compress", "m.safetensors", "digits:test", "-o", "x.narrow", *demand, "--json"))
    assert found["mode"] == {demand[0][2:].replace("-", "_"): demand[1]}
    assert found["total_bytes"] == (place / "x.narrow").stat().st_size
    assert found["bpp"] < 2
    done("decompress", "x.narrow", "-o", "back.npy")
    error = np.load("back.npy").astype(float) - DIGITS
    assert np.abs(error).max() > 0
    if "--max-error" in demand:
        assert np.abs(error).max() <= 2
    if "--psnr" in demand:
        assert 10 * np.log10(31**2 / (error**2).mean()) >= 30


def test_a_folder_comes_out_under_its_names_and_without_loss(place):
    """Pictures that are not at all like what the codec has learnt, some of them JPEG."""
    sizes = [(20, 31), (8, 8), (20, 31), (33, 20), (1, 1)]
    names = ["a/0.png", "b/1.png", "b/2.jpg", "2.png", "é ü.png"]
    for name, picture in zip(names, smooth_pictures(sizes), strict=True):
        data.write(data.Items.from_array(picture[None]), place / "photos" / name)
    data.write(data.Items.from_array(smooth_pictures([(9, 9)])[0][None]), place / "photos" / "2.jpg")
    done("compress", "m.safetensors", "photos", "-o", "x.narrow", "--lossless")
    done("decompress", "x.narrow", "-o", "back/")
    before, after = data.read("photos"), data.read("back")
    assert [name.partition(".")[0] for name in after.names] == [name.partition(".")[0] for name in before.names]
    written = {path.relative_to(place / "back").as_posix() for path in (place / "back").rglob("*.*")}
    assert written == {"2.jpg.png", "2.png", "a/0.png", "b/1.png", "b/2.png", "é ü.png"}
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)

    done("decompress", "x.narrow", "-o", "some/", "--only", "b/2.jpg,0-1")
    assert len(data.read("some")) == 3
    assert (place / "some" / "b" / "2.png").exists()
    done("decompress", "x.narrow", "-o", "one.png", "--only", "a/0.png")
    np.testing.assert_array_equal(data.read("one.png")[0], smooth_pictures(sizes)[0])


def test_items_without_names_are_numbered(place):
    done("compress", "m.safetensors", "digits:test", "-o", "x.narrow", "--lossless")
    done("decompress", "x.narrow", "-o", "some/", "--only", "17,200-202")
    assert sorted(os.listdir("some")) == ["00017.png", "00200.png", "00201.png", "00202.png"]
    np.testing.assert_array_equal(np.asarray(Image.open("some/00201.png")), DIGITS[201])
    for only, words in [("898", "x.narrow: has no item 898"), ("a.png", "has no item called 'a.png'")]:
        assert words in refused("decompress", "x.narrow", "-o", "other/", "--only", only)
    assert "--only 3-1" in refused("decompress", "x.narrow", "-o", "other/", "--only", "3-1", code=2)


def test_pipes(place):
    digits = io.BytesIO()
    np.save(digits, DIGITS[:30])
    packed = spawned("compress", "m.safetensors", "-", "-o", "-", "--lossless", stdin=digits.getvalue())
    assert (packed.code, packed.err) == (0, "")
    (place / "x.narrow").write_bytes(packed.out)
    assert len(package.open("x.narrow")) == 30
    back = spawned("decompress", "-", "-o", "-", stdin=packed.out)
    assert (back.code, back.err) == (0, "")
    np.testing.assert_array_equal(np.load(io.BytesIO(back.out)), DIGITS[:30])


def test_the_model_is_in_the_file_or_is_found_or_is_named(place):
    done("compress", "m.safetensors", "digits:test", "-o", "x.narrow", "--lossless")
    said = done("compress", "m.safetensors", "digits:test", "-o", "whole.narrow", "--lossless", "--embed-model")
    plain, whole, model = (os.path.getsize(name) for name in ("x.narrow", "whole.narrow", "m.safetensors"))
    found = re.search(rf"{whole:,} bytes, ([\d,]+) of them the model \(", said)
    embedded = int(found[1].replace(",", ""))
    assert 0.9 * model < embedded < model  # without the record of its training
    assert plain + embedded < whole < plain + embedded + 10
    fingerprint = load("m.safetensors").fingerprint_[:12]

    (place / "models").mkdir()
    (place / "m.safetensors").rename("models/m.safetensors")
    done("decompress", "whole.narrow", "-o", "back.npy")
    assert fingerprint in refused("decompress", "x.narrow", "-o", "other.npy")
    assert not (place / "other.npy").exists()
    done("decompress", "x.narrow", "-m", "models/m.safetensors", "-o", "other.npy")
    done("decompress", "whole.narrow", "-m", "models/m.safetensors", "-o", "other.npy", "--force")

    tensors, document = read_model(place / "models" / "m.safetensors")
    write_model(place / "other.safetensors", tensors, {**document, "axes": "NXY"})
    other = load("other.safetensors").fingerprint_[:12]
    said = refused("decompress", "x.narrow", "-m", "other.safetensors", "-o", "back.npy", "--force")
    assert f"x.narrow: needs the model {fingerprint}; other.safetensors is {other}" in said


def test_info(place):
    done("compress", "m.safetensors", "digits:test", "-o", "x.narrow", "--max-error", 1)
    done("compress", "m.safetensors", "many.npy", "-o", "whole.narrow", "--quality", 33.5, "--embed-model")
    size = (place / "x.narrow").stat().st_size
    lines = done("info", "x.narrow", "--verify").splitlines()
    fingerprint = load("m.safetensors").fingerprint_[:12]
    assert "898 of 8x8, axes NYX, uint8" in lines[1]
    assert "max error 1; by the pixel path" in lines[2]
    assert f"{8 * size / DIGITS.size:.4f} bpp" in lines[3]
    assert f"{fingerprint}, m.safetensors" in lines[4]
    assert re.search(r"header \d+, model 0, payload \d", lines[5])
    assert "all right" in lines[7]

    found = json.loads(done("info", "whole.narrow", "--verify", "--json"))
    assert (found["items"], found["chunks"], found["damaged_chunks"]) == (3592, 4, [])
    assert (found["mode"], found["model_at"]) == ({"quality": 33.5}, "embedded")
    shares = [found[f"{part}_bytes"] for part in ("header", "model", "payload")]
    assert sum(shares) == found["bytes"] == (place / "whole.narrow").stat().st_size
    size = (place / "m.safetensors").stat().st_size
    assert 0.9 * size < shares[1] < size  # without the record of its training

    (place / "m.safetensors").unlink()
    assert "of the shape that the model knows" in done("info", "x.narrow")
    assert json.loads(done("info", "x.narrow", "--json"))["bpp"] is None


def test_what_is_damaged_is_named_and_the_rest_can_be_had(place):
    done("compress", "m.safetensors", "many.npy", "-o", "x.narrow", "--lossless")
    content = bytearray((place / "x.narrow").read_bytes())
    content[len(content) // 3] ^= 1
    (place / "x.narrow").write_bytes(content)
    ran = narrows("info", "x.narrow", "--verify")
    assert ran.code == 1
    assert b"damaged: chunk 2" in ran.out
    assert "1 of 4 chunks damaged" in ran.err
    assert "chunk 2 of 4 fails its checksum" in refused("decompress", "x.narrow", "-o", "back/")
    ran = narrows("decompress", "x.narrow", "-o", "back/", "--keep-going")
    assert ran.code == 0
    assert ran.err.splitlines()[0].startswith("narrows: skipped 01024: x.narrow: chunk 2 of 4")
    assert "1024 of 3592 skipped" in ran.err
    assert len(os.listdir("back")) == 3592 - 1024
    np.testing.assert_array_equal(np.asarray(Image.open("back/02048.png")), DIGITS[2048 % 898])
    done("decompress", "x.narrow", "-o", "some/", "--only", "3,3000")

    (place / "x.narrow").write_bytes(content[:100])
    assert "cut off" in refused("decompress", "x.narrow", "-o", "back.npy")
    (place / "x.narrow").write_bytes(content[:10])
    assert "x.narrow: truncated" in refused("info", "x.narrow")


def test_a_limit_to_what_is_unpacked(place):
    done("compress", "m.safetensors", "digits:test", "-o", "x.narrow", "--lossless")
    said = refused("decompress", "x.narrow", "-o", "back.npy", "--max-pixels", 1000)
    assert "57,472 values" in said
    assert "--max-pixels" in said
    done("decompress", "x.narrow", "-o", "back.npy", "--max-pixels", DIGITS.size)


def test_preview(place):
    done("compress", "m.safetensors", "digits:test", "-o", "x.narrow", "--lossless")
    assert done("preview", "x.narrow", "-o", "sheet.png") == "sheet.png: 898 items at level 1\n"
    sheet = np.asarray(Image.open("sheet.png"))
    first = DIGITS[0, ::2, ::2].repeat(8, axis=0).repeat(8, axis=1)
    shown = sheet[2:34, 2:34].astype(int)
    assert np.abs(shown - first).max() == 0
    done("preview", "x.narrow", "-o", "fine.png", "--level", 0)
    assert "sheet.txt" in refused("preview", "x.narrow", "-o", "sheet.txt", code=2)


def test_only_a_codec_compresses(place, digits_model):
    words = refused("compress", digits_model, "digits", "-o", "x.narrow", "--lossless")
    assert "a model of the tool 'autoencoder', not a codec" in words
    assert "m.safetensors: a codec; encode" in refused("encode", "m.safetensors", "digits", "-o", "codes.npy")
    np.save("floats.npy", DIGITS[:4] / np.float32(3))
    said = refused("compress", "m.safetensors", "floats.npy", "-o", "x.narrow", "--max-error", 1)
    assert "floats.npy: float32 values; this model was trained on uint8 ones" in said
    np.save("volumes.npy", np.zeros((2, 3, 8, 8), np.uint8))
    words = ("compress", "m.safetensors", "volumes.npy", "-o", "x.narrow", "--lossless", "--axes", "NZYX")
    assert "volumes.npy: axes NZYX" in refused(*words)
    assert not list(place.glob("*x.narrow*"))


def test_info_of_a_codec(place):
    said = done("info", "m.safetensors")
    for words in ("codec, format 2", "best 8x8, of any size, 1 channel(s)", "digits, 899 items", "20.0 epochs of 20"):
        assert words in said


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_compression_that_is_stopped_leaves_no_file(number, place):
    np.save("most.npy", np.tile(DIGITS, (120, 1, 1)))
    line = ("compress", "m.safetensors", "most.npy", "-o", "x.narrow", "--lossless")
    process, terminal = begin("items/s", *line)
    process.send_signal(number)
    rest_of(terminal)
    assert process.wait(60) == (1 if number == signal.SIGINT else -signal.SIGKILL)
    assert not (place / "x.narrow").exists()
    left = [path.name for path in place.iterdir() if "x.narrow" in path.name]
    assert len(left) == (number == signal.SIGKILL)
    done("compress", "m.safetensors", "digits:test", "-o", "x.narrow", "--lossless")
