"""Ready-made models: the cards say what the files are, look-up finds the one that suits, and any range is taken."""

import runpy
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows import data
from narrows.artifacts.model_file import ModelFile
from narrows.artifacts.packed_tensors import pack
from narrows.models import load_model
from narrows.ready import choose_ready_model, choose_ready_models, find_ready_model, is_ready_name, ready_models

from .made_up import waves

MODELS = {model.name: model for model in ready_models()}
MOST_BYTES = 6_000_000  # of all together


def pictures(shape, dtype="uint8", axes=None):
    return data.Items.from_array(np.zeros(shape, dtype), axes)


@pytest.mark.parametrize("card", MODELS.values(), ids=MODELS.keys())
def test_cards_say_what_the_files_are(card):
    file = ModelFile.from_path(card.path)
    assert (file.fingerprint, file.tool, card.path.stat().st_size) == (card.fingerprint, card.tool, card.size)
    model = load_model(card.path)
    assert model.channels == card.channels
    assert model.training.seed == card.seed
    assert "grey" in card.name or "colour" in card.name
    assert card.data
    assert card.command.startswith("narrows train ")
    for figure in card.figures:
        margin = 1 if figure.peer == "biharmonic" else 0  # dB, which it is ahead by on scattered pixels of colour
        better = (
            figure.value > figure.peer_value - margin if figure.unit == "dB" else figure.value < 1.2 * figure.peer_value
        )
        assert better, figure
    if card.tool != "codec":
        assert model.manifest.any_range
        assert 0.5 < card.within[0] < card.within[1] < 1


def test_all_together_are_small():
    assert sum(card.path.stat().st_size for card in MODELS.values()) < MOST_BYTES


def test_names_begin_with_what_the_items_are():
    assert all(is_ready_name(name) for name in ("photo", "photo-denoiser", *MODELS))
    assert not any(is_ready_name(name) for name in ("", "phot", "photo-", "photo.safetensors", "photo/", "codec"))
    with pytest.raises(narrows.ParameterError, match=r"'photo' means \d+ ready-made models; name one of photo-codec"):
        find_ready_model("photo")
    with pytest.raises(narrows.ParameterError, match="'painting' means 0 ready-made models; there are photo-codec"):
        find_ready_model("painting")


@pytest.mark.parametrize(
    ("shape", "dtype", "tool", "expected"),
    [
        ((2, 8, 9), "uint8", "denoiser", "photo-denoiser-grey"),
        ((2, 8, 9), "float32", "imputer", "photo-imputer-grey"),
        ((2, 8, 9, 2), "uint16", "denoiser", "photo-denoiser-grey"),
        ((2, 8, 9, 4), "uint8", "imputer", "photo-imputer-colour"),
        ((2, 8, 9, 3), "uint8", "codec", "photo-codec-colour"),
    ],
)
def test_items_choose_by_their_channels(shape, dtype, tool, expected):
    if expected not in MODELS:
        pytest.skip("not made")
    assert choose_ready_model(pictures(shape, dtype), tool).name == expected
    assert choose_ready_model(pictures(shape, dtype), tool, name=f"photo-{tool}").name == expected


@pytest.mark.parametrize(
    ("items", "tool", "message"),
    [
        (pictures((8, 9)), "denoiser", "rows of a table, uint8; the ready-made denoisers are for "),
        (pictures((8, 90), axes="NT"), "imputer", "axes NT, .* train one with narrows train imputer"),
        (pictures((8, 9, 7), axes="ZYX"), "denoiser", "axes NZYX, 1 channel"),
        (pictures((8, 9, 7, 5), axes="NYXC"), "denoiser", r"axes NYXC, 5 channel\(s\), uint8"),
        (pictures((8, 9, 7), "uint16"), "codec", "uint16; .* photographs of 8 bits; .* narrows pack, which needs no"),
        (pictures((8, 9, 7, 4)), "codec", "4 channel"),
    ],
)
def test_where_none_suits_one_line_says_what_to_do(items, tool, message):
    with pytest.raises(narrows.DataError, match=message):
        choose_ready_model(items, tool)


