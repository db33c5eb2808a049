"""docs/decoder.py, which was written from docs/format.md, finds in files what the package put there."""

import io
import math
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from narrows import Codec, data
from narrows.codec.archive import Archive
from narrows.codec.container.mode import Mode
from narrows.codec.learning.sizes import file_design, networks_of, sized
from narrows.codec.learning.training import training_of
from narrows.codec.storing import grid_of_values, quantiser_of, store
from narrows.data import Scaling
from narrows.training.batches import Batches
from narrows.training.loop import train
from narrows.training.task import Settings

DOCS = Path(__file__).parents[2] / "docs"
RNG = np.random.default_rng(0)


def sounds():
    rng = np.random.default_rng(1)
    return [*walk(4, 300, rng=rng).astype(np.float32), walk(1, 100, rng=rng)[0].astype(np.float32)]


TRAINING = {
    "digits": (lambda: data.read("digits").values[:60], None),
    "drawings": (lambda: RNG.integers(0, 2, (24, 9, 7, 2)) * np.uint8(200), "NYXC"),
    "icons": (lambda: icons(24, 16, 12), "NYXC"),
    "colour": (lambda: walk(24, 12, 10, 5).astype(np.uint8), "NYXC"),
    "pictures": (lambda: smooth(24, 17, 14, 3), "NYXC"),
    "signals": (lambda: walk(24, 40).astype(np.float32), "NT"),
    "records": (lambda: records(24, 60) + records(2, 90), "NTC"),
    "sounds": (sounds, "NT"),
    "volumes": (lambda: (walk(24, 5, 6, 4) * 99).astype(np.int16), "NZYX"),
}


def walk(*shape, rng=RNG):
    return np.clip(128 + 8 * np.cumsum(rng.normal(size=shape), 1), 0, 255)


def icons(n, height, width, channels=4):
    """Disks of a few colours that fade into each other."""
    y, x = np.mgrid[:height, :width]
    found = np.zeros((n, height, width, channels))
    for item in found:
        for _ in range(3):
            centre, radius = RNG.uniform(0, height, 2), RNG.uniform(2, height / 2)
            share = np.clip(radius - np.hypot(y - centre[0], x - centre[1]), 0, 1)[..., None]
            item[:] = item * (1 - share) + share * RNG.integers(0, 4, channels) * 85
    return found.round().astype(np.uint8)


def smooth(*shape):
    return np.clip(128 + RNG.normal(0, 4, shape).cumsum(1).cumsum(2), 0, 255).astype(np.uint8)


def records(count, length):
    return list((walk(count, length, 5, rng=np.random.default_rng(1)) * 99).astype(np.int16))


def odd_records():
    first, second = records(2, 90)
    first[40:60, 1], second[50:, 4] = 2**15 - 1, -(2**15)
    return [first, second, records(1, 1)[0], np.zeros((30, 5), np.int16)]


@pytest.fixture(scope="module")
def decode():
    page = {}
    exec(re.search(r"```python\n(.*?)```", (DOCS / "format.md").read_text(), re.DOTALL)[1], page)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOCS)
        decoder = runpy.run_path(str(DOCS / "decoder.py"))
    return lambda content, model: decoder["decode"](page["read"](content), model)


