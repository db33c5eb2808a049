"""Noise and holes are of the kind, strength and share that their text says, and the seed's alone."""

import io
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from narrows.corruption import Masks, Noise, Part, mask_kinds, noise_kinds
from narrows.training.batches import with_nan

NOISES = {name: kind.limits for name, kind in noise_kinds().items()}
SHARES = {name: kind.share for name, kind in mask_kinds().items() if kind.share}
SPACES = [(300,), (28, 28), (9, 10, 11)]
WITHOUT_CHANNELS = [*SHARES, "mixed"]  # kinds that need no channels


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noisy(text, x, clip=False, seed=0):
    return Noise.parse(text).add(x, seeded(seed), clip)


def drawn(text, shape, seed=0):
    return Masks.parse(text).draw(shape, seeded(seed))


def shares(hidden):
    """The share of each item's values that is hidden."""
    return hidden.flatten(1).float().mean(1)


def parts(kinds, bare):
    def of(kind):
        least, most = kinds[kind]
        strengths = st.tuples(*[st.floats(least, most)] * 2).map(sorted).map(tuple).filter(lambda pair: pair[1] > 0)
        return st.builds(Part, st.just(kind), st.none() | strengths if bare else strengths)

    return st.sampled_from(sorted(kinds)).flatmap(of)


sums = st.lists(parts(NOISES, bare=False), min_size=1, max_size=3).map(tuple)


@given(st.lists(sums, min_size=1, max_size=3))
def test_noise_is_read_back_from_its_text(chosen):
    noise = Noise(tuple(chosen))
    assert Noise.parse(str(noise)) == noise


unions = st.lists(
    parts(dict.fromkeys(SHARES, (0, 0.99)), bare=True) | st.sampled_from([Part("channels"), Part("mixed")]),
    min_size=1,
    max_size=3,
).map(tuple)


@given(st.lists(unions, min_size=1, max_size=3))
def test_holes_are_read_back_from_their_text(chosen):
    holes = Masks(tuple(chosen))
    assert Masks.parse(str(holes)) == holes


@pytest.mark.parametrize(
    "text",
    [
        "gaussian:0.5",
        "gaussian:0-0.5",
        "poisson:30",
        "salt-pepper:0.1",
        "blur:1.5+speckle:0.2-0.3",
        "gaussian:0.1,correlated:0.05+jpeg:40-95",
    ],
)
def test_texts_of_noise_stay(text):
    assert str(Noise.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["pixels", "blocks:0.25", "lines:0.1-0.3", "strokes+channels", "mixed", "pixels:0.5,lines"]
)
def test_texts_of_holes_stay(text):
    assert str(Masks.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "not of the form"),
        ("gaussian:", "not of the form"),
        ("gaussian:-1", "not of the form"),
        ("gaussian:1e-3", "not of the form"),
        ("gaussian:nan", "not of the form"),
        ("gaussian:0.1+", "not of the form"),
        ("gaussian:0.1,", "not of the form"),
        ("gaussian:0.1|poisson:30", "not of the form"),
        ("Gaussian:0.1", "not of the form"),
        ("gauss:0.1", "there is no noise 'gauss'"),
        ("pixels:0.1", "there is no noise 'pixels'"),
        ("gaussian", "gaussian needs a strength"),
        ("gaussian:0", "gaussian takes a strength of 0 to 10, not 0 alone"),
        ("gaussian:0.5-0.1", "a range from low to high"),
        ("poisson:0-30", "poisson takes a strength of 0.01 to 1000000"),
        ("salt-pepper:1.5", "salt-pepper takes a strength of 0 to 1"),
        ("gaussian:25", "gaussian takes a strength of 0 to 10"),
        ("blur:1+speckle:1000", "speckle takes a strength of 0 to 10"),
        ("gaussian:0.1,jpeg:0-50", "jpeg takes a strength of 1 to 100"),
        ("gaussian:0.1,jpeg", "jpeg needs a strength"),
    ],
)
def test_wrong_noise(text, because):
    with pytest.raises(ValueError, match=rf"^noise='{re.escape(text)}': .*{re.escape(because)}.*; possible are .*$"):
        Noise.parse(text)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "not of the form"),
        ("pixels:50%", "not of the form"),
        ("pixel", "there are no holes 'pixel'"),
        ("gaussian:0.5", "there are no holes 'gaussian'"),
        ("pixels:1", "pixels takes a strength of 0 to 0.99, not 0 alone"),
        ("blocks:0", "not 0 alone"),
        ("lines:0.5-0.2", "a range from low to high"),
        ("channels:0.5", "channels has no strength"),
        ("lines+mixed:0.5", "mixed has no strength"),
        ("lines,", "not of the form"),
    ],
)
def test_wrong_holes(text, because):
    with pytest.raises(ValueError, match=rf"^holes='{re.escape(text)}': .*{re.escape(because)}.*; possible are .*$"):
        Masks.parse(text)