def test_names_of_other_tools_are_refused():
    with pytest.raises(narrows.ParameterError, match="names no ready-made denoiser; there are photo-denoiser"):
        choose_ready_model(pictures((2, 8, 9)), "denoiser", name="photo-codec")
    with pytest.raises(
        narrows.ParameterError, match="names models of several tools; there are photo-denoiser, photo-i"
    ):
        choose_ready_model(pictures((2, 8, 9)), "denoiser", "imputer")
    tools = [model.tool for model in choose_ready_models(pictures((2, 8, 9)))]
    assert sorted(tools) == ["codec", "denoiser", "imputer"]
    assert [model.tool for model in choose_ready_models(pictures((2, 8, 9), "float32"))] == ["denoiser", "imputer"]


@pytest.fixture(scope="module")
def denoiser():
    return narrows.load("photo-denoiser-grey")


@pytest.fixture(scope="module")
def noisy():
    """Noisy pictures of 8 bits that use all of their range, and clean ones."""
    clean = 255 * waves(3, 64, 80, dtype=np.float64)
    return np.clip(clean + np.random.default_rng(0).normal(size=clean.shape) * 20, 0, 255).astype(np.uint8), clean


def squared_error(found, clean):
    return float(((found.astype(np.float64) - clean) ** 2).mean())


def test_noise_is_removed_from_pictures_in_a_list_and_one_by_one(denoiser, noisy):
    dirty, clean = noisy
    found = denoiser.transform(dirty)
    assert (found.dtype, found.shape) == (dirty.dtype, dirty.shape)
    assert squared_error(found, clean) < 0.3 * squared_error(dirty, clean)
    np.testing.assert_array_equal(denoiser.transform(dirty[0]), denoiser.transform(dirty[:1])[0])
    sizes = denoiser.transform([dirty[0], dirty[1, :40]])
    assert [each.shape for each in sizes] == [(64, 80), (40, 80)]


def test_the_mean_over_mirrored_and_turned_pictures_is_better(denoiser, noisy):
    dirty, clean = (np.asarray(each * 257.0) for each in noisy)
    dirty = dirty.astype(np.uint16)
    one, mean = (squared_error(denoiser.transform(dirty, tta=tta), clean) for tta in (False, True))
    assert mean < one


