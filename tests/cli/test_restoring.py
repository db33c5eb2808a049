"""Denoising and filling in: every verb and option, and holes however they are marked."""

import io
import json
import re
import signal
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from narrows import data, load
from narrows.cli.outputs import numbered
from narrows.evaluation.restoration_evaluation import evaluate_denoiser

from .conftest import begin, narrows, rest_of, spawned

FAST = ("--learning-rate", 4e-3)


def trained(tmp_path_factory, *arguments):
    """A model of digits, and what training said."""
    model = tmp_path_factory.mktemp("models") / "m.safetensors"
    ran = narrows("train", *arguments, "-o", model, *FAST)
    assert (ran.code, ran.err) == (0, "")
    return model, ran.out.decode()


@pytest.fixture(scope="session")
def denoiser(tmp_path_factory):
    return trained(tmp_path_factory, "denoiser", "digits", "--noise", "gaussian:0.5", "--epochs", 7)


@pytest.fixture(scope="session")
def blind(tmp_path_factory):
    return trained(tmp_path_factory, "denoiser", "digits", "--epochs", 3)


@pytest.fixture(scope="session")
def imputer(tmp_path_factory):
    return trained(tmp_path_factory, "imputer", "digits", "--holes", "pixels:0.5", "--epochs", 6)


@pytest.fixture(scope="session")
def digits():
    return data.read("digits:test").values[:40]


@pytest.fixture
def small_and_large(digits, tmp_path):
    """A folder of digits of different sizes."""
    sizes = [(20 + index % 7, 31 - index % 5) for index in range(24)]
    items = [np.resize(np.tile(digits[index], (4, 4)), size) for index, size in enumerate(sizes)]
    data.write(data.Items.from_list(items, "YX", names=[f"{'ab'[i % 2]}/{i}" for i in range(24)]), tmp_path / "sizes/")
    return tmp_path / "sizes"


@pytest.fixture
def holes(digits):
    return np.random.default_rng(0).random(digits.shape) < 0.4


