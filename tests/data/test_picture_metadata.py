"""Colour profile, resolution, scale and orientation: what goes in comes out, or is said to be lost."""

import io
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from narrows.data import Items, read, write
from narrows.errors import DataWarning

RGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
CMYK = RGB[:16] + b"CMYK" + RGB[20:]
GREY = RGB[:16] + b"GRAY" + RGB[20:]


def noise(*shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 255, shape, dtype)


def copied(source, target):
    """Write what is read, without warnings, and return the name of the result."""
    write(read(source), target)
    return target


@pytest.mark.parametrize("source", ["a.png", "a.jpg", "a.tif", "a.bmp"])
@pytest.mark.parametrize("target", ["b.png", "b.jpg", "b.tif", "b.bmp"])
def test_resolution_is_kept(tmp_path, source, target):
    Image.fromarray(noise(8, 9, 3)).save(tmp_path / source, dpi=(300, 150))
    image = Image.open(copied(tmp_path / source, tmp_path / target))
    assert [round(float(value)) for value in image.info["dpi"]] == [300, 150]


@pytest.mark.parametrize("source", ["a.png", "a.jpg", "a.tif", "a.webp"])
@pytest.mark.parametrize("target", ["b.png", "b.jpg", "b.tif", "b.webp"])
def test_the_profile_is_kept(tmp_path, source, target):
    Image.fromarray(noise(8, 9, 3)).save(tmp_path / source, icc_profile=RGB)
    items = read(tmp_path / source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if target == "b.webp" else "error")  # a JPEG may state 72 dpi
        write(items, tmp_path / target)
    assert Image.open(tmp_path / target).info["icc_profile"] == RGB


@pytest.mark.parametrize("unit", [2, 3])
def test_the_unit_of_a_tiff_is_kept(tmp_path, unit):
    tifffile.imwrite(tmp_path / "a.tif", noise(8, 9), resolution=(100, 50), resolutionunit=unit, iccprofile=GREY)
    with tifffile.TiffFile(copied(tmp_path / "a.tif", tmp_path / "b.tif")) as file:
        page = file.pages.first
        assert (page.resolution, page.resolutionunit, page.iccprofile) == ((100, 50), unit, GREY)
    dpi = Image.open(copied(tmp_path / "a.tif", tmp_path / "b.png")).info["dpi"]
    np.testing.assert_allclose(dpi, np.array([100, 50]) * (2.54 if unit == 3 else 1), rtol=1e-3)


def test_resolution_turns_with_the_image(tmp_path):
    Image.fromarray(noise(8, 9)).save(tmp_path / "a.tif", dpi=(300, 150), tiffinfo={274: 6})
    dpi = Image.open(copied(tmp_path / "a.tif", tmp_path / "b.png")).info["dpi"]
    assert [round(value) for value in dpi] == [150, 300]


def test_each_file_of_a_folder_keeps_its_own(tmp_path):
    for dpi in (100, 200):
        Image.fromarray(noise(8, 9, 3)).save(tmp_path / f"{dpi}.png", dpi=(dpi, dpi), icc_profile=RGB)
    write(read(tmp_path).select([1, 0]), tmp_path / "out")
    for dpi in (100, 200):
        image = Image.open(tmp_path / "out" / f"{dpi}.png")
        assert round(image.info["dpi"][0]) == dpi
        assert image.info["icc_profile"] == RGB


@pytest.mark.parametrize("source", ["a.jpg", "a.tif"])
def test_the_profile_of_cmyk_does_not_go_with_rgb(tmp_path, source):
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / source, icc_profile=CMYK)
    items = read(tmp_path / source)
    assert (items.values == [0, 255, 255]).all()
    with pytest.warns(DataWarning, match="colour profile"):
        write(items, tmp_path / "b.png")
    assert "icc_profile" not in Image.open(tmp_path / "b.png").info


def test_the_profile_of_grey_does_not_go_with_colour(tmp_path):
    Image.fromarray(noise(8, 8)).save(tmp_path / "a.png", icc_profile=GREY)
    with pytest.warns(DataWarning, match="colour profile"):
        write(read(tmp_path / "a.png").to_rgb(), tmp_path / "b.png")
    assert "icc_profile" not in Image.open(tmp_path / "b.png").info


