"""NumPy and the compiled kernel, with each set of instructions, write the same bytes and read the same values."""

import io
import lzma
from pathlib import Path

import numpy as np
import pytest

from narrows.codec.container.mode import Mode
from narrows.codec.entropy import engines
from narrows.codec.entropy.context_features import BUCKETS, IndexCounts
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Alphabet
from narrows.codec.entropy.lattice import LatticePass
from narrows.codec.entropy.mixture_features import PARAMETERS, WindowLayout, tables
from narrows.codec.entropy.mixtures import SHIFTS, MixtureDistributions, edges, logistic, powers
from narrows.codec.entropy.range_coder import decoder, encoder
from narrows.codec.model import CodecModel
from narrows.data import Items

from .engines import ENGINES, KERNEL, engine

FIXTURES = Path(__file__).parent / "fixtures"
MODES = [Mode("lossless"), Mode("max_error", 2), Mode("psnr", 30), Mode("quality", 20)]


def model_and_items(name):
    model = CodecModel.from_bytes(lzma.decompress((FIXTURES / f"{name}.safetensors.xz").read_bytes()))
    return model, Items.from_array(np.load(FIXTURES / f"{name}-bounded.npy"), model.axes)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.kind)
@pytest.mark.parametrize("name", ["digits", "signals"])
def test_files_are_the_same(name, mode):
    if (name, mode.kind) == ("signals", "lossless"):
        pytest.skip("real numbers are not compressed without loss")
    contents, values = set(), set()
    for chosen in ENGINES:
        with engine(chosen):
            model, items = model_and_items(name)
            target = io.BytesIO()
            model.compress(items, mode, target)
            contents.add(target.getvalue())
    for chosen in ENGINES:
        with engine(chosen):
            model, _ = model_and_items(name)
            values.add(model.decompress(target.getvalue()).values.tobytes())
    assert (len(contents), len(values)) == (1, 1)


def layers(rng, sizes, most):
    """The tensors of a perceptron of two kinds of windows, with weights up to `most`."""
    tensors = {
        "first.shift": np.array([6], np.int8),
        "place": rng.integers(-4000, 4000, (5, sizes[1]), np.int32),
        "step": rng.integers(-4000, 4000, (3, sizes[1]), np.int32),
    }
    names = ["first.KEY", *(f"rest.0.{number}" for number in range(len(sizes) - 2))]
    for name, inputs, outputs in zip(names, sizes, sizes[1:], strict=False):
        tensors[f"{name}.weight"] = rng.integers(-most, most + 1, (outputs, inputs)).astype(np.int16)
        tensors[f"{name}.bias"] = rng.integers(-9999, 9999, outputs).astype(np.int32)
        tensors[f"{name}.shift"] = np.array([5 if name[-1] != str(len(sizes) - 3) else 1], np.int8)
    return tensors


@pytest.mark.parametrize("unsigned", [True, False], ids=["unsigned", "signed"])
@pytest.mark.parametrize("most", [64, 65, 180])
@pytest.mark.parametrize("sizes", [(1, 3, 1), (13, 20, 35, 41), (60, 112, 112, 256), (67, 128, 97)])
def test_outputs_and_distributions_are_the_same(sizes, most, unsigned):
    rng = np.random.default_rng(0)
    tensors, count = layers(rng, sizes, most), 500
    windows = rng.integers(0, 256, (count, sizes[0])).astype(np.uint8)
    windows[:9] = 255  # the largest sums that int16 has to hold
    if not unsigned:
        windows = np.where(rng.random(windows.shape) < 0.5, windows, -windows.astype(np.int16)).astype(np.int16)
    place, items = rng.integers(0, 5, count), rng.integers(0, 3, count)
    values = sizes[-1] - 1
    alphabets = [Alphabet(), Alphabet(min(3, sizes[-1] - 1))]
    if values:
        bonus = rng.integers(-4095, 4096, (3, values)).astype(np.float32)
        edges = np.unique(rng.integers(1, values + 1, 12))
        alphabets += [Alphabet(0, None, bonus), Alphabet(int(edges[0]), edges, bonus)]
    found = set()
    for chosen in ENGINES:
        with engine(chosen):
            perceptron = engines.predictor(tensors, {"KEY": 0})
            given = [perceptron.distributions("KEY", windows, place, 1, each, items) for each in alphabets]
            outputs = perceptron("KEY", windows, place, 1)
            found.add(b"".join(array.tobytes() for array in (outputs, *(each.cumulative for each in given))))
    assert len(found) == 1


