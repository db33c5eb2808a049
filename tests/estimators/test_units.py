"""Values in another unit than that of the training data are refused, or taken with a warning; none in silence."""

import warnings
from functools import cache

import numpy as np
import pytest

from narrows import Autoencoder, Codec, DataError, DataWarning, Denoiser, Imputer, data
from narrows.evaluation import evaluate

from ..made_up import waves

BYTES = waves(40, 8, 8)
DEEP = BYTES.astype(np.uint16)
SOUND = (BYTES.astype(np.int32) - 128) * 100
KINDS = {
    "8 bits": BYTES,
    "4 bits": BYTES // 16,
    "16 bits": DEEP * 257,
    "12 bits": DEEP * 16,
    "dark 16 bits": DEEP * 30,
    "int64": BYTES.astype(np.int64),
    "floats to 255": BYTES.astype(np.float32),
    "unit floats": BYTES / 255,
    "signed unit floats": BYTES / 128 - 1,
    "booleans": BYTES > 127,
    "0 and 1": (BYTES > 127).astype(np.uint8),
    "zeros": np.zeros_like(BYTES),
    "radiance": BYTES / np.float32(60),
    "offset": BYTES + 1e4,
    "int16": SOUND.astype(np.int16),
    "int16 as int64": SOUND.astype(np.int64),
    "24 bits": SOUND * 65536,
    "quiet int16": (SOUND // 300).astype(np.int16),
}
REFUSED = {
    "8 bits": [
        "16 bits",
        "12 bits",
        "dark 16 bits",
        "unit floats",
        "signed unit floats",
        "booleans",
        "offset",
        "24 bits",
    ],
    "4 bits": ["8 bits", "16 bits", "unit floats", "booleans", "floats to 255"],
    "16 bits": ["8 bits", "4 bits", "unit floats", "booleans", "0 and 1", "int16"],
    "12 bits": ["8 bits", "16 bits", "unit floats"],
    "unit floats": ["8 bits", "4 bits", "16 bits", "floats to 255", "int64", "offset", "int16"],
    "booleans": ["8 bits", "floats to 255", "16 bits"],
    "floats to 255": ["16 bits", "24 bits"],
    "int16": ["8 bits", "unit floats", "signed unit floats", "24 bits", "booleans"],
}
WARNED = {
    "8 bits": ["4 bits", "0 and 1", "radiance"],
    "16 bits": ["12 bits", "int64", "floats to 255"],
    "12 bits": ["dark 16 bits", "floats to 255"],
    "unit floats": ["radiance", "signed unit floats"],
    "floats to 255": ["unit floats", "offset"],
    "int16": ["quiet int16"],
}
TAKEN = {
    "8 bits": ["int64", "floats to 255", "zeros"],
    "4 bits": ["0 and 1", "zeros"],
    "16 bits": ["dark 16 bits", "zeros"],
    "unit floats": ["booleans", "0 and 1", "zeros"],
    "booleans": ["0 and 1", "unit floats"],
    "floats to 255": ["8 bits", "int64"],
    "int16": ["int16 as int64"],
}


def pairs(expected):
    return [(trained, given) for trained, all_given in expected.items() for given in all_given]


@cache
def autoencoder(kind):
    return Autoencoder("linear", code=4, epochs=20).fit(KINDS[kind])


@pytest.mark.parametrize(("trained", "given"), pairs(REFUSED))
def test_another_unit_is_refused(trained, given):
    with pytest.raises(
        DataError, match=rf"holds {KINDS[given].dtype} .*trained on .*{KINDS[trained].dtype}.*; convert it"
    ):
        autoencoder(trained).transform(KINDS[given])


@pytest.mark.parametrize(("trained", "given"), pairs(WARNED))
def test_a_doubtful_unit_is_named(trained, given):
    with pytest.warns(
        UserWarning, match=rf"holds {KINDS[given].dtype} .*trained on .*if it is in another unit, convert"
    ):
        autoencoder(trained).transform(KINDS[given])


@pytest.mark.parametrize(("trained", "given"), [*pairs(TAKEN), *((kind, kind) for kind in REFUSED)])
def test_the_same_unit_is_taken(trained, given):
    autoencoder(trained).transform(KINDS[given])


@cache
def tools():
    """An autoencoder, a denoiser, an imputer of 8-bit images."""
    return (
        autoencoder("8 bits"),
        Denoiser("gaussian:0.3", preset="lesson", epochs=1).fit(BYTES),
        Imputer(preset="lesson", epochs=1).fit(BYTES),
    )


@pytest.mark.parametrize("given", ["16 bits", "unit floats", "booleans"])
def test_every_method_compares_units(given):
    X, (coder, denoiser, imputer) = KINDS[given], tools()
    items = data.Items.from_array(X)
    methods = [coder.transform, coder.reconstruct, coder.score, coder.score_samples]
    methods += [denoiser.transform, denoiser.uncertainty, denoiser.score, denoiser.with_noise]
    methods += [imputer.transform, imputer.uncertainty, imputer.score, lambda X: imputer.sample(X, 1)]
    for method in methods:
        with pytest.raises(DataError, match="convert it"):
            method(X)
    for model in tools():
        with pytest.raises(DataError, match="convert it"):
            evaluate(model, items)
    with pytest.raises(DataError, match="convert it"):
        evaluate(denoiser, data.Items.from_array(BYTES), target=items)


def test_a_codec_measures_in_the_range_of_its_training_data():
    codec = Codec(epochs=1).fit(KINDS["16 bits"])
    for target in ({"psnr": 35}, {"quality": 50}):
        with pytest.raises(DataError, match=r"holds uint8 \(20\.\.221\), but the model was trained on uint16"):
            codec.compress(BYTES, **target)
    np.testing.assert_array_equal(codec.decompress(codec.compress(BYTES, lossless=True)), BYTES)


def test_outliers_are_no_other_unit():
    """A few hot pixels of a camera of 12 bits."""
    X = KINDS["12 bits"].copy()
    X[3, 4, 5] = 65535
    with pytest.warns(DataWarning, match=r"\(320\.\.65535\).*clipped"):
        autoencoder("12 bits").transform(X)


def test_missing_values_have_no_unit():
    X = BYTES.astype(np.float32)
    X[:, 2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(tools()[2].transform(X)).all()
        assert np.isfinite(tools()[2].transform(np.where(np.isnan(X), np.nan, 0))).all()
        marked = Imputer(preset="lesson", epochs=1, missing_values=250).fit(BYTES)
        marked.transform(np.where(np.isnan(X), 250, BYTES).astype(np.uint8))


@pytest.mark.parametrize("hidden", [-999, 1e6])
def test_what_a_mask_hides_has_no_unit(hidden):
    mask = np.zeros(BYTES.shape, bool)
    mask[:, 2:4] = True
    X = np.where(mask, hidden, BYTES)
    filled = tools()[2].transform(X, mask)
    assert filled[mask].max() <= 255
    with pytest.raises(DataError, match="convert it"):
        tools()[2].transform(np.where(mask, 0, DEEP * 257), mask)


def test_an_outlier_among_rows_is_scored():
    """Of images in rows of a table."""
    X = (BYTES // 16).reshape(len(BYTES), -1)
    model = Autoencoder("linear", code=4, epochs=20).fit(X)
    outlier = X[:1].copy()
    outlier[0, :5] = 200
    with pytest.warns(DataWarning, match="clipped"):
        assert model.score_samples(outlier)[0] < model.score_samples(X).min()
    with pytest.raises(DataError, match="convert it"):
        model.score_samples(BYTES.reshape(len(BYTES), -1))


def test_dark_items_are_evaluated_in_the_unit_of_all():
    """Items of different sizes go one by one; black ones with little noise look like floats in 0..1."""
    X = [*BYTES, *(np.zeros((9, 9), np.uint8) for _ in range(3))]
    denoiser = tools()[1]
    assert evaluate(denoiser, data.Items.from_list(X, "YX"), noise="gaussian:0.001").items == 43


def people(count, seed):
    """Heights in cm and incomes, which are skewed and so transformed."""
    rng = np.random.default_rng(seed)
    height = rng.normal(170, 10, count)
    return np.column_stack([height, np.exp(10 + 0.1 * (height - 170) + rng.normal(0, 0.5, count)), 0.4 * height])


@pytest.mark.parametrize(("column", "factor"), [(0, 0.01), (0, 10), (1, 1e-3), (1, 1e4)])
def test_columns_of_another_unit_are_named(column, factor):
    pandas = pytest.importorskip("pandas")
    names = ["height", "income", "weight"]
    train, test = (pandas.DataFrame(people(count, seed), columns=names) for count, seed in ((200, 0), (60, 1)))
    test.iloc[3, 2] = 1e6  # an outlier is no unit
    other = test.copy()
    other[names[column]] *= factor
    for model in (Autoencoder(code=2, epochs=20).fit(train), Imputer(epochs=5).fit(train)):
        model.transform(test)
        with pytest.warns(DataWarning, match=rf"^[^\n]*column '{names[column]}' is unlike that of the training data"):
            model.transform(other)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.score(other)
        assert {names[column] in str(warning.message) for warning in caught} == {True}
