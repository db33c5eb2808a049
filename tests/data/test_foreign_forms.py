"""Files of forms that are not read are named as what they are, with what to do about it."""

import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pytest

from narrows import Autoencoder, data
from narrows.errors import DataError, DataWarning

from ..made_up import waves

TABLE = b"a,b\n1,2\n3,4\n"
REST = bytes(600)


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, TABLE)
    return file.getvalue()


FILES = {
    "table.txt": (TABLE, "is text; a table.* name it .csv"),
    "table.dat": (TABLE.replace(b",", b"\t"), "is text; a table.* name it .csv"),
    "table": (b"\xef\xbb\xbf" + TABLE, "is text; a table.* name it .csv"),
    "wide.txt": (TABLE.decode().encode("utf-16"), "is text; a table.* name it .csv"),
    "table.csv.zip": (zipped("table.csv"), "no images or recordings, but 1 .csv file; unpack it; a table is one file"),
    "table.csv.bz2": (bz2.compress(TABLE), "is compressed by bzip2; unpack it"),
    "table.csv.xz": (lzma.compress(TABLE), "is compressed by xz; unpack it"),
    "table.xlsx": (zipped("[Content_Types].xml", "xl/workbook.xml"), "is an Excel workbook; export the table as .csv"),
    "table.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + REST, "is a Microsoft Office document; export the table"),
    "table.feather": (b"ARROW1\0\0" + REST, "is a Feather file; export the table as .csv or .parquet"),
    "table.orc": (b"ORC" + REST, "is an ORC file; export the table"),
    "table.rds": (gzip.compress(b"X\n\0\0\0\3" + REST), "is an R data file; export the table"),
    "table.sqlite": (b"SQLite format 3\0" + REST, "is an SQLite database; export the table"),
    "table.json": (b' [{"a": 1}]', "is JSON; export the table"),
    "array.h5": (b"\x89HDF\r\n\x1a\n" + REST, "is an HDF5 file; save the array as .npy"),
    "array.mat": (b"MATLAB 5.0 MAT-file" + REST, "is a MATLAB file; save the array as .npy"),
    "array.pt": (zipped("array/data.pkl"), "is a PyTorch file; save the array as .npy"),
    "array.pkl": (b"\x80\4\x95" + REST, "is a pickle, which could run code; save the array as .npy"),
    "scan.nii": (b"\x5c\1" + bytes(342) + b"n+1\0" + REST, "is a NIfTI file; save the array as .npy"),
    "scan.dcm": (bytes(128) + b"DICM" + REST, "is a DICOM file; save the array as .npy"),
    "sound.flac": (b"fLaC" + REST, "is FLAC audio; convert it to WAV"),
    "sound.wav": (b"OggS" + REST, "is Ogg audio; convert it to WAV"),
    "sound.mp3": (b"ID3\3" + REST, "is MP3 audio; convert it to WAV"),
    "sound.aiff": (b"FORM\0\0\0\0AIFF" + REST, "is AIFF audio; convert it to WAV"),
    "image.heic": (b"\0\0\0\x18ftypheic" + REST, "is a HEIC image; convert it to PNG or TIFF"),
    "image.exr": (b"\x76\x2f\x31\1" + REST, "is an OpenEXR image; convert it to TIFF"),
    "image.svg": (b"<svg/>", "is an HTML or XML document"),
    "m.safetensors": (
        bytes([40, 0, 0, 0, 0, 0, 0, 0]) + b'{"__metadata__": {}}' + REST,
        "such as a model; name the data",
    ),
    "x.narrow": (b"NRW\1" + REST, "is a compressed file .*decompress it first"),
    "noise.raw": (bytes(range(1, 200)), r"of unknown form; what is read: images, .*\.npy.*\.csv.*\.parquet"),
    "zeros.bin": (REST, "of unknown form; what is read: images"),
    "nothing.dat": (b"", "empty, 0 bytes"),
    "page.png": (b"<html>Not found</html>", "not an image of a known format, but an HTML or XML document"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_foreign_file_is_called_what_it_is(tmp_path, name):
    content, message = FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        data.read(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert "\n" not in str(error.value)
    assert "damaged" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["a.csv", "b.csv", "c.md"],
            "no images or recordings, but 2 .csv files; a table is one file: name one of them",
        ),
        (["a.npy", "b.npy"], "but 2 .npy files; name one of them, or put the items into one"),
        (["a.flac"], "but 1 .flac file; of audio, WAV alone is read"),
        (["m.safetensors"], "but 1 .safetensors file; those are models"),
        (["README"], "but 1 file.* without a suffix; what is read: images"),
        ([".hidden.png"], "nor other files"),
        ([], "nor other files"),
    ],
)
def test_a_folder_of_other_files_says_what_it_holds(tmp_path, names, message):
    for name in names:
        (tmp_path / name).write_bytes(TABLE)
    with pytest.raises(DataError, match=f"holds no images or recordings, .*{message.partition('but')[2] or message}"):
        data.read(tmp_path)
    with pytest.raises(DataError, match="holds no images or recordings"):
        data.read(f"{tmp_path}/*")
    (tmp_path / "all.zip").write_bytes(zipped(*names))
    with pytest.raises(DataError, match="no array of numbers" if "a.npy" in names else "holds no images or recordings"):
        data.read(tmp_path / "all.zip")


@pytest.mark.parametrize("name", ["x.ppm", "x.tga", "x.webp", "x.bmp", "x.pcx", "x.gif"])
@pytest.mark.parametrize("suffix", ["", ".dat"])
def test_images_without_a_name_are_read(tmp_path, name, suffix):
    from PIL import Image

    image = np.random.default_rng(0).integers(0, 256, (90, 80), np.uint8)
    Image.fromarray(image).save(tmp_path / name, **({"lossless": True} if name == "x.webp" else {}))
    (tmp_path / "x").write_bytes((tmp_path / name).read_bytes())
    (tmp_path / "x").rename(tmp_path / f"unnamed{suffix}")
    read = data.read(tmp_path / f"unnamed{suffix}").values[0]
    np.testing.assert_array_equal(read if read.ndim == 2 else read[..., 0], image)


@pytest.mark.parametrize("channels", [3, 4])
def test_an_array_that_may_be_one_colour_image_has_a_note(tmp_path, channels):
    image = np.zeros((30, 45, channels), np.uint8)
    np.save(tmp_path / "x.npy", image)
    items = data.read(tmp_path / "x.npy")
    assert (items.axes, len(items)) == ("NYX", 30)
    read_as = f"read as 30 grey images of 45x{channels}; if it is one colour image, specify the axes YXC"
    assert items.notes == [f"{tmp_path / 'x.npy'}: {read_as}"]
    assert data.read(tmp_path / "x.npy", expected_axes="NYX").notes == items.notes
    for given in ({"axes": "YXC"}, {"expected_axes": "NYXC"}):
        items = data.read(tmp_path / "x.npy", **given)
        assert (items.axes, items.item_shape, items.notes) == ("NYXC", image.shape, [])


@pytest.mark.parametrize("shape", [(30, 45, 8), (30, 4), (30, 3, 3), (5, 6, 7, 3)])
def test_other_arrays_have_no_note(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.zeros(shape, np.uint8))
    assert data.read(tmp_path / "x.npy").notes == []


def test_fit_warns_of_an_array_that_may_be_one_colour_image():
    with pytest.warns(
        DataWarning, match="^X: read as 30 grey images of 45x3; if it is one colour image, specify the axes"
    ):
        Autoencoder("linear", code=4, epochs=40).fit(waves(30, 45, 3))