@pytest.mark.parametrize("bits", [1, 8, 23])
@pytest.mark.parametrize(("axes", "channels"), [(1, 1), (2, 3), (2, 5), (3, 2)])
def test_inputs_and_distributions_of_mixtures_are_the_same(axes, channels, bits):
    rng = np.random.default_rng(0)
    design = Design("mixtures", axes, channels, bits, (1,) * axes, 1)
    for lattice_pass, channel in design.keys().values():
        layout, found = WindowLayout(design.taps(lattice_pass, channel)), set()
        windows = (rng.integers(-(2**bits), 2**bits, (60, len(layout.taps))) * rng.random((60, 1)) ** 9).astype(
            np.int32
        )
        weights = rng.integers(-(2**15), 2**15, len(layout.taps)).astype(np.int32)
        outputs = (rng.normal(size=(60, PARAMETERS)) * rng.choice([10, 300, 9999], (60, 1))).round().astype(np.float32)
        shifts = rng.choice(SHIFTS, 60)
        for chosen in ENGINES:
            with engine(chosen):
                given = engines.mixture_inputs(windows, weights, layout, bits)
                numbers = engines.mixtures(outputs, given, shifts, bits)
                mixtures = MixtureDistributions(numbers, bits + 1)
                symbols, writer = (np.arange(60) % mixtures.symbols).astype(np.int32), encoder()
                costs = writer.categorical(mixtures, symbols)
                found.add(
                    b"".join(
                        [*(each.astype(np.float64).tobytes() for each in (*given, *numbers, costs)), writer.payload()]
                    )
                )
                assert np.array_equal(decoder(writer.payload()).categorical(mixtures), symbols)
                assert np.array_equal(engines.bits_of(mixtures, symbols[:, None].astype(np.int64))[:, 0], costs)
        assert len(found) == 1
        assert (np.diff(mixtures.cumulative, prepend=0, axis=1) > 0).all()


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_windows_are_the_same(kind):
    rng = np.random.default_rng(0)
    flat = (rng.integers(-9999, 9999, 1000) * (rng.random(1000) < 0.1)).astype(kind)
    bases, offsets = rng.integers(100, 900, 300), rng.integers(-100, 100, 20)
    found = set()
    for chosen in ENGINES:
        with engine(chosen):
            windows, nonzero = engines.windows(flat, bases, offsets), engines.any_nonzero(flat, bases, offsets)
            assert np.array_equal(windows.any(1), nonzero)
            found.add(windows.tobytes() + nonzero.tobytes())
    assert len(found) == 1


def test_bonuses_are_the_same():
    rng = np.random.default_rng(0)
    seen = IndexCounts(3, 9, np.zeros(0))
    seen.counts[:] = [range(9), 2.0 ** np.arange(9), 2.0 ** np.arange(9, 18) - 1]
    bonus, cells = rng.integers(-4095, 4096, BUCKETS).astype(np.float32), rng.integers(0, 9, 40)
    found = set()
    for chosen in ENGINES:
        with engine(chosen):
            found.add(engines.bonuses(seen, bonus, cells).tobytes())
    assert len(found) == 1


