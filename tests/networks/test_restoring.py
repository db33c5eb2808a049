"""Networks that restore: any size, and no value depends on one that is farther away than they say."""

from itertools import product

import pytest
import torch

from narrows.networks import Restoration, build

SHAPES = {1: (40,), 2: (28, 20), 3: (9, 12, 10)}
# Of one level along the short axis and more along the others, too.
OTHER_SHAPES = {1: (5,), 2: (3, 30), 3: (3, 8, 17)}
TASKS = ("denoise", "fill", "blind")


def network_of(shape, task="denoise", preset="default", channels=1, numbers=3, ranged=True):
    gain = task == "denoise" and preset == "default"
    network = build(Restoration(channels, shape, task, numbers, preset, ranged, gain), seed=1).eval().double()
    with torch.no_grad():
        for parameter in network.parameters():  # no residual block stays the identity it starts as
            generator = torch.Generator().manual_seed(2)
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return network.requires_grad_(False)


def x_of(network, *shape, count=1):
    """Values, few of them observed where the network takes a mask."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(count, network.inputs, *shape, generator=generator, dtype=torch.float64)
    if network.architecture.task != "denoise":
        values, known = x.chunk(2, 1)
        known.copy_(known < 0.1)
        values.mul_(known)
    return x


def answers(network, x):
    """All that it says of each value, (N, C, *S, 1 + numbers)."""
    restored, features = network(x)
    return torch.cat([restored.unsqueeze(-1), network.describe(features, x.shape[2:])], -1)


OLD = {"preset": "default", "ranged": True}  # what documents of 0.1.0 say beside


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("preset", ["default", "lesson"])
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_shapes_and_ranges(spatial, preset, task, channels):
    network = network_of(SHAPES[spatial], task, preset, channels, ranged=channels == 3)
    assert network.inputs == channels * (1 if task == "denoise" else 2)
    for shape in (SHAPES[spatial], (1,) * spatial, (19, 7, 3)[:spatial]):
        restored, features = network(x_of(network, *shape, count=2))
        assert restored.shape == (2, channels, *shape)
        assert network.describe(features, shape).shape == (2, channels, *shape, 3)
        if network.architecture.ranged:
            assert 0 <= restored.min() <= restored.max() <= 1


@pytest.mark.parametrize("preset", ["default", "lesson"])
@pytest.mark.parametrize("shapes", [SHAPES, OTHER_SHAPES], ids=["even", "uneven"])
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_what_is_out_of_reach_changes_nothing(spatial, shapes, preset):
    network = network_of(shapes[spatial], "fill", preset)
    for axis in range(spatial):
        size = [min(8, 2 * step) for step in network.stride]
        size[axis] = 2 * network.receptive_radius[axis] + 3 * network.stride[axis] + 1
        x = x_of(network, *size)
        before, farthest = answers(network, x), 0
        for start in range(network.stride[axis]):
            changed, at = x.clone(), network.receptive_radius[axis] + start
            values, known = changed.select(2 + axis, at).chunk(2, 1)
            values += 50
            known[:] = 1
            differs = (answers(network, changed) - before).abs().movedim(2 + axis, 0).flatten(1).amax(1) > 1e-12
            places = differs.nonzero()[:, 0]
            assert len(places)
            farthest = max(farthest, int((places - at).abs().max()))
        assert farthest <= network.receptive_radius[axis]
        assert farthest >= network.receptive_radius[axis] // 3, "it says that it looks much farther than it does"


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("preset", ["default", "lesson"])
def test_a_part_from_a_multiple_of_the_stride_on_is_the_same(spatial, preset):
    """Of items of odd sizes, which end within a grid cell."""
    network = network_of(SHAPES[spatial], "denoise", preset)
    size = [step + 3 for step in network.stride]
    size[-1] = network.receptive_radius[-1] + 3 * network.stride[-1] + 5
    x = x_of(network, *size)
    cut = 2 * network.stride[-1]
    part = answers(network, x[..., cut:])
    whole = answers(network, x)
    right = cut + network.receptive_radius[-1]
    torch.testing.assert_close(part[..., network.receptive_radius[-1] :, :], whole[..., right:, :])


@pytest.mark.parametrize("ranged", [True, False])
@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("preset", ["default", "lesson"])
def test_it_starts_at_the_mean(preset, spatial, ranged):
    network = build(Restoration(2, SHAPES[spatial], "denoise", 3, preset, ranged))
    mean = torch.tensor([0.2, 0.7])
    network.init_output_bias(mean)
    with torch.no_grad():
        restored, _ = network(torch.full((1, 2, *SHAPES[spatial]), 0.4))
    assert (restored.mean([0, *range(2, 2 + spatial)]) - mean).abs().max() < 0.35


@pytest.mark.parametrize("task", ["denoise", "fill"])
def test_bfloat16_changes_little(task, monkeypatch):
    architecture = Restoration(1, (16, 16), task, 3, gain=task == "denoise", bfloat16=True)
    network = build(architecture).requires_grad_(False)
    x = x_of(network, 16, 16).float()
    found = []
    for has in (False, True):
        monkeypatch.setattr("narrows.networks.restoration.unet.multiplies_bfloat16", lambda has=has: has)
        found.append(answers(network, x))
    assert found[0].dtype == found[1].dtype == torch.float32
    assert not torch.equal(*found)
    torch.testing.assert_close(*found, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("ranged", [True, False])
def test_a_gain_weighs_the_noisy_value(ranged):
    network = build(Restoration(1, (16,), "denoise", 3, ranged=ranged, gain=True)).requires_grad_(False)
    x = torch.rand(2, 1, 16, generator=torch.Generator().manual_seed(0))
    for weight, expected in ((30.0, x), (-30.0, torch.full_like(x, 0.7))):
        network.init_output_bias(torch.tensor([0.7]))
        network.output.conv.bias[1] = weight
        torch.testing.assert_close(network(x)[0], expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("ranged", [True, False])
@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("preset", ["default", "lesson"])
def test_filling_starts_at_its_first_guess(preset, spatial, ranged):
    network = build(Restoration(1, SHAPES[spatial], "fill", 3, preset, ranged)).requires_grad_(False)
    network.init_output_bias(torch.tensor([0.9]))
    x = x_of(network, *SHAPES[spatial]).float()
    restored, _ = network(x)
    torch.testing.assert_close(restored, network.guess(x).clamp(0.01, 0.99) if ranged else network.guess(x))


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_the_first_guess(spatial):
    """What is known; between that what is nearby; far from all the middle."""
    network = build(Restoration(2, SHAPES[spatial], "fill", 3))
    x = x_of(network, *SHAPES[spatial])
    known = x[:, 2:] > 0
    guess = network.guess(x)
    assert torch.equal(guess[known], x[:, :2][known])
    smooth = torch.linspace(0.2, 0.8, SHAPES[spatial][-1], dtype=x.dtype).expand(x[:, :2].shape)
    near = network.guess(torch.cat([smooth * known, known.to(x.dtype)], 1))
    assert (near - smooth).abs().mean() < 0.08
    nothing = torch.zeros(1, 4, *SHAPES[spatial], dtype=x.dtype)
    torch.testing.assert_close(network.guess(nothing), torch.full_like(nothing[:, :2], 0.5))


def test_the_first_guess_reaches_into_large_holes():
    known = torch.ones(1, 1, 128, 128)
    known[..., 44:84, 44:84] = 0
    new = Restoration(1, (64, 64), "fill", 3)
    old = Restoration.from_dict({name: new.to_dict()[name] for name in ("channels", "shape", "task", "numbers")} | OLD)
    middles = [build(each).guess(torch.cat([0.9 * known, known], 1))[0, 0, 64, 64] for each in (new, old)]
    assert float(middles[0]) == pytest.approx(0.9, abs=0.02)
    assert float(middles[1]) < 0.6  # as in models of 0.1.0, whose networks expect it


def test_the_document_is_the_way_back():
    for preset, shape in product(["default", "lesson"], [(7,), (9, 8), (4, 5, 6)]):
        architecture = Restoration(2, shape, "blind", 12, preset, ranged=False)
        assert Restoration.from_dict(architecture.to_dict()) == architecture


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preset": "tiny"}, "preset='tiny': expected default or lesson"),
        ({"task": "sharpen"}, "task='sharpen': expected denoise or fill or blind"),
        ({"task": "fill", "gain": True}, "a gain of the noisy values"),
        ({"shape": ()}, "items with 0 spatial axes"),
        ({"shape": (2, 2, 2, 2)}, "items with 4 spatial axes"),
    ],
)
def test_what_cannot_be_built(wrong, message):
    with pytest.raises(ValueError, match=message):
        Restoration(**{"channels": 1, "shape": (8, 8), "task": "denoise", "numbers": 3, **wrong})
