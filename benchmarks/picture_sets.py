"""Sets of pictures and volumes: digits, photographs, flat colours, drawings, scans and microscopy."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from item_sets import ItemSet, counted, files_of, halved, imported
from narrows import data
from narrows.data import Items

# Pixels of a side of a training piece, and from one to the next. Of items this large, narrows trains on random crops.
PIECE, APART = 160, 64
TARGETS = (40.0, 35.0, 30.0)  # dB, of photographs
GREY = np.array([0.299, 0.587, 0.114])  # of red, green and blue


def mnist(count: int | None) -> ItemSet:
    """Many small similar items, which the codec is made for."""
    test = data.read("mnist:test").select(slice(count))
    title = f"MNIST: {counted(test)}, 8 bits grey, the test digits; trained on the 60,000 training digits"
    return ItemSet(
        "mnist", "pictures", title, data.read("mnist"), test, (33.8, 30.0, 24.0), unit="item", own_files=500, whole=True
    )


def digits(count: int | None) -> ItemSet:
    """Few and tiny items, where a model has to be tiny too."""
    training, test = data.read("digits"), data.read("digits:test").select(slice(count))
    title = f"digits: the last {counted(test)}, grey of 0 to 16; trained on the first {len(training):,}"
    return ItemSet("digits", "pictures", title, training, test, own_files=len(test), whole=True)


def colour(count: int | None) -> ItemSet:
    """Photographs that scikit-image and scikit-learn ship; three that were never visibly JPEG files are the test.

    Of training pictures that were JPEG files, only the halves of both sides are taken, where the blocks of JPEG fade.
    """
    training = np.concatenate([pieces(picture) for picture in _training_photographs()])
    photographs = imported("skimage", "scikit-image").data
    test = _items([photographs.astronaut(), photographs.coffee(), photographs.chelsea()][:count], "NYXC")
    title = (
        f"colour photographs: {_named_sizes(test)}; trained on {len(training):,} pieces of {PIECE}x{PIECE} of others"
    )
    return ItemSet("colour", "pictures", title, _items(training, "NYXC"), test, TARGETS, unit="pixel")


def grey(count: int | None) -> ItemSet:
    """Grey photographs and textures of scikit-image, learned from others and from grey copies of colour ones."""
    photographs = imported("skimage", "scikit-image").data
    copies = [(picture @ GREY).round().astype(np.uint8) for picture in _training_photographs()]
    textures = [photographs.brick(), photographs.grass(), photographs.gravel(), photographs.clock()]
    training = np.concatenate([pieces(picture) for picture in [*textures, *copies]])
    test = _items([photographs.camera(), photographs.coins(), photographs.moon()][:count], "NYX")
    title = f"grey photographs: {_named_sizes(test)}; trained on {len(training):,} pieces of {PIECE}x{PIECE} of others"
    return ItemSet("grey", "pictures", title, _items(training, "NYX"), test, TARGETS, unit="pixel")


def icons(count: int | None) -> ItemSet:
    """Small icons with transparency, of flat colours: silk icons as Flask-Silk ships them. Every fifth is for the test.

    The names are alphabetical and variants of an icon adjacent, so test icons resemble training icons.
    """
    pictures = _opened(files_of("flask-silk", ".png"), "RGBA")
    training, test = _every_fifth(pictures, count)
    title = f"icons: {counted(test)}, RGBA, every fifth by name; trained on the other {len(training):,}"
    return ItemSet("icons", "pictures", title, training, test, whole=True)


def screens(count: int | None) -> ItemSet:
    """Screenshots of coloured text, as accessible-pygments ships them: flat colours and exact repeats.

    They show one text in different colours: training is on the upper halves of three quarters of them, the test on
    lower halves of the others.
    """
    files = [file for file in files_of("accessible-pygments", ".png") if "/images/" in file.as_posix()]
    pictures = [picture for picture in _opened(files, "RGB") if picture.shape == (720, 620, 3)]
    test = [picture[360:] for place, picture in enumerate(pictures) if place % 4 == 3]
    training = [picture[:360] for place, picture in enumerate(pictures) if place % 4 != 3]
    held = _items(test[:count], "NYXC")
    title = f"screenshots: {counted(held)}, RGB; trained on {len(training)} of other parts in other colours"
    return ItemSet("screens", "pictures", title, _items(training, "NYXC"), held)


def glyphs(count: int | None) -> ItemSet:
    """Drawings of two values: the characters of a font that matplotlib ships; every fifth is for the test."""
    matplotlib = imported("matplotlib", "matplotlib")
    from PIL import ImageFont

    file = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSerif.ttf"
    font = ImageFont.truetype(file, 26)
    pictures = [_drawn(chr(code), font) for code in (*range(0x21, 0x7F), *range(0xA1, 0x250), *range(0x370, 0x530))]
    training, test = _every_fifth([picture for picture in pictures if picture.any()], count)
    title = f"glyphs: {counted(test)}, 0 and 255, every fifth of a font; trained on the other {len(training):,}"
    return ItemSet("glyphs", "pictures", title, training, test)


def scans(count: int | None) -> ItemSet:
    """Scanned pages of scikit-image: the left halves for training, pieces of the right halves for the test."""
    photographs = imported("skimage", "scikit-image").data
    pages = [photographs.page(), photographs.text()]
    training = np.concatenate([tiles(page[:, : page.shape[1] // 2], 64, 16) for page in pages])
    test = np.concatenate([tiles(page[:, page.shape[1] // 2 :], 64, 64) for page in pages])
    return _of_parts("scans", "two scanned pages", training, test[:count])


def microscopy(count: int | None) -> ItemSet:
    """Micrographs of scikit-image: the left halves for training, pieces of the right halves for the test."""
    photographs = imported("skimage", "scikit-image").data
    stained = photographs.immunohistochemistry().transpose(2, 0, 1)  # its stains colour the channels differently
    micrographs = [photographs.cell(), photographs.microaneurysms(), *stained]
    training = np.concatenate([tiles(image[:, : image.shape[1] // 2], 51, 16) for image in micrographs])
    test = np.concatenate([tiles(image[:, image.shape[1] // 2 :], 51, 51) for image in micrographs])
    return replace(_of_parts("microscopy", "five micrographs", training, test[:count]), targets=(35.0, 30.0))


def radiographs(count: int | None) -> ItemSet:
    """X-rays of a chest and of a leg, halved, 8 bits: the left sides for training, the right sides for the test."""
    pydicom = imported("pydicom", "pydicom")
    files = [file for file in files_of("pydicom-data", ".dcm") if file.name in ("RG1_UNCR.dcm", "RG3_UNCR.dcm")]
    pictures = [halved(_of_8_bits(pydicom.dcmread(file).pixel_array)) for file in files]
    training = np.concatenate([pieces(picture[:, : picture.shape[1] // 2]) for picture in pictures])
    test = _items([picture[:, picture.shape[1] // 2 :] for picture in pictures][:count], "NYX")
    title = f"X-rays: {_named_sizes(test)}, 8 bits, the right sides of two; trained on the left sides"
    return ItemSet("radiographs", "pictures", title, _items(training, "NYX"), test)


def elevation(count: int | None) -> ItemSet:
    """A digital elevation model of matplotlib's, 16 bits: the left half for training, the right half for the test."""
    matplotlib = imported("matplotlib", "matplotlib")
    with np.load(f"{matplotlib.get_data_path()}/sample_data/jacksboro_fault_dem.npz") as file:
        heights = file["elevation"].astype(np.uint16)
    middle = heights.shape[1] // 2
    return _of_parts(
        "elevation", "heights in metres", tiles(heights[:, :middle], 86, 16), tiles(heights[:, middle:], 86, 86)[:count]
    )


