"""Compressed data that would fill the memory, headers that promise too much, and files that change meanwhile."""

import gzip
import io
import logging
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from narrows import data
from narrows.data import memory
from narrows.data.conversion import convert, open_table
from narrows.data.formats import ReadOptions, read_content
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


def encoded(array, format, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format, **options)
    return file.getvalue()


LARGE_PICTURE = np.zeros((2100, 2000), np.uint8)
BOMBS = {
    "x.npy.gz": gzip.compress(npy(np.zeros((8, 1000, 1000), np.uint8))),
    "x.npz": zipped(a_npy=npy(np.zeros((8, 1000, 1000), np.uint8))),
    "several.npz": zipped(**{f"a{index}_npy": npy(np.zeros((1000, 500), np.uint8)) for index in range(8)}),
    "x.zip": zipped(a_bmp=bytes(2**23)),
    "x.csv.gz": gzip.compress(b"a,b\n" + b"1,2\n" * 2**21),
    "x.png": encoded(LARGE_PICTURE, "PNG"),
    "x.jpg": encoded(LARGE_PICTURE, "JPEG"),
    "x.webp": encoded(LARGE_PICTURE, "WEBP", lossless=True),
    "x.gif": encoded(LARGE_PICTURE, "GIF"),
    "deflate.tif": encoded(LARGE_PICTURE, "TIFF", compression="tiff_adobe_deflate"),
    "fax.tif": encoded(LARGE_PICTURE > 0, "TIFF", compression="group4"),
    "jpeg.tif": encoded(np.dstack([LARGE_PICTURE] * 3), "TIFF", compression="jpeg"),
    "pages.tif": encoded(
        LARGE_PICTURE,
        "TIFF",
        compression="tiff_adobe_deflate",
        save_all=True,
        append_images=[Image.fromarray(LARGE_PICTURE)],
    ),
    "pictures.zip": zipped(a_png=encoded(LARGE_PICTURE, "PNG")),
}


@pytest.mark.parametrize("name", BOMBS)
def test_compressed_data_are_unpacked_as_far_as_memory_reaches(name, tmp_path, little_memory):
    (tmp_path / name).write_bytes(BOMBS[name])
    with pytest.raises(DataError, match=r"unpacks to [0-9,]+ bytes or more, over half of the free memory"):
        data.read(tmp_path / name)


def test_one_array_of_several_is_unpacked_alone(tmp_path, little_memory):
    (tmp_path / "x.npz").write_bytes(BOMBS["several.npz"])
    assert data.read(f"{tmp_path}/x.npz:a3").values.shape == (1000, 500)


def test_tables_that_compress_as_tables_do_are_read_in_parts(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).integers(10**15, 10**16, (20_000, 2))
    text = b"a,b\n" + b"".join(b"%d,%d\n" % tuple(row) for row in rows.tolist())
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(text))
    monkeypatch.setattr(memory, "free_memory", lambda: 1.5 * len(text))
    np.testing.assert_array_equal(data.read(tmp_path / "x.csv.gz").values, rows)


STARTS = [b"", b"a,b\n", b"a,b\n1,2\n", b'a,b\n"', b'"a,b\n', b"a,b\n1,"]
ENDLESS = [(start, filling) for start in STARTS for filling in (b"1", b"x", b",")]


@pytest.mark.parametrize(("start", "filling"), [*ENDLESS, (b'a,b\n"', b"x\n"), (b'"a,b\n', b"x\n")])
def test_endless_rows_are_refused_early(start, filling, tmp_path, monkeypatch):
    monkeypatch.setattr("narrows.data.formats.csv_parser.BLOCK", 2**16)
    (tmp_path / "x.csv").write_bytes(start + filling * 2**18)
    with pytest.raises(DataError, match=r"has no end within [0-9,]+ bytes"):
        data.read(tmp_path / "x.csv")


MODES = {
    ".png": ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"],
    ".tif": ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "F"],
    ".webp": ["L", "RGB", "RGBA"],
    ".jpg": ["L", "RGB", "CMYK"],
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in MODES.items() for mode in modes])
def test_bands_of_a_picture_are_what_the_whole_is(mode, suffix, tmp_path, monkeypatch):
    colours = np.random.default_rng(0).integers(0, 256, (50, 30, 4), np.uint8)
    picture = (
        Image.fromarray(colours).convert(mode)
        if mode not in ("I;16", "F")
        else Image.fromarray(colours[..., 0].astype({"F": np.float32}.get(mode, np.uint16)) * 200)
    )
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    picture.save(tmp_path / f"x{suffix}", exif=exif)
    whole = data.read(tmp_path / f"x{suffix}").values
    for module in ("pillow", "tiff"):
        monkeypatch.setattr(f"narrows.data.formats.{module}._BAND", 100)
    np.testing.assert_array_equal(data.read(tmp_path / f"x{suffix}").values, whole)


