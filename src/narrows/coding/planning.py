"""From what is asked of a compression to how it is done: path, step, and what a bit is worth."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from narrows.coding.coder import Coder, Plan
from narrows.coding.latent import STEPS
from narrows.coding.mode import Mode
from narrows.data import Items
from narrows.errors import DataError

SAMPLE_VALUES, CHECKED_VALUES = 2**17, 2**24
LARGEST_SIDE = 256  # of the middle of an item that stands for it in a sample
HALVINGS = 7  # of an interval that is searched
ATTEMPTS = 6  # to meet on all items what was met on the sample
LIGHTEST, HEAVIEST = 0.03, 0.5  # squared steps that a bit is worth
FINALISTS = 3


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
        pixel = try_out(coder, pixel_plan(coder, step, items.dtype, LIGHTEST), sample)
        latent = coarsest_latent(coder, items.dtype, sample, pixel.error)
        return pixel.plan if latent is None or pixel.bits <= latent.bits else latent.plan
    wanted = span**2 * 10 ** (-mode.value / 10)
    searches = {
        "pixel": lambda error: coarsest_pixel(coder, items.dtype, sample, span, error),
        "latent": lambda error: coarsest_latent(coder, items.dtype, sample, error),
    }
    found = [trial for trial in (search(wanted) for search in searches.values()) if trial is not None]
    best, aim = min(found, key=lambda trial: trial.bits, default=None), wanted
    for _ in range(ATTEMPTS):
        if best is None:
            break
        error = best.error if whole else try_out(coder, best.plan, chunks(items)).error
        if error <= wanted:
            return best.plan
        aim *= 0.998 * wanted / error  # what the sample is short of the whole
        best = searches[best.plan.path](aim)
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


def pixel_plan(coder: Coder, step: float, dtype: np.dtype, weight: float) -> Plan:
    """Without a bound; lossless where the step of integers is 1."""
    if dtype.kind != "f":
        step = max(1, round(step))
        if step == 1:
            return coder.pixel_plan(coder.bounded(0, dtype))
    return coder.pixel_plan(coder.quantiser(step, dtype), weight)


def coarsest_pixel(coder: Coder, dtype: np.dtype, sample: list[np.ndarray], span: float, error: float) -> Trial | None:
    """The cheapest trial of the pixel path with at most this error, over steps and weights.

    Near the largest step that will do, others may do better, above all those that divide the range of the values.
    """

    def trial(step: float, weight: float) -> Trial:
        return try_out(coder, pixel_plan(coder, step, dtype, weight), sample)

    lowest = 0.0 if dtype.kind != "f" else math.log2(span) - 24
    found = largest(lambda exponent: trial(2**exponent, LIGHTEST), lowest, math.log2(span), error)
    if found is None or found.plan.quantiser.bound == 0:
        return found
    step = found.plan.quantiser.step
    steps = {step * 2 ** (eighths / 8) for eighths in range(-4, 5)} | {span / n for n in range(1, 65)}
    if dtype.kind != "f":
        steps = {float(round(each)) for each in steps}
    near = [trial(each, LIGHTEST) for each in sorted(steps) if step / 1.5 < each < 1.5 * step and each > 1]
    good = sorted((each for each in near if each.error <= error), key=lambda each: each.bits)[:FINALISTS]
    for finalist in [found, *good]:
        step = finalist.plan.quantiser.step
        heavier = largest(partial(trial, step), LIGHTEST, HEAVIEST, error)
        found = min((each for each in (found, finalist, heavier) if each), key=lambda each: each.bits)
    return found


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
