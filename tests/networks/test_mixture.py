"""Mixtures are distributions, and what is known of a value once it was seen through noise is what integration says."""

import math

import numpy as np
import pytest
import torch

from narrows.networks.restoration.mixture import MIN_STD, N_COMPONENTS, N_PARAMETERS, Mixture


def mixtures(count, seed=0):
    """Some mixtures within and about 0..1, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    means = 1.6 * torch.rand(count, N_COMPONENTS, generator=generator, dtype=torch.float64) - 0.3
    deviations = 0.02 + 0.3 * torch.rand(count, N_COMPONENTS, generator=generator, dtype=torch.float64)
    weights = torch.randn(count, N_COMPONENTS, generator=generator, dtype=torch.float64)
    return Mixture(weights.log_softmax(-1), means, deviations)


def spread_out(mixture, places):
    """Every mixture (K,) beside every place, (K, places)."""
    parts = (mixture.log_weights, mixture.means, mixture.deviations)
    return Mixture(*(part[:, None].expand(-1, places, -1) for part in parts))


def noise_of(mixture):
    """Of another level for each component."""
    return 0.01 + 0.05 * mixture.means.clamp(min=0)


def normal(x, mean, deviation):
    return torch.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))


def test_densities_integrate_to_1():
    mixture, y = mixtures(20), torch.linspace(-8, 8, 40001, dtype=torch.float64)
    each = spread_out(mixture, len(y))
    density = each.log_likelihood(y.expand(20, -1), noise_of(each), clipped=False).exp()
    np.testing.assert_allclose(torch.trapezoid(density, y), 1, rtol=1e-6)


def test_clipped_densities_and_the_chances_of_the_ends_add_up_to_1():
    mixture, y = mixtures(20), torch.linspace(0, 1, 20001, dtype=torch.float64)
    inside = y.clone()
    inside[0], inside[-1] = 1e-9, 1 - 1e-9
    each = spread_out(mixture, len(y))
    density = each.log_likelihood(inside.expand(20, -1), noise_of(each), clipped=True).exp()
    ends = sum(
        mixture.log_likelihood(torch.full((20,), end, dtype=torch.float64), noise_of(mixture), clipped=True).exp()
        for end in (0.0, 1.0)
    )
    np.testing.assert_allclose(torch.trapezoid(density, y) + ends, 1, rtol=1e-6)


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("y", [-0.2, 0.0, 0.03, 0.5, 0.9, 1.0, 1.3])
def test_what_is_known_once_a_value_was_seen(y, clipped):
    if clipped:
        y = min(max(y, 0.0), 1.0)
    mixture, values = mixtures(20, seed=1), torch.linspace(-4, 5, 30001, dtype=torch.float64)
    seen, noise = torch.full((20,), y, dtype=torch.float64), noise_of(mixture)
    mean, variance = mixture.posterior(seen, noise, clipped)

    spread = noise[..., None].sqrt()
    if clipped and y in (0.0, 1.0):
        beyond = (values if y else -values) - y
        chance = 0.5 * torch.erfc(-beyond / (spread * math.sqrt(2)))
    else:
        chance = normal(y, values, spread)
    prior = mixture.log_weights.exp()[..., None] * normal(
        values, mixture.means[..., None], mixture.deviations[..., None]
    )
    posterior = (prior * chance).sum(1)
    total = torch.trapezoid(posterior, values)
    expected = torch.trapezoid(posterior * values, values) / total
    np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        variance, torch.trapezoid(posterior * values**2, values) / total - expected**2, rtol=1e-4
    )
    if not (clipped and y in (0.0, 1.0)):
        np.testing.assert_allclose(mixture.log_likelihood(seen, noise, clipped), total.log(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("clipped", [False, True])
def test_the_least_likely_values_have_finite_answers_in_single_precision(clipped):
    """Even those at an end that every component is thousands of deviations away from."""
    means = torch.tensor([-30.0, -3, -0.2, 0, 0.3, 0.5, 1, 1.2, 4, 30])
    for deviation in (MIN_STD, 0.02, 0.3, 8.0):
        for variance in (0.0, 1e-9, 1e-4, 0.1):
            for y in (0.0, 0.5, 1.0):
                each = means[:, None].expand(-1, N_COMPONENTS)
                mixture = Mixture(
                    torch.full_like(each, -math.log(N_COMPONENTS)), each, torch.full_like(each, deviation)
                )
                mean, rest = mixture.posterior(torch.full_like(means, y), torch.full_like(each, variance), clipped)
                assert mean.isfinite().all()
                assert (rest >= 0).all()
                assert (rest <= deviation**2 * 1.001).all()
                if y == 0.5 or not clipped:
                    continue
                towards = means.minimum(torch.tensor(y)) if y == 0 else means.maximum(torch.tensor(y))
                low, high = torch.minimum(means, towards), torch.maximum(means, towards)
                room = 4 * deviation  # a value that is believed to lie just there goes a little beyond
                assert (mean >= low - room).all()
                assert (mean <= high + room).all()


def test_samples_have_the_moments():
    mixture = mixtures(6)
    many = spread_out(mixture, 40000)
    drawn = many.sample(torch.Generator().manual_seed(0))
    again = many.sample(torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)
    assert drawn.shape == (6, 40000)
    mean, variance = mixture.moments()
    np.testing.assert_allclose(drawn.mean(1), mean, atol=0.01)
    np.testing.assert_allclose(drawn.var(1), variance, rtol=0.06)


def test_moments_are_those_of_integration():
    mixture, values = mixtures(20), torch.linspace(-4, 5, 30001, dtype=torch.float64)
    each = spread_out(mixture, len(values))
    density = each.log_likelihood(values.expand(20, -1), torch.zeros_like(each.means), clipped=False).exp()
    mean, variance = mixture.moments()
    np.testing.assert_allclose(mean, torch.trapezoid(density * values, values), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(variance, torch.trapezoid(density * values**2, values) - mean**2, rtol=1e-5)


@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_any_numbers_of_a_network_make_a_mixture(size):
    numbers = size * torch.randn(3, 5, N_PARAMETERS, generator=torch.Generator().manual_seed(0))
    mixture = Mixture.from_parameters(numbers)
    np.testing.assert_allclose(mixture.log_weights.exp().sum(-1), 1, rtol=1e-5)
    assert (mixture.deviations >= MIN_STD).all()
    assert mixture.moments()[0].shape == (3, 5)
    for y in (0.0, 0.4, 1.0):
        seen = torch.full((3, 5), y)
        assert mixture.log_likelihood(seen, torch.full_like(mixture.means, 0.01), clipped=True).isfinite().all()