@pytest.mark.skipif(KERNEL is None, reason="the kernel is not built here")
def test_the_kernel_takes_no_arrays_of_other_sizes():
    kernel, u1, u4, f8 = engines.kernel, np.zeros(8, np.uint8), np.zeros(3, np.uint32), np.zeros(3)
    layer = kernel.layer(np.zeros((4, 3), np.int16), np.zeros(4, np.int32), 3, 4, 0)
    last = kernel.layer(np.zeros((2, 4), np.int16), np.zeros(2, np.int32), 4, 2, 0)
    none, two, places = np.zeros(0, np.int64), np.zeros((1, 2), np.float32), np.zeros((2, 16), np.int32)
    buckets = np.zeros(BUCKETS, np.float32)
    mixtures = f8, f8, np.ones(3, np.int32), edges(9), logistic()
    cumulative, symbols = np.ones((3, 5), np.int32).cumsum(1).astype(np.int32), np.zeros(3, np.int32)
    given = (layer, last), True, np.zeros((1, 3), np.int16), none, none, none
    of_window = WindowLayout(Design("mixtures", 2, 2, 8, (1, 1), 1).taps(LatticePass(0, (1, 1)), 0))
    size, (inputs, predicted) = len(of_window.taps), (np.zeros((3, of_window.features), np.int16), np.zeros(3))
    window, weights = np.zeros((3, size), np.int32), np.zeros(size, np.int32)
    layout = (window, weights, *of_window.arrays, *tables(), inputs, predicted, np.zeros(3, np.int64))
    one = np.zeros(1, np.int64)
    outputs = np.zeros((1, PARAMETERS), np.float32), f8[:1], one, one, powers(4), powers(16), one, f8, f8, symbols
    wrong = [
        ("layer", (np.zeros((4, 3), np.int16), np.zeros(3, np.int32), 3, 4, 0)),
        ("outputs", ((layer,), *given[1:], np.zeros((1, 4), np.float32))),
        ("outputs", ((layer, layer), *given[1:], np.zeros((1, 4), np.float32))),
        ("outputs", (*given[:2], np.zeros((1, 4), np.int16), none, none, none, two)),
        ("outputs", (*given, np.zeros((2, 2), np.float32))),
        ("outputs", (*given[:3], places, np.array([2]), none, two)),
        ("outputs", (*given[:3], places, none, none, two)),
        ("outputs", (*given[:5], np.zeros(3, np.int32), two)),
        ("distributions", (*given, none, none, none, 0, np.zeros((1, 3), np.int32))),
        ("distributions", (*given, none, none, none, 2, np.zeros((1, 2), np.int32))),
        ("distributions", (*given, none, none, np.array([0, 1, 3]), 0, np.zeros((1, 2), np.int32))),
        ("distributions", (*given, none, none, np.array([1, 1, 2]), 0, np.zeros((1, 2), np.int32))),
        ("distributions", (*given, none, none, np.array([-1, 1, 2]), 0, np.zeros((1, 2), np.int32))),
        ("distributions", (*given, np.zeros((2, 1), np.float32), np.array([2]), none, 0, np.zeros((1, 1), np.int32))),
        ("intervals", (5, (cumulative,), np.array([0, 5, 0], np.int32), u4, u4, f8)),
        ("intervals", (5, (cumulative[:2],), symbols, u4, u4, f8)),
        ("intervals", (5, (0 * cumulative,), symbols, u4, u4, f8)),
        ("intervals", (5, (), symbols, u4, u4, f8)),
        ("decode", (5, (cumulative,), np.zeros(3, np.uint64), u4, symbols)),
        ("decode", (5, (cumulative[:2],), np.zeros(3, np.uint64) - 1, u4, symbols)),
        ("decode_bits", (np.zeros(3, np.uint64) - 1, u4, np.array([25, 1, 1], np.int32), symbols)),
        ("encode", (u4, u4[:2])),
        ("intervals", (111, mixtures, np.zeros(2, np.int32), u4[:2], u4[:2], f8[:2])),
        ("intervals", (110, mixtures, np.zeros(1, np.int32), u4[:1], u4[:1], f8[:1])),
        ("intervals", (111, (*mixtures[:4], logistic()[1:]), np.zeros(1, np.int32), u4[:1], u4[:1], f8[:1])),
        ("intervals", (111, (f8, f8, np.zeros(3, np.int32), *mixtures[3:]), symbols[:1], u4[:1], u4[:1], f8[:1])),
        ("decode", (111, mixtures[:4], np.zeros(3, np.uint64) - 1, u4, symbols[:1])),
        ("mixtures", (25, *outputs)),
        ("mixtures", (8, outputs[0][:, 1:], *outputs[1:])),
        ("mixtures", (8, outputs[0] + np.float32(np.nan), *outputs[1:])),
        ("mixtures", (8, outputs[0] + np.float32(2**30), *outputs[1:])),
        ("mixtures", (8, *outputs[:2], outputs[2] + 256, *outputs[3:])),
        ("mixtures", (8, *outputs[:3], outputs[3] - 1025, *outputs[4:])),
        ("mixtures", (8, *outputs[:8], f8[1:], outputs[9])),
        ("mixture_inputs", (25, *layout)),
        ("mixture_inputs", (8, layout[0][1:], *layout[1:])),
        ("mixture_inputs", (8, *layout[:3], layout[3] + 1, *layout[4:])),
        ("mixture_inputs", (8, *layout[:5], layout[5] + 99, *layout[6:])),
        ("mixture_inputs", (8, *layout[:8], layout[8][1:], *layout[9:])),
        ("windows", (1, u1, np.array([6]), np.array([2]), np.zeros(1, np.uint8))),
        ("windows", (1, u1, np.array([1]), np.array([-2]), np.zeros(1, np.uint8))),
        ("windows", (1, u1, np.array([2**63 - 1]), np.array([1]), np.zeros(1, np.uint8))),
        ("windows", (4, u1, np.array([1]), np.array([1]), np.zeros(1, np.int32))),
        ("windows", (2, u1, np.array([1]), np.array([1]), np.zeros(2, np.uint8))),
        ("any_nonzero", (u1, np.array([1]), np.array([7]), np.zeros(1, bool))),
        ("any_nonzero", (u1, np.array([1]), np.array([6]), np.zeros(2, bool))),
        ("bonuses", (2, two, u4[:0], np.array([1]), np.zeros(1, np.float32))),
        ("bonuses", (2, two, buckets, np.array([2]), np.zeros(1, np.float32))),
        ("bonuses", (4, two, buckets, np.array([1]), np.zeros(1, np.float32))),
        ("bonuses", (2, two - 1, buckets, np.array([1]), np.zeros(1, np.float32))),
    ]
    for name, arguments in wrong:
        with pytest.raises(ValueError, match=r"sizes|layers|fit|lengths|place"):
            getattr(kernel, name)(*arguments)
