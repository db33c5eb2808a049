"""The sets of images for the benchmark of the codec."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from narrows import data
from narrows.data import Items
from rates import Files

# Pixels of a side of a training piece, and from one to the next. Of items this large, narrows trains on random crops.
PIECE, APART = 160, 64


@dataclass(frozen=True)
class PictureSet:
    """Pictures to train on and others to test on.

    targets: PSNR in dB at which sizes are compared; none where only lossless coding is. unit: what rates are given
    for: bytes of an item, or bits of a pixel. mosaic: whether peers also code all items as one picture.
    own_files: how many test pictures peers code each in its own file, to stand for all.
    """

    name: str
    title: str
    training: Items
    test: list[np.ndarray]
    targets: tuple[float, ...]
    unit: Literal["item", "pixel"]
    mosaic: bool
    own_files: int

    def spread(self, count: int) -> list[np.ndarray]:
        """As many test pictures, evenly spread over them, or all where there are no more."""
        places = np.linspace(0, len(self.test) - 1, min(count, len(self.test)))
        return [self.test[place] for place in places.round().astype(int)]

    def of(self, files: Files) -> list[np.ndarray]:
        """The test pictures that peers code together, or those that they code each in its own file."""
        return self.test if files == "one" else self.spread(self.own_files)


def mnist(items: int | None) -> PictureSet:
    test = list(data.read("mnist:test").values)[:items]
    title = f"MNIST: {len(test):,} test digits of 28x28, 8 bits grey; trained on the 60,000 training digits"
    return PictureSet("mnist", title, data.read("mnist"), test, (33.8, 30.0, 24.0), "item", True, 500)


def digits(items: int | None) -> PictureSet:
    training, test = data.read("digits"), list(data.read("digits:test").values)[:items]
    title = f"digits: the last {len(test):,} digits of 8x8, grey of 0 to 16; trained on the first {len(training):,}"
    return PictureSet("digits", title, training, test, (), "item", True, len(test))


def colour(items: int | None) -> PictureSet:
    """Photographs that scikit-image and scikit-learn ship: three that were never visibly JPEG files are the test.

    Of training pictures that were JPEG files, only the halves of both sides are taken, where the blocks of JPEG fade.
    """
    from skimage import data as photographs
    from sklearn.datasets import load_sample_images

    china, flower = load_sample_images().images
    left, right, _ = photographs.stereo_motorcycle()
    once_jpeg = [photographs.rocket(), photographs.retina(), photographs.hubble_deep_field(), flower]
    clean = [left, right, china]
    training = np.concatenate([pieces(picture) for picture in [*clean, *map(halved, [*clean, *once_jpeg])]])
    test = [photographs.astronaut(), photographs.coffee(), photographs.chelsea()][:items]
    shapes = ", ".join("x".join(map(str, picture.shape[1::-1])) for picture in test)
    title = (
        f"colour: {len(test)} photographs ({shapes}); trained on {len(training):,} pieces of {PIECE}x{PIECE} of others"
    )
    targets = (40.0, 35.0, 30.0)
    return PictureSet("colour", title, Items.from_array(training, axes="NYXC"), test, targets, "pixel", False, 3)


def halved(picture: np.ndarray) -> np.ndarray:
    """Each 2x2 pixels as their mean."""
    height, width = (side // 2 for side in picture.shape[:2])
    blocks = picture[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).astype(np.uint16)
    return ((blocks.sum(axis=(1, 3)) + 2) // 4).astype(np.uint8)


def pieces(picture: np.ndarray) -> np.ndarray:
    """Overlapping squares, (N, PIECE, PIECE, C)."""
    windows = np.lib.stride_tricks.sliding_window_view(picture, (PIECE, PIECE), axis=(0, 1))[::APART, ::APART]
    return windows.transpose(0, 1, 3, 4, 2).reshape(-1, PIECE, PIECE, picture.shape[2])


def chosen(names: Sequence[str], items: int | None) -> list[PictureSet]:
    return [{"mnist": mnist, "digits": digits, "colour": colour}[name](items) for name in names]
