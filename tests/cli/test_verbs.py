"""Every verb does its work, on named data and on a folder of pictures."""

import io
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from narrows import __version__, data, load
from narrows.networks import architecture_kinds, upsampling_kinds

from .conftest import NARROWS, narrows, spawned


def test_train_says_what_it_made(tmp_path):
    model = tmp_path / "m.safetensors"
    ran = narrows("train", "autoencoder", "digits", "-o", model, "--architecture", "linear", "--epochs", 3, "--seed", 7)
    assert (ran.code, ran.err) == (0, "")
    assert re.search(rb"899 items in [\d.]+ s; held-out mse 0\.\d+ \([\d.]+ dB\)", ran.out)
    assert load(model).training_["seed"] == 7
    assert list(tmp_path.iterdir()) == [model]


def test_datasets():
    ran = narrows("datasets")
    assert ran.code == 0
    assert b"mnist:test" in ran.out
    assert b"digits:train" in ran.out


def test_encode_and_decode_rows(digits_model, tmp_path):
    codes, rebuilt = tmp_path / "codes.npy", tmp_path / "rebuilt.npy"
    assert narrows("encode", digits_model, "digits:test", "-o", codes).code == 0
    assert np.load(codes).shape == (898, 12)
    assert narrows("decode", digits_model, codes, "-o", rebuilt).code == 0
    expected = load(digits_model).reconstruct(data.read("digits:test"))
    np.testing.assert_array_equal(np.load(rebuilt), expected)


