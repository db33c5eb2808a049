"""Compressed data that would fill the memory, headers that promise too much, and files that change meanwhile."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from narrows import data
from narrows.data import memory
from narrows.errors import DataError


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2**22)


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def with_header(text, body=b""):
    header = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def zipped(**entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("_", "."), content)
    return file.getvalue()


BOMBS = {
    "x.npy.gz": gzip.compress(npy(np.zeros((8, 1000, 1000), np.uint8))),
    "x.npz": zipped(a_npy=npy(np.zeros((8, 1000, 1000), np.uint8))),
    "x.zip": zipped(a_bmp=bytes(2**23)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_compressed_data_are_unpacked_as_far_as_memory_reaches(name, tmp_path, little_memory):
    (tmp_path / name).write_bytes(BOMBS[name])
    with pytest.raises(DataError, match=r"unpacks to [0-9,]+ bytes or more, over half of the free memory"):
        data.read(tmp_path / name)


@pytest.mark.parametrize(
    "shape", ["(-2, -4)", "(True, 2, 4)", "(2, True, 4)", "(8, 1.0)", "(" + "1, " * 70 + "8)", "(2**60, 2**60)", "'8'"]
)
def test_shapes_that_cannot_be(shape, tmp_path):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}"
    (tmp_path / "x.npy").write_bytes(with_header(header, bytes(8)))
    with pytest.raises(DataError):
        data.read(tmp_path / "x.npy")


def test_a_file_that_is_cut_off_while_it_is_used(tmp_path):
    values = (np.arange(6000) % 256).astype(np.uint8)
    np.save(tmp_path / "x.npy", values.reshape(10, 20, 30))
    items = data.read(tmp_path / "x.npy")
    with open(tmp_path / "x.npy", "r+b") as file:
        file.truncate(200)
    np.testing.assert_array_equal(items.values.reshape(-1), values)


def test_a_full_temporary_folder_is_an_error(monkeypatch, little_memory):
    def full(descriptor, offset, length):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        memory.allocate(2**22, np.dtype(np.uint8))


def test_arrays_of_arrays_are_refused(tmp_path):
    header = "{'descr': ('<i4', (2,)), 'fortran_order': False, 'shape': (4, 5)}"
    (tmp_path / "a.npy").write_bytes(with_header(header, bytes(160)))
    with pytest.raises(DataError, match=r"a\.npy: values of the type .* are not read"):
        data.read(tmp_path / "a.npy")


def test_images_without_channels_are_refused_or_left_out(tmp_path):
    content = io.BytesIO()
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(content, "TIFF")
    samples = struct.pack("<HHI", 277, 3, 1)  # tag, type and count of SamplesPerPixel
    bits = struct.pack("<HHI", 258, 3, 3)  # BitsPerSample
    assert samples + b"\3" in content.getvalue()
    assert bits in content.getvalue()
    damaged = content.getvalue().replace(samples + b"\3", samples + b"\0").replace(bits, bytes(2) + bits[2:])
    (tmp_path / "a.tif").write_bytes(damaged)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "a.tif")
    for name in ("a.tif", "a.zip"):
        with pytest.raises(DataError) as caught:
            data.read(tmp_path / name)
        assert "\n" not in str(caught.value)
