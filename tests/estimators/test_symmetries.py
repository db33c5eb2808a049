"""Test-time augmentation: results are the mean over mirrored and, of images, transposed items."""

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch

from narrows import Denoiser, Imputer, ParameterError
from narrows.models.symmetries import extend_by_reflection
from narrows.objectives.restoration import hide_lattice
from narrows.training.batches import Scale

from ..made_up import table, waves

AXES = {1: "NT", 2: "NYX", 3: "NZYX"}


@cache
def fitted(tool, shape, channels=0, dtype="float32", preset="default"):
    axes = AXES[len(shape)] + "C" * bool(channels)
    X = waves(30, *shape, channels=channels, dtype=dtype)
    made = {
        "noise": lambda: Denoiser("gaussian:0.2", preset=preset, axes=axes, epochs=1),
        "blind": lambda: Denoiser(preset=preset, axes=axes, epochs=1),
        "imputer": lambda: Imputer("pixels", preset=preset, axes=axes, epochs=1),
    }
    # The guard is for users; what is tested here holds for any weights.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", 1e6)
        patch.setattr("narrows.objectives.restoration.BlindObjective.baseline", lambda *arguments: 1e6)
        model = made[tool]().fit(X)
    for weight in model.model_.network.output.parameters():  # which start at zero
        torch.nn.init.normal_(weight, std=0.1, generator=torch.Generator().manual_seed(0))
    return model


def damaged(tool, *shape, channels=0):
    """Waves with noise, or with missing values."""
    X, rng = waves(2, *shape, channels=channels, dtype=np.float32, seed=1), np.random.default_rng(0)
    if tool == "imputer":
        X[rng.random(X.shape) < 0.4] = np.nan
        return X
    return (0.3 + 0.4 * X + 0.03 * rng.normal(size=X.shape)).astype(np.float32)


def mean_over_symmetries(transform, X, spatial, transposed):
    axes, found = range(1, 1 + spatial), []
    for chosen, swapped in product(product((False, True), repeat=spatial), (False, True)[: 1 + transposed]):
        flipped = [axis for axis, mirrored in zip(axes, chosen, strict=True) if mirrored]
        seen = np.flip(X, flipped)
        result = transform(seen.swapaxes(1, 2)).swapaxes(1, 2) if swapped else transform(seen)
        found.append(np.flip(result, flipped))
    return np.mean(found, 0)


@pytest.mark.parametrize(
    ("tool", "trained_on", "shape", "channels", "preset", "transposed"),
    [
        ("noise", (13,), (24,), 0, "default", False),
        ("blind", (13,), (24,), 2, "default", False),
        ("imputer", (13,), (24,), 0, "lesson", False),
        ("noise", (11, 14), (16, 24), 0, "default", True),
        ("noise", (11, 14), (16, 24), 3, "lesson", True),
        ("blind", (11, 14), (16, 24), 0, "default", True),
        ("imputer", (11, 14), (16, 24), 3, "default", True),
        ("noise", (6, 40), (16, 24), 0, "default", False),  # strides 2 and 8
        ("noise", (6, 7, 6), (8, 12, 16), 0, "default", False),
        ("imputer", (6, 7, 6), (8, 12, 16), 2, "default", False),
    ],
)
def test_the_result_is_the_mean_over_all_symmetries(tool, trained_on, shape, channels, preset, transposed, monkeypatch):
    monkeypatch.setattr("narrows.networks.restoration.unet.multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(Scale, "inverse", Scale.inverse_unclipped)  # results are clipped once, as they are rounded
    model, X = fitted(tool, trained_on, channels, preset=preset), damaged(tool, *shape, channels=channels)
    expected = mean_over_symmetries(model.transform, X, len(shape), transposed)
    np.testing.assert_allclose(model.transform(X, tta=True), expected, atol=1e-5)
    assert np.abs(model.transform(X) - expected).max() > 1e-4


@pytest.mark.parametrize("tool", ["noise", "blind", "imputer"])
@pytest.mark.parametrize("shape", [(13, 9), (2, 3), (1, 5), (1, 1), (30, 1)])
def test_images_of_any_size(tool, shape):
    model, X = fitted(tool, (11, 14)), damaged(tool, *shape)
    found = model.transform(X, tta=True)
    assert (found.dtype, found.shape) == (X.dtype, X.shape)
    assert np.isfinite(found).all()
    sizes = model.transform([X[0], damaged(tool, 20, 11)[0]], tta=True)
    np.testing.assert_allclose(sizes[0], found[0], atol=1e-5)
    if tool == "imputer":
        np.testing.assert_array_equal(found[np.isfinite(X)], X[np.isfinite(X)])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("tool", ["noise", "imputer"])
def test_integers_are_rounded_once(tool, dtype):
    model, X = fitted(tool, (11, 14), dtype=dtype), waves(2, 13, 17, dtype=dtype, seed=1)
    options = {"mask": np.random.default_rng(0).random(X.shape) < 0.4} if tool == "imputer" else {}
    exact = model.transform(X.astype(np.float32), tta=True, **options)
    found = model.transform(X, tta=True, **options)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, exact, atol=0.501)


@pytest.mark.parametrize("shape", [(2, 3), (7, 9), (16, 5)])
def test_what_a_lattice_hides_stays_hidden_in_the_reflection(shape):
    x = torch.arange(1.0, 1 + np.prod(shape)).view(1, 1, *shape)
    whole = extend_by_reflection(x, (8, 8))
    assert not any(size % 8 for size in whole.shape[2:])
    torch.testing.assert_close(whole[..., : shape[0], : shape[1]], x)
    for starts in product((0, 1), repeat=2):
        seen, observed = hide_lattice(whole, starts).x.chunk(2, 1)
        hidden, visible = set(whole[observed == 0].tolist()), set(seen[observed > 0].tolist())
        assert hidden
        assert not hidden & visible


def test_there_is_no_mean_of_modes_nor_of_mirrored_rows():
    model = fitted("imputer", (11, 14))
    with pytest.raises(ParameterError, match=r"tta=True: a mean of the most .*; fill in the mean: strategy='mean'"):
        model.model_.with_options("mode").fill(model._items(damaged("imputer", 8, 8)), tta=True)
    rows = table(40)
    rows[::4, 0] = np.nan
    with pytest.raises(ParameterError, match="tta=True: rows of a table have no mirror images"):
        Imputer(epochs=2).fit(rows).transform(rows, tta=True)
