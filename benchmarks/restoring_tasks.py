"""The tasks: noisy digits and photographs, and digits and photographs with missing values."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from narrows import data
from narrows.data import Items
from restoring_peers import Family, spread
from restoring_rows import Unit

SEED = 0
DIGIT_SIGMA = 0.5
PHOTO_SIGMA = 25 / 255
EVENTS, READ_NOISE, GRAIN = 60, 5 / 255, 0.5  # of a camera: photons at white, noise of reading, pixels of smoothing
TESTED_PHOTOS = 40  # the last by name; the others are to learn from
BLOCK = 14  # pixels of a side
SHOWN_PHOTOS = (0.3, 0.9)  # shares of the test photographs that come before those that are shown
TUNING = 200  # training items that settings of peers are searched with, at most

Corrupt = Callable[[np.ndarray, int], np.ndarray]  # of items and the number of a stream of random numbers

Places = np.ndarray | slice


@dataclass(frozen=True)
class Task:
    """Items (N, Y, X) float32 of 0..1 to test on, and training items to find settings with.

    family: digits are measured by their MSE, photographs by their PSNR. training: clean items to learn from. corrupt:
    from items and the number of a stream of random numbers to what is to be restored. given: that, NaN where values are
    hidden. sigma: of the noise, None for holes. shown: places of the items for figures.
    """

    name: str
    family: Family
    title: str
    training: np.ndarray
    corrupt: Corrupt
    clean: np.ndarray
    given: np.ndarray
    tuning_clean: np.ndarray
    tuning_given: np.ndarray
    sigma: float | None
    shown: np.ndarray

    @classmethod
    def of(
        cls,
        name: str,
        family: Family,
        title: str,
        training: np.ndarray,
        test: np.ndarray,
        corrupt: Corrupt,
        sigma: float | None,
        shown: np.ndarray,
    ) -> "Task":
        few = training[spread(len(training), TUNING)]
        given, tuning = corrupt(test, 1), corrupt(few, 2)
        return cls(name, family, title, training, corrupt, test, given, few, tuning, sigma, shown)

    def noisy_training(self) -> np.ndarray:
        """Return one noisy version of the training items, for training without clean data."""
        return self.corrupt(self.training, 3)

    @property
    def unit(self) -> Unit:
        """What the task is measured in."""
        return "MSE" if self.family == "digits" else "dB"

    @property
    def clipped(self) -> bool:
        """Whether its noise was clipped to 0..1."""
        return self.sigma is not None and self.family == "digits"

    @property
    def counted(self) -> np.ndarray:
        """The values that an MSE is over: the hidden ones, or all where none is."""
        return np.isnan(self.given) if self.sigma is None else np.ones(self.given.shape, bool)

    def figure(self, restored: np.ndarray, places: Places) -> float:
        """The test items at these places, restored, in the task's unit."""
        if self.unit == "dB":
            return self.psnr(restored, places)
        return float(self._squares(restored, places)[self.counted[places]].mean())

    def psnr(self, restored: np.ndarray, places: Places, hidden: bool = False) -> float:
        """PSNR averaged over the test items at these places; with `hidden`, of their hidden values alone."""
        squares = self._squares(restored, places)
        where = self.counted[places] if hidden else np.ones(squares.shape, bool)
        return float(np.mean(-10 * np.log10(squares.mean(axis=(1, 2), where=where))))

    def inside(self, restored: np.ndarray, deviation: np.ndarray) -> tuple[float, float]:
        """The shares of the counted values of all test items within one and two deviations of what was restored."""
        errors, deviation = np.abs(restored - self.clean)[self.counted], deviation[self.counted]
        return float(np.mean(errors <= deviation)), float(np.mean(errors <= 2 * deviation))

    def _squares(self, restored: np.ndarray, places: Places) -> np.ndarray:
        return np.square(np.clip(restored, 0, 1) - self.clean[places], dtype=float)


def noisy(clean: np.ndarray, sigma: float, clip: bool, stream: int) -> np.ndarray:
    noise = np.random.default_rng([SEED, stream]).standard_normal(clean.shape, dtype=np.float32)
    values = clean + np.float32(sigma) * noise
    return np.clip(values, 0, 1) if clip else values


def through_camera(clean: np.ndarray, stream: int) -> np.ndarray:
    """Shot noise and noise of reading, smoothed over neighbours as demosaicing does."""
    rng = np.random.default_rng([SEED, stream])
    noise = rng.poisson(EVENTS * clean) / EVENTS - clean + READ_NOISE * rng.standard_normal(clean.shape)
    return (clean + gaussian_filter(noise, (0, GRAIN, GRAIN))).astype(np.float32)