@pytest.mark.parametrize("space", [(), *SPACES], ids=len)
def test_gaussian(space):
    x = torch.linspace(-1, 1, 50).view(-1, *[1] * (1 + len(space))).repeat(1, 40, *space).contiguous()
    added = noisy("gaussian:0.5", x) - x
    assert float(added.mean()) == pytest.approx(0, abs=0.05)
    assert float(added.std()) == pytest.approx(0.5, rel=0.05)
    fourth = float((added**4).mean() / added.var() ** 2)
    assert fourth == pytest.approx(3, rel=0.15)


@pytest.mark.parametrize("space", SPACES, ids=len)
def test_correlated_noise_is_that_of_neighbours(space):
    x = torch.rand(100, 2, *space, generator=seeded())
    added = noisy("correlated:0.5", x) - x
    assert float(added.mean()) == pytest.approx(0, abs=0.05)
    torch.testing.assert_close(added.std((0, 1)), torch.full(space, 0.5), atol=0.15, rtol=0)
    for axis in range(2, x.ndim):
        near, far = (correlation(added, axis, lag).mean() for lag in (1, 6))
        assert float(near) == pytest.approx(0.42, abs=0.05)  # the mean of Gaussians of 0.3 to 1 pixels
        assert float(far) == pytest.approx(0, abs=0.05)
    assert float(correlation(added, 1, 1).mean()) == pytest.approx(0, abs=0.1)  # of the channels
    each = correlation(added, 2, 1)
    assert float(each.min()) < 0.1
    assert float(each.max()) > 0.7


def correlation(noise, axis, lag):
    """The correlation of values of each item with those that lie so far behind along an axis."""
    size = noise.shape[axis] - lag
    product = noise.narrow(axis, 0, size) * noise.narrow(axis, lag, size)
    return product.flatten(1).mean(1) / noise.flatten(1).var(1)


def test_poisson():
    levels = torch.tensor([0.0, 0.1, 0.5, 1.0, 2.0, -0.3])
    y = noisy("poisson:30", levels.view(-1, 1, 1, 1).expand(-1, 1, 100, 100))
    expected = levels.clamp(min=0)
    torch.testing.assert_close(y.mean((1, 2, 3)), expected, atol=0.02, rtol=0)
    torch.testing.assert_close(y.var((1, 2, 3)), expected / 30, atol=1e-3, rtol=0.06)
    torch.testing.assert_close(y * 30, (y * 30).round(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(20, 500), (20, 3, 500), (20, 3, 28, 28), (20, 2, 9, 10, 11)], ids=len)
def test_salt_and_pepper(shape):
    x = torch.full(shape, 0.4)
    y = noisy("salt-pepper:0.3", x)
    for value, share in [(0, 0.15), (1, 0.15), (0.4, 0.7)]:
        assert float((y == torch.tensor(value)).float().mean()) == pytest.approx(share, abs=0.02)
    if len(shape) > 2:
        assert (y == y[:, :1]).all()
    assert len(y.flatten(1).unique(dim=0)) == len(y)


def test_speckle_grows_with_the_value():
    levels = torch.tensor([0.0, 0.25, 1.0, -2.0])
    x = levels.view(-1, 1, 1, 1).expand(-1, 1, 100, 100)
    y = noisy("speckle:0.2", x)
    torch.testing.assert_close(y.mean((1, 2, 3)), levels, atol=0.02, rtol=0)
    torch.testing.assert_close(y.std((1, 2, 3)), 0.2 * levels.abs(), atol=1e-6, rtol=0.05)


@pytest.mark.parametrize("space", SPACES, ids=len)
def test_blur_is_that_of_scipy(space):
    x = torch.rand(3, 2, *space, generator=seeded(), dtype=torch.float64)
    y = noisy("blur:1.5", x)
    assert y.dtype == torch.float64
    expected = [[gaussian_filter(channel.numpy(), 1.5, mode="nearest") for channel in item] for item in x]
    torch.testing.assert_close(y, torch.from_numpy(np.array(expected)), atol=1e-6, rtol=0)


