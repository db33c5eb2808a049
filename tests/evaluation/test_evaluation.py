"""The figures of an evaluation agree with those of others."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from narrows import Autoencoder, data
from narrows.evaluation.metrics import ssim
from narrows.evaluation.peers import ReconstructionPeer, peers
from narrows.evaluation.reconstruction_evaluation import code_sizes, evaluate, evaluate_peer
from narrows.networks import Architecture, build


@pytest.fixture(scope="module")
def model():
    return Autoencoder(architecture="linear", code=6, epochs=3).fit(data.read("digits"))


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_scikit_image(channels):
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    rng = np.random.default_rng(0)
    x = np.sin(np.arange(31) / 4 + np.arange(2 * channels * 20).reshape(2, channels, 20, 1)) * 0.5 + 0.5
    y = (x + rng.normal(0, 0.1, x.shape)).clip(0, 1)
    expected = [structural_similarity(a, b, data_range=1, channel_axis=0) for a, b in zip(x, y, strict=True)]
    found = ssim(torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_ssim_of_equal_images_is_one():
    x = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ssim(x, x), torch.ones(2))


def test_mse_and_psnr(model):
    items = data.read("digits:test")
    found = evaluate(model, items)
    scaled, reconstruction = items.values / 31, model.reconstruct(items) / 31
    assert found.mse == pytest.approx(
        ((scaled - reconstruction) ** 2).mean(), rel=0.02
    )  # reconstruct rounds to integers
    assert found.psnr == pytest.approx(-10 * np.log10(found.mse))
    assert (found.values, found.code, found.positions) == (64, 6, 0)


def evaluate_pca(items, components):
    return evaluate_peer(peers(ReconstructionPeer)["PCA"], items, data.Scaling.learn(items), components)


def test_pca_has_not_seen_what_it_reconstructs():
    items = data.read("digits:test")
    rows = items.values.reshape(-1, 64) / 31
    expected = 0.0
    for fitted, test in ((rows[::2], rows[1::2]), (rows[1::2], rows[::2])):
        pca = PCA(6, svd_solver="full").fit(fitted)
        expected += ((pca.inverse_transform(pca.transform(test)).clip(0, 1) - test) ** 2).sum() / rows.size
    assert evaluate_pca(items, 6).mse == pytest.approx(expected, rel=1e-4)


def test_no_pca_and_why():
    few = data.Items.from_array(np.random.default_rng(0).random((20, 12, 12)))
    for components, reason in ((11, "half of 20 items"), (145, "144 values")):
        assert reason in evaluate_pca(few, components)
    large = data.Items.from_array(np.zeros((4, 200, 200), np.uint8))
    assert "too large" in evaluate_pca(large, 1)


def test_positions_count_as_code():
    model = SimpleNamespace(network=build(Architecture("conv", 1, (8, 8), (4, 2, 2), upsampling="unpool")))
    code, positions = code_sizes(model, data.read("digits"))
    assert code == 16 + positions
    assert positions > 0
