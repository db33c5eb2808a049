"""TIFF means what the standard says: orientation, photometric interpretations, depths, and what is a picture."""

import sys

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from narrows import data
from narrows.data import read
from narrows.errors import DataError

TURNS = [None, None, 0, 3, 1, 5, 4, 6, 2]
ramp = np.arange(12, dtype=np.uint8).reshape(3, 4)


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def turned(array, orientation):
    if orientation == 1:
        return array
    return np.asarray(Image.fromarray(array).transpose(Image.Transpose(TURNS[orientation])))


def tag(code, value):
    return [(code, "H", 1, value, False)]


@pytest.fixture(params=["with imagecodecs", "without"])
def decoders(request, monkeypatch):
    """Read with imagecodecs and without it, where Pillow decodes what is compressed."""
    if request.param == "without":
        monkeypatch.setitem(sys.modules, "imagecodecs", None)
    else:
        pytest.importorskip("imagecodecs")
    return request.param


def packed(values, bits):
    """Return the rows of small integers as bytes, the first in the highest bits."""
    each = np.unpackbits(values[..., None], axis=-1)[..., 8 - bits :].reshape(len(values), -1)
    return np.packbits(each, axis=-1).tobytes()


def small_tiff(values, bits, photometric, palette=None, orientation=1):
    """Return an uncompressed TIFF of samples of fewer than 8 bits."""
    pixels = packed(values, bits)
    tags = [
        (256, 3, 1, values.shape[1]),
        (257, 3, 1, values.shape[0]),
        (258, 3, 1, bits),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (274, 3, 1, orientation),
        (277, 3, 1, 1),
        (278, 3, 1, values.shape[0]),
        (279, 4, 1, len(pixels)),
    ]
    extra = b"" if palette is None else palette.astype("<u2").tobytes()
    start = 8 + 2 + 12 * (len(tags) + 1 + (palette is not None)) + 4
    tags.append((273, 4, 1, start))
    if palette is not None:
        tags.append((320, 3, palette.size, start + len(pixels)))
    entries = b"".join(
        code.to_bytes(2, "little") + kind.to_bytes(2, "little") + n.to_bytes(4, "little") + value.to_bytes(4, "little")
        for code, kind, n, value in sorted(tags)
    )
    return b"II*\0\x08\0\0\0" + len(tags).to_bytes(2, "little") + entries + bytes(4) + pixels + extra


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_page_is_turned_upright(tmp_path, decoders, orientation, compression):
    array = noise(4, 6, 3)
    Image.fromarray(array).save(tmp_path / "x.tif", compression=compression, tiffinfo={274: orientation})
    np.testing.assert_array_equal(read(tmp_path / "x.tif")[0], turned(array, orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(3, 4, 6), (3, 4, 6, 3)])
def test_stacks_are_turned_upright(tmp_path, orientation, shape):
    stack = noise(*shape)
    kind = "rgb" if stack.ndim == 4 else "minisblack"
    tifffile.imwrite(tmp_path / "x.tif", stack, photometric=kind, extratags=tag(274, orientation))
    for got, page in zip(read(tmp_path / "x.tif"), stack, strict=True):
        np.testing.assert_array_equal(got, turned(page, orientation))