def with_blocks(clean: np.ndarray, stream: int) -> np.ndarray:
    """A square hidden in each item, at a random place."""
    height, width = clean.shape[1:]
    corners = np.random.default_rng([SEED, stream]).integers(
        0, (height - BLOCK + 1, width - BLOCK + 1), (len(clean), 2)
    )
    rows, columns = (np.arange(side) - corners[:, axis, None] for axis, side in enumerate((height, width)))
    hidden = ((rows >= 0) & (rows < BLOCK))[:, :, None] & ((columns >= 0) & (columns < BLOCK))[:, None, :]
    return np.where(hidden, np.float32(np.nan), clean)


def with_pixels(clean: np.ndarray, share: float, stream: int) -> np.ndarray:
    """Exactly this share of each item's pixels hidden, at random."""
    count = clean[0].size
    order = np.random.default_rng([SEED, stream]).permuted(np.tile(np.arange(count), (len(clean), 1)), axis=1)
    return np.where(order.reshape(clean.shape) < round(share * count), np.float32(np.nan), clean)


def unit(items: Items) -> np.ndarray:
    """Digits as float32 of 0..1."""
    return items.values.astype(np.float32) / 255


class Digits:
    """The digits of MNIST, of which only the first `items` are learnt from and the first `tests` are restored."""

    def __init__(self, items: int, tests: int) -> None:
        self.training, test = unit(data.read("mnist"))[:items], data.read("mnist:test")
        self.test = unit(test)[:tests]
        assert test.labels is not None
        self.shown = np.unique(test.labels[:tests], return_index=True)[1]  # one of each class

    def gaussian(self) -> Task:
        title = "MNIST, Gaussian noise of 0.5, clipped to 0..1"
        return self._task("gaussian", title, lambda x, stream: noisy(x, DIGIT_SIGMA, True, stream), DIGIT_SIGMA)

    def block(self) -> Task:
        return self._task("block", f"MNIST, a block of {BLOCK}x{BLOCK} pixels hidden", with_blocks)

    def pixels(self) -> Task:
        return self._task("pixels", "MNIST, 75 % of the pixels hidden", lambda x, stream: with_pixels(x, 0.75, stream))

    def _task(self, name: str, title: str, corrupt: Corrupt, sigma: float | None = None) -> Task:
        return Task.of(name, "digits", title, self.training, self.test, corrupt, sigma, self.shown)


class Photographs:
    """The grey photographs of one size in a folder; the last 40 by name are the test.

    To check scripts, only the first `tests` of those, and of all only a corner of `side` pixels.
    """

    def __init__(self, folder: Path, tests: int | None = None, side: int | None = None) -> None:
        paths = sorted(folder.glob("*.png"))
        pictures = np.stack([np.asarray(Image.open(path).convert("L")) for path in paths]).astype(np.float32) / 255
        pictures = pictures[:, :side, :side]
        self.training, self.test = pictures[:-TESTED_PHOTOS], pictures[-TESTED_PHOTOS:][:tests]

    def photos(self) -> Task:
        title = "Photographs, Gaussian noise of 25/255"
        return self._task("photos", title, lambda x, stream: noisy(x, PHOTO_SIGMA, False, stream), PHOTO_SIGMA)

    def camera(self) -> Task:
        title = "Photographs, noise of a camera"
        few = self.training[spread(len(self.training), TUNING)]
        return self._task("camera", title, through_camera, float(np.std(through_camera(few, 2) - few)))

    def holes(self) -> Task:
        title = "Photographs, 50 % of the pixels missing"
        return self._task("holes", title, lambda x, stream: with_pixels(x, 0.5, stream))

    def _task(self, name: str, title: str, corrupt: Corrupt, sigma: float | None = None) -> Task:
        shown = np.array([int(share * len(self.test)) for share in SHOWN_PHOTOS])
        return Task.of(name, "photographs", title, self.training, self.test, corrupt, sigma, shown)

    def large(self, side: int) -> np.ndarray:
        """Return a noisy mosaic (side, side) of photographs."""
        height, width = self.training.shape[1:]
        down, across = -(-side // height), -(-side // width)
        tiles = np.resize(self.training, (down, across, height, width)).swapaxes(1, 2)
        return noisy(tiles.reshape(down * height, across * width)[:side, :side], PHOTO_SIGMA, False, stream=4)
