"""Recordings: WAV of every depth in and out, alone, in folders, globs and zips, and the damaged."""

import io
import os
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from narrows import data
from narrows.errors import DataError

soundfile = pytest.importorskip("soundfile")

DEPTHS = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]
TYPES = dict(zip(DEPTHS, ["uint8", "int16", "int32", "int32", "float32", "float64"], strict=True))


def samples(depth, frames=1000, channels=1, seed=0):
    """Samples that use all the bits that the depth has, the extremes among them: (frames,) or (frames, channels)."""
    rng = np.random.default_rng(seed)
    dtype, shape = np.dtype(TYPES[depth]), (frames, channels)[: 1 + (channels > 1)]
    if dtype.kind == "f":
        return rng.normal(0, 0.4, shape).astype(dtype)
    ends = np.iinfo(dtype)
    x = rng.integers(ends.min, ends.max, shape, dtype, endpoint=True)
    x.flat[:2] = ends.min, ends.max
    return x & ~255 if depth == "PCM_24" else x


def wav(path, x, rate=8000, depth="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with soundfile.SoundFile(path, "w", rate, x.shape[1] if x.ndim > 1 else 1, depth, format="WAV") as file:
        file.write((x.astype(np.int16) - 128) << 8 if depth == "PCM_U8" else x)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("depth", DEPTHS)
def test_every_depth_comes_in_exactly_and_goes_out_as_the_same_bytes(tmp_path, depth, channels):
    x = samples(depth, channels=channels)
    wav(tmp_path / "in.wav", x, 22050, depth)
    items = data.read(tmp_path / "in.wav")
    assert (items.axes, items.dtype, items.rate, items.names) == (
        "NT" if channels == 1 else "NTC",
        x.dtype,
        22050,
        ["in.wav"],
    )
    np.testing.assert_array_equal(items[0], x)
    data.write(items, tmp_path / "out.wav")
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.subtype, info.samplerate, info.channels, info.frames) == (depth, 22050, channels, 1000)
    np.testing.assert_array_equal(data.read(tmp_path / "out.wav")[0], x)


def test_8_bits_are_what_the_file_holds(tmp_path):
    x = np.arange(256, dtype=np.uint8)
    content = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 256, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", 256
    )
    (tmp_path / "x.wav").write_bytes(content + x.tobytes())
    np.testing.assert_array_equal(data.read(tmp_path / "x.wav")[0], x)
    data.write(data.read(tmp_path / "x.wav"), tmp_path / "y.wav")
    assert (tmp_path / "y.wav").read_bytes()[-256:] == x.tobytes()


def test_more_than_one_block(tmp_path, monkeypatch):
    monkeypatch.setattr("narrows.data.formats.wav._BLOCK", 300)
    x = samples("PCM_24", channels=2)
    wav(tmp_path / "in.wav", x, depth="PCM_24")
    data.write(data.read(tmp_path / "in.wav"), tmp_path / "out.wav")
    assert soundfile.info(tmp_path / "out.wav").subtype == "PCM_24"
    np.testing.assert_array_equal(data.read(tmp_path / "out.wav")[0], x)


def lengths(folder):
    """Recordings of different lengths, one in a sub-folder."""
    found = {"a/10.wav": 700, "a/9.WAV": 300, "b.wav": 500}
    for seed, (name, length) in enumerate(found.items()):
        wav(folder / name, samples("PCM_16", length, seed=seed))
    return ["a/9.WAV", "a/10.wav", "b.wav"]


def test_folder_glob_and_zip_of_different_lengths(tmp_path):
    names = lengths(tmp_path / "sounds")
    with zipfile.ZipFile(tmp_path / "sounds.zip", "w") as archive:
        for name in names:
            archive.write(tmp_path / "sounds" / name, name)
    for source in (tmp_path / "sounds", tmp_path / "sounds.zip", f"{tmp_path}/sounds/**/*.[wW]*"):
        items = data.read(source)
        assert (items.names, items.axes, items.rate, [len(item) for item in items]) == (
            names,
            "NT",
            8000,
            [300, 700, 500],
        )
        np.testing.assert_array_equal(items[1], samples("PCM_16", 700, seed=0))
    data.write(items, f"{tmp_path}/out/")
    assert (tmp_path / "out/a/9.WAV").exists()
    again = data.read(tmp_path / "out")
    assert again.names == names
    for one, other in zip(again, items, strict=True):
        np.testing.assert_array_equal(one, other)