@pytest.fixture
def place(tmp_path, monkeypatch, digits, holes):
    """A folder of digits, and of digits with holes."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", digits)
    np.save("mask.npy", holes)
    return tmp_path


def test_training_says_what_came_of_it(denoiser, blind, imputer):
    for _, said in (denoiser, imputer):
        assert re.search(
            r"899 items in [\d.]+ s; held-out mse 0\.\d+ \([\d.]+ dB\), the mean of the data has 0\.", said
        )
        assert re.search(r"[\d.]+% of values within one predictive standard deviation, [\d.]+% within two\n$", said)
    assert re.search(
        r"noisy items alone; held-out negative log-likelihood -?[\d.]+, one distribution for every value has", blind[1]
    )


def test_denoise(denoiser, place, digits):
    model = denoiser[0]
    assert narrows("denoise", model, "x.npy", "-o", "y.npy", "--uncertainty", "u.npy").code == 0
    expected = load(model)
    np.testing.assert_array_equal(np.load("y.npy"), expected.transform(digits))
    deviations = np.load("u.npy")
    assert deviations.dtype == np.float32
    np.testing.assert_array_equal(deviations, expected.uncertainty(digits))
    assert np.load("y.npy").dtype == digits.dtype


def test_the_mean_over_mirrored_and_turned_images(denoiser, imputer, place, digits, holes):
    assert narrows("denoise", denoiser[0], "x.npy", "-o", "y.npy", "--tta").code == 0
    expected = load(denoiser[0]).transform(digits, tta=True)
    np.testing.assert_array_equal(np.load("y.npy"), expected)
    assert (expected != load(denoiser[0]).transform(digits)).any()
    assert narrows("fill", imputer[0], "x.npy", "--mask", "mask.npy", "-o", "f.npy", "--tta").code == 0
    np.testing.assert_array_equal(np.load("f.npy"), load(imputer[0]).transform(digits, holes, tta=True))
    for model in (denoiser[0], imputer[0]):
        plain, mean = (
            json.loads(narrows("evaluate", model, "x.npy", "--json", *options).out) for options in ((), ("--tta",))
        )
        assert plain["mse"] != mean["mse"]
        assert plain.get("before") == mean.get("before")


def test_denoise_through_pipes(blind, place, digits):
    ran = spawned("denoise", blind[0], "-", stdin=(place / "x.npy").read_bytes())
    assert (ran.code, ran.err) == (0, "")
    assert np.load(io.BytesIO(ran.out)).shape == digits.shape


def test_pictures_of_different_sizes_keep_their_names(denoiser, small_and_large, place):
    ran = narrows("denoise", denoiser[0], small_and_large, "-o", "clean/", "--uncertainty", "u.npz")
    assert (ran.code, ran.err) == (0, "")
    before, after = data.read(small_and_large), data.read("clean")
    assert after.names == before.names
    np.testing.assert_array_equal(after.shapes, before.shapes)
    assert set(np.load("u.npz")) == set(before.names)


@pytest.mark.parametrize("tool", ["denoise", "fill"])
def test_pictures_keep_what_their_files_say(denoiser, imputer, place, digits, tool):
    model, options = (denoiser[0], ()) if tool == "denoise" else (imputer[0], ("--missing", 3))
    scale = {"axes": "ZYX", "unit": "um", "spacing": 2.5}
    tifffile.imwrite("stack.tif", digits[:3], imagej=True, resolution=(5, 5), metadata=scale)
    (place / "scans").mkdir()
    for index in range(3):
        Image.fromarray(digits[index]).save(f"scans/{index}.png", dpi=(300, 300))
    for source, output in (("stack.tif", "out.tif"), ("scans", "out/")):
        ran = narrows(tool, model, source, "-o", output, *options)
        assert ran.code == 0
        assert "does not keep" not in ran.err
    with tifffile.TiffFile("stack.tif") as before, tifffile.TiffFile("out.tif") as after:
        assert after.imagej_metadata == before.imagej_metadata
        assert after.pages.first.resolution == (5, 5)
    assert round(Image.open("out/1.png").info["dpi"][0]) == 300


def test_holes_however_they_are_marked(imputer, place, digits, holes):
    model, tiles = imputer[0], np.where(holes, np.nan, digits).astype(np.float32)
    np.save("nan.npy", tiles)
    np.save("value.npy", np.where(holes, -7, tiles))
    np.save("floats.npy", digits.astype(np.float32))
    for index in range(len(digits)):
        alpha = np.where(holes[index], 0, 255).astype(np.uint8)
        for folder in ("alpha", "pictures", "masks"):
            (place / folder).mkdir(exist_ok=True)
        Image.merge("LA", [*map(Image.fromarray, (digits[index], alpha))]).save(f"alpha/{index:02}.png")
        Image.fromarray(digits[index]).save(f"pictures/{index:02}.png")
        Image.fromarray(255 - alpha).save(f"masks/{index:02}.png")

    def filled(*arguments):
        ran = narrows("fill", model, *arguments)
        assert (ran.code, ran.err) == (0, "")
        return np.load(io.BytesIO(ran.out))

    in_floats, in_integers = filled("nan.npy"), filled("x.npy", "--mask", "mask.npy")
    np.testing.assert_array_equal(in_integers[~holes], digits[~holes])
    np.testing.assert_array_equal(in_floats[~holes], tiles[~holes])
    np.testing.assert_array_equal(in_integers, load(model).transform(digits, holes))
    for arguments in (("floats.npy", "--mask", "mask.npy"), ("value.npy", "--missing", -7)):
        np.testing.assert_array_equal(filled(*arguments), in_floats)
    np.savez("mask.npz", holes.astype(float))
    for mask in ("mask.npz", "masks"):
        np.testing.assert_array_equal(filled("pictures", "--mask", mask), in_integers)
    for arguments in (("alpha",), ("alpha", "--missing", "alpha")):
        np.testing.assert_array_equal(filled(*arguments), in_integers)
    assert narrows("fill", model, "alpha", "-o", "out/").code == 0
    assert data.read("out").names == data.read("alpha").names


def test_one_mask_for_all(imputer, place, digits):
    mask = np.zeros((8, 8), bool)
    mask[2:5, 3:6] = True
    np.save("one.npy", mask)
    Image.fromarray(mask).save("one.png")
    outs = [narrows("fill", imputer[0], "x.npy", "--mask", name).out for name in ("one.npy", "one.png")]
    assert outs[0] == outs[1]
    filled = np.load(io.BytesIO(outs[0]))
    np.testing.assert_array_equal(filled[:, ~mask], digits[:, ~mask])
    assert (filled[:, mask] != digits[:, mask]).any()


def test_samples_and_uncertainty(imputer, place, digits, holes):
    options = ("--mask", "mask.npy", "--samples", 2, "--uncertainty", "u.npy")
    assert narrows("fill", imputer[0], "x.npy", "-o", "y.npy", *options).code == 0
    best, first, second = (np.load(f"y{number}.npy") for number in ("", "-1", "-2"))
    for filling in (best, first, second):
        assert filling.dtype == digits.dtype
        np.testing.assert_array_equal(filling[~holes], digits[~holes])
    assert (first != second).any()
    np.testing.assert_array_equal([first, second], load(imputer[0]).sample(digits, 2, holes))
    deviations = np.load("u.npy")
    assert deviations.dtype == np.float32
    np.testing.assert_array_equal(deviations > 0, holes)


@pytest.mark.parametrize(
    ("output", "first"),
    [
        ("x.npy", "x-1.npy"),
        ("a.b/x", "a.b/x-1"),
        ("some/folder/", "some/folder-1/"),
        ("v1.2.png", "v1.2-1.png"),
        ("x.npy.gz", "x-1.npy.gz"),
        ("train-ubyte.gz", "train-1-ubyte.gz"),
    ],
)
def test_names_of_samples(output, first):
    assert numbered(output, 1) == first


def test_nothing_to_fill(imputer, place, digits):
    ran = narrows("fill", imputer[0], "x.npy", "-o", "y.npy")
    assert ran.code == 0
    assert (
        ran.err == "narrows: x.npy: has no missing values, and is written as it is; "
        "--mask or --missing say which values are missing\n"
    )
    np.testing.assert_array_equal(np.load("y.npy"), digits)


def test_evaluate_a_denoiser(denoiser, blind, place, digits):
    found = json.loads(narrows("evaluate", denoiser[0], "digits:test", "--json").out)
    assert set(found) == {
        *("data", "items", "skipped", "seconds", "noise", "target", "unit", "mse", "psnr", "ssim", "before", "within")
    }
    assert (found["items"], found["noise"], found["target"]) == (898, "gaussian:0.5", None)
    assert set(found["before"]) == {"mse", "psnr", "ssim"}
    assert found["mse"] < found["before"]["mse"] / 2
    assert found["ssim"] > found["before"]["ssim"]
    assert found["psnr"] == pytest.approx(-10 * np.log10(found["mse"]))
    assert 0.5 < found["within"][0] < 0.85
    assert found["within"][0] < found["within"][1] <= 1

    np.save("noisy.npy", load(denoiser[0]).with_noise(digits, "gaussian:0.3"))
    pairs = json.loads(narrows("evaluate", denoiser[0], "noisy.npy", "--target", "x.npy", "--json").out)
    assert (pairs["noise"], pairs["target"]) == (None, "x.npy")
    expected = evaluate_denoiser(load(denoiser[0]), data.read("x.npy"), "gaussian:0.3")
    assert pairs["before"]["mse"] == pytest.approx(expected.before.mse)
    assert pairs["mse"] == pytest.approx(expected.mse)
    ran = narrows("evaluate", blind[0], "digits:test", "--noise", "gaussian:0.2")
    assert (ran.code, ran.err) == (0, "")
    assert_aligned(ran.out.decode(), "before +after", "gaussian:0.2")


def test_evaluate_an_imputer(imputer, place, digits):
    found = json.loads(narrows("evaluate", imputer[0], "digits:test", "--json").out)
    keys = "data items skipped seconds holes hidden unit mse psnr ssim mean nearest within"
    assert set(found) == set(keys.split())
    assert found["holes"] == "pixels:0.5"
    assert found["hidden"] == pytest.approx(0.5, abs=0.02)
    assert found["mse"] < min(found["mean"]["mse"], found["nearest"]["mse"])
    assert found["ssim"] > found["mean"]["ssim"]
    assert found["mse"] == pytest.approx(-load(imputer[0]).score(data.read("digits:test")), rel=0.05)
    ran = narrows("evaluate", imputer[0], "digits:test", "--holes", "blocks:0.25")
    assert (ran.code, ran.err) == (0, "")
    assert_aligned(ran.out.decode(), "model +mean +nearest", "blocks:0.25")

    values = digits.astype(np.float32)
    values[:, 0, 0] = np.nan
    np.save("nan.npy", values)
    found = json.loads(narrows("evaluate", imputer[0], "nan.npy", "--json").out)
    assert found["ssim"] is None
    assert np.isfinite(found["mse"])


def assert_aligned(shown, columns, words):
    """The table is there, with its columns."""
    assert words in shown
    table = [line for line in shown.splitlines() if re.match(rf"mse +\d|psnr|ssim| +{columns}$", line)]
    assert len(table) == 4
    assert len({len(line) for line in table}) == 1


def test_evaluate_pictures_of_different_sizes(denoiser, imputer, small_and_large):
    for model in (denoiser[0], imputer[0]):
        found = json.loads(narrows("evaluate", model, small_and_large, "--json").out)
        assert found["items"] == 24
        assert found["ssim"] is not None


def test_info(denoiser, blind, imputer):
    for (model, _), words in (
        (
            denoiser,
            ("denoiser", "clean items and the noise gaussian:0.5", "clipped to the range", "within one predictive"),
        ),
        (blind, ("noisy items alone", "clipped to the range", "one distribution for every value")),
        (imputer, ("imputer", "holes pixels:0.5", "NaN", "U-Net", "best 8x8", "within one predictive")),
    ):
        ran = narrows("info", model)
        assert (ran.code, ran.err) == (0, "")
        for word in words:
            assert word in ran.out.decode()
    document = json.loads(narrows("info", denoiser[0], "--json").out)
    assert (document["noise"], document["clip"]) == ("gaussian:0.5", True)
    assert len(document["training"]["within"]) == 2


def test_pairs_and_presets(place):
    """Trained from a target, by the lesson's networks, and from data with a fill value."""
    clean = data.read("digits").values[:300]
    rng = np.random.default_rng(0)
    np.save("clean.npy", clean)
    np.save("noisy.npy", (clean + rng.normal(0, 3, clean.shape)).clip(0, 31).astype(np.uint8))
    np.save("torn.npy", np.where(rng.random(clean.shape) < 0.2, 99, clean))
    options = ("--preset", "lesson", "--epochs", 40, "--learning-rate", 1e-2)
    pairs = ("noisy.npy", "--target", "clean.npy")
    ran = narrows("train", "denoiser", *pairs, "-o", "pairs.safetensors", "--no-clip", *options)
    assert (ran.code, ran.err) == (0, "")
    said = narrows("info", "pairs.safetensors").out.decode()
    for words in ("pairs of items", "not clipped", "preset lesson"):
        assert words in said
    assert narrows("evaluate", "pairs.safetensors", *pairs).code == 0
    wrong = narrows("evaluate", "pairs.safetensors", "noisy.npy")
    assert wrong.code == 2
    assert "--noise" in wrong.err

    ran = narrows("train", "imputer", "torn.npy", "--missing", 99, "-o", "torn.safetensors", *options)
    assert (ran.code, ran.err) == (0, "")
    assert "NaN and 99" in narrows("info", "torn.safetensors").out.decode()
    ran = narrows("fill", "torn.safetensors", "torn.npy")
    assert (np.load(io.BytesIO(ran.out)) != 99).all()


