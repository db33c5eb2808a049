"""Every network encodes and decodes items of every number of axes."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from narrows.networks import Architecture, build, flatten_code, unflatten_code, upsampling_kinds

SHAPES = {1: (13,), 2: (11, 14), 3: (5, 7, 6)}
GRIDS = {1: (4,), 2: (3, 4), 3: (2, 2, 2)}  # of two halvings


def x_of(architecture, shape=None, count=3):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, architecture.channels, *(shape or architecture.shape), generator=generator)


def every_architecture():
    for channels in (1, 3):
        yield Architecture("linear", channels, (), 2)
        yield Architecture("dense", channels, (), 2)
        for spatial, shape in SHAPES.items():
            yield Architecture("linear", channels, shape, 6)
            yield Architecture("dense", channels, shape, 6)
            for preset in ("default", "lesson"):
                for upsampling in upsampling_kinds():
                    for code in (6, (4, *GRIDS[spatial])):
                        yield Architecture("conv", channels, shape, code, upsampling, preset, ranged=channels == 1)


def name_of(architecture):
    dimensions = f"{len(architecture.shape)}d{architecture.channels}"
    flat = "flat" if architecture.flat else "grid"
    return f"{architecture.kind}-{dimensions}-{architecture.upsampling}-{architecture.preset}-{flat}"


@pytest.mark.parametrize("architecture", list(every_architecture()), ids=name_of)
def test_shapes_ranges_and_pairs(architecture):
    network = build(architecture, seed=1).eval()
    with torch.no_grad():
        for parameter in network.parameters():  # no residual block stays the identity it starts as
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
        x = x_of(architecture)
        code = network.encode(x)
        shapes = network.code_shapes(architecture.shape)
        assert [tuple(part.shape[1:]) for part in code] == shapes
        assert shapes[0] == ((architecture.code,) if architecture.flat else architecture.code)
        assert len(shapes) == 1 + (len(network.downs) if architecture.upsampling == "unpool" else 0)

        rows = flatten_code(code)
        assert rows.shape == (3, sum(map(math.prod, shapes)))
        for part, same in zip(code, unflatten_code(rows, shapes), strict=True):
            assert part.dtype == same.dtype
            assert torch.equal(part, same)

        rebuilt = network(x)
        assert rebuilt.shape == x.shape
        assert rebuilt.dtype == torch.float32
        decoded = network.decode(code)
        assert torch.equal(rebuilt, decoded[tuple(slice(size) for size in x.shape)])
        if architecture.ranged:
            assert 0 < float(rebuilt.min()) <= float(rebuilt.max()) < 1


@pytest.mark.parametrize("preset", ["default", "lesson"])
@pytest.mark.parametrize("upsampling", upsampling_kinds())
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_a_grid_code_takes_items_of_any_size(spatial, upsampling, preset):
    architecture = Architecture("conv", 2, SHAPES[spatial], (4, *GRIDS[spatial]), upsampling, preset)
    network = build(architecture).eval()
    for shape in ((1, 1, 1), (3, 8, 2), (17, 4, 9), (20, 20, 8)):
        x = x_of(architecture, shape[:spatial])
        with torch.no_grad():
            assert network(x).shape == x.shape
            code = network.encode(x)
        assert [tuple(part.shape[1:]) for part in code] == network.code_shapes(shape[:spatial])
        assert tuple(code[0].shape[2:]) == tuple(math.ceil(size / 4) for size in shape[:spatial])


@pytest.mark.parametrize(
    "network",
    [("linear",), ("dense",), *product(["conv"], upsampling_kinds(), ["default", "lesson"])],
    ids="-".join,
)
@pytest.mark.parametrize("ranged", [True, False])
def test_an_untrained_network_answers_near_the_mean(network, ranged):
    kind, *details = network
    architecture = Architecture(kind, 2, (12, 12), 5, *details, ranged=ranged)
    network = build(architecture)
    mean = torch.tensor([0.1, 0.8]).view(2, 1, 1).expand(2, 12, 12)
    network.init_output_bias(mean)
    with torch.no_grad():
        output = network(x_of(architecture, count=20)).mean(dim=(0, 2, 3))
    assert (output - mean[:, 0, 0]).abs().max() < 0.25


def test_starting_at_black_is_finite():
    network = build(Architecture("linear", 1, (4, 4), 2))
    network.init_output_bias(torch.zeros(1, 4, 4))
    assert torch.isfinite(network(torch.zeros(1, 1, 4, 4))).all()


@pytest.mark.parametrize("kind", ["linear", "dense", "conv"])
def test_weights_follow_from_the_seed_alone(kind):
    architecture = Architecture(kind, 1, (12, 12), 5)
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    one, same, other = (build(architecture, seed) for seed in (7, 7, 8))
    assert torch.equal(torch.random.get_rng_state(), before)
    for (name, a), b, c in zip(one.named_parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        if "weight" in name and ".last." not in name and not (a == 1).all():
            assert not torch.equal(a, c), name


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4),
    st.integers(0, 2**32 - 1),
)
def test_a_code_is_flattened_with_its_channels_last(count, shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    code = [torch.randn(count, *shapes[0], generator=generator)]
    code += [torch.randint(0, 8, (count, *shape), generator=generator) for shape in shapes[1:]]
    rows = flatten_code(code)
    assert rows.dtype == torch.float32
    first = code[0].permute(0, 2, 3, 1).reshape(count, -1)
    assert torch.equal(rows[:, : first.shape[1]], first)
    back = unflatten_code(rows, shapes)
    assert [part.dtype for part in back] == [part.dtype for part in code]
    assert all(torch.equal(one, other) for one, other in zip(code, back, strict=True))
