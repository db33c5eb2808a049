"""Muon makes its steps orthogonal, and each weight is moved by one optimiser."""

import pytest
import torch
from torch import nn

from narrows.networks import Architecture, Restoration, build
from narrows.training.optimizers import WIDEST_FOR_MUON, Muon, build_optimizers, orthogonal

SHAPES = [(5, 5), (3, 40), (40, 3), (1, 9), (9, 1), (1, 1), (64, 200)]


def matrices(shape, count=4, seed=0):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonal_keeps_the_directions_and_evens_their_lengths(shape):
    x = matrices(shape)
    found = orthogonal(x)
    assert found.shape == x.shape
    u, _, v = torch.linalg.svd(x, full_matrices=False)
    lengths = u.mT @ found @ v.mT
    diagonal = lengths.diagonal(dim1=1, dim2=2)
    assert 0.3 < float(diagonal.min()) <= float(diagonal.max()) < 1.3
    torch.testing.assert_close(lengths, torch.diag_embed(diagonal), atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonal_does_not_depend_on_scale_or_company(shape):
    x = matrices(shape)
    torch.testing.assert_close(orthogonal(1000 * x), orthogonal(x), atol=1e-4, rtol=1e-3)
    for alone, together in zip(x, orthogonal(x), strict=True):
        torch.testing.assert_close(orthogonal(alone[None])[0], together, atol=1e-4, rtol=1e-3)


def test_nothing_stays_nothing():
    assert torch.equal(orthogonal(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


def test_a_first_step_of_muon():
    """Kernels as matrices, alike ones together with others; those without a gradient stay."""
    shapes = [(6, 4), (6, 4), (6, 2, 2), (12, 3), (2, 3, 3, 3), (5, 5)]
    weights = [nn.Parameter(matrices((shape[0], *shape[1:]), 1, seed)[0]) for seed, shape in enumerate(shapes)]
    before = [weight.detach().clone() for weight in weights]
    for seed, weight in enumerate(weights[:-1]):
        weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(10 + seed))
    Muon(weights, lr=0.1).step()
    for weight, old in zip(weights[:-1], before, strict=False):
        rows, columns = weight.flatten(1).shape
        step = orthogonal(weight.grad.flatten(1)[None])[0] * max(1.0, rows / columns) ** 0.5
        torch.testing.assert_close(weight.detach(), old - 0.1 * step.reshape(weight.shape), atol=1e-4, rtol=1e-3)
    assert torch.equal(weights[-1], before[-1])


def test_weights_decay():
    weight = nn.Parameter(matrices((4, 6), 1)[0])
    before, weight.grad = weight.detach().clone(), torch.zeros(4, 6)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(weight.detach(), 0.95 * before)


def test_weights_of_a_denoiser_stay_small():
    """Steps of one size alone make them, and features, grow until hardly any feature is above zero."""
    network = build(Restoration(1, (16, 16), "denoise", 3), seed=0)
    optimisers = build_optimizers(network)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        x = torch.rand(4, 1, 16, 16, generator=generator)
        loss = ((network(x + 0.5 * torch.randn(x.shape, generator=generator))[0] - x.mean((2, 3), True)) ** 2).mean()
        loss.backward()
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = 0.02 * group["relative"]
            optimiser.step()
            optimiser.zero_grad()
    inner = network.inner_matrices()
    assert max(float(torch.linalg.matrix_norm(each.detach().flatten(1), 2)) for each in inner) < 6


def test_muon_finds_a_minimum():
    target = matrices((8, 12), 1)[0]
    weight = nn.Parameter(torch.zeros(8, 12))
    optimiser = Muon([weight], lr=0.1)
    losses = []
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        optimiser.zero_grad()
        loss = ((weight - target) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 1e-3 * losses[0]


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture("linear", 1, (28, 28), 32),
        Architecture("dense", 1, (28, 28), 32),
        Architecture("dense", 9, (), 2),
        Architecture("conv", 1, (28, 28), (4, 7, 7)),
        Architecture("conv", 3, (30, 41), 64, "unpool"),
        Architecture("conv", 2, (64,), 8, "transpose"),
        Architecture("conv", 1, (28, 28), (4, 7, 7), preset="lesson"),
    ],
    ids=lambda architecture: f"{architecture.kind}-{architecture.preset}-{len(architecture.shape)}",
)
def test_each_weight_has_one_optimiser(architecture):
    network = build(architecture)
    adam, *rest = build_optimizers(network)
    groups = [group for optimiser in (adam, *rest) for group in optimiser.param_groups]
    assert all(group["relative"] > 0 for group in groups)
    moved = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(moved) == sorted(id(weight) for weight in network.parameters())
    matrices_of = [weight for weight in network.parameters() if weight.ndim > 1]
    by_adam = {id(weight) for weight in adam.param_groups[0]["params"]}
    assert id(matrices_of[0]) in by_adam
    assert id(matrices_of[-1]) in by_adam
    for muon in rest:
        for weight in muon.param_groups[0]["params"]:
            assert weight.ndim > 1
            assert min(weight.flatten(1).shape) <= WIDEST_FOR_MUON
    assert len(rest) == (architecture.kind != "linear")