@pytest.mark.parametrize("target", ["b.npy", "b.npz", "b.webp"])
def test_what_a_target_cannot_keep_is_said_once(tmp_path, target):
    for name in ("a", "b") if target != "b.webp" else ("a",):
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(noise(8, 9, 3)).save(tmp_path / "in" / f"{name}.png", dpi=(300, 300), icc_profile=RGB)
    with pytest.warns(DataWarning, match="resolution") as told:
        write(read(tmp_path / "in"), tmp_path / target)
    assert len(told) == 1
    assert ("colour profile" in str(told[0].message)) == (target != "b.webp")


PAGES = [
    {"resolution": (100, 50), "resolutionunit": 2, "iccprofile": GREY},
    {"resolution": (30, 60), "resolutionunit": 3, "description": "the second, of \u00b5m"},
    {"iccprofile": GREY, "description": "the\nthird"},
]


def write_pages(path, sizes, **options):
    """Write pages that differ in what they say."""
    with tifffile.TiffWriter(path) as file:
        for page, size in zip(PAGES, sizes, strict=True):
            described = {"description": page["description"].encode()} if "description" in page else {}
            file.write(noise(*size), metadata=None, contiguous=False, **{**page, **described}, **options)


def metadata_of(path):
    with tifffile.TiffFile(path) as file:
        return [(page.resolution, page.resolutionunit, page.iccprofile, page.description) for page in file.pages]


@pytest.mark.parametrize("sizes", [[(8, 9)] * 3, [(8, 9), (4, 5), (8, 9)]])
@pytest.mark.parametrize("options", [{"photometric": "minisblack"}, {"photometric": "miniswhite"}, {"tile": (16, 16)}])
def test_each_page_keeps_its_own(tmp_path, sizes, options):
    write_pages(tmp_path / "a.tif", sizes, **options)
    copied(tmp_path / "a.tif", tmp_path / "b.tif")
    assert metadata_of(tmp_path / "b.tif") == metadata_of(tmp_path / "a.tif")
    for one, other in zip(read(tmp_path / "a.tif"), read(tmp_path / "b.tif"), strict=True):
        np.testing.assert_array_equal(one, other)


def test_pages_that_make_a_volume_keep_what_they_agree_on(tmp_path):
    write_pages(tmp_path / "a.tif", [(8, 9)] * 3, photometric="minisblack")
    volume = read(tmp_path / "a.tif", axes="ZYX")
    with pytest.warns(DataWarning, match="does not keep what the images' files say: metadata in which they differ$"):
        write(volume, tmp_path / "b.tif")


@pytest.mark.parametrize("target", ["b.npy", "out", "b.png"])
def test_descriptions_that_a_target_does_not_keep_are_named(tmp_path, target):
    tifffile.imwrite(tmp_path / "a.tif", noise(8, 9), description="a cell", metadata=None)
    with pytest.warns(DataWarning, match="description"):
        write(read(tmp_path / "a.tif"), tmp_path / target)


def test_images_of_a_folder_keep_their_own_as_pages(tmp_path):
    for dpi in (100, 200):
        Image.fromarray(noise(8, 9, 3)).save(tmp_path / f"{dpi}.png", dpi=(dpi, dpi), icc_profile=RGB)
    write(read(tmp_path), tmp_path / "b.tif")
    for (resolution, unit, profile, _), dpi in zip(metadata_of(tmp_path / "b.tif"), (100, 200), strict=True):
        assert (round(resolution[0]), unit, profile) == (dpi, 2, RGB)


def test_the_georeference_is_named(tmp_path):
    scale = [(33550, "d", 3, (10.0, 10.0, 0.0), True)]
    scale += [(42113, "s", 0, "-9999", True)]
    tifffile.imwrite(tmp_path / "a.tif", noise(8, 9), metadata=None, extratags=scale)
    with pytest.warns(DataWarning, match="georeference, no-data value"):
        write(read(tmp_path / "a.tif"), tmp_path / "b.tif")


def imagej(path, shape, axes, **options):
    tifffile.imwrite(
        *(path, noise(*shape)), imagej=True, resolution=(5, 5), metadata={"axes": axes, "unit": "um", **options}
    )


