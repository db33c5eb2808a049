"""Large items are encoded and decoded in tiles, and the code and what comes back are those of the whole."""

import math

import numpy as np
import pytest
import torch

from narrows.data import Scaling
from narrows.models import coding_tiles, tiles
from narrows.networks import Architecture, build, flatten_code
from narrows.training.batches import Scale

from ..made_up import waves

CPU = torch.device("cpu")
LARGE = {1: (1999,), 2: (101, 90), 3: (33, 37, 31)}  # odd sizes
LARGEST = {1: 400, 2: 56**2, 3: 24**3}
CODES = {1: (3, 63), 2: (3, 7, 13), 3: (3, 7, 7, 13)}  # an axis halved less often than the others
CROP = {1: (500,), 2: (25, 25), 3: (13, 13, 13)}


@pytest.mark.parametrize(
    ("spatial", "upsampling", "preset"),
    [
        *((1, kind, "default") for kind in ("nearest", "bilinear", "transpose", "pixelshuffle", "unpool")),
        *((1, kind, "lesson") for kind in ("nearest", "bilinear", "transpose", "pixelshuffle", "unpool")),
        (2, "bilinear", "default"),
        (2, "unpool", "default"),
        (2, "transpose", "lesson"),
        (3, "nearest", "default"),
    ],
)
def test_code_and_reconstruction_are_those_of_the_whole(spatial, upsampling, preset, monkeypatch):
    code = (3, *(math.ceil(size / 4) for size in CROP[spatial])) if preset == "lesson" else CODES[spatial]
    network = build(Architecture("conv", 2, CROP[spatial], code, upsampling, preset, ranged=False))
    torch.manual_seed(0)
    for parameter in network.parameters():  # those that start at zero see nothing
        torch.nn.init.normal_(parameter, std=0.15 if parameter.ndim > 1 else 0.1)
    network.eval().requires_grad_(False)
    X = waves(1, *LARGE[spatial], channels=2, dtype=np.float32)
    X += np.random.default_rng(0).normal(0, 0.3, X.shape).astype(np.float32)
    scale = Scale(Scaling("standard", "float32", mean=(0.5, 0.4), scale=(0.3, 0.2)), "NTC", CPU)
    whole = flatten_code(network.encode(scale(torch.from_numpy(X)))).numpy()
    rebuilt = network(scale(torch.from_numpy(X))).numpy()
    np.testing.assert_array_equal(coding_tiles.encode(network, scale, X, spatial, CPU), whole)

    monkeypatch.setitem(tiles.LARGEST, spatial, LARGEST[spatial])
    in_tiles = coding_tiles.encode(network, scale, X, spatial, CPU)
    parts = list(coding_tiles.decode(network, whole, LARGE[spatial], CPU))
    assert len(parts) > 3
    together = np.full_like(rebuilt, np.nan)
    for place, part in parts:
        together[(slice(None), slice(None), *place)] = part.numpy()
    if upsampling == "unpool":  # two neighbours that are alike but for a rounding may change places
        assert (np.abs(in_tiles - whole) > 2e-5 * np.abs(whole).max()).mean() < 1e-4
    else:
        np.testing.assert_allclose(in_tiles, whole, atol=2e-5 * np.abs(whole).max())
    np.testing.assert_allclose(together, rebuilt, atol=2e-5 * np.abs(rebuilt).max())
    assert np.ptp(whole) > 0.1
    assert np.ptp(rebuilt) > 0.1
