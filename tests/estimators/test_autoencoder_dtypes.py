"""What comes out has the type and the range of what went in, wherever it lay in memory."""

import numpy as np
import pytest
import torch

from narrows import Autoencoder, DataError, DataWarning, TrainingError
from narrows.objectives.reconstruction import difference

from ..made_up import table, waves


def small(**parameters):
    return Autoencoder("linear", **{"code": 4, "epochs": 20, **parameters})


PICTURES = waves(80, 8, 8)
KINDS = {
    "uint8": PICTURES,
    "digits": PICTURES // 16,
    "12 bits": PICTURES.astype(np.uint16) * 16,
    "uint16": PICTURES.astype(np.uint16) * 257,
    "uint32": PICTURES.astype(np.uint32) * 2**24,
    "uint64": PICTURES.astype(np.uint64) * 2**40,
    "int8": (PICTURES.astype(np.int16) - 128).astype(np.int8),
    "int16": PICTURES.astype(np.int16) * 100 - 12000,
    "int32": PICTURES.astype(np.int32) * -(10**6),
    "int64": PICTURES.astype(np.int64) * 10**12,
    "bool": PICTURES > 127,
    "unit float32": waves(80, 8, 8, dtype=np.float32),
    "unit float64": waves(80, 8, 8, dtype=np.float64),
    "unit float16": waves(80, 8, 8, dtype=np.float16),
    "float32": PICTURES.astype(np.float32) * 1e6 - 7,
    "float64": PICTURES.astype(np.float64) / 1e9 + 1,
    "float16": PICTURES.astype(np.float16) * 10,
    "longdouble": PICTURES.astype(np.longdouble) - 1000,
    "big-endian": PICTURES.astype(">i2"),
    "table float32": table(80, dtype=np.float32),
    "table float64": table(80),
    "table uint8": (table(80) * 10).clip(0, 255).astype(np.uint8),
    "table bool": table(80) > 5,
}
HIGHEST = {"uint8": 255, "digits": 15, "12 bits": 4095, "table uint8": 255}


@pytest.mark.parametrize("kind", KINDS)
def test_the_type_and_the_range_come_back(kind):
    X = KINDS[kind]
    model = small(epochs=40).fit(X)
    Z = model.transform(X)
    assert Z.dtype == (X.dtype if X.dtype.kind == "f" else np.float32)
    assert np.isfinite(Z).all()
    for back in (model.reconstruct(X), model.inverse_transform(Z)):
        assert back.dtype == X.dtype.newbyteorder("=")
        assert back.shape == X.shape
        if kind in HIGHEST:
            assert back.max() <= HIGHEST[kind]
        if kind.startswith("unit"):
            assert 0 <= back.min() <= back.max() <= 1
        if X.dtype == bool:
            assert (back == X).mean() > 0.85
        else:
            squared = ((back.astype(np.float64) - X.astype(np.float64)) ** 2).mean()
            assert squared < 0.6 * X.astype(np.float64).var(axis=0).mean()


def test_a_type_of_higher_precision_is_taken_in_its_unit():
    """A model of 8-bit pictures reads the same pictures as floats, greys from 0 to 255."""
    model = small().fit(PICTURES)
    np.testing.assert_array_equal(model.transform(PICTURES.astype(np.float32)), model.transform(PICTURES))
    assert model.reconstruct(PICTURES.astype(np.float64)).dtype == np.uint8


def test_values_beyond_the_learnt_range_are_clipped():
    model = small().fit(PICTURES // 16)
    with pytest.warns(DataWarning, match=r"\(0\.\.15\), and results are clipped to that range"):
        assert model.reconstruct(PICTURES // 8).max() <= 15


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_missing_and_infinite_values_are_refused(bad, dtype):
    for good in (waves(60, 8, 8, dtype=dtype), table(60, dtype=dtype)):
        model = small().fit(good)
        X = good.copy()
        X[7, 3] = bad
        for method in (model.transform, model.reconstruct, model.score, small().fit):
            with pytest.raises(ValueError, match="NaN" if np.isnan(bad) else "inf"):
                method(X)


def test_missing_values_among_items_of_different_sizes():
    X = [*waves(30, 8, 8, dtype=np.float32), *waves(30, 9, 8, dtype=np.float32)]
    X[40][2, 2] = np.nan
    with pytest.raises(DataError, match="holds NaN or infinity; autoencoders need complete data"):
        Autoencoder(code="4x3x2").fit(X)


def test_wherever_an_array_lies(tmp_path):
    X = waves(60, 10, 12, channels=3)
    np.save(tmp_path / "x.npy", X)
    read_only = X.copy()
    read_only.flags.writeable = False
    expected = small().fit(X)
    Z, rebuilt = expected.transform(X), expected.reconstruct(X)
    for other in (
        read_only,
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=1)[:, ::2],
        X[::-1][::-1],
        X[:, :, :, ::-1].copy()[:, :, :, ::-1],
        memoryview(X),
    ):
        model = small().fit(np.asarray(other) if isinstance(other, memoryview) else other)
        np.testing.assert_array_equal(model.transform(other), Z)
        np.testing.assert_array_equal(model.reconstruct(other), rebuilt)
    np.testing.assert_array_equal(read_only, X)


def test_results_are_the_users_own():
    model = small().fit(PICTURES)
    Z = model.transform(PICTURES)
    for result in (Z, model.reconstruct(PICTURES), model.inverse_transform(Z)):
        result[:] = 0
    before = Z.copy()
    model.inverse_transform(Z)
    np.testing.assert_array_equal(Z, before)


def test_differences():
    x = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    y = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    ends = (x > 0.5).float()
    for loss in ("mse", "mae", "bce"):
        assert float(difference(loss, x, x)) == pytest.approx(0, abs=1e-6)
        assert float(difference(loss, ends, ends)) == pytest.approx(0, abs=1e-6)
        assert float(difference(loss, y, x)) > 0.05
        assert torch.isfinite(difference(loss, 1 - ends, ends))
    assert float(difference("mse", y, x)) == pytest.approx(float(((x - y) ** 2).mean()))
    assert float(difference("mae", y, x)) == pytest.approx(float((x - y).abs().mean()))
    divergence = x * (x / y).log() + (1 - x) * ((1 - x) / (1 - y)).log()  # of Kullback and Leibler
    assert float(difference("bce", y, x)) == pytest.approx(float(divergence.mean()), rel=1e-4)


def test_data_that_cannot_be_learnt_with_each_loss():
    noise = np.random.default_rng(0).integers(0, 256, (100, 12, 12), np.uint8)
    for loss in ("mae", "bce"):
        with pytest.raises(TrainingError, match="did not beat the mean"):
            small(code=1, loss=loss).fit(noise)
