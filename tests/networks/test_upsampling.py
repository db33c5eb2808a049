"""The ways of upsampling agree with those of torch, and undo the ways of making smaller."""

from itertools import product

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from narrows.networks.autoencoder.upsampling import CONV, MAX_POOL, build_upsampling, pool, shuffle_pixels, unpool

FACTORS = [(2,), (1,), (2, 2), (1, 2), (2, 1), (2, 2, 2), (1, 2, 2), (2, 1, 1)]


def grids(channels, spatial, count=2):
    """Codes on grids of odd and even sizes, one of them a single cell."""
    generator = torch.Generator().manual_seed(0)
    for size in ((5, 4, 3), (3, 6, 7), (1, 1, 1)):
        yield torch.randn(count, channels, *size[:spatial], generator=generator)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", ["nearest", "bilinear", "transpose", "pixelshuffle"])
def test_each_kind_enlarges_by_the_factor(kind, factor):
    up = build_upsampling(kind, 3, 5, factor)
    for z in grids(3, len(factor)):
        expected = (2, 5, *(size * step for size, step in zip(z.shape[2:], factor, strict=True)))
        assert up(z).shape == expected


@pytest.mark.parametrize("factor", FACTORS)
def test_nearest_is_repeating_and_then_convolving(factor):
    torch.manual_seed(0)
    up = build_upsampling("nearest", 3, 5, factor)
    scale = tuple(map(float, factor))
    for z in grids(3, len(factor)):
        repeated = F.interpolate(z, scale_factor=scale, mode="nearest")
        torch.testing.assert_close(up(z), up.conv(repeated), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factor", FACTORS)
def test_nearest_learns_as_repeating_and_then_convolving(factor):
    torch.manual_seed(0)
    up = build_upsampling("nearest", 3, 5, factor).double()
    z = next(grids(3, len(factor))).double().requires_grad_()
    inputs = (z, *up.parameters())
    repeated = F.interpolate(z, scale_factor=tuple(map(float, factor)), mode="nearest")
    target = torch.randn_like(up(z))
    for found, expected in zip(
        torch.autograd.grad((up(z) * target).sum(), inputs),
        torch.autograd.grad((up.conv(repeated) * target).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_bilinear_keeps_what_is_even(spatial):
    up = build_upsampling("bilinear", 1, 1, (2,) * spatial)
    with torch.no_grad():
        up.conv.weight.zero_()
        up.conv.weight[(0, 0, *[1] * spatial)] = 1
        up.conv.bias.zero_()
        ramp = torch.arange(6.0).view(1, 1, 6, *[1] * (spatial - 1)).expand(1, 1, *[6] * spatial).contiguous()
        slope = up(ramp).diff(dim=2)
        torch.testing.assert_close(slope[:, :, 1:-1], torch.full_like(slope[:, :, 1:-1], 0.5))
        torch.testing.assert_close(up(torch.full_like(ramp, 3.0)), torch.full((1, 1, *[12] * spatial), 3.0))


def test_transpose_is_that_of_torch():
    torch.manual_seed(0)
    for kernel, padding in ((1, 0), (2, 1)):
        up = build_upsampling("transpose", 3, 5, (2, 2), kernel)
        assert tuple(up.conv.weight.shape) == (3, 5, 2 * kernel, 2 * kernel)
        for z in grids(3, 2):
            expected = F.conv_transpose2d(z, up.conv.weight, up.conv.bias, stride=2, padding=padding)
            torch.testing.assert_close(up(z), expected)


def test_shuffling_pixels_is_that_of_torch_in_two_dimensions():
    for z in grids(12, 2):
        assert torch.equal(shuffle_pixels(z, (2, 2)), torch.nn.PixelShuffle(2)(z))


@pytest.mark.parametrize("factor", FACTORS)
def test_shuffling_pixels_puts_each_channel_at_its_offset(factor):
    offsets = list(product(*map(range, factor)))
    for z in grids(3 * len(offsets), len(factor)):
        shuffled = shuffle_pixels(z, factor)
        for channel in range(3):
            for number, offset in enumerate(offsets):
                every = tuple(slice(start, None, step) for start, step in zip(offset, factor, strict=True))
                assert torch.equal(shuffled[:, channel][(slice(None), *every)], z[:, channel * len(offsets) + number])


@pytest.mark.parametrize("factor", FACTORS)
def test_pooling_and_unpooling(factor):
    for grid in grids(3, len(factor)):
        size = tuple(cells * step for cells, step in zip(grid.shape[2:], factor, strict=True))
        x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
        pooled, window = pool(x, factor)
        assert torch.equal(pooled, MAX_POOL[len(factor)](x, factor))
        assert window.shape == pooled.shape
        assert 0 <= int(window.min()) <= int(window.max()) < max(2, 2 ** sum(step == 2 for step in factor))
        back = unpool(pooled, window, factor)
        assert back.shape == x.shape
        maxima = back != 0
        assert torch.equal(back[maxima], x[maxima])
        assert int(maxima.sum()) == pooled.numel()
        again, same = pool(back.masked_fill(~maxima, -torch.inf), factor)
        assert torch.equal(again, pooled)
        assert torch.equal(same, window)


def test_positions_mean_the_same_whatever_the_size():
    """They say where in its window a maximum stood, not where in the item."""
    x = torch.zeros(1, 1, 4, 6)
    x[0, 0, 3, 4] = x[0, 0, 0, 1] = 1
    _, window = pool(x, (2, 2))
    assert window[0, 0].tolist() == [[1, 0, 0], [0, 0, 2]]
    _, part = pool(x[..., 2:, 4:], (2, 2))
    assert part[0, 0].tolist() == [[2]]


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_upsampling_has_one_convolution(spatial):
    assert isinstance(build_upsampling("nearest", 2, 2, (2,) * spatial).conv, CONV[spatial])