USAGE = [
    (
        "train denoiser x.npy -o new.safetensors --noise gaussian:0.5 --target x.npy",
        "--noise gaussian:0.5: pairs of items have noise",
    ),
    ("train denoiser missing.npy -o new.safetensors --noise fog", "--noise fog: "),
    ("train denoiser missing.npy -o new.safetensors --noise gaussian", "gaussian needs a strength"),
    ("train denoiser x.npy -o new.safetensors --epochs 1 --minutes 1", "either in minutes or in epochs"),
    ("train denoiser s.npy -o new.safetensors --clip --epochs 1", "--clip: needs values of a known range"),
    ("train denoiser x.npy -o new.safetensors --preset hard", "--preset"),
    ("train imputer missing.npy -o new.safetensors --holes moths", "--holes moths: "),
    ("train imputer x.npy -o new.safetensors --holes channels", "--holes channels: needs items with several channels"),
    ("train imputer x.npy -o new.safetensors --missing some", "--missing some: expected numbers, NaN or alpha"),
    ("fill fill.safetensors x.npy --missing some", "--missing some"),
    ("fill fill.safetensors x.npy --samples 2", "--samples"),
    ("fill fill.safetensors x.npy -o new.npy --samples -1", "--samples"),
    ("evaluate den.safetensors x.npy --holes pixels:0.5", "--holes is for"),
    ("evaluate den.safetensors x.npy --noise blur:1 --target x.npy", "give one of --noise and --target"),
    ("evaluate den.safetensors x.npy --noise blur", "--noise blur: "),
    ("evaluate fill.safetensors x.npy --noise blur:1", "--noise is for"),
    ("evaluate fill.safetensors x.npy --labels digits", "--labels is for"),
    ("evaluate fill.safetensors x.npy --target x.npy", "--target is for"),
    ("evaluate fill.safetensors x.npy --holes channels", "channels"),
    ("evaluate blind.safetensors x.npy", "noise to add to clean items: --noise gaussian:0.1"),
    ("evaluate m.safetensors digits --noise blur:1", "--noise is for"),
    ("evaluate m.safetensors digits --tta", "--tta is for models of the tool denoiser or imputer"),
    ("fill fill.safetensors x.npy --strategy mode --tta", "--tta: a mean of the most probable values is not"),
]