def test_blur_of_items_smaller_than_its_reach():
    x = torch.rand(3, 1, 2, 1, generator=seeded())
    torch.testing.assert_close(noisy("blur:50", x), x.mean(2, keepdim=True).expand_as(x), atol=1e-2, rtol=0)


@pytest.mark.parametrize("kind", ["blur", "correlated"])
def test_a_table_has_no_neighbours(kind):
    with pytest.raises(ValueError, match=f"noise='{kind}': needs signals"):
        noisy(f"gaussian:0.1+{kind}:1", torch.zeros(4, 5))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [1, 60, 95])
def test_jpeg_is_that_of_files(channels, quality):
    x = noisy("blur:2", torch.rand(3, channels, 30, 41, generator=seeded()))
    y = noisy(f"jpeg:{quality}", x)
    for before, after in zip(x, y, strict=True):
        picture = (before.movedim(0, 2).numpy() * 255).round().astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(picture if channels == 3 else picture[..., 0]).save(file, "JPEG", quality=quality)
        expected = np.asarray(Image.open(file)).reshape(picture.shape)
        np.testing.assert_allclose(after.movedim(0, 2).numpy() * 255, expected, atol=1e-4)


def test_jpeg_keeps_to_the_range():
    x = torch.full((2, 1, 16, 16), -0.5)
    x[1] = 1.5
    torch.testing.assert_close(noisy("jpeg:90", x), x.clamp(0, 1), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((4, 5), "needs signals, images or volumes"),
        ((4, 2, 8, 8), "2 channels"),
        ((4, 1, 8), "these are signals"),
        ((4, 3, 8, 8, 8), "these are volumes"),
    ],
)
def test_jpeg_is_for_pictures(shape, found):
    with pytest.raises(ValueError, match=f"noise='jpeg': .*{found}"):
        noisy("jpeg:50", torch.zeros(shape))


def test_each_item_draws_one_of_several_alternatives():
    x = torch.full((900, 1, 20, 20), 0.25)
    y = noisy("gaussian:0.1,gaussian:0.4+gaussian:0.3,poisson:25", x)
    whole = ((y * 25 - (y * 25).round()).abs() < 1e-4).flatten(1).all(1)
    strong = y.flatten(1).std(1) > 0.3
    for drawn_it in (whole, strong, ~whole & ~strong):
        assert float(drawn_it.float().mean()) == pytest.approx(1 / 3, abs=0.05)
    assert float(y[strong].std()) == pytest.approx(0.5, rel=0.05)
    assert float(y[~strong].std()) == pytest.approx(0.1, rel=0.05)


def test_alternatives_that_no_item_draws():
    assert noisy("gaussian:0.1,blur:1,speckle:0.1,jpeg:50", torch.rand(1, 1, 8, 8)).shape == (1, 1, 8, 8)


def test_each_item_has_its_own_strength():
    deviations = noisy("gaussian:0.1-0.5", torch.zeros(500, 1, 20, 20)).flatten(1).std(1)
    assert 0.08 < float(deviations.min()) < 0.13
    assert 0.47 < float(deviations.max()) < 0.55
    assert float(deviations.mean()) == pytest.approx(0.3, abs=0.02)
    spots = torch.zeros(20, 1, 31, 31)
    spots[..., 15, 15] = 1
    assert len(noisy("blur:0-3", spots).amax((1, 2, 3)).unique()) == len(spots)


def test_parts_follow_one_another():
    x = torch.rand(30, 1, 40, 40, generator=seeded())
    blurred_first = noisy("blur:2+gaussian:0.3", x)
    blurred_last = noisy("gaussian:0.3+blur:2", x)
    assert float((blurred_first - noisy("blur:2", x)).std()) == pytest.approx(0.3, rel=0.05)
    assert float(blurred_last.std()) < 0.1


def test_each_item_draws_one_of_several_alternatives_of_holes():
    found = shares(drawn("pixels:0.5,pixels:0.1+pixels:0.1,pixels:0.8", (600, 1, 40, 40)))
    for share in (0.5, 0.19, 0.8):
        assert float(((found - share).abs() < 0.05).float().mean()) == pytest.approx(1 / 3, abs=0.06)


