"""Rate and distortion of a peer on a set of images."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Literal

import numpy as np

import peers
from narrows.evaluation.peers import ImagePeer, Options
from peers import lossy_variants

Files = Literal["one", "each"]  # all items in one file, or each in its own
FILES: tuple[Files, Files] = ("one", "each")

SPREAD = 5  # settings of a curve, from the worst to the best, beside those found for the targets


@dataclass(frozen=True)
class Rate:
    """One codec at one setting, on all items.

    bytes: of all files. psnr: in dB, of the mean squared error over all values of all items, range 255; None if
    lossless. worst: the largest error of a value. encoding, decoding: seconds.
    """

    coder: str
    files: Files
    setting: str
    bytes: int
    items: int
    pixels: int
    psnr: float | None
    worst: int
    encoding: float
    decoding: float

    def reaches(self, psnr: float) -> bool:
        return self.psnr is None or self.psnr >= psnr


def distortion(items: Iterable[np.ndarray], returned: Iterable[np.ndarray]) -> tuple[float | None, int]:
    """PSNR and largest error, as in `Rate`; items one by one."""
    squares = values = worst = 0
    for item, back in zip(items, returned, strict=True):
        errors = np.abs(item.astype(np.int64) - back)
        squares, values, worst = squares + int((errors**2).sum()), values + errors.size, max(worst, int(errors.max()))
    return (10 * math.log10(255**2 * values / squares) if squares else None), worst


def pixels(items: Sequence[np.ndarray]) -> int:
    return sum(item.shape[0] * item.shape[1] for item in items)


def measured(
    peer: ImagePeer, files: Files, items: Sequence[np.ndarray], quality: float | None, options: Options
) -> Rate:
    """Encode and decode all items at one setting."""
    mosaic = Mosaic.of(items, peer.mosaic) if files == "one" else None
    pictures = list(items) if mosaic is None else [mosaic.picture(items)]
    began = time.perf_counter()
    contents = [peer.encode(picture, quality, **options) for picture in pictures]
    between = time.perf_counter()
    returned = [peer.decode(content, picture.shape) for content, picture in zip(contents, pictures, strict=True)]
    ended = time.perf_counter()
    psnr, worst = distortion(items, returned if mosaic is None else mosaic.items(returned[0]))
    if quality is None and psnr is not None:
        raise AssertionError(f"{peer.name} {dict(options)} is not lossless")
    chosen = {"quality": quality, **options} if quality is not None else {"lossless": True, **options}
    return Rate(
        peer.name,
        files,
        ", ".join(f"{name} {value}" for name, value in chosen.items()),
        sum(map(len, contents)),
        len(items),
        pixels(items),
        psnr,
        worst,
        between - began,
        ended - between,
    )


@dataclass(frozen=True)
class Mosaic:
    """Items of one shape, joined row by row into one image; unused positions are black."""

    count: int
    across: int

    @classmethod
    def of(cls, items: Sequence[np.ndarray], kind: Literal["square", "column"]) -> "Mosaic":
        height, width = items[0].shape[:2]
        return cls(len(items), 1 if kind == "column" else math.ceil(math.sqrt(len(items) * height / width)))

    def picture(self, items: Sequence[np.ndarray]) -> np.ndarray:
        down = -(-self.count // self.across)
        places = np.zeros((down * self.across, *items[0].shape), items[0].dtype)
        places[: self.count] = items
        height, width = items[0].shape[:2]
        rows = places.reshape(down, self.across, height, width, -1).swapaxes(1, 2)
        return np.ascontiguousarray(rows).reshape(down * height, self.across * width, *items[0].shape[2:])

    def items(self, picture: np.ndarray) -> np.ndarray:
        """Return the items; the inverse of `picture`."""
        down = -(-self.count // self.across)
        height, width = picture.shape[0] // down, picture.shape[1] // self.across
        rows = picture.reshape(down, height, self.across, width, -1).swapaxes(1, 2)
        return rows.reshape(-1, height, width, *picture.shape[2:])[: self.count]


def curve(peer: ImagePeer, files: Files, items: Sequence[np.ndarray], targets: Iterable[float]) -> list[Rate]:
    """The losslessly coded size, and for each variant a few settings and those that just reach each target PSNR.

    A setting that just reaches a target is found between its neighbours, until the one below it is known to fail.
    """
    rates = [measured(peer, files, items, None, options) for options in peer.lossless]
    targets = list(targets)
    for options in lossy_variants(peer, colour=items[0].ndim == 3) if targets else []:
        known: dict[int, Rate] = {}

        def at(index: int, known: dict[int, Rate] = known, options: Options = options) -> Rate:
            if index not in known:
                known[index] = measured(peer, files, items, peer.qualities[index], options)
            return known[index]

        last = len(peer.qualities) - 1
        for index in np.linspace(0, last, SPREAD).round().astype(int).tolist():
            at(index)
        for target in targets:
            enough = min((index for index, rate in known.items() if rate.reaches(target)), default=None)
            if enough is None:
                continue
            short = max((index for index in known if index < enough), default=-1)
            while enough - short > 1:
                middle = between(short, enough, known, target)
                short, enough = (short, middle) if at(middle).reaches(target) else (middle, enough)
        rates += [known[index] for index in sorted(known)]
    return rates


def between(short: int, enough: int, known: Mapping[int, Rate], target: float) -> int:
    """A setting between two, where a straight line through their PSNR would reach the target; or in their middle."""
    low = known[short].psnr if short in known else None
    high = known[enough].psnr
    if low is None or high is None:
        return (short + enough) // 2
    return min(enough - 1, max(short + 1, short + round((enough - short) * (target - low) / (high - low))))


@dataclass(frozen=True)
class Work:
    """A peer's curve on a set of images, computed by a separate process."""

    coder: str
    files: Files
    pictures: str
    items: Sequence[np.ndarray]
    targets: tuple[float, ...]
    thorough: bool

    def rates(self) -> list[Rate]:
        peer = next(peer for peer in (peers.THOROUGH if self.thorough else peers.PEERS) if peer.name == self.coder)
        return curve(peer, self.files, self.items, self.targets)


def all_rates(works: Sequence[Work], processes: int) -> Iterator[tuple[Work, list[Rate]]]:
    """Each work with its rates, as soon as they are known; begun in the order of the works, one thread each."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        begun = {pool.submit(work.rates): work for work in works}
        for done in as_completed(begun):
            yield begun[done], done.result()