def test_blank_pages_compress_to_next_to_nothing(tmp_path):
    Image.new("1", (10_000, 6000), 1).save(tmp_path / "x.tif", compression="group4")
    assert (tmp_path / "x.tif").stat().st_size < 10_000 * 6000 / 10_000
    assert data.read(tmp_path / "x.tif").values.min() == 255


def test_pictures_beyond_the_limit_of_pillow_are_read_and_the_limit_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for name in ("x.png", "x.jpg", "x.webp", "x.gif", "deflate.tif", "fax.tif", "jpeg.tif"):
        (tmp_path / name).write_bytes(BOMBS[name])
        assert data.read(tmp_path / name).values.shape[1:3] == LARGE_PICTURE.shape
        for limit in (1000, LARGE_PICTURE.size - 1):  # an error of Pillow, or a warning
            monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
            assert len(data.read("-", stdin=io.BytesIO(BOMBS[name]))) == 1
            assert limit == Image.MAX_IMAGE_PIXELS
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
        with pytest.raises(Image.DecompressionBombError):
            Image.open(tmp_path / name)


def test_threads_that_decode_leave_the_settings_of_the_process(tmp_path):
    Image.fromarray(LARGE_PICTURE[:300]).save(tmp_path / "x.png")
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters), logging.getLogger("tifffile").level
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: data.read(tmp_path / "x.png"), range(50)))
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters), logging.getLogger("tifffile").level) == before


def test_large_files_of_a_set_are_decoded_one_after_the_other(tmp_path, monkeypatch):
    for index in range(6):
        Image.fromarray(LARGE_PICTURE).save(tmp_path / f"{index}.png")
    lock, inside, most = threading.Lock(), 0, 0

    def decode(source):
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.02)
        with lock:
            inside -= 1
        return LARGE_PICTURE[..., None]

    monkeypatch.setattr("narrows.data.formats.images.decode", decode)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("narrows.data.formats.members.free_memory", lambda: 2**22 * 4)
    assert len(data.read(tmp_path)) == 6
    assert most == 1


def parquet(table, **options):
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


TEXT = "x" * 2**14
PARQUET_BOMBS = {
    "numbers that repeat": (parquet(pa.table({"a": np.zeros(2**20, np.int8), "b": np.ones(2**20)})), "unpacks to"),
    "text that repeats": (parquet(pa.table({"a": [TEXT] * 2000})), "unpacks to"),
    "text that is compressed": (
        parquet(pa.table({"a": [TEXT] * 2000}), use_dictionary=False, compression="zstd"),
        "unpacks to",
    ),
    "text as differences": (
        parquet(pa.table({"a": [TEXT] * 2000}), use_dictionary=False, column_encoding={"a": "DELTA_BYTE_ARRAY"}),
        "unpacks to",
    ),
    "lists": (parquet(pa.table({"a": [[0] * 2**20]})), "column 'a' holds lists or structures; flatten it"),
}


@pytest.mark.parametrize("kind", PARQUET_BOMBS)
def test_small_parquet_files_that_hold_much(kind, tmp_path, little_memory):
    content, error = PARQUET_BOMBS[kind]
    assert len(content) < 2**16
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(DataError, match=error):
        data.read(tmp_path / "x.parquet")