def test_clipping_is_for_the_end():
    x = torch.rand(30, 1, 40, 40, generator=seeded())
    free = noisy("gaussian:0.5+gaussian:0.5", x)
    assert float(free.min()) < 0
    assert float(free.max()) > 1
    assert torch.equal(noisy("gaussian:0.5+gaussian:0.5", x, clip=True), free.clamp(0, 1))


@pytest.mark.parametrize(
    "text", [*(f"{kind}:0.1-0.9" for kind in NOISES if kind != "jpeg"), "gaussian:0.1+jpeg:10-90", "poisson:5,blur:1"]
)
def test_noise_is_the_seeds_and_leaves_x_alone(text):
    x = torch.rand(4, 3, 12, 13, generator=seeded(7))
    before = x.clone()
    y = noisy(text, x)
    assert (y.shape, y.dtype) == (x.shape, x.dtype)
    assert torch.equal(y, noisy(text, x))
    assert not torch.equal(y, noisy(text, x, seed=1))
    assert torch.equal(x, before)


@pytest.mark.parametrize("space", SPACES, ids=len)
@pytest.mark.parametrize("kind", SHARES)
def test_shares(kind, space):
    for share in (0.1, 0.25, 0.4):
        found = shares(drawn(f"{kind}:{share}", (200, 2, *space)))
        assert float(found.mean()) == pytest.approx(share, abs=0.05)
        assert float(found.std()) < 0.1
    found = shares(drawn(f"{kind}:0.1-0.6", (200, 2, *space)))
    assert float(found.mean()) == pytest.approx(0.35, abs=0.05)
    assert float(found.min()) < 0.17
    assert float(found.max()) > 0.53


@pytest.mark.parametrize("kind", SHARES)
def test_default_shares(kind):
    low, high = SHARES[kind]
    found = shares(drawn(kind, (500, 1, 28, 28)))
    assert float(found.mean()) == pytest.approx((low + high) / 2, abs=0.03)


@pytest.mark.parametrize("space", [(1,), (2,), (7,), (1, 9), (3, 2), (28, 28), (4, 5, 6), (2, 1, 2)], ids=str)
@pytest.mark.parametrize(
    "text", [*WITHOUT_CHANNELS, *(f"{kind}:0.99" for kind in SHARES), "strokes:0-0.01", "pixels:0.9+lines"]
)
def test_something_is_hidden_and_something_known(text, space):
    for channels in (1, 3):
        hidden = drawn(text, (40, channels, *space))
        assert (hidden.shape, hidden.dtype) == ((40, channels, *space), torch.bool)
        assert not hidden.flatten(1).all(1).any()
        if np.prod(space) > 1:
            assert hidden.flatten(1).any(1).all()


@pytest.mark.parametrize("space", SPACES, ids=len)
@pytest.mark.parametrize("kind", SHARES)
def test_channels_of_a_position_are_alike(kind, space):
    hidden = drawn(kind, (50, 3, *space))
    assert (hidden == hidden[:, :1]).all()


@pytest.mark.parametrize("space", SPACES, ids=len)
@pytest.mark.parametrize("text", [*WITHOUT_CHANNELS, "channels", "pixels:0.2+lines"])
def test_holes_are_the_seeds(text, space):
    hidden = drawn(text, (20, 3, *space))
    assert torch.equal(hidden, drawn(text, (20, 3, *space)))
    assert not torch.equal(hidden, drawn(text, (20, 3, *space), seed=1))
    assert len(hidden.flatten(1).unique(dim=0)) > 3


@pytest.mark.parametrize("kind", SHARES)
def test_everywhere_can_be_hidden(kind):
    often = drawn(f"{kind}:0.3", (2000, 1, 12, 16)).float().mean((0, 1))
    assert float(often.min()) > 0.01
    assert float(often.max()) < 0.75


def test_blocks_are_boxes():
    hidden = drawn("blocks:0.25", (300, 1, 28, 28))[:, 0]
    rows, columns = hidden.any(2), hidden.any(1)
    alone = (rows[:, :, None] & columns[:, None, :] == hidden).all((1, 2))
    assert 0.2 < float(alone.float().mean()) < 0.45
    area = (rows.sum(1) * columns.sum(1))[alone].float() / 784
    assert float(area.mean()) == pytest.approx(0.25, abs=0.02)
    assert int(rows.sum(1)[alone].min()) >= 9
    assert int(rows.sum(1)[alone].max()) <= 19


