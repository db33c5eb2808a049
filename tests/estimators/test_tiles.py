"""Large items go through a network tile by tile, and nobody sees where one ends."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows import Denoiser, Imputer
from narrows.models import tiles as module
from narrows.models.tiles import tiles

from ..made_up import waves

AXES = {1: "NT", 2: "NYX", 3: "NZYX"}
SHAPES = {1: (13,), 2: (11, 14), 3: (5, 7, 6)}  # to learn from
LARGE = {1: (701,), 2: (253, 231), 3: (43, 49, 41)}  # odd sizes
LARGEST = {1: 192, 2: 180**2, 3: 44**3}


@given(
    st.integers(1, 3).flatmap(
        lambda axes: st.tuples(
            *(st.tuples(*[st.integers(1, high)] * axes) for high in (40, 4, 9)), st.integers(1, 30**axes)
        )
    )
)
@settings(max_examples=150)
def test_every_value_is_in_one_tile(drawn):
    shape, halvings, reach, largest = drawn
    stride = [2**halving for halving in halvings]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.LARGEST, len(shape), largest)
        parts = list(tiles(shape, stride, reach))
    count = np.zeros(shape, int)
    for seen, kept, place in parts:
        count[place] += 1
        for axis, (around, inner, at) in enumerate(zip(seen, kept, place, strict=True)):
            assert 0 <= around.start < around.stop <= shape[axis]
            assert around.start % stride[axis] == 0
            assert around.stop == shape[axis] or around.stop % stride[axis] == 0
            assert (around.start + inner.start, around.start + inner.stop) == (at.start, at.stop)
            if len(parts) > 1:
                assert around.start == 0 or at.start - around.start >= reach[axis]
                assert around.stop == shape[axis] or around.stop - at.stop >= reach[axis]
    assert (count == 1).all()
    assert (len(parts) == 1) or math.prod(shape) > largest


@cache
def fitted(tool, spatial, channels=0, preset="default"):
    axes = AXES[spatial] + "C" * bool(channels)
    X = waves(30, *SHAPES[spatial], channels=channels, dtype=np.float32)
    made = {
        "noise": lambda: Denoiser("gaussian:0.2", preset=preset, axes=axes, epochs=2),
        "blind": lambda: Denoiser(preset=preset, axes=axes, epochs=2),
        "imputer": lambda: Imputer("pixels", preset=preset, axes=axes, epochs=2),
    }
    # The guard is for users; what is tested here holds for any weights.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", 1e6)
        patch.setattr("narrows.objectives.restoration.BlindObjective.baseline", lambda *arguments: 1e6)
        return made[tool]().fit(X)


@pytest.mark.parametrize(
    ("tool", "spatial", "channels", "preset"),
    [
        ("noise", 1, 0, "default"),
        ("noise", 1, 0, "lesson"),
        ("noise", 2, 3, "default"),
        ("noise", 2, 0, "lesson"),
        ("noise", 3, 0, "default"),
        ("blind", 1, 2, "default"),
        ("blind", 2, 0, "default"),
        ("imputer", 1, 0, "default"),
        ("imputer", 2, 3, "default"),
        ("imputer", 2, 0, "lesson"),
    ],
)
def test_tiles_leave_no_seams(tool, spatial, channels, preset, monkeypatch):
    model = fitted(tool, spatial, channels, preset)
    X = waves(1, *LARGE[spatial], channels=channels, dtype=np.float32, seed=1)
    rng = np.random.default_rng(0)
    X = (X + 0.1 * rng.normal(size=X.shape)).clip(0, 1).astype(np.float32)
    if tool == "imputer":
        X[rng.random(X.shape) < 0.4] = np.nan
    whole = model.transform(X), model.uncertainty(X)
    seen = []

    def counted(*arguments):
        seen.extend(tiles(*arguments))
        return iter(seen)

    monkeypatch.setitem(module.LARGEST, spatial, LARGEST[spatial])
    monkeypatch.setattr("narrows.models.tiled_inference.tiles", counted)
    in_parts = model.transform(X)
    assert len(seen) > 3
    assert all(math.prod(part.stop - part.start for part in tile.seen) <= LARGEST[spatial] for tile in seen)
    seen.clear()
    np.testing.assert_allclose(in_parts, whole[0], atol=2e-6)
    np.testing.assert_allclose(model.uncertainty(X), whole[1], atol=1e-3)
    assert np.ptp(whole[0]) > 0.003


@pytest.mark.parametrize(("tool", "spatial"), [("blind", 1), ("noise", 2), ("imputer", 2)])
def test_mirrored_tiles_leave_no_seams(tool, spatial, monkeypatch):
    model = fitted(tool, spatial)
    X = waves(1, *LARGE[spatial], dtype=np.float32, seed=1)
    rng = np.random.default_rng(0)
    X = (X + 0.1 * rng.normal(size=X.shape)).clip(0, 1).astype(np.float32)
    if tool == "imputer":
        X[rng.random(X.shape) < 0.4] = np.nan
    whole = model.transform(X, tta=True)
    monkeypatch.setitem(module.LARGEST, spatial, LARGEST[spatial])
    np.testing.assert_allclose(model.transform(X, tta=True), whole, atol=2e-6)


def test_large_items_of_different_sizes(monkeypatch):
    model = fitted("imputer", 2)
    X = [waves(1, *size, dtype=np.float32)[0] for size in ((253, 131), (9, 5), (190, 240))]
    masks = [np.random.default_rng(0).random(x.shape) < 0.5 for x in X]
    whole = model.transform(X, masks)
    monkeypatch.setitem(module.LARGEST, 2, LARGEST[2])
    for one, other in zip(model.transform(X, masks), whole, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
