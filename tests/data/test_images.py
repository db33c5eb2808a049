"""Images as they come: every kind, the odd and the damaged, alone and in folders, globs and zips."""

import io
import os
import struct
import warnings
import zipfile
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from narrows import data
from narrows.errors import DataError


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def png_of_16_bits(array):
    """A PNG of (rows, columns, channels) uint16 whose rows take turns with the five filters of the format."""
    rows, columns, channels = array.shape
    step = 2 * channels
    above, lines = np.zeros(columns * step, int), b""
    for index, row in enumerate(array.astype(">u2")):
        line = np.frombuffer(row.tobytes(), np.uint8).astype(int)
        left, corner = (np.concatenate([np.zeros(step, int), values[:-step]]) for values in (line, above))
        estimate = left + above - corner
        distances = np.abs(np.stack([estimate - left, estimate - above, estimate - corner]))
        paeth = np.choose(distances.argmin(axis=0), [left, above, corner])
        prediction = [0 * line, left, above, (left + above) // 2, paeth][index % 5]
        lines += bytes([index % 5]) + ((line - prediction) % 256).astype(np.uint8).tobytes()
        above = line

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", columns, rows, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_keeps_all_bits_of_all_channels(tmp_path, channels):
    array = noise(11, 6, channels, dtype=np.uint16)
    (tmp_path / "x.png").write_bytes(png_of_16_bits(array))
    got = data.read(tmp_path / "x.png")
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got[0], array[..., 0] if channels == 1 else array)


@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_png_with_a_transparent_value(tmp_path, channels):
    array = noise(7, 9, channels, dtype=np.uint16)
    content = png_of_16_bits(array)
    transparent = b"tRNS" + array[2, 3].astype(">u2").tobytes()
    chunk = struct.pack(">I", 2 * channels) + transparent + struct.pack(">I", zlib.crc32(transparent))
    (tmp_path / "x.png").write_bytes(content[:33] + chunk + content[33:])
    image = data.read(tmp_path / "x.png")[0]
    np.testing.assert_array_equal(image[..., :-1], array)
    assert np.argwhere(image[..., -1] != 65535).tolist() == [[2, 3]]
    assert image[2, 3, -1] == 0


def test_16_bit_pgm(tmp_path):
    array = noise(4, 5, dtype=np.uint16)
    save(tmp_path / "x.pgm", array)
    np.testing.assert_array_equal(data.read(tmp_path / "x.pgm")[0], array)


def test_an_image_of_real_numbers(tmp_path):
    array = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    save(tmp_path / "x.tif", array)
    np.testing.assert_array_equal(data.read(tmp_path / "x.tif")[0], array)


def test_one_bit_becomes_black_and_white_of_8(tmp_path):
    array = noise(5, 9) > 100
    for name in ("x.png", "x.tif", "x.pbm"):
        save(tmp_path / name, array)
        np.testing.assert_array_equal(data.read(tmp_path / name)[0], array * np.uint8(255))


@pytest.mark.parametrize("name", ["x.png", "x.gif", "x.bmp", "x.tif"])
def test_a_palette_becomes_colour(tmp_path, name):
    image = Image.fromarray(noise(6, 7, 3)).quantize(5)
    image.save(tmp_path / name)
    np.testing.assert_array_equal(data.read(tmp_path / name)[0], np.asarray(image.convert("RGB")))


def test_cmyk_becomes_colour(tmp_path):
    Image.fromarray(noise(8, 8, 3)).convert("CMYK").save(tmp_path / "x.jpg")
    assert data.read(tmp_path / "x.jpg").item_shape == (8, 8, 3)


def test_a_transparent_palette_keeps_its_alpha(tmp_path):
    image = Image.fromarray(noise(6, 7, 3)).quantize(4)
    image.save(tmp_path / "x.png", transparency=0)
    got = data.read(tmp_path / "x.png")[0]
    np.testing.assert_array_equal(got[..., 3], np.where(np.asarray(image) == 0, 0, 255))


def test_alpha_is_kept_where_any_pixel_of_the_set_is_not_opaque(tmp_path):
    opaque, glass = noise(5, 5, 4), noise(5, 5, 4)
    opaque[..., 3] = 255
    save(tmp_path / "a.png", opaque)
    save(tmp_path / "b.png", noise(5, 5))
    items = data.read(tmp_path)
    assert items.channels == 3
    np.testing.assert_array_equal(items[0], opaque[..., :3])
    save(tmp_path / "c.png", glass)
    items = data.read(tmp_path)
    assert items.channels == 4
    np.testing.assert_array_equal(items[2], glass)
    assert (items[1][..., 3] == 255).all()