def test_one_file_cannot_keep_several_scales(tmp_path):
    (tmp_path / "in").mkdir()
    for name, size in (("a", 8), ("b", 12)):
        imagej(tmp_path / "in" / f"{name}.tif", (size, 9), "YX")
    with pytest.warns(DataWarning, match="scale"):
        write(read(tmp_path / "in"), tmp_path / "b.tif")


def test_a_scale_that_belongs_to_other_axes_is_named(tmp_path):
    imagej(tmp_path / "a.tif", (5, 8, 9), "TYX", finterval=0.5)
    with pytest.warns(DataWarning, match="scale"):
        write(read(tmp_path / "a.tif").select([0]), tmp_path / "b.tif")


def test_the_first_image_of_a_hyperstack_in_a_folder_keeps_its_scale(tmp_path):
    (tmp_path / "in").mkdir()
    imagej(tmp_path / "in" / "a.tif", (3, 8, 9), "CYX")
    tifffile.imwrite(tmp_path / "in" / "b.tif", noise(8, 9).astype(np.uint8))
    items = read(tmp_path / "in")
    write(items.select([0]), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.imagej_metadata["unit"] == "um"
        assert file.series[0].shape == (8, 9)


def test_an_image_stays_one_image(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(8, 9))
    assert tifffile.imread(copied(tmp_path / "a.tif", tmp_path / "b.tif")).shape == (8, 9)
    write(Items.from_array(noise(8, 9), "YX"), tmp_path / "c.tif")
    assert tifffile.imread(tmp_path / "c.tif").shape == (8, 9)


@pytest.mark.parametrize(
    ("axes", "shape", "ours"),
    [
        *[("YX", (8, 9), None), ("ZYX", (3, 8, 9), None), ("TYX", (4, 8, 9), None), ("CYX", (2, 8, 9), None)],
        *[("ZYX", (3, 8, 9), "ZYX"), ("YXS", (8, 9, 3), None), ("TZYX", (2, 3, 8, 9), "NZYX")],
        ("TZCYX", (2, 3, 4, 8, 9), "NZCYX"),
    ],
)
def test_imagej_keeps_its_scale_and_hyperstack(tmp_path, axes, shape, ours):
    scale = {"unit": "um", "spacing": 2.5, "finterval": 0.5}
    array = noise(*shape, dtype=np.uint8 if "S" in axes else np.uint16)
    tifffile.imwrite(*(tmp_path / "a.tif", array), imagej=True, resolution=(5, 5), metadata={"axes": axes, **scale})
    write(read(tmp_path / "a.tif", axes=ours), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as first, tifffile.TiffFile(tmp_path / "b.tif") as second:
        assert second.is_imagej
        assert second.imagej_metadata == first.imagej_metadata
        assert second.pages.first.resolution == (5, 5)
        assert second.series[0].axes == first.series[0].axes
        np.testing.assert_array_equal(second.asarray(), array)


@pytest.mark.parametrize("shape", [(8, 9), (3, 8, 9)])
def test_ome_keeps_its_sizes(tmp_path, shape):
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(
        *(tmp_path / "a.ome.tif", noise(*shape)),
        metadata={"axes": "ZYX"[-len(shape) :], **sizes},
        photometric="minisblack",
    )
    with tifffile.TiffFile(copied(tmp_path / "a.ome.tif", tmp_path / "b.tif")) as file:
        for key, value in sizes.items():
            assert f'{key}="{value if isinstance(value, str) else format(value, "g")}"' in file.ome_metadata.replace(
                '.0"', '"'
            )
        np.testing.assert_array_equal(file.asarray(), noise(*shape))


def test_a_folder_of_imagej_files_written_as_png_says_what_is_lost(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(8, 9), imagej=True, resolution=(5, 5), metadata={"unit": "um"})
    with pytest.warns(DataWarning, match="resolution, scale"):
        write(read(tmp_path / "a.tif"), tmp_path / "out")


def test_what_imagej_and_ome_say_beyond_that_is_named(tmp_path):
    labels = {"axes": "ZYX", "Labels": ["a", "b", "c"]}
    tifffile.imwrite(tmp_path / "a.tif", noise(3, 8, 9), imagej=True, metadata=labels)
    channels = {"axes": "TCYX", "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(tmp_path / "b.ome.tif", noise(4, 2, 8, 9), metadata=channels)
    for file, words in (("a.tif", "labels of slices"), ("b.ome.tif", "names of channels")):
        with pytest.warns(DataWarning, match=words):
            write(read(tmp_path / file), tmp_path / "c.tif")


def test_arrays_have_no_metadata(tmp_path):
    items = Items.from_array(noise(3, 8, 9))
    assert items.pictures is None
    write(items, tmp_path / "b.tif")
    assert read(tmp_path / "b.tif").pictures is None


def png(orientation, place):
    """Return a PNG that states its orientation in one of the places where it may stand."""
    exif = Image.Exif()
    exif[274] = orientation
    content, info = exif.tobytes().removeprefix(b"Exif\0\0"), PngInfo()
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/"{}</rdf:RDF></x:xmpmeta>'
    )
    if "text" in place:
        raw = (b"Exif\0\0" + content).hex()
        lines = "\n".join(raw[start : start + 72] for start in range(0, len(raw), 72))
        info.add_text("Raw profile type exif", f"\nexif\n{len(raw) // 2:8}\n{lines}\n", zip="compressed" in place)
    elif "attribute" in place:
        info.add_itxt("XML:com.adobe.xmp", xmp.format(f' tiff:Orientation="{orientation}"/>'))
    elif "element" in place:
        info.add_itxt(
            "XML:com.adobe.xmp", xmp.format(f"><tiff:Orientation>{orientation}</tiff:Orientation></rdf:Description>")
        )
    file = io.BytesIO()
    Image.fromarray(noise(4, 6)).save(file, "PNG", pnginfo=info, **({"exif": exif} if "EXIF" in place else {}))
    return moved_behind(file.getvalue()) if "behind" in place else file.getvalue()


def moved_behind(content):
    """Return a PNG with its metadata behind its pixels."""
    chunks, at = [], 8
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        chunks.append(content[at:end])
        at = end
    late = [chunk for chunk in chunks if chunk[4:8] in (b"eXIf", b"tEXt", b"zTXt", b"iTXt")]
    assert late
    assert all(zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big") for chunk in late)
    others = [chunk for chunk in chunks if chunk not in late]
    return content[:8] + b"".join([*others[:-1], *late, others[-1]])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    "place", ["EXIF", "EXIF behind", "text", "compressed text", "text behind", "attribute", "element", "element behind"]
)
def test_a_png_is_turned_wherever_its_orientation_stands(tmp_path, orientation, place):
    (tmp_path / "x.png").write_bytes(png(orientation, place))
    turns = [None, None, 0, 3, 1, 5, 4, 6, 2]
    image = Image.fromarray(noise(4, 6))
    wanted = image if orientation == 1 else image.transpose(Image.Transpose(turns[orientation]))
    np.testing.assert_array_equal(read(tmp_path / "x.png")[0], np.asarray(wanted))


def test_damaged_metadata_behind_the_pixels_does_no_harm(tmp_path):
    (tmp_path / "x.png").write_bytes(png(6, "text").replace(b"exif\n", b"exiX\n"))
    info = PngInfo()
    info.add_text("Raw profile type exif", "no\nhex\nat\nall")
    Image.fromarray(noise(4, 6)).save(tmp_path / "y.png", pnginfo=info)
    np.testing.assert_array_equal(read(tmp_path / "y.png")[0], noise(4, 6))


@pytest.mark.parametrize(
    ("name", "content", "lost"),
    [
        ("gAMA", (100000,), "gamma"),
        ("gAMA", (45455,), ""),
        ("cHRM", (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000), "chromaticities"),
        ("cHRM", (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000), ""),
    ],
)
def test_colours_that_are_not_those_of_srgb_are_named(tmp_path, name, content, lost):
    info = PngInfo()
    info.add(name.encode(), b"".join(number.to_bytes(4, "big") for number in content))
    Image.fromarray(noise(8, 9, 3)).save(tmp_path / "a.png", pnginfo=info)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        write(read(tmp_path / "a.png"), tmp_path / "b.png")
    assert [str(each.message).rpartition(": ")[2] for each in told] == [lost] * bool(lost)