@pytest.mark.parametrize(
    ("dtype", "factor", "offset"),
    [
        ("uint16", 257, 0),
        ("uint16", 4095 / 255, 0),  # 12 bits
        ("uint16", 1, 0),  # as dark as 16 bits can be
        ("float32", 1 / 255, 0),
        ("float64", 1 / 255 / 64, 0),  # dark
        ("float32", 3, -50),
        ("int16", 8, -1000),
        ("float64", 1, 1e9),
    ],
)
def test_the_range_of_the_data_makes_no_difference(denoiser, noisy, dtype, factor, offset, monkeypatch):
    dirty = noisy[0].copy()
    dirty[:, 0, :2] = 0, 255
    expected = denoiser.transform(dirty).astype(float)
    other = (dirty * float(factor) + offset).astype(dtype)
    found = denoiser.transform(other)
    assert found.dtype == other.dtype
    assert np.abs((found - float(offset)) / factor - expected).max() < 2
    # Bfloat16 rounds features of slightly different inputs differently, which is another matter than the range.
    monkeypatch.setattr("narrows.networks.restoration.unet.multiplies_bfloat16", lambda: False)
    deviations = denoiser.uncertainty(other)
    np.testing.assert_allclose(deviations / factor, denoiser.uncertainty(dirty), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("values", [np.zeros((1, 9, 9)), np.full((1, 9, 9), 7.5), np.zeros((1, 9, 9), np.uint16)])
def test_constant_pictures_stay_nearly_so(denoiser, values):
    found = denoiser.transform(values.astype(values.dtype))
    assert np.isfinite(found).all()
    assert np.abs(found - values).max() < 0.2 * max(1, values.max())


def test_the_range_is_that_of_the_whole_set(denoiser, noisy):
    dark, bright = noisy[0] // 8, noisy[0]
    together = denoiser.transform(np.concatenate([dark, bright]))
    np.testing.assert_array_equal(together[len(dark) :], denoiser.transform(bright))


@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_stays_as_it_is(noisy, channels):
    model = narrows.load(f"photo-denoiser-{'grey' if channels == 1 else 'colour'}")
    alpha = np.random.default_rng(1).integers(0, 256, (3, 64, 80, 1), dtype=np.uint8)
    colours = np.repeat(noisy[0][..., None], channels, -1)
    items = data.Items.from_array(np.concatenate([colours, alpha], -1), "NYXC")
    found = model.transform(items)
    np.testing.assert_array_equal(found.values[..., -1:], alpha)
    np.testing.assert_array_equal(model.transform(items, tta=True).values[..., -1:], alpha)
    expected = model.transform(colours if channels > 1 else colours[..., 0])
    np.testing.assert_array_equal(found.values[..., :-1].reshape(expected.shape), expected)
    deviations = model.uncertainty(found)
    assert deviations.values.shape == found.values.shape
    assert not deviations.values[..., -1].any()


def test_the_score_does_not_depend_on_the_range(denoiser, noisy):
    dirty, clean = noisy
    clean = np.clip(clean, 0, 255).astype(np.uint8)
    clean[:, 0, :2] = 0, 255
    expected = denoiser.score(dirty, clean)
    assert denoiser.score(dirty * np.uint16(257), clean * np.uint16(257)) == pytest.approx(expected, rel=0.02)
    assert denoiser.score(clean) < 0


@pytest.mark.parametrize(("dtype", "factor"), [("uint16", 257), ("float32", 1 / 255), ("float64", 100.0)])
def test_holes_are_filled_in_any_range(noisy, dtype, factor):
    model = narrows.load("photo-imputer-grey")
    clean = np.clip(noisy[1], 0, 255).astype(np.uint8)
    clean[:, 0, :2] = 0, 255
    holes = np.random.default_rng(0).random(clean.shape) < 0.4
    holes[:, 0, :2] = False
    expected = model.transform(clean, holes).astype(float)
    other = (clean * float(factor)).astype(dtype)
    other[holes] = 2**15 if dtype == "uint16" else 1e9  # whatever is there
    found = model.transform(other, holes)
    assert found.dtype == other.dtype
    assert np.abs(found / factor - expected).max() < 2
    np.testing.assert_array_equal(found[~holes], other[~holes])
    [sample] = model.sample(other, 1, holes)
    np.testing.assert_array_equal(sample[~holes], other[~holes])
    assert sample[holes].max() <= 255 * factor


def test_the_file_of_a_model_keeps_that_it_takes_any_range(tmp_path, denoiser, noisy):
    denoiser.save(tmp_path / "m.safetensors")
    again = narrows.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(
        again.transform(noisy[0] * np.uint16(200)), denoiser.transform(noisy[0] * np.uint16(200))
    )


def test_the_page_of_model_cards_is_that_of_the_cards():
    benchmarks = Path(__file__).parents[1] / "benchmarks"
    model_cards = runpy.run_path(str(benchmarks / "model_cards.py"))
    assert model_cards["PAGE"].read_text(encoding="utf-8") == model_cards["model_cards"]()


def test_rounded_weights_are_few_and_near(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    round_tensor = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks/ready.py"))["round_tensor"]
    weights = np.random.default_rng(0).normal(size=(64, 32, 3, 3)).astype(np.float32)
    found = round_tensor(weights, 8)
    step = np.diff(np.unique(found)).min()
    assert len(np.unique(found)) <= 256
    assert np.abs(found - weights).max() <= step / 2
    assert pack({"w": found}).size < 1.05 * weights.size
    np.testing.assert_array_equal(round_tensor(np.zeros(3, np.float32), 8), np.zeros(3))
