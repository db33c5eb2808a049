"""NumPy and the compiled kernel, with each set of instructions, write the same bytes and read the same values."""

import io
import lzma
from pathlib import Path

import numpy as np
import pytest

from narrows.codec.container.mode import Mode
from narrows.codec.entropy import engines
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


def test_bonuses_are_the_same():
    rng = np.random.default_rng(0)
    bonus, items = rng.integers(-4095, 4096, (3, 40)).astype(np.float32), rng.integers(0, 3, 200)
    outputs = rng.integers(-(2**24), 2**24, (200, 41)).astype(np.float32) * 4  # with sums that float32 rounds
    outputs[:, -1] = rng.integers(-400, 1000, 200)
    found = set()
    for chosen in ENGINES:
        with engine(chosen):
            found.add(engines.with_bonus(outputs, bonus, items).tobytes())
    assert len(found) == 1


@pytest.mark.skipif(KERNEL is None, reason="the kernel is not built here")
def test_the_kernel_takes_no_arrays_of_other_sizes():
    kernel, u4, f8 = engines.kernel, np.zeros(3, np.uint32), np.zeros(3)
    layer = kernel.layer(np.zeros((4, 3), np.int16), np.zeros(4, np.int32), 3, 4, 0)
    last = kernel.layer(np.zeros((2, 4), np.int16), np.zeros(2, np.int32), 4, 2, 0)
    none, logits, decay = np.zeros(0, np.int64), np.zeros((3, 5), np.float32), np.ones(9)
    wrong = [
        ("layer", (np.zeros((4, 3), np.int16), np.zeros(3, np.int32), 3, 4, 0)),
        ("perceptron", ((layer,), np.zeros((2, 3), np.int16), none, none, none, np.zeros((2, 4), np.float32))),
        ("perceptron", ((layer, layer), np.zeros((2, 3), np.int16), none, none, none, np.zeros((2, 4), np.float32))),
        ("perceptron", ((layer, last), np.zeros((2, 3), np.int16), none, none, none, np.zeros((2, 4), np.float32))),
        (
            "perceptron",
            (
                (layer, last),
                np.zeros((1, 3), np.int16),
                np.zeros((2, 4), np.int32),
                np.array([2]),
                none,
                np.zeros((1, 2), np.float32),
            ),
        ),
        ("intervals", (5, 0, logits, decay, none, np.array([0, 5, 0], np.int32), u4, u4, f8, f8)),
        ("intervals", (5, 5, logits, decay, none, np.zeros(3, np.int32), u4, u4, f8, f8)),
        ("intervals", (5, 0, logits, decay, np.array([0, 3, 6]), np.zeros(3, np.int32), u4, u4, f8, f8)),
        ("intervals", (5, 0, logits, decay, np.array([0, 0, 5]), np.zeros(3, np.int32), u4, u4, f8, f8)),
        ("decode", (5, 0, np.zeros(3, np.uint64), u4, logits, decay, none, np.zeros(3, np.int32))),
        ("decode_bits", (np.zeros(3, np.uint64) - 1, u4, np.array([25, 1, 1], np.int32), np.zeros(3, np.int32))),
        ("encode", (u4, u4[:2])),
        ("with_bonus", (np.zeros((1, 6), np.float32), logits, np.array([3]), np.zeros((1, 5), np.float32), 5)),
    ]
    for name, arguments in wrong:
        with pytest.raises(ValueError, match=r"sizes|layers|fit|lengths|place"):
            getattr(kernel, name)(*arguments)