def test_pages_of_different_orientations_are_each_turned(tmp_path):
    pages = [noise(4, 6, seed=seed) for seed in range(8)]
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for index, page in enumerate(pages):
            file.write(page, photometric="minisblack", metadata=None, extratags=tag(274, index + 1))
    items = read(tmp_path / "x.tif")
    for index, page in enumerate(pages):
        np.testing.assert_array_equal(items[index], turned(page, index + 1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_bilevel_pages_are_turned(tmp_path, decoders, orientation):
    array = noise(5, 11) > 90
    Image.fromarray(array).save(tmp_path / "x.tif", compression="group4", tiffinfo={274: orientation})
    np.testing.assert_array_equal(read(tmp_path / "x.tif")[0], turned(array * np.uint8(255), orientation))


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_few_bits_become_0_to_255(tmp_path, decoders, bits, white_is_zero):
    values = noise(5, 8) >> (8 - bits)
    (tmp_path / "x.tif").write_bytes(small_tiff(values, bits, 0 if white_is_zero else 1, orientation=6))
    most = 2**bits - 1
    grey = (most - values if white_is_zero else values) * (255 // most)
    np.testing.assert_array_equal(read(tmp_path / "x.tif")[0], turned(grey.astype(np.uint8), 6))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits(tmp_path, decoders, bits):
    values, palette = noise(5, 8) >> (8 - bits), noise(3, 2**bits, dtype=np.uint16) | np.uint16(256)
    (tmp_path / "x.tif").write_bytes(small_tiff(values, bits, 3, palette))
    np.testing.assert_array_equal(read(tmp_path / "x.tif")[0], (palette >> 8)[:, values].transpose(1, 2, 0))


def test_palettes_of_8_bits(tmp_path):
    values, palette = noise(5, 6), noise(3, 256, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="palette", colormap=palette)
    np.testing.assert_array_equal(read(tmp_path / "x.tif")[0], (palette >> 8)[:, values].transpose(1, 2, 0))


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_white_is_zero_in_16_bits(tmp_path, decoders, compression):
    if compression == "lzw" and decoders == "without":
        pytest.skip("writing needs imagecodecs")
    array = noise(5, 6, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="miniswhite", compression=compression)
    np.testing.assert_array_equal(read(tmp_path / "x.tif")[0], 65535 - array)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_white_is_zero_within_its_bits(tmp_path, bits):
    pytest.importorskip("imagecodecs")
    array = noise(5, 8, dtype=np.uint16) >> (16 - bits)
    tifffile.imwrite(tmp_path / "x.tif", array, photometric="miniswhite", bitspersample=bits)
    np.testing.assert_array_equal(read(tmp_path / "x.tif")[0], 2**bits - 1 - array)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_lab_becomes_colour(tmp_path, decoders, compression):
    rgb = noise(24, 24, 3) // 2 + 64
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(Image.fromarray(rgb), *profiles, outputMode="LAB")
    lab.save(tmp_path / "x.tif", compression=compression)
    difference = abs(read(tmp_path / "x.tif")[0] - rgb.astype(int))
    assert difference.mean() < 1.5
    assert difference.max() < 10


@pytest.mark.parametrize("count", [1, 3])
def test_colours_with_opacity_are_written_as_such(tmp_path, count):
    values = np.random.default_rng(0).integers(0, 256, (count, 8, 9, 4), np.uint8)
    data.write(data.Items.from_array(values, "NYXC"), tmp_path / "x.tif")
    with Image.open(tmp_path / "x.tif") as image:
        assert image.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(image), values[0])
    np.testing.assert_array_equal(data.read(tmp_path / "x.tif").values, values)


@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lab_of_both_depths_and_encodings(tmp_path, photometric, dtype):
    lightness, a, b = np.array([[0, 53.24, 100]]), np.array([[0, 80.09, 0]]), np.array([[0, 67.2, 0]])
    unit, most = (256, 65280 if photometric == "icclab" else 65535) if dtype == np.uint16 else (1, 255)
    offset = 128 * unit if photometric == "icclab" else 0
    samples = np.stack([lightness * most / 100, a * unit + offset, b * unit + offset], axis=-1).round()
    tifffile.imwrite(tmp_path / "x.tif", samples.astype(dtype), photometric=photometric)
    rgb = read(tmp_path / "x.tif")[0] / np.iinfo(dtype).max
    np.testing.assert_allclose(rgb[0, [0, 2]], [[0, 0, 0], [1, 1, 1]], atol=0.01)
    assert rgb[0, 1, 0] > 0.97
    assert rgb[0, 1, 1:].max() < 0.3


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_cmyk_becomes_colour(tmp_path, decoders, planar, dtype):
    inks = noise(6, 7, 4, dtype=dtype)
    stored = inks if planar == "contig" else inks.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="separated", planarconfig=planar)
    most = float(np.iinfo(dtype).max)
    wanted = (most - inks[..., :3].astype(float)) * (most - inks[..., 3:].astype(float)) / most
    np.testing.assert_allclose(read(tmp_path / "x.tif")[0], wanted, atol=0.51)


def test_cmyk_with_alpha_keeps_it(tmp_path):
    inks = noise(6, 7, 5)
    tifffile.imwrite(tmp_path / "x.tif", inks, photometric="separated", extrasamples=["unassalpha"])
    image = read(tmp_path / "x.tif")[0]
    assert image.shape == (6, 7, 4)
    np.testing.assert_array_equal(image[..., 3], inks[..., 4])


@pytest.mark.parametrize("compression", [None, "jpeg"])
def test_ycbcr_becomes_colour(tmp_path, decoders, compression):
    smooth = np.broadcast_to(np.linspace(0, 255, 32).astype(np.uint8)[:, None, None], (32, 32, 3)) // [1, 2, 3]
    image = Image.fromarray(smooth.astype(np.uint8))
    image.convert("YCbCr").save(tmp_path / "x.tif", compression=compression)
    assert abs(read(tmp_path / "x.tif")[0].astype(int) - smooth).max() < 12


def test_jpeg_of_12_bits(tmp_path, monkeypatch):
    pytest.importorskip("imagecodecs")
    array = np.broadcast_to(np.linspace(0, 4095, 32).astype(np.uint16)[:, None, None], (32, 32, 3))
    tifffile.imwrite(
        *(tmp_path / "x.tif", array),
        **{"photometric": "rgb", "compression": "jpeg", "bitspersample": 12, "compressionargs": {"bitspersample": 12}},
    )
    image = read(tmp_path / "x.tif")[0]
    assert abs(image.astype(int) - array).max() < 100
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(DataError, match="needs imagecodecs"):
        read(tmp_path / "x.tif")


@pytest.mark.parametrize("photometric", ["cfa", "linear_raw", "logluv", "itulab"])
@pytest.mark.parametrize("stack", [False, True])
def test_interpretations_that_are_not_read_are_named(tmp_path, photometric, stack):
    array = noise(8, 8, *([] if photometric == "cfa" else [3]), dtype=np.uint16)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for _ in range(1 + stack):
            file.write(array, photometric=photometric, metadata=None)
    with pytest.raises(DataError, match=photometric.upper()) as error:
        read(tmp_path / "x.tif")
    assert "pip install" not in str(error.value)


def test_complex_numbers_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.ones((5, 6), np.complex64))
    with pytest.raises(DataError, match="not supported"):
        read(tmp_path / "x.tif")


