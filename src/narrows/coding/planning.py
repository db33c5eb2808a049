"""From what is asked of a compression to how it is done: path, step, and what a bit is worth."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from narrows.coding.coder import RATE_WEIGHT, Coder, Plan
from narrows.coding.latent import STEPS
from narrows.coding.mode import Mode
from narrows.data import Items
from narrows.errors import DataError

SAMPLE_VALUES, CHECKED_VALUES = 2**18, 2**24
LARGEST_SIDE = 256  # of the middle of an item that stands for it in a sample
HALVINGS = 9  # of an interval that is searched
HEAVIEST = 4.0  # times RATE_WEIGHT


@dataclass(frozen=True)
class Trial:
    """What a plan came to on some items."""

    plan: Plan
    bits: float
    error: float  # mean squared


def plan(coder: Coder, items: Items, mode: Mode) -> Plan:
    """The plan that meets a demand with the fewest bits; DataError where it cannot be met."""
    if mode.max_error is not None:
        if mode.max_error == 0 and items.dtype.kind == "f":
            raise DataError(f"{items.dtype} values: lossless is for integers; give a max error, in the data's own unit")
        return coder.pixel_plan(coder.bounded(mode.max_error, items.dtype))
    span = value_range(coder, items)
    sample = list(middles(items))
    whole = sum(x.size for x in sample) == items.values.size
    if mode.kind == "quality":
        step = span * 2 ** (-8 * mode.value / 100)
        pixel = try_out(coder, pixel_plan(coder, step, items.dtype), sample)
        latent = coarsest_latent(coder, items.dtype, sample, pixel.error)
        return pixel.plan if latent is None or pixel.bits <= latent.bits else latent.plan
    wanted = span**2 * 10 ** (-mode.value / 10)
    # What the sample is short of the whole is made good by aiming a little higher until all items are good enough.
    for attempt in range(12):
        aim = wanted * 10 ** (-0.005 * attempt)
        pixel = coarsest_pixel(coder, items.dtype, sample, span, aim)
        latent = coarsest_latent(coder, items.dtype, sample, aim)
        best = latent if latent is not None and (pixel is None or latent.bits < pixel.bits) else pixel
        if best is None:
            break
        if whole or try_out(coder, best.plan, chunks(items)).error <= wanted:
            return best.plan
    if items.dtype.kind == "f":
        raise DataError(f"psnr={mode.value:g}: cannot be reached for these items; give a max error instead")
    return coder.pixel_plan(coder.bounded(0, items.dtype))


def value_range(coder: Coder, items: Items) -> float:
    """The range of values that qualities and PSNR refer to: the model's, or that of the items where it has none."""
    if coder.scaling.ranged:
        return coder.scaling.high - coder.scaling.low
    ends = [(np.nanmin(x), np.nanmax(x)) for x in (np.where(np.isfinite(x), x, np.nan) for x in items.chunks())]
    span = float(max(high for _, high in ends)) - float(min(low for low, _ in ends))
    return span if span > 0 and math.isfinite(span) else 1.0


def pixel_plan(coder: Coder, step: float, dtype: np.dtype, heavier: float = 1.0) -> Plan:
    """Without a bound; lossless where the step of integers is 1."""
    if dtype.kind != "f":
        step = max(1, round(step))
        if step == 1:
            return coder.pixel_plan(coder.bounded(0, dtype))
    return coder.pixel_plan(coder.quantiser(step, dtype), RATE_WEIGHT * heavier)


def coarsest_pixel(coder: Coder, dtype: np.dtype, sample: list[np.ndarray], span: float, error: float) -> Trial | None:
    """The cheapest trial of the pixel path with at most this error: the largest step, then the heaviest weight."""

    def at_step(exponent: float) -> Trial:
        return try_out(coder, pixel_plan(coder, span * 2**exponent, dtype), sample)

    found = largest(at_step, -math.log2(span) if dtype.kind != "f" else -24, 0, error)
    if found is None or found.plan.quantiser.bound == 0:
        return found
    step = found.plan.quantiser.step
    heavier = largest(lambda w: try_out(coder, pixel_plan(coder, step, dtype, w), sample), 1, HEAVIEST, error)
    return min((each for each in (found, heavier) if each is not None), key=lambda trial: trial.bits)


def coarsest_latent(coder: Coder, dtype: np.dtype, sample: list[np.ndarray], error: float) -> Trial | None:
    """The cheapest trial of the latent path with at most this error; None where there is none."""
    return largest(lambda entry: try_out(coder, coder.latent_plan(entry, dtype), sample), 0, STEPS - 1 / 16, error)


def largest(trial: Callable[[float], Trial], low: float, high: float, error: float) -> Trial | None:
    """The trial at about the largest number from low to high whose error is small enough, where errors grow with it."""
    best = trial(low)
    if best.error > error:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        now = trial(middle)
        if now.error <= error:
            low, best = middle, now
        else:
            high = middle
    return best


def try_out(coder: Coder, plan: Plan, groups: Iterator[np.ndarray] | list[np.ndarray]) -> Trial:
    """What a plan comes to on groups of items of one shape, values that are no numbers aside."""
    bits, squares, count = 0.0, 0.0, 0
    for x in groups:
        finite = np.isfinite(x)
        x = np.where(finite, x, 0).astype(x.dtype)
        _, costs, decoded = coder.try_out(plan, x)
        difference = (decoded().astype(np.float64) - x.astype(np.float64))[finite]
        bits += costs.sum()
        squares += float((difference**2).sum())
        count += difference.size
    return Trial(plan, bits, squares / max(count, 1))


def middles(items: Items) -> Iterator[np.ndarray]:
    """A sample: some items spread evenly over all, and of large ones the middles; groups (n, ...) of one shape."""
    limit = round((LARGEST_SIDE**2) ** (1 / items.spatial))
    each = max(1, items.values.size // len(items))
    each = min(each, LARGEST_SIDE**2 * items.channels)
    chosen = np.unique(np.linspace(0, len(items) - 1, max(1, SAMPLE_VALUES // each)).round().astype(int))
    found: dict[tuple[int, ...], list[np.ndarray]] = {}
    for index in chosen.tolist():
        item = items[index]
        starts = [max(0, (size - limit) // 2) for size in item.shape[: items.spatial]]
        middle = item[tuple(slice(start, start + limit) for start in starts)]
        found.setdefault(middle.shape, []).append(middle)
    for members in found.values():
        yield np.stack(members)


def chunks(items: Items) -> Iterator[np.ndarray]:
    """All items, or so many of them as can be looked at, in groups of one shape."""
    seen = 0
    for chunk in items.chunks():
        yield chunk if items.uniform else chunk[None]
        seen += chunk.size
        if seen > CHECKED_VALUES:
            return