def test_recordings_of_one_length_are_one_array(tmp_path):
    for name in "abc":
        wav(tmp_path / f"{name}.wav", samples("FLOAT", 50, 2), depth="FLOAT")
    items = data.read(tmp_path)
    assert items.uniform
    assert items.values.shape == (3, 50, 2)


def test_from_standard_input(tmp_path):
    wav(tmp_path / "x.wav", samples("PCM_16"))
    items = data.read("-", stdin=io.BytesIO((tmp_path / "x.wav").read_bytes()))
    np.testing.assert_array_equal(items[0], samples("PCM_16"))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"rate": 16000}, r"a\.wav has 8000 Hz, b\.wav has 16000; convert them to one rate"),
        ({"channels": 2}, r"a\.wav has 1 channel\(s\), b\.wav has 2; mix them down"),
        ({"depth": "FLOAT"}, r"a\.wav has int16 values, b\.wav has float32; convert them to one type"),
    ],
)
def test_recordings_that_do_not_go_together_are_named(tmp_path, other, message):
    wav(tmp_path / "a.wav", samples("PCM_16"))
    depth = other.get("depth", "PCM_16")
    wav(tmp_path / "b.wav", samples(depth, channels=other.get("channels", 1)), other.get("rate", 8000), depth)
    with pytest.raises(DataError, match=message):
        data.read(tmp_path)


def test_images_and_recordings_in_one_folder(tmp_path):
    wav(tmp_path / "a.wav", samples("PCM_16"))
    data.write(data.Items.from_array(np.zeros((1, 4, 4), np.uint8)), tmp_path / "b.png")
    with pytest.raises(DataError, match=r"audio files \(a\.wav\) and image files \(b\.png\); name one kind"):
        data.read(tmp_path)
    assert data.read(f"{tmp_path}/*.wav").axes == "NT"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:1000], "truncated: its header promises 2044 bytes, and it has 1000"),
        (lambda content: content[:30], "truncated"),
        (lambda content: b"", "empty"),
        (lambda content: content[:44].replace(b"\xd0\x07", b"\0\0"), "."),
        (lambda content: content[:8] + b"WAVE" + bytes(len(content) - 12), "."),
        (lambda content: content.replace(b"\x01\0\x01\0", b"\x01\0\0\0", 1), "."),
        (lambda content: content.replace(b"data", b"dada"), "."),
    ],
)
def test_damaged_recordings(tmp_path, damage, message):
    wav(tmp_path / "good.wav", samples("PCM_16"))
    (tmp_path / "bad.wav").write_bytes(damage((tmp_path / "good.wav").read_bytes()))
    with pytest.raises(DataError, match=message) as raised:
        data.read(tmp_path / "bad.wav")
    assert str(raised.value).startswith(f"{tmp_path}/bad.wav: ")
    assert "\n" not in str(raised.value)
    items = data.read(tmp_path)
    assert [name for name, _ in items.skipped] == ["bad.wav"]
    np.testing.assert_array_equal(items[0], samples("PCM_16"))
    with pytest.raises(DataError, match=r"bad\.wav"):
        data.read(tmp_path, strict=True)


def test_a_recorder_that_was_cut_off_left_no_length(tmp_path):
    wav(tmp_path / "x.wav", samples("PCM_16"))
    content = bytearray((tmp_path / "x.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "x.wav").write_bytes(content)
    np.testing.assert_array_equal(data.read(tmp_path / "x.wav")[0], samples("PCM_16"))


def test_sound_coded_otherwise(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.zeros(100), 8000, "ULAW")
    with pytest.raises(DataError, match="audio coded as ULAW"):
        data.read(tmp_path / "x.wav")


def test_axes_that_are_not_those_of_recordings(tmp_path):
    wav(tmp_path / "x.wav", samples("PCM_16"))
    assert data.read(tmp_path / "x.wav", axes="T").axes == "NT"
    with pytest.raises(DataError, match="the items have the axes NT"):
        data.read(tmp_path / "x.wav", axes="NYX")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (data.Items.from_array(np.zeros((1, 9), np.int16), "NT"), "needs a sample rate"),
        (data.Items.from_array(np.zeros((2, 9), np.int16), "NT", rate=8000), "one WAV cannot hold several items"),
        (data.Items.from_array(np.zeros((1, 9), np.int64), "NT", rate=8000), "WAV holds .*, not int64; write .npy"),
        (data.Items.from_array(np.zeros((1, 9, 9), np.uint8)), "not recordings; write .npy"),
    ],
)
def test_what_a_wav_cannot_hold(tmp_path, items, message):
    with pytest.raises(DataError, match=message):
        data.write(items, tmp_path / "x.wav")
    assert not os.listdir(tmp_path)