FAILURES = [
    ("train denoiser x.npy -o new.safetensors --target missing.npy", "missing.npy"),
    ("train denoiser x.npy -o new.safetensors --target seven.npy", "seven.npy: 7 items"),
    ("train denoiser x.npy -o new.safetensors --noise blur:1 --resume", "no such checkpoint"),
    ("train denoiser table.npy -o new.safetensors", "table.npy: rows of a table"),
    ("denoise fill.safetensors x.npy", "an imputer; denoise needs a denoiser"),
    ("denoise m.safetensors x.npy", "an autoencoder; denoise needs a denoiser"),
    ("fill den.safetensors x.npy", "a denoiser; fill needs an imputer"),
    ("encode den.safetensors x.npy -o new.npy", "a denoiser; encode needs an autoencoder"),
    ("fill fill.safetensors x.npy --mask missing.npy", "missing.npy: no such file"),
    ("fill fill.safetensors x.npy --mask seven.npy", "mask has shape (7, 8, 8)"),
    ("fill fill.safetensors x.npy --mask wide.png", "wide.png: a mask of (9, 12) for item 0 of (8, 8)"),
    ("fill fill.safetensors x.npy -o new.npy --uncertainty new.png", "new.png: one image cannot hold several items"),
    ("fill fill.safetensors one.npy --axes YX -o new.npy --uncertainty new.png", "new.png: PNG cannot hold float32"),
    ("denoise den.safetensors x.npy -o new.npy --uncertainty new.csv", "new.csv: items with the axes YX"),
    ("denoise den.safetensors x.npy -o new.npy --uncertainty new.webm", "new.webm: unknown format '.webm'"),
    ("denoise den.safetensors x.npy -o new.wav", "new.wav: one WAV cannot hold several items"),
    ("denoise den.safetensors ragged.npz -o new.png", "new.png: one image cannot hold several items"),
    ("denoise den.safetensors ragged.npz -o new.idx", "new.idx: items of different sizes"),
    (
        "denoise den.safetensors ragged.npz -o new/ --uncertainty u.npy",
        "u.npy: items of different sizes are not one array; write .npz",
    ),
    ("evaluate den.safetensors x.npy --target seven.npy", "seven.npy: 7 items"),
]