def test_opaque_alpha_is_dropped_from_images_of_different_sizes(tmp_path):
    arrays = [noise(5, 5, 4), noise(3, 8, 4)]
    for index, array in enumerate(arrays):
        array[..., 3] = 255
        save(tmp_path / f"{index}.png", array)
    for got, wanted in zip(data.read(tmp_path), arrays, strict=True):
        np.testing.assert_array_equal(got, wanted[..., :3])


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_read_and_it_is_said(tmp_path, format):
    frames = [Image.new("RGB", (6, 5), colour) for colour in ("red", "blue")]
    path = tmp_path / f"x.{format.lower()}"
    frames[0].save(path, format, save_all=True, append_images=frames[1:], lossless=True)
    items = data.read(path)
    assert (items.values == [255, 0, 0]).all()
    assert items.notes == [f"{path.name}: only the first of its frames is read"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x.png", "x.webp"])
def test_the_orientation_that_a_camera_wrote_is_applied(tmp_path, orientation, name):
    image = Image.fromarray(noise(4, 6, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / name, exif=exif, lossless=True)
    turns = [None, None, 0, 3, 1, 5, 4, 6, 2]
    expected = image if orientation == 1 else image.transpose(Image.Transpose(turns[orientation]))
    np.testing.assert_array_equal(data.read(tmp_path / name)[0], np.asarray(expected))


def test_an_image_of_one_pixel(tmp_path):
    save(tmp_path / "x.png", np.full((1, 1), 77, np.uint8))
    assert data.read(tmp_path / "x.png").values.tolist() == [[[77]]]


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg", "group4", "packbits"])
def test_compressed_tiffs(tmp_path, compression):
    array = noise(16, 16) > 90 if compression == "group4" else noise(16, 16, 3) // 64 + 96
    save(tmp_path / "x.tif", array, compression=compression)
    got = data.read(tmp_path / "x.tif")[0]
    if compression == "jpeg":
        assert got.shape == (16, 16, 3)
    else:
        np.testing.assert_array_equal(got, array * np.uint8(255) if array.dtype == bool else array)


def test_compressed_tiff_stacks(tmp_path):
    pages = [Image.fromarray(noise(9, 8, seed=seed)) for seed in range(3)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    items = data.read(tmp_path / "x.tif")
    assert items.axes == "NYX"
    for got, wanted in zip(items, pages, strict=True):
        np.testing.assert_array_equal(got, np.asarray(wanted))


def test_tiffs_where_zero_is_white_are_turned(tmp_path):
    array = noise(5, 6)
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="miniswhite")
    np.testing.assert_array_equal(data.read(tmp_path / "x.tif")[0], 255 - array)


def test_tiffs_of_several_planes_are_channels(tmp_path):
    array = noise(3, 5, 6)
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(data.read(tmp_path / "x.tif")[0], array.transpose(1, 2, 0))


def test_a_big_endian_stack_of_16_bits(tmp_path):
    array = noise(3, 5, 6, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", array, byteorder=">", photometric="minisblack")
    items = data.read(tmp_path / "x.tif")
    assert items.axes == "NYX"
    assert items.dtype.isnative
    np.testing.assert_array_equal(items.values, array)


def test_folders_are_read_in_natural_order_with_their_sub_folders(tmp_path):
    for index, name in enumerate(["10.png", "9.png", "cats/2.png", "cats/10.png", "Bird.PNG"]):
        save(tmp_path / name, np.full((2, 3), index, np.uint8), format="PNG")
    (tmp_path / "notes.txt").write_text("not an image, and not missed")
    save(tmp_path / ".hidden" / "x.png", noise(2, 3))
    (tmp_path / "._9.png").write_bytes(b"what some systems leave beside their files")
    items = data.read(tmp_path)
    assert items.names == ["9.png", "10.png", "Bird.PNG", "cats/2.png", "cats/10.png"]
    assert items.values[:, 0, 0].tolist() == [1, 0, 4, 2, 3]
    assert items.skipped == []


def test_a_glob_names_its_images_from_the_first_wildcard_on(tmp_path):
    for name in ["a/1.png", "a/2.png", "b/1.png", "b/x.jpg"]:
        save(tmp_path / name, noise(3, 3))
    assert data.read(f"{tmp_path}/*/1.png").names == ["a/1.png", "b/1.png"]
    assert data.read(f"{tmp_path}/**/*.png").names == ["a/1.png", "a/2.png", "b/1.png"]
    with pytest.raises(DataError, match="no images or recordings"):
        data.read(f"{tmp_path}/*.gif")


def test_a_folder_whose_name_looks_like_a_glob_is_a_folder(tmp_path):
    save(tmp_path / "shots [1]" / "a.png", noise(3, 3))
    assert len(data.read(tmp_path / "shots [1]")) == 1


def test_grey_among_colour_becomes_colour(tmp_path):
    grey = noise(4, 4)
    save(tmp_path / "a.png", grey)
    save(tmp_path / "b.png", noise(4, 4, 3))
    items = data.read(tmp_path)
    assert items.axes == "NYXC"
    np.testing.assert_array_equal(items[0], np.stack([grey] * 3, axis=-1))


def test_images_of_different_depth_are_refused_by_name(tmp_path):
    save(tmp_path / "a.png", noise(4, 4))
    save(tmp_path / "b.png", noise(4, 4, dtype=np.uint16))
    with pytest.raises(DataError, match=r"a\.png has values of type uint8, b\.png of type uint16"):
        data.read(tmp_path)


def test_images_of_different_numbers_of_channels_are_refused_by_name(tmp_path):
    save(tmp_path / "a.tif", noise(4, 4))
    data.write(data.Items(noise(1, 4, 4, 7), "NYXC", names=["b"]), tmp_path / "sub")
    with pytest.raises(DataError, match="channels"):
        data.read(tmp_path)


def cut(path, keep=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])


@pytest.fixture
def bad_folder(tmp_path):
    """Four good images and one of each way to be bad."""
    for index in range(4):
        save(tmp_path / f"good{index}.png", np.full((40, 30), 50 * index, np.uint8))
    for name in ("cut.png", "cut.jpg", "cut.webp"):
        save(tmp_path / name, noise(40, 30, 3))
        cut(tmp_path / name)
    tifffile.imwrite(tmp_path / "cut.tif", noise(40, 30))
    cut(tmp_path / "cut.tif")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("This is not an image.")
    (tmp_path / "ps.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bomb_header())
    (tmp_path / "bomb.tif").write_bytes(tiff_bomb())
    os.symlink(tmp_path / "nowhere.png", tmp_path / "lost.png")
    return tmp_path


def bomb_header():
    content = b"IHDR" + struct.pack(">IIBBBBB", 10**5, 10**5, 8, 0, 0, 0, 0)
    return struct.pack(">I", 13) + content + struct.pack(">I", zlib.crc32(content)) + struct.pack(">I", 0) + b"IDAT"


def tiff_bomb():
    file = io.BytesIO()
    tifffile.imwrite(file, noise(4, 4), photometric="minisblack")
    return (
        file.getvalue()
        .replace(struct.pack("<HHII", 256, 4, 1, 4), struct.pack("<HHII", 256, 4, 1, 2**31))
        .replace(struct.pack("<HHIHH", 256, 3, 1, 4, 0), struct.pack("<HHII", 256, 4, 1, 2**31))
    )


REASONS = {
    "cut.png": "truncated image (file ends after",
    "cut.jpg": "truncated image (file ends after",
    "cut.webp": "image",
    "cut.tif": "image",
    "empty.png": "empty, 0 bytes",
    "text.png": "not an image of a known format",
    "ps.png": "not an image of a known format",
    "bomb.png": "promises",
    "bomb.tif": "promises",
    "lost.png": "no such file",
}


def test_bad_images_are_skipped_each_with_its_reason(bad_folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        items = data.read(bad_folder)
    assert items.names == [f"good{index}.png" for index in range(4)]
    assert items.values[:, 5, 5].tolist() == [0, 50, 100, 150]
    assert {name for name, _ in items.skipped} == set(REASONS)
    for name, why in items.skipped:
        assert REASONS[name] in why, (name, why)
        assert "\n" not in why


def test_strict_refuses_the_first_bad_image_by_name(bad_folder):
    with pytest.raises(DataError) as error:
        data.read(bad_folder, strict=True)
    assert str(error.value).startswith(f"{bad_folder}/bomb.png: ")


@pytest.mark.parametrize("name", sorted(REASONS.keys() - {"lost.png"}))
def test_a_bad_image_alone_is_an_error_that_names_it(bad_folder, name):
    with pytest.raises(DataError) as error:
        data.read(bad_folder / name)
    assert str(error.value).startswith(f"{bad_folder / name}: ")
    assert REASONS[name] in str(error.value)


def test_bad_images_leave_no_gap_among_images_of_different_sizes(tmp_path):
    arrays = {}
    for index in range(6):
        arrays[f"{index}.png"] = noise(20 + index, 30, 3, seed=index)
        save(tmp_path / f"{index}.png", arrays[f"{index}.png"])
    cut(tmp_path / "0.png")
    cut(tmp_path / "3.png")
    items = data.read(tmp_path)
    assert items.names == ["1.png", "2.png", "4.png", "5.png"]
    for name, got in zip(items.names, items, strict=True):
        np.testing.assert_array_equal(got, arrays[name])
    for name in ("2.png", "4.png", "5.png"):
        cut(tmp_path / name)
    assert data.read(tmp_path).uniform


def test_a_folder_without_a_readable_image_is_refused(tmp_path):
    with pytest.raises(DataError, match="no images or recordings"):
        data.read(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of its files can be read; the first, a\.png: empty"):
        data.read(tmp_path)


def test_images_larger_than_the_memory_are_decoded_into_a_file(tmp_path, monkeypatch):
    for index in range(3):
        save(tmp_path / f"{index}.png", noise(8, 9 + index, seed=index))
    monkeypatch.setattr("narrows.data.memory.free_memory", lambda: 100)
    items = data.read(tmp_path)
    assert isinstance(items.values, np.memmap)
    for index, got in enumerate(items):
        np.testing.assert_array_equal(got, noise(8, 9 + index, seed=index))
    crops = items.crops(np.array([2]), np.array([[0, 1]]), (8, 3))
    np.testing.assert_array_equal(crops[0], noise(8, 11, seed=2)[:, 1:4])


def test_progress_counts_to_the_end(tmp_path):
    for index in range(3):
        save(tmp_path / f"{index}.png", noise(4, 4))
    reported = []
    data.read(tmp_path, progress=lambda *news: reported.append(news))
    assert reported[-1] == (f"{tmp_path}: reading", 3, 3)


def test_a_zip_is_read_without_unpacking_and_nothing_leads_out_of_it(tmp_path):
    image = io.BytesIO()
    Image.fromarray(noise(4, 4)).save(image, "PNG")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("in/2.png", "in/10.png", "../out.png", "/root.png", "__MACOSX/in/._2.png", "read.me"):
            archive.writestr(name, image.getvalue())
        archive.writestr("in/bad.png", b"bad")
    before = sorted(tmp_path.rglob("*"))
    items = data.read(tmp_path / "x.zip")
    assert items.names == ["in/2.png", "in/10.png"]
    assert [name for name, _ in items.skipped] == ["../out.png", "/root.png", "in/bad.png"]
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(DataError, match=r"x\.zip: \.\./out\.png: its path leads out"):
        data.read(tmp_path / "x.zip", strict=True)


def test_written_folders_keep_names_and_change_their_suffix(tmp_path):
    data.write(data.Items(noise(3, 4, 4), "NYX", names=["cats/a.jpg", "v1.2", "b.tif"]), tmp_path / "out")
    assert data.read(tmp_path / "out").names == ["b.png", "cats/a.png", "v1.2.png"]


def test_names_that_differ_in_their_suffix_alone_stay_apart(tmp_path):
    items = data.Items(noise(3, 4, 4), "NYX", names=["cats/a.jpg", "cats/a.png", "b.gif"])
    save(tmp_path / "out" / "other.png", noise(2, 2))
    data.write(items, tmp_path / "out")
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert written == ["b.png", "cats/a.jpg.png", "cats/a.png", "other.png"]


def test_no_two_names_become_one(tmp_path):
    names = ["a.jpg.png", "a.jpg", "a.gif", "a.gif.tif", "b.bmp", "b.tif.bmp", "b.tif", "C.PNG"]
    images = noise(len(names), 4, 4)
    data.write(data.Items(images, "NYX", names=names), tmp_path)
    written = [np.asarray(Image.open(path)).tobytes() for path in tmp_path.iterdir()]
    assert sorted(written) == sorted(image.tobytes() for image in images)
    np.testing.assert_array_equal(Image.open(tmp_path / "a.jpg.png"), images[0])
    assert (tmp_path / "C.PNG").exists()


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a/../../x.png"])
def test_names_that_lead_out_of_the_folder_are_not_written(tmp_path, name):
    with pytest.raises(DataError, match="leads out of the folder"):
        data.write(data.Items(noise(1, 4, 4), "NYX", names=[name]), tmp_path / "out")
    assert not (tmp_path / "x.png").exists()