def test_blocks_of_signals_and_volumes_are_whole():
    runs = drawn("blocks", (300, 1, 200))[:, 0].int().diff(dim=1, prepend=torch.zeros(300, 1)) == 1
    assert set(runs.sum(1).tolist()) == {1, 2, 3, 4}
    volumes = drawn("blocks:0.2", (100, 1, 12, 14, 16))[:, 0]
    filled = volumes.any((2, 3))[:, :, None, None] & volumes.any((1, 3))[:, None, :, None]
    filled = filled & volumes.any((1, 2))[:, None, None, :]
    assert int((filled == volumes).all((1, 2, 3)).sum()) > 10


def test_lines_are_whole_rows_or_columns():
    hidden = drawn("lines", (300, 1, 24, 30))[:, 0]
    rows, columns = hidden.all(2), hidden.all(1)
    by_rows = (hidden == rows[:, :, None]).all((1, 2))
    by_columns = (hidden == columns[:, None, :]).all((1, 2))
    assert (by_rows != by_columns).all()
    assert float(by_rows.float().mean()) == pytest.approx(0.5, abs=0.1)


def test_slices_of_volumes_are_whole():
    hidden = drawn("lines:0.2", (90, 1, 8, 9, 10))[:, 0]
    across = torch.stack([(hidden.any(axes) == hidden.all(axes)).all(1) for axes in ((2, 3), (1, 3), (1, 2))])
    assert (across.sum(0) == 1).all()
    assert (across.sum(1) > 15).all()


def test_few_lines_are_one_to_three_wide():
    few = drawn("lines:0.03", (200, 1, 100))[:, 0]
    runs = (few.int().diff(dim=1, prepend=torch.zeros(200, 1)) == 1).sum(1)
    assert set(runs.tolist()) == {1, 2, 3}
    assert int(few.sum(1).max()) <= 5


def test_strokes_are_thick_and_connected():
    hidden = drawn("strokes", (100, 1, 64, 64))[:, 0]
    neighbours = torch.nn.functional.avg_pool2d(hidden[:, None].float(), 3, 1, 1, count_include_pad=False)[:, 0]
    assert float(neighbours[hidden].mean()) > 0.75
    assert float(hidden.flatten(1).float().mean()) < 0.25


def test_whole_channels():
    hidden = drawn("channels", (300, 4, 6, 5))
    assert (hidden == hidden[..., :1, :1]).all()
    number = hidden[..., 0, 0].sum(1)
    assert set(number.tolist()) == {1, 2, 3}
    assert (hidden[..., 0, 0].float().mean(0) > 0.4).all()


@pytest.mark.parametrize("text", ["channels", "pixels+channels"])
def test_one_channel_is_never_hidden_whole(text):
    with pytest.raises(ValueError, match="needs items with several channels"):
        drawn(text, (5, 1, 6, 5))


@pytest.mark.parametrize("channels", [1, 3])
def test_mixed_is_some_of_each(channels):
    hidden = drawn("mixed", (400, channels, 30, 30))
    whole = (hidden == hidden[..., :1, :1]).flatten(1).all(1)
    lines = ((hidden == hidden[..., :1]) | (hidden == hidden[..., :1, :])).flatten(1).all(1) & ~whole
    kinds = 4 + (channels > 1)
    assert float(whole.float().mean()) == pytest.approx((channels > 1) / kinds, abs=0.06)
    assert float(lines.float().mean()) == pytest.approx(1 / kinds, abs=0.06)
    edges = (hidden.int().diff(dim=3) != 0).float().mean((1, 2, 3)) > 0.15
    assert float((edges & ~lines).float().mean()) == pytest.approx(1 / kinds, abs=0.06)


def test_parts_are_all_torn():
    hidden = drawn("pixels:0.2+lines:0.3", (200, 1, 40, 40))[:, 0]
    assert (hidden.all(2).any(1) | hidden.all(1).any(1)).all()
    assert float(hidden.float().mean()) == pytest.approx(1 - 0.8 * 0.7, abs=0.04)


def test_nan_where_hidden():
    x = torch.rand(3, 2, 4, 4, generator=seeded())
    hidden = drawn("pixels:0.5", x.shape)
    y = with_nan(x, hidden)
    assert torch.equal(y.isnan(), hidden)
    assert torch.equal(y[~hidden], x[~hidden])