def test_pictures_of_different_sizes_keep_names_and_shapes(ragged_model, ragged, tmp_path):
    codes, rebuilt = tmp_path / "codes.npz", tmp_path / "rebuilt"
    assert narrows("encode", ragged_model, ragged, "-o", codes).code == 0
    assert set(np.load(codes)) == {"codes", "lengths", "shapes", "names"}
    assert narrows("decode", ragged_model, codes, "-o", rebuilt).code == 0
    before, after = data.read(ragged), data.read(rebuilt)
    assert after.names == before.names
    expected = load(ragged_model).reconstruct(before)
    for one, other in zip(after, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_grey_picture_goes_through_a_model_of_colour_ones(tmp_path):
    folder, model, codes = tmp_path / "photos", tmp_path / "m.safetensors", tmp_path / "codes.npz"
    rows, columns = np.mgrid[:16, :16]
    for index in range(24):
        shade = (127 + 120 * np.sin((rows * (index % 5) + columns * 3) / 20))[..., None] * [1, 0.5, 0.2]
        data.write(data.Items.from_array(shade[None].astype(np.uint8)), folder / f"{index}.png")
    grey = tmp_path / "grey.png"
    data.write(data.Items.from_array(np.full((1, 16, 16), 90, np.uint8)), grey)
    assert narrows("train", "autoencoder", folder, "-o", model, "--architecture", "linear", "--epochs", 60).code == 0
    ran = narrows("encode", model, grey, "-o", codes)
    assert ran.code == 0
    assert ran.err == f"narrows: {grey}: grey images are taken as colour ones, which the model was trained on\n"


def test_one_size_through_npz_goes_to_pictures(ragged_model, photos, tmp_path):
    codes, rebuilt = tmp_path / "codes.npz", tmp_path / "rebuilt"
    assert narrows("encode", ragged_model, photos, "-o", codes).code == 0
    assert narrows("decode", ragged_model, codes, "-o", rebuilt).code == 0
    before, after = data.read(photos), data.read(rebuilt)
    assert (after.names, after.values.shape) == (before.names, before.values.shape)


def test_a_table_goes_through_npz(tmp_path):
    rng = np.random.default_rng(0)
    table, model, codes, rebuilt = (tmp_path / name for name in ("t.npy", "t.safetensors", "c.npz", "r.npy"))
    np.save(table, rng.normal(size=(200, 3)) @ rng.normal(size=(3, 10)))
    assert narrows("train", "autoencoder", table, "-o", model, "--code", 3, "--epochs", 20).code == 0
    assert narrows("encode", model, table, "-o", codes).code == 0
    assert narrows("decode", model, codes, "-o", rebuilt).code == 0
    assert np.load(rebuilt).shape == (200, 10)
    assert json.loads(narrows("evaluate", model, table, "--json").out)["psnr"] is None


def test_an_array_has_the_axes_that_its_model_knows(tmp_path):
    signals, model = tmp_path / "s.npy", tmp_path / "s.safetensors"
    np.save(signals, np.sin(np.arange(40) / 5 + np.arange(60)[:, None]).astype(np.float32))
    train = ("train", "autoencoder", signals, "-o", model, "--axes", "NT", "--code", 4, "--epochs", 3)
    assert narrows(*train).code == 0
    assert narrows("evaluate", model, signals).code == 0


def test_evaluate(digits_model):
    ran = narrows("evaluate", digits_model, "digits:test", "--json")
    found = json.loads(ran.out)
    assert (found["items"], found["code"], found["pca"]["components"]) == (898, 12, 12)
    assert found["mse"] == pytest.approx(-load(digits_model).score(data.read("digits:test")), rel=1e-5)
    lines = narrows("evaluate", digits_model, "digits:test").out.decode().splitlines()
    table = [line for line in lines if re.match(r"mse|psnr|ssim| +model", line)][:4]
    assert len(table) == 4
    assert len({len(line) for line in table}) == 1


def test_evaluate_pictures_of_different_sizes(ragged_model, ragged):
    found = json.loads(narrows("evaluate", ragged_model, ragged, "--json").out)
    assert found["pca"] is None
    assert 0 < found["ssim"] < 1
    assert b"different sizes" in narrows("evaluate", ragged_model, ragged).out


def test_info(digits_model):
    ran = narrows("info", digits_model)
    assert ran.code == 0
    for words in (
        b"autoencoder",
        b"linear",
        b"digits, 899 items",
        b"uint8, 0 to 31",
        b"10.0 epochs of 10",
        b"complete",
    ):
        assert words in ran.out
    document = json.loads(narrows("info", digits_model, "--json").out)
    assert document["fingerprint"].encode() in ran.out
    assert document["architecture"]["code"] == 12


def test_info_of_a_file_with_markup_in_its_name(digits_model, tmp_path):
    odd = tmp_path / "[red]a b.safetensors"
    shutil.copy(digits_model, odd)
    assert str(odd).encode() in narrows("info", odd).out


def test_skipped_files_are_counted(digits_model, photos, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    for index in range(7):
        (folder / f"z{index}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    train = (
        "train",
        "autoencoder",
        folder,
        "-o",
        tmp_path / "m.safetensors",
        "--architecture",
        "linear",
        "--epochs",
        20,
    )
    ran = narrows(*train)
    assert ran.code == 0
    assert ran.err.count("skipped z") == 5
    assert "7 of 47 skipped" in ran.err
    ran = narrows(*train, "--strict", "--force")
    assert ran.code == 1
    assert ran.err.startswith("narrows: error: ")
    assert "z0.png" in ran.err


def test_pipes(digits_model):
    digits = io.BytesIO()
    np.save(digits, data.read("digits:test").values[:30])
    codes = spawned("encode", digits_model, "-", stdin=digits.getvalue())
    assert (codes.code, codes.err) == (0, "")
    assert np.load(io.BytesIO(codes.out)).shape == (30, 12)
    rebuilt = spawned("decode", digits_model, "-", "-o", "-", stdin=codes.out)
    assert (rebuilt.code, rebuilt.err) == (0, "")
    assert np.load(io.BytesIO(rebuilt.out)).shape == (30, 8, 8)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_leaves_early_is_no_error(unbuffered, digits_model, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    many = tmp_path / "many.npy"
    np.save(many, np.zeros((20000, 8, 8), np.uint8))  # codes of a megabyte, more than a pipe holds
    command = [*NARROWS, "encode", str(digits_model), str(many)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.read(6) == b"\x93NUMPY"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_an_output_that_is_full(digits_model):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*NARROWS, "info", str(digits_model)], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == ["narrows: error: standard output: No space left on device"]


@pytest.mark.parametrize(
    ("arguments", "unneeded"), [(["--help"], {"torch", "numpy", "sklearn", "rich"}), (["info"], {"torch", "sklearn"})]
)
def test_what_is_quick_imports_little(arguments, unneeded, digits_model):
    if arguments == ["info"]:
        arguments = ["info", str(digits_model)]
    program = (
        "import sys\nfrom narrows.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout
    assert not unneeded & set(done.stderr.split())


def test_version_and_help():
    assert narrows().out == narrows("--help").out
    assert narrows("--version").out.decode().split() == ["narrows", __version__]
    verbs = "datasets, train autoencoder, train codec, train denoiser, train imputer, encode, decode, compress"
    for verb in f"{verbs}, decompress, preview, denoise, fill, evaluate, info, demo".split(", "):
        ran = narrows(*verb.split(), "--help")
        assert ran.code == 0
        assert f"narrows {verb}".encode() in ran.out.partition(b"Example")[2]


@pytest.mark.parametrize(
    ("option", "choices"), [("upsampling", upsampling_kinds()), ("architecture", architecture_kinds())]
)
def test_train_offers_what_networks_can_do(option, choices, tmp_path):
    for choice in choices:
        ran = narrows(
            "train", "autoencoder", tmp_path / "none", "-o", tmp_path / "m.safetensors", f"--{option}", choice
        )
        assert "no such file" in ran.err


def test_decode_a_single_picture(ragged_model, ragged, tmp_path):
    codes, picture = tmp_path / "codes.npz", tmp_path / "one.png"
    assert narrows("encode", ragged_model, ragged / "a" / "0.png", "-o", codes).code == 0
    assert narrows("decode", ragged_model, codes, "-o", picture).code == 0
    assert Image.open(picture).size == Image.open(ragged / "a" / "0.png").size
