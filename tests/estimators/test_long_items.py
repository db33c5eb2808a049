"""Long recordings through the codec: in windows, whatever is asked for."""

import math

import numpy as np
import pytest

import narrows
from narrows import Codec

from ..made_up import waves


@pytest.fixture(scope="module")
def codec():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("narrows.training.loop.MUST_BEAT", math.inf)
        return Codec(epochs=1, axes="TC").fit((waves(1, 3000, channels=2)[0] * 8.0).astype(np.int16))


@pytest.mark.parametrize("mode", [{"lossless": True}, {"max_error": 5}, {"psnr": 30}, {"quality": 45}])
def test_a_long_recording_keeps_what_was_asked(codec, mode, monkeypatch, tmp_path):
    x = (waves(1, 5003, channels=2, seed=1)[0] * 8.0).astype(np.int16)
    monkeypatch.setattr("narrows.codec.windows.MOST_VALUES", 2048)
    blob = codec.compress(x, **mode)
    monkeypatch.undo()
    found = codec.decompress(blob).reshape(x.shape)
    error = found.astype(float) - x
    assert np.abs(error).max() <= mode.get("max_error", 0 if "lossless" in mode else math.inf)
    if "psnr" in mode:
        assert 10 * math.log10(float(np.ptp(x)) ** 2 / np.mean(error**2)) >= 30
    seams = np.abs(error)[512:-512:512]
    assert seams.mean() <= 2 * np.abs(error).mean() + 1
    (tmp_path / "x.narrow").write_bytes(blob)
    with narrows.open(tmp_path / "x.narrow", model=codec) as archive:
        np.testing.assert_array_equal(archive.read(level=2).values[0][::4], archive.read(level=4).values[0])


@pytest.mark.parametrize("wanted", [20, 30, 45])
def test_recordings_unlike_each_other_reach_a_psnr(wanted):
    steps = np.random.default_rng(0).normal(0, 40, (3, 2, 3000)) * np.array([1, 4, 0.1])[:, None, None]
    x = np.cumsum(steps, 2).astype(np.int16)
    codec = Codec(epochs=1, axes="NCT").fit(x)
    error = codec.decompress(codec.compress(x, psnr=wanted)).astype(float) - x
    scaling = codec.model_.coder.scaling
    span = scaling.high - scaling.low if scaling.is_range else np.ptp(x.astype(float))
    assert 10 * math.log10(span**2 / np.mean(error**2)) >= wanted