def brain(count: int | None) -> ItemSet:
    """Two diffusion-weighted volumes of magnetic resonance that nibabel ships: one for training, one for the test."""
    nibabel = imported("nibabel", "nibabel")
    [file] = [file for file in files_of("nibabel", ".nii.gz") if file.name == "example4d.nii.gz"]
    volumes = np.asarray(nibabel.load(file).dataobj).astype(np.uint16).transpose(3, 2, 1, 0)
    test = _items(volumes[1:], "NZYX")
    title = f"magnetic resonance: {counted(test)}, 16 bits; trained on another volume of the same head"
    return ItemSet("brain", "volumes", title, _items(volumes[:1], "NZYX"), test)


SETS: tuple[Callable[[int | None], ItemSet], ...] = (
    mnist,
    digits,
    colour,
    grey,
    icons,
    screens,
    glyphs,
    scans,
    microscopy,
    radiographs,
    elevation,
    brain,
)


def pieces(picture: np.ndarray) -> np.ndarray:
    """Return overlapping squares to train on, (N, PIECE, PIECE) or (N, PIECE, PIECE, C)."""
    return tiles(picture, PIECE, APART)


def tiles(picture: np.ndarray, side: int, apart: int) -> np.ndarray:
    """Return squares of so many pixels a side, the upper left corners `apart` from each other."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (side, side), axis=(0, 1))[::apart, ::apart]
    if picture.ndim == 3:
        return windows.transpose(0, 1, 3, 4, 2).reshape(-1, side, side, picture.shape[2])
    return windows.reshape(-1, side, side)


def _training_photographs() -> list[np.ndarray]:
    """Return colour photographs of any sizes, and those of the clean ones at half the size as well."""
    photographs = imported("skimage", "scikit-image").data
    from sklearn.datasets import load_sample_images

    china, flower = load_sample_images().images
    left, right, _ = photographs.stereo_motorcycle()
    once_jpeg = [photographs.rocket(), photographs.retina(), photographs.hubble_deep_field(), flower]
    clean = [left, right, china]
    return [*clean, *map(halved, [*clean, *once_jpeg])]


def _items(arrays: Any, axes: str) -> Items:
    return Items.from_array(arrays, axes) if isinstance(arrays, np.ndarray) else Items.from_list(arrays, axes)


def _named_sizes(items: Items) -> str:
    return ", ".join("x".join(map(str, picture.shape[1::-1])) for picture in items)


def _of_8_bits(picture: np.ndarray) -> np.ndarray:
    """Return a picture of integers, whose range becomes 0..255."""
    least = int(picture.min())
    return ((picture.astype(np.int64) - least) * 255 // (int(picture.max()) - least)).astype(np.uint8)


def _of_parts(name: str, what: str, training: np.ndarray, test: np.ndarray) -> ItemSet:
    held = _items(test, "NYX")
    title = f"{name}: {counted(held)}, {held.dtype}, of the right halves of {what}; trained on the left halves"
    return ItemSet(name, "pictures", title, _items(training, "NYX"), held)


def _opened(files: Sequence[Any], mode: str) -> list[np.ndarray]:
    from PIL import Image

    pictures = []
    for file in files:
        with Image.open(file) as image:
            pictures.append(np.asarray(image.convert(mode)))
    return pictures


def _every_fifth(pictures: Sequence[np.ndarray], count: int | None) -> tuple[Items, Items]:
    """Return the pictures to train on and the others."""
    axes = "NYXC" if pictures[0].ndim == 3 else "NYX"
    is_test = np.arange(len(pictures)) % 5 == 4
    array = np.stack(pictures)
    return _items(array[~is_test], axes), _items(array[is_test][:count], axes)


def _drawn(character: str, font: Any) -> np.ndarray:
    """Return a character in the middle of 32x32 pixels, black or white; black alone where the font lacks it."""
    from PIL import Image, ImageDraw

    picture = Image.new("1", (32, 32))
    ImageDraw.Draw(picture).text((16, 24), character, fill=1, font=font, anchor="ms")
    return np.asarray(picture).astype(np.uint8) * 255