@pytest.fixture(scope="module")
def codecs(tmp_path_factory):
    """By the names of their training data: a codec that has learnt next to nothing, and its file."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", math.inf)
        for name, (items, axes) in TRAINING.items():
            file = tmp_path_factory.mktemp("models") / f"{name}.safetensors"
            codec = Codec(epochs=1, axes=axes).fit(items())
            codec.save(file)
            found[name] = codec, file.read_bytes()
    return found


def odd_digits():
    digits = data.read("digits:test").values[:3]
    return [digits[0], RNG.integers(0, 17, (11, 5), np.uint8), digits[1], digits[2] + np.uint8(99), 16 - digits[2]]


def with_land(x, value, share=0.4):
    """Return items of which all but the last lack the same values, and the last others."""
    y, x_ = (np.linspace(-2, 2, size) for size in x.shape[1:3])
    heights = np.add.outer(np.sin(3 * y), np.cos(2 * x_))
    land = heights > np.quantile(heights, 1 - share)
    x[:-1, land], x[-1, heights < heights.mean()] = value, value
    return x


def odd_signals():
    signals = walk(3, 40).astype(np.float32)
    signals[0, 3], signals[1, 7], signals[2] = np.nan, np.inf, 1e30 * RNG.normal(size=40)
    return signals


@pytest.mark.parametrize(
    ("name", "items", "mode"),
    [
        ("digits", lambda: data.read("digits:test").values[:4], {"lossless": True}),
        ("digits", lambda: data.read("digits:test").values[:4], {"lossless": True, "embed_model": True}),
        ("digits", lambda: data.read("digits:test").values[:4], {"quality": 10}),
        ("digits", lambda: data.read("digits:test").values[:4], {"max_error": 99}),
        ("digits", odd_digits, {"lossless": True}),
        ("digits", odd_digits, {"max_error": 1}),
        ("drawings", lambda: RNG.integers(0, 2, (3, 9, 7, 2)) * np.uint8(200), {"lossless": True}),
        ("drawings", lambda: RNG.integers(0, 250, (3, 9, 7, 2), np.uint8), {"max_error": 9}),
        ("icons", lambda: icons(4, 16, 12), {"lossless": True}),
        ("icons", lambda: [*icons(2, 19, 21), *RNG.integers(0, 256, (1, 7, 5, 4), np.uint8)], {"lossless": True}),
        ("icons", lambda: np.concatenate([icons(4, 19, 8), icons(4, 19, 8) // 85 * 3 + 250]), {"lossless": True}),
        ("icons", lambda: icons(2, 16, 12), {"max_error": 20}),
        ("colour", lambda: walk(2, 33, 70, 5).astype(np.uint8), {"lossless": True}),
        ("colour", lambda: walk(1, 70, 66, 5).astype(np.uint8), {"lossless": True}),
        ("colour", lambda: walk(1, 33, 40, 5).astype(np.uint8) // 9 * 9, {"lossless": True}),
        ("colour", lambda: walk(2, 12, 1, 5).astype(np.uint8), {"max_error": 4}),
        ("colour", lambda: walk(2, 3, 16, 5).astype(np.uint8), {"quality": 50}),
        ("signals", odd_signals, {"max_error": 0.01}),
        ("signals", odd_signals, {"max_error": 3}),
        ("records", odd_records, {"lossless": True}),
        ("records", odd_records, {"max_error": 20}),
        ("sounds", odd_signals, {"max_error": 0.01}),
        ("sounds", odd_signals, {"psnr": 30}),
        ("volumes", lambda: (walk(2, 5, 6, 4) * 99).astype(np.int16), {"lossless": True}),
        ("volumes", lambda: (walk(2, 9, 2, 3) * 99).astype(np.int16), {"max_error": 20}),
        ("volumes", lambda: (walk(9, 16, 16, 10) * 99).astype(np.int16), {"lossless": True}),
        ("colour", lambda: with_land(walk(4, 33, 70, 5).astype(np.uint16) % 256, 999), {"lossless": True}),
        ("colour", lambda: with_land(walk(2, 12, 1, 5).astype(np.int16) % 256, -9999), {"max_error": 4}),
        ("volumes", lambda: with_land((walk(3, 9, 2, 3) * 99).astype(np.int32), -(2**31)), {"lossless": True}),
    ],
)
def test_the_decoder_of_the_docs_finds_the_same_values(codecs, decode, name, items, mode):
    codec, model = codecs[name]
    content = codec.compress(items(), **mode)
    found, expected = decode(content, model), codec.decompress(content)
    assert len(found) == len(expected)
    for item, wanted in zip(found, expected, strict=True):
        assert item.dtype == wanted.dtype
        np.testing.assert_array_equal(item, wanted)


@pytest.mark.parametrize("name", ["pictures", "signals"])
@pytest.mark.parametrize("size", [1, 2, 19])
def test_the_decoder_of_the_docs_reads_coefficients(codecs, decode, monkeypatch, name, size):
    monkeypatch.setattr(
        "narrows.codec.model.choose_plan", lambda encoder, mode: encoder.coder.transform_plan(4.5, encoder.items.dtype)
    )
    codec, model = codecs[name]
    items = walk(2, 70).astype(np.float32) if name == "signals" else smooth(2, 33, size, 3)
    content = codec.compress(items[:, :size] if name == "signals" else items, psnr=20)
    np.testing.assert_array_equal(np.stack(decode(content, model)), codec.decompress(content))


@pytest.mark.parametrize("name", ["signals", "sounds", "volumes"])
def test_the_decoder_of_the_docs_reads_windows(codecs, decode, monkeypatch, name):
    monkeypatch.setattr("narrows.codec.windows.MOST_VALUES", 128)
    codec, model = codecs[name]
    long = walk(1, 300).astype(np.float32) if name != "volumes" else (walk(1, 70, 3, 2) * 99).astype(np.int16)
    content = codec.compress(long, max_error=2)
    expected = codec.decompress(content)
    assert np.abs(expected - long.astype(float)).max() <= 2
    np.testing.assert_array_equal(decode(content, model)[0], expected[0])


def small_model(items, design, quantiser):
    """A model for one file that has learned next to nothing."""
    scaling, grid = Scaling.learn(items), grid_of_values(items)
    batches = Batches(items, scaling, 8, 0, torch.device("cpu"), hold_out=False)
    settings = Settings(minutes=None, epochs=1, batch_size=8, learning_rate=1e-3, seed=0)
    training = training_of(networks_of(design, quantiser, False), grid, batches, settings, quantiser.step)
    return training.model(train(training.task), items.axes, "cpu")


@pytest.mark.parametrize("hidden", [8, 48, 128])
@pytest.mark.parametrize(("name", "mode"), [("digits", Mode("lossless")), ("signals", Mode("max_error", 2))])
def test_packed_files_are_decoded(name, mode, hidden, decode):
    make, axes = TRAINING[name]
    items = data.Items.from_array(make(), axes)
    scaling, grid = Scaling.learn(items), grid_of_values(items)
    quantiser = quantiser_of(items, mode, grid, 1)
    design = sized(file_design(items, scaling, grid, None, quantiser.step), hidden, 3, narrow=hidden == 8)
    content = io.BytesIO()
    small_model(items, design, quantiser).compress(items, mode, content, embed_model=True)
    with Archive(content.getvalue(), "x.narrow") as archive:
        expected = archive[:]
    np.testing.assert_array_equal(np.stack(decode(content.getvalue(), None)), expected)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "float64"])
@pytest.mark.parametrize("kind", ["noise", "steps", "alike"])
def test_stored_files_are_decoded(dtype, kind, decode):
    ways = {
        "noise": lambda: RNG.normal(size=(5, 9, 7, 3)) * 99,
        "steps": lambda: np.cumsum(RNG.integers(0, 9, (5, 9, 7, 3)), 1) * 1000,
        "alike": lambda: np.full((5, 9, 7, 3), 5),
    }
    x, content = ways[kind]().astype(dtype), io.BytesIO()
    store(data.Items.from_array(x, "NYXC"), Mode("lossless"), content)
    found = decode(content.getvalue(), None)
    assert (found[0].dtype, np.stack(found).tobytes()) == (x.dtype, x.tobytes())
