"""How well a model takes noise away or fills holes, where what is right is known."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from narrows.data import Items, Scaling
from narrows.errors import DataError
from narrows.estimators.base import VALUES_AT_ONCE
from narrows.estimators.denoiser import Denoiser, check_alike
from narrows.estimators.imputer import Imputer, missing
from narrows.evaluation.reconstruction_evaluation import SSIM_WINDOW, decibels, smallest_side, ssim, unit


@dataclass(frozen=True)
class Quality:
    """How near to what is right values are; None where a figure does not apply.

    mse: mean squared error in scaled units.
    psnr: in dB, -10 log10(mse): the peak is 1, the width of the range. None where no range is known.
    ssim: mean structural similarity of pictures of a known range, at least 7 pixels wide and high.
    """

    mse: float
    psnr: float | None
    ssim: float | None


@dataclass(frozen=True)
class Denoising:
    """Figures of a denoiser on items, over all values.

    data, items, skipped: what was denoised, how many items, and how many could not be read.
    seconds: what denoising took.
    noise: the noise that was added; None where the items had theirs.
    target: what the items without noise are called; None where noise was added to them.
    unit: what the scaled units are that `mse` is in.
    mse, psnr, ssim: as of `Quality`, of the denoised items. before: of the noisy ones.
    within: the shares of right values at most one stated deviation off, and at most two.
    """

    data: str
    items: int
    skipped: int
    seconds: float
    noise: str | None
    target: str | None
    unit: str
    mse: float
    psnr: float | None
    ssim: float | None
    before: Quality
    within: tuple[float, float]


@dataclass(frozen=True)
class Filling:
    """Figures of an imputer on items of which some values were hidden, over the hidden values.

    data, items, skipped, seconds, unit, within: as of `Denoising`.
    holes: what was hidden. hidden: which share of the values it was.
    mse, psnr, ssim: as of `Quality`, but that `ssim` is of whole pictures, and None where they have holes of their own.
    mean: of filling with the mean of what is known of the item's channel. nearest: with the nearest known value.
    """

    data: str
    items: int
    skipped: int
    seconds: float
    holes: str
    hidden: float
    unit: str
    mse: float
    psnr: float | None
    ssim: float | None
    mean: Quality
    nearest: Quality
    within: tuple[float, float]


@dataclass
class Sums:
    """What qualities are made of, added up part by part."""

    scaling: Scaling
    with_ssim: bool
    squares: float = 0.0
    values: int = 0
    similarity: float = 0.0
    items: int = 0

    def add(self, answer: np.ndarray, right: np.ndarray, asked: np.ndarray | None = None) -> None:
        """Items (n, *S) or (n, *S, C) in scaled units; over the values that are asked for, or over all."""
        off = (answer - right if asked is None else answer[asked] - right[asked]).astype(np.float64)
        self.squares += float((off**2).sum())
        self.values += off.size
        self.items += len(answer)
        if self.with_ssim:
            self.similarity += float(ssim(channels_first(answer), channels_first(right)).double().sum())

    def quality(self) -> Quality:
        mse = self.squares / self.values
        return Quality(mse, decibels(mse, self.scaling), self.similarity / self.items if self.with_ssim else None)


@dataclass
class Within:
    """How many values are at most one stated deviation off, and at most two."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(2))
    values: int = 0

    def add(self, answer: np.ndarray, right: np.ndarray, deviation: np.ndarray) -> None:
        off = np.abs(answer.astype(np.float64) - right)
        self.counts += [(off <= times * deviation).sum() for times in (1, 2)]
        self.values += off.size

    def shares(self) -> tuple[float, float]:
        one, two = (self.counts / self.values).tolist()
        return one, two


def evaluate_denoiser(
    model: Denoiser, items: Items, noise: str | None = None, target: Items | None = None
) -> Denoising:
    """Denoise the items, once noise was added, that of training by default; or as they are, where `target` is right.

    DataError where the items are not such as the model takes, or where there is neither noise nor a target.
    """
    if target is not None:
        check_alike(items, target)
    scaling, with_ssim = model.scaling_, comparable(items, model.scaling_)
    before, after, within, seconds = Sums(scaling, with_ssim), Sums(scaling, with_ssim), Within(), 0.0
    rights = parts(items if target is None else target)
    for number, (part, right) in enumerate(zip(parts(items), rights, strict=True)):
        noisy = in_floats(part) if target is not None else model.with_noise(part, noise, seed=number)
        began = time.perf_counter()
        answer = model.transform(noisy)
        seconds += time.perf_counter() - began
        before.add(scaling.forward(noisy.values), scaling.forward(right.values))
        after.add(scaling.forward(answer.values), scaling.forward(right.values))
        within.add(answer.values, right.values, model.uncertainty(noisy).values)
    return Denoising(
        data=items.source,
        items=len(items),
        skipped=len(items.skipped),
        seconds=round(seconds, 3),
        noise=(noise or model.noise) if target is None else None,
        target=None if target is None else target.source,
        unit=unit(scaling),
        **vars(after.quality()),
        before=before.quality(),
        within=within.shares(),
    )


