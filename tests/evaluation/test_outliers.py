"""Items unlike the training data have large reconstruction errors, and low scores."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import roc_auc_score

from narrows import Autoencoder, data
from narrows.data import Items

from ..made_up import table, waves


@pytest.fixture(scope="module")
def model():
    return Autoencoder("linear", code=8, epochs=20).fit(data.read("digits"))


def letters(digits, rng):
    """Pictures of letters like those of digits: dark, 8x8, with smooth edges."""
    drawn = []
    for letter in rng.choice(list("ABEFHKMNRTWXYdhkmrtwxy"), len(digits)):
        image = Image.new("L", (8, 8))
        ImageDraw.Draw(image).text((4, 4), letter, 16, ImageFont.load_default(9), anchor="mm")
        drawn.append(np.asarray(image))
    return np.stack(drawn)


def inverted(digits, rng):
    return 16 - digits


def shuffled(digits, rng):
    return rng.permuted(digits.reshape(len(digits), -1), axis=1).reshape(digits.shape)


@pytest.mark.parametrize(("change", "least"), [(letters, 0.98), (inverted, 0.99), (shuffled, 0.99)])
def test_outliers_among_digits(change, least, model):
    """One item in ten is no longer a digit."""
    digits = data.read("digits:test").values.copy()
    strange = np.arange(len(digits)) % 10 == 0
    digits[strange] = change(digits[strange], np.random.default_rng(0))
    assert roc_auc_score(strange, -model.score_samples(digits)) > least


def test_their_mean_is_the_score(model):
    digits = data.read("digits:test")
    scores = model.score_samples(digits)
    assert scores.shape == (898,)
    assert scores.mean() == pytest.approx(model.score(digits))
    reconstruction = model.reconstruct(digits) / 31
    np.testing.assert_allclose(
        -scores, ((digits.values / 31 - reconstruction) ** 2).mean((1, 2)), atol=1e-3
    )  # it rounds


def test_rows_of_a_table():
    X = table(300)
    model = Autoencoder("linear", code=3, epochs=60).fit(X)
    mixed = np.concatenate([X[:50], np.random.default_rng(0).permuted(X[:50], axis=0)])
    assert roc_auc_score(np.arange(100) >= 50, -model.score_samples(mixed)) > 0.95


def test_signals():
    model = Autoencoder("linear", code=4, axes="NT", epochs=20).fit(waves(200, 24))
    strange = np.random.default_rng(0).integers(0, 256, (20, 24)).astype(np.uint8)
    assert model.score_samples(strange).max() < np.median(model.score_samples(waves(50, 24, seed=1)))


def test_items_of_different_sizes():
    model = Autoencoder("conv", "2x4x4", preset="lesson", epochs=5).fit(waves(40, 16, 16))
    ragged = [*waves(3, 12, 16), *waves(3, 16, 12)]
    scores = model.score_samples(Items.from_list(ragged, "YX"))
    alone = [model.score_samples(item[None])[0] for item in ragged]
    np.testing.assert_allclose(scores, alone, rtol=1e-5)