@pytest.mark.parametrize("type", [pa.string(), pa.large_string(), pa.string_view()])
@pytest.mark.parametrize(
    "options", [{}, {"use_dictionary": False}, {"column_encoding": {"a": "DELTA_BYTE_ARRAY"}, "use_dictionary": False}]
)
def test_long_texts_are_read_in_smaller_parts(type, options, tmp_path, monkeypatch):
    words = [None if index % 7 == 0 else f"word {index % 5}" * 9 for index in range(3000)]
    pq.write_table(pa.table({"a": pa.array(words, type), "b": np.arange(3000)}), tmp_path / "x.parquet", **options)
    whole = data.read(tmp_path / "x.parquet")
    monkeypatch.setattr("narrows.data.formats.parquet._TEXT_AT_ONCE", 1000)
    parts = data.read(tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(parts.frame, whole.frame)
    assert parts.columns == whole.columns
    assert parts.frame["a"].isna().sum() == words.count(None)
    reader = open_table(tmp_path / "x.parquet", "x.parquet")
    convert(reader, str(tmp_path / "y.parquet"), lambda frame: frame, fills=True)
    assert pq.read_table(tmp_path / "y.parquet").equals(pq.read_table(tmp_path / "x.parquet"))


def test_parquet_files_of_many_columns(tmp_path):
    columns = {f"c{place}": ["x", None, "y"] if place % 2 else [1, None, place] for place in range(3000)}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet", row_group_size=1)
    frame = data.read(tmp_path / "x.parquet").frame
    assert frame.shape == (3, 3000)
    assert str(frame.dtypes.iloc[0]) == "Int64"


def test_a_few_bytes_that_claim_many_rows(tmp_path, monkeypatch):
    pq.write_table(pa.table({"a": np.zeros(2**21, np.int8)}), tmp_path / "x.parquet")
    monkeypatch.setattr("narrows.data.formats.parquet.check_bomb", lambda *_: None)
    monkeypatch.setattr(memory, "free_memory", lambda: 2**23)
    content = (tmp_path / "x.parquet").read_bytes()
    with pytest.raises(DataError, match=r"drawing from 2,097,152 rows takes 16,777,216 bytes or more, over half"):
        read_content(content, "x.parquet", ReadOptions(most_cells=2**20))


def test_standard_input_without_an_end_is_refused(little_memory):
    class Endless(io.RawIOBase):
        def read(self, size=-1):
            return bytes(size)

    with pytest.raises(DataError, match=r"standard input: has [0-9,]+ bytes or more, over half .*; write it to a file"):
        data.read("-", stdin=Endless())


def test_files_that_are_compressed_twice_are_refused(tmp_path):
    (tmp_path / "x.npy.gz").write_bytes(gzip.compress(gzip.compress(npy(np.zeros((2, 3, 4))))))
    with pytest.raises(DataError, match=r"x\.npy\.gz: is compressed twice; unpack it first"):
        data.read(tmp_path / "x.npy.gz")


@pytest.mark.parametrize("pages", [1, 2])
def test_strips_that_go_on_behind_their_pixels_are_not_inflated(pages, tmp_path, little_memory, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    values = np.arange(2 * 64 * 64, dtype=np.uint8).reshape(2, 64, 64)
    tifffile.imwrite(tmp_path / "x.tif", values[:pages], compression="zlib", photometric="minisblack", metadata=None)
    whole, strip = (tmp_path / "x.tif").read_bytes(), zlib.compress(bytes(2**23))
    (tmp_path / "x.tif").write_bytes(whole + strip)
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as file:
        tags = file.pages[pages - 1].tags
        tags["StripOffsets"].overwrite([len(whole)])
        tags["StripByteCounts"].overwrite([len(strip)])
    with pytest.raises(DataError, match="its compressed pixels are more than its header promises"):
        data.read(tmp_path / "x.tif")
    (tmp_path / "x.tif").write_bytes(whole)
    assert data.read(tmp_path / "x.tif").values.shape == (pages, 64, 64)


@pytest.mark.parametrize("name", ["x.npz", "x.zip"])
def test_archives_whose_members_claim_to_be_longer_are_refused(name, tmp_path):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("a.npy", b"0" * 99)
    content = (tmp_path / name).read_bytes()
    at = content.index(b"PK\1\2") + 20  # the compressed length in the table of contents
    (tmp_path / name).write_bytes(content[:at] + (2**32 - 2).to_bytes(4, "little") + content[at + 4 :])
    with pytest.raises(DataError, match=r"damaged archive \(it says that a file in it is larger than the archive\)"):
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


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="the system keeps files that are mapped")
@pytest.mark.parametrize("name", ["x.npy", "x.idx", "x.tif"])
@pytest.mark.parametrize("use", ["items.values.sum()", "torch.from_numpy(items.values)[[7]].sum()", "items[7]"])
def test_a_mapped_file_that_is_cut_off_ends_the_process_in_one_line(name, use, tmp_path):
    data.write(data.Items(np.zeros((8, 100, 100), np.uint8), "NYX"), tmp_path / name)
    script = f"""
import os, sys, warnings
from narrows import data
from narrows.data import memory
memory.free_memory = lambda: 1000
items = data.read(sys.argv[1])
os.truncate(sys.argv[1], 4096)
{"import torch; warnings.simplefilter('ignore')" * ("torch" in use)}
{use}.copy()
"""
    command = [sys.executable, "-c", script, str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONFAULTHANDLER": ""})
    assert done.stderr == f"narrows: error: {tmp_path / name}: was cut off while it was read\n"
    assert done.returncode == 1


@pytest.mark.parametrize("name", ["x.bmp", "x.pgm", "x.tif"])
def test_pictures_are_not_mapped(name, tmp_path, monkeypatch):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)
    Image.fromarray(picture).save(tmp_path / name)
    monkeypatch.setattr("mmap.mmap", None)
    np.testing.assert_array_equal(data.read(tmp_path / name).values[0], picture)


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