def evaluate_imputer(model: Imputer, items: Items, holes: str | None = None) -> Filling:
    """Hide values of the items, as in training by default, and fill them.

    DataError where the items are not such as the model takes, ValueError where they cannot have such holes.
    """
    scaling = model.scaling_
    fillings = [Sums(scaling, comparable(items, scaling)) for _ in range(3)]
    within, seconds, count = Within(), 0.0, 0
    for number, part in enumerate(parts(items)):
        right = in_floats(model.with_mask(part))
        hidden = model.with_holes(right, holes, seed=number)
        own = missing(right)
        asked, known = missing(hidden) & ~own, ~missing(hidden)
        began = time.perf_counter()
        answer = model.transform(hidden)
        seconds += time.perf_counter() - began
        values = scaling.forward(right.values)
        answers = [
            scaling.forward(answer.values),
            fill_each(with_mean, values, known, right),
            fill_each(with_nearest, values, known, right),
        ]
        for sums, filled in zip(fillings, answers, strict=True):
            sums.with_ssim = sums.with_ssim and not own.any()
            sums.add(filled, values, asked)
        within.add(answer.values[asked], right.values[asked], model.uncertainty(hidden).values[asked])
        count += values.size
    if not within.values:
        raise DataError(f"{items.source}: too little of it is known for anything to be hidden")
    filling, mean, nearest = (sums.quality() for sums in fillings)
    return Filling(
        data=items.source,
        items=len(items),
        skipped=len(items.skipped),
        seconds=round(seconds, 3),
        holes=holes or model.holes,
        hidden=within.values / count,
        unit=unit(scaling),
        **vars(filling),
        mean=mean,
        nearest=nearest,
        within=within.shares(),
    )


def parts(items: Items) -> Iterator[Items]:
    """The items, as many of one shape at a time as are worked on at once."""
    if items.uniform:
        step = max(1, VALUES_AT_ONCE // max(1, items.values[0].size))
        for start in range(0, len(items), step):
            yield items.select(slice(start, start + step))
        return
    holes = None if items.mask is None else items.mask_items()
    for index, item in enumerate(items):
        yield Items(item[None], items.axes, source=items.source, mask=None if holes is None else holes[index][None])


def in_floats(items: Items) -> Items:
    """The same values in a type that holds what lies between them, so that answers are not rounded."""
    return replace(items, values=items.values.astype(np.promote_types(items.dtype, np.float32)))


def comparable(items: Items, scaling: Scaling) -> bool:
    """Whether the items are pictures that have a structural similarity."""
    return scaling.is_range and items.spatial_dims == 2 and smallest_side(items) >= SSIM_WINDOW


def channels_first(pictures: np.ndarray) -> Tensor:
    """Pictures (n, Y, X) or (n, Y, X, C) as (n, C, Y, X)."""
    x = torch.from_numpy(pictures)
    return x.unsqueeze(1) if x.ndim == 3 else x.movedim(-1, 1)


def fill_each(
    fill: Callable[[np.ndarray, np.ndarray], np.ndarray], values: np.ndarray, known: np.ndarray, items: Items
) -> np.ndarray:
    """Values (n, *S) or (n, *S, C), as of `items`, filled channel by channel.

    fill: from a channel (*S), and True where it is known, to the whole. A channel of which nothing is known gets the
    mean of what is known of the item.
    """
    filled = np.zeros(values.shape, np.float32)
    each = (array if items.axes.endswith("C") else array[..., None] for array in (values, known, filled))
    for item, its, out in zip(*each, strict=True):
        for channel in range(item.shape[-1]):
            if its[..., channel].any():
                out[..., channel] = fill(item[..., channel], its[..., channel])
            elif its.any():
                out[..., channel] = item[its].mean()
    return filled


def with_mean(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.where(known, x, x[known].mean())


def with_nearest(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    return x[tuple(distance_transform_edt(~known, return_distances=False, return_indices=True))]