def test_without_the_library_the_error_says_what_to_install(tmp_path, monkeypatch):
    wav(tmp_path / "x.wav", samples("PCM_16"))
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    with pytest.raises(DataError, match=r"WAV needs soundfile; pip install 'narrows\[audio\]'"):
        data.read(tmp_path / "x.wav")


@pytest.mark.parametrize("depth", ["PCM_24", "PCM_32"])
def test_recordings_keep_their_bits_whatever_the_values(tmp_path, depth):
    """Of 24 bits what is no multiple of 256, and of 32 bits what is."""
    wav(tmp_path / "in.wav", samples("PCM_24"), depth=depth)
    items = data.read(tmp_path / "in.wav")
    assert items.bits == [int(depth[-2:])]
    moved = replace(items, values=np.clip(items.values.astype(np.int64) + 100, None, 2**31 - 1).astype(np.int32))
    for written in (items, moved):
        data.write(written, tmp_path / "out.wav")
        assert soundfile.info(tmp_path / "out.wav").subtype == depth
        off = data.read(tmp_path / "out.wav")[0].astype(np.int64) - written[0]
        assert np.abs(off).max() <= (0 if depth == "PCM_32" else 255)


@pytest.mark.parametrize("channels", [1, 2])
def test_recordings_of_different_depths_are_read_together(tmp_path, channels):
    for number, depth in enumerate(DEPTHS[:4]):
        wav(tmp_path / f"in/{number}.wav", samples(depth, channels=channels, seed=number), depth=depth)
    items = data.read(tmp_path / "in")
    assert (items.dtype, items.bits) == (np.int32, [8, 16, 24, 32])
    assert items.notes == [
        f"{tmp_path}/in: recordings of 8, 16, 24 and 32 bits are read as integers of 32; "
        "they are written with the bits of each"
    ]
    np.testing.assert_array_equal(items[1], samples("PCM_16", channels=channels, seed=1).astype(np.int32) << 16)
    data.write(items, f"{tmp_path}/out/")
    for number, depth in enumerate(DEPTHS[:4]):
        before, after = (soundfile.SoundFile(tmp_path / folder / f"{number}.wav") for folder in ("in", "out"))
        with before, after:
            assert after.subtype == depth
            np.testing.assert_array_equal(before.read(dtype="int32"), after.read(dtype="int32"))


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_values_are_rounded_to_their_bits(tmp_path, bits):
    step = 2 ** (32 - bits)
    values = np.array([0, step // 2 - 1, step // 2, step, -step // 2, -(2**31), 2**31 - 1], np.int32)
    items = data.Items.from_array(values[None], "NT", rate=8000, bits=[bits])
    data.write(items, tmp_path / "x.wav")
    with soundfile.SoundFile(tmp_path / "x.wav") as file:
        written = file.read(dtype="int32") // step
    np.testing.assert_array_equal(written, [0, 0, 1, 1, 0, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1])


def test_integers_and_floats_are_not_read_together(tmp_path):
    for depth in ("PCM_16", "FLOAT"):
        wav(tmp_path / f"in/{depth}.wav", samples(depth), depth=depth)
    with pytest.raises(DataError, match=r"FLOAT.wav has float32 values, PCM_16.wav has int16"):
        data.read(tmp_path / "in")


def test_recordings_of_a_folder_keep_their_own_bits(tmp_path):
    depths = ["PCM_24", "PCM_32", "PCM_24"]
    for number, depth in enumerate(depths):
        wav(tmp_path / f"in/{number}.wav", samples("PCM_24", 100 + number) + 3 * (depth == "PCM_32"), depth=depth)
    items = data.read(tmp_path / "in")
    data.write(replace(items, values=items.values // 3), f"{tmp_path}/out/")
    assert [soundfile.info(path).subtype for path in sorted((tmp_path / "out").iterdir())] == depths
    data.write(items.select([2, 1]), f"{tmp_path}/some/")
    assert [soundfile.info(path).subtype for path in sorted((tmp_path / "some").iterdir())] == ["PCM_32", "PCM_24"]