def test_other_inks_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", noise(5, 6, 4), photometric="separated", extratags=tag(332, 2))
    with pytest.raises(DataError, match="inks"):
        read(tmp_path / "x.tif")


@pytest.mark.parametrize("metadata", [None, {}])
@pytest.mark.parametrize("code", [254, 255])
def test_overviews_are_no_items(tmp_path, metadata, code):
    picture = noise(32, 32, 3)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(picture, photometric="rgb", metadata=metadata)
        for step in (2, 4):
            reduced = {"subfiletype": 1} if code == 254 else {"extratags": tag(255, 2)}
            file.write(picture[::step, ::step], photometric="rgb", metadata=metadata, **reduced)
    items = read(tmp_path / "x.tif")
    assert len(items) == 1
    assert not items.notes
    np.testing.assert_array_equal(items[0], picture)


@pytest.mark.parametrize("first", [False, True])
def test_a_thumbnail_of_another_type_is_no_item(tmp_path, first):
    picture, thumbnail = noise(16, 16, dtype=np.uint16), noise(4, 4, 3)
    pages = [(picture, "minisblack", 0), (thumbnail, "rgb", 1)]
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for page, photometric, kind in pages[::-1] if first else pages:
            file.write(page, photometric=photometric, subfiletype=kind, metadata=None)
    items = read(tmp_path / "x.tif")
    assert len(items) == 1
    np.testing.assert_array_equal(items[0], picture)


@pytest.mark.parametrize("below", [1, 0])
def test_the_picture_may_be_a_page_or_beneath_one(tmp_path, below):
    picture, small = noise(16, 16), noise(4, 4, seed=1)
    pages = [(picture, 0), (small, 1)] if below else [(small, 1), (picture, 0)]
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(pages[0][0], photometric="minisblack", subfiletype=pages[0][1], subifds=1, metadata=None)
        file.write(pages[1][0], photometric="minisblack", subfiletype=pages[1][1], metadata=None)
    items = read(tmp_path / "x.tif")
    np.testing.assert_array_equal(items.values, picture[None])


def test_a_mask_of_transparency_is_no_item(tmp_path):
    picture = noise(8, 8, 3)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(picture, photometric="rgb", metadata=None)
        file.write(noise(8, 8) > 99, photometric="mask", subfiletype=4, metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "x.tif").values, picture[None])


def test_a_stack_leaves_its_overviews_out(tmp_path):
    stack = noise(3, 16, 16)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for page in stack:
            file.write(page, photometric="minisblack", metadata=None)
            file.write(page[::2, ::2], photometric="minisblack", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "x.tif").values, stack)


def test_a_picture_marked_as_reduced_that_is_alone_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", ramp, photometric="minisblack", subfiletype=1)
    np.testing.assert_array_equal(read(tmp_path / "x.tif")[0], ramp)


def test_a_folder_reads_the_pictures(tmp_path):
    picture = noise(16, 16)
    for name in "ab":
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as file:
            file.write(picture, photometric="minisblack", metadata=None)
            file.write(picture[::2, ::2], photometric="minisblack", subfiletype=1, metadata=None)
    items = data.read(tmp_path)
    np.testing.assert_array_equal(items.values, np.stack([picture, picture]))
    assert not items.notes