@pytest.fixture
def models(place, denoiser, blind, imputer, digits_model, digits):
    for name, model in (("den", denoiser[0]), ("blind", blind[0]), ("fill", imputer[0]), ("m", digits_model)):
        (place / f"{name}.safetensors").symlink_to(model)
    np.save("s.npy", digits - 10.0)
    np.save("seven.npy", digits[:7])
    np.save("one.npy", digits[0])
    np.save("table.npy", digits[0])
    np.savez("ragged.npz", a=np.zeros((8, 8), np.uint8), b=np.zeros((9, 8), np.uint8))
    Image.fromarray(np.zeros((9, 12), np.uint8)).save("wide.png")


@pytest.mark.parametrize(
    ("code", "line", "words"), [*((2, *case) for case in USAGE), *((1, *case) for case in FAILURES)]
)
def test_mistakes(code, line, words, models, place):
    ran = narrows(*line.split())
    assert words in ran.err
    assert ran.code == code
    assert re.fullmatch(r"narrows: error: .*\n", ran.err)
    assert "unexpected" not in ran.err
    assert ran.out == b""
    assert not list(place.glob("new*"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of POSIX")
def test_a_stopped_training_can_go_on(place):
    train = ("train", "imputer", "digits", "-o", "m.safetensors", "--epochs", 8, *FAST)
    process, terminal = begin("held out", *train)
    process.send_signal(signal.SIGINT)
    said = rest_of(terminal)
    assert process.wait(60) == 1
    assert "to go on: narrows train imputer" in said
    ran = narrows("info", "m.safetensors.checkpoint")
    assert ran.code == 0
    assert b"holes mixed" in ran.out
    ran = narrows(*train, "--resume")
    assert (ran.code, ran.err) == (0, "")
    assert load("m.safetensors").training_["complete"]
    assert not list(place.glob("*.checkpoint"))


def test_a_mask_from_a_jpeg_has_a_note(imputer, place, digits):
    data.write(data.Items.from_array(digits[:1]), "one.png")
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 3:6] = 255
    Image.fromarray(mask).save("mask.jpg", quality=60)
    ran = narrows("fill", imputer[0], "one.png", "--mask", "mask.jpg", "-o", "filled.png")
    assert ran.code == 0
    assert re.fullmatch(r"narrows: mask.jpg: a mask of more than two values; each .* counts as missing\n", ran.err)