@pytest.mark.parametrize("axes", ["TCYX", "TZYX", "TZCYX"])
@pytest.mark.parametrize("scheme", ["imagej", "ome"])
def test_times_of_stacks_are_items(tmp_path, axes, scheme):
    stack = noise(*(2, 3, 4)[: len(axes) - 2], 8, 10)
    tifffile.imwrite(tmp_path / "a.tif", stack, **{scheme: True}, metadata={"axes": axes})
    items = read(tmp_path / "a.tif")
    assert items.array_axes == axes.replace("T", "N")
    np.testing.assert_array_equal(items.to_array(), stack)
    data.write(items, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.series[0].axes == axes
        np.testing.assert_array_equal(file.asarray(), stack)


def test_sizes_of_pixels_in_ome_may_be_no_numbers(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", ramp, ome=True, metadata={"axes": "YX", "PhysicalSizeX": "odd"})
    np.testing.assert_array_equal(read(tmp_path / "a.ome.tif")[0], ramp)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("photometric", ["rgb", "minisblack"])
@pytest.mark.parametrize("count", [1, 2])
def test_colours_multiplied_by_alpha_are_divided_by_it(tmp_path, dtype, photometric, count):
    full = 1 if dtype == np.float32 else np.iinfo(dtype).max
    rng, channels = np.random.default_rng(0), 3 if photometric == "rgb" else 1
    colour, alpha = rng.integers(0, 256, (8, 9, channels)) / 255, rng.integers(0, 256, (8, 9, 1)) / 255
    alpha[:2] = [[[0]], [[1]]]
    stored = full * np.concatenate([colour * alpha, alpha], axis=-1)
    stored = (stored if full == 1 else stored.round()).astype(dtype)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for _ in range(count):
            file.write(
                stored, photometric=photometric, extrasamples=["assocalpha"], planarconfig="contig", metadata=None
            )
    image = read(tmp_path / "x.tif")[0]
    np.testing.assert_array_equal(image[..., -1], stored[..., -1])
    assert (image[0, :, :-1] == 0).all()
    np.testing.assert_allclose((image[..., :-1] / full)[alpha[..., 0] > 0.5], colour[alpha[..., 0] > 0.5], atol=0.01)
    data.write(data.Items.from_array(image, "YXC"), tmp_path / "y.tif")
    np.testing.assert_array_equal(read(tmp_path / "y.tif")[0], image)


def test_white_is_zero_with_alpha(tmp_path):
    array = noise(8, 9, 2)
    tifffile.imwrite(
        *(tmp_path / "x.tif", array), photometric="miniswhite", extrasamples=["unassalpha"], planarconfig="contig"
    )
    image = read(tmp_path / "x.tif")[0]
    np.testing.assert_array_equal(image, np.stack([255 - array[..., 0], array[..., 1]], axis=-1))


def test_palettes_with_alpha(tmp_path):
    image = Image.fromarray(noise(8, 9, 4)).convert("PA")
    image.save(tmp_path / "x.tif")
    stored = tifffile.imread(tmp_path / "x.tif")
    got = read(tmp_path / "x.tif")[0]
    np.testing.assert_array_equal(got[..., 3], stored[..., 1])
    np.testing.assert_array_equal(got[..., :3], np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("shapes", [[(3, 8, 9), (2, 8, 9)], [(8, 9), (8, 9)], [(2, 8, 9), (4, 6)]])
@pytest.mark.parametrize("scheme", [{}, {"ome": True}])
def test_all_series_are_read(tmp_path, shapes, scheme):
    stacks = [noise(*shape, seed=seed) for seed, shape in enumerate(shapes)]
    with tifffile.TiffWriter(tmp_path / "x.tif", **scheme) as file:
        for stack in stacks:
            file.write(stack, photometric="minisblack", metadata={"axes": "ZYX"[-stack.ndim :]})
    pages = [page for stack in stacks for page in stack.reshape(-1, *stack.shape[-2:])]
    items = read(tmp_path / "x.tif")
    assert len(items) == len(pages)
    for item, page in zip(items, pages, strict=True):
        np.testing.assert_array_equal(item, page)


@pytest.mark.parametrize("shape", [(8, 11), (3, 8, 11)])
def test_boolean_arrays_of_tifffile_are_what_they_were(tmp_path, decoders, shape):
    array = noise(*shape) > 99
    tifffile.imwrite(tmp_path / "x.tif", array)  # as if white were 0
    items = read(tmp_path / "x.tif")
    np.testing.assert_array_equal(items.values.reshape(shape), array * np.uint8(255))
