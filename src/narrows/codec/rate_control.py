"""Rate control: the path, step and rate-distortion weight that reach a target with the fewest bits."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from narrows.codec.chunk import BITS_BESIDE_VALUE, chunks_of, groups
from narrows.codec.coder import Coder
from narrows.codec.coding_plan import CodingPlan
from narrows.codec.container.mode import Mode
from narrows.codec.parallel import ordered_parallel_map
from narrows.codec.transforms.latent import STEPS
from narrows.codec.windows import cut, window_length
from narrows.data import Items
from narrows.errors import DataError

SAMPLE_VALUES = 2**17
LARGEST_SIDE = 256  # of the middle of an item that represents it in a sample
TRIALS = 7  # at most, to find the largest number that will do
CLOSE = 0.997  # share of the squared error that may be made, from which on a trial is good enough
ATTEMPTS = 4  # to meet on all items what was met on the sample
CLOSE_ON_ALL = 0.99
LIGHT, HEAVIEST = 0.03, 0.3  # squared steps that a bit is worth: by quality, at most
FINALISTS = 2


@dataclass(frozen=True)
class Trial:
    """Bits and error of a plan on some items."""

    plan: CodingPlan
    bits: float
    error: float  # mean squared
    values: int


def choose_plan(coder: Coder, items: Items, mode: Mode) -> CodingPlan:
    """Return the plan that meets a mode with the fewest bits; DataError where it cannot be met."""
    if mode.max_error is not None:
        if mode.max_error == 0 and items.dtype.kind == "f":
            raise DataError(f"{items.dtype} values: lossless is for integers; give a max error, in the data's own unit")
        return coder.pixel_plan(coder.bounded(mode.max_error, items.dtype))
    if "lossy" not in coder.pixels:  # what has no loss meets any quality
        return coder.pixel_plan(coder.bounded(0, items.dtype))
    search = Search(coder, items.dtype, middles(items), value_range(coder, items))
    # The network of the latent path would see where windows end; what is quantised in its place does not.
    long = any(
        window_length(shape, items.spatial_dims)
        for shape in (items.shapes if items.shapes is not None else [items.item_shape])
    )
    if mode.kind == "quality":
        step = search.span * 2 ** (-8 * mode.value / 100)
        pixel = search.trial(search.pixel_plan(step, LIGHT))
        latent = None if long else search.coarsest_latent(pixel.error)
        return min((each for each in (pixel, latent, search.lossless()) if each), key=lambda each: each.bits).plan
    wanted = search.span**2 * 10 ** (-mode.value / 10)
    found = [search.coarsest_pixel(wanted), None if long else search.coarsest_latent(wanted), search.lossless()]
    best = min((trial for trial in found if trial is not None), key=lambda trial: trial.bits, default=None)
    if best is not None and best == search.lossless():
        return best.plan
    whole = sum(x.size for x in search.sample) == items.values.size
    good, aim = None, wanted
    for _ in range(ATTEMPTS):
        if best is None:
            break
        error = best.error if whole else error_of_all(coder, best.plan, items)
        if error <= wanted:
            good = best.plan
            if whole or error > CLOSE_ON_ALL * wanted:
                break
        elif good is not None:
            break
        aim *= 0.998 * wanted / max(error, 0.5 * wanted)  # the sample is not quite like all items
        before, best = best, search.adjusted(best.plan, aim)
        if best == before:
            break
    if good is not None:
        return good
    if items.dtype.kind == "f":
        raise DataError(
            "cannot be reached for these items; give a max error instead", parameter="psnr", value=mode.value
        )
    return coder.pixel_plan(coder.bounded(0, items.dtype))


def value_range(coder: Coder, items: Items) -> float:
    """Return the range of values that qualities and PSNR refer to: the model's, else that of the items."""
    if coder.scaling.is_range:
        return coder.scaling.high - coder.scaling.low
    ends = [(np.nanmin(x), np.nanmax(x)) for x in (np.where(np.isfinite(x), x, np.nan) for x in items.chunks())]
    span = float(max(high for _, high in ends)) - float(min(low for low, _ in ends))
    return span if span > 0 and math.isfinite(span * span) else 1.0


@dataclass(frozen=True)
class Search:
    """Trials of plans on a sample, stacks (n, ...) of items of one shape; no plan is tried twice."""

    coder: Coder
    dtype: np.dtype
    sample: list[np.ndarray]
    span: float  # of the values
    known: dict[CodingPlan, Trial] = field(default_factory=dict)

    @property
    def keeps_integers(self) -> bool:
        """Whether there is a lossless plan."""
        return self.dtype.kind != "f" and self.coder.codes(self.coder.bounded(0, self.dtype))

    def trial(self, plan: CodingPlan) -> Trial:
        """Return the trial of a plan."""
        if plan not in self.known:
            self.known[plan] = try_out(self.coder, plan, self.sample)
        return self.known[plan]

    def pixel_plan(self, step: float, weight: float = 0.0) -> CodingPlan:
        """Return a plan of the pixel path without a bound; lossless where the step of integers is 1."""
        if self.dtype.kind != "f":
            step = max(1 if self.keeps_integers else 2, round(step))
            if step == 1:
                return self.coder.pixel_plan(self.coder.bounded(0, self.dtype))
        return self.coder.pixel_plan(self.coder.quantiser(step, self.dtype), weight)

    def lossless(self) -> Trial | None:
        """Return the trial of the lossless plan, which little training may make the smallest.

        None for real numbers, and for models that do not compress losslessly.
        """
        return self.trial(self.pixel_plan(1)) if self.keeps_integers else None

    def coarsest_pixel(self, error: float) -> Trial | None:
        """Return the cheapest trial of the pixel path with at most this error, over steps and weights.

        Near the largest step that will do, others may do better, above all those that divide the range of the values.
        """
        lowest = 0.0 if self.dtype.kind != "f" else math.log2(self.span) - 20
        found = largest(lambda exponent: self.trial(self.pixel_plan(2**exponent)), lowest, math.log2(self.span), error)
        if found is None or found.plan.quantiser.bound == 0:
            return found
        step = found.plan.quantiser.step
        steps = {step * 2 ** (eighths / 8) for eighths in range(-4, 5)} | {self.span / n for n in range(1, 65)}
        near = [self.trial(self.pixel_plan(each)) for each in sorted(steps) if step / 1.5 < each < 1.5 * step]
        good = sorted((each for each in near if each.error <= error), key=lambda each: each.bits)[:FINALISTS]
        heavier = [self.heaviest(each.plan, error) for each in good]
        return min((each for each in (found, *good, *heavier) if each), key=lambda each: each.bits)

    def heaviest(self, plan: CodingPlan, error: float) -> Trial | None:
        """Return the trial of a plan of the pixel path with the largest weight of a bit and at most this error."""
        return largest(lambda weight: self.trial(replace(plan, weight=weight)), 0.0, HEAVIEST, error)

    def coarsest_latent(self, error: float) -> Trial | None:
        """Return the cheapest trial of the latent path with at most this error; None where there is none."""
        if not self.coder.has_latents:
            return None
        return largest(lambda entry: self.trial(self.coder.latent_plan(entry, self.dtype)), 0, STEPS - 1 / 16, error)

    def adjusted(self, plan: CodingPlan, error: float) -> Trial | None:
        """Return the cheapest trial near a plan that was found for another error."""
        if plan.path == "latent":
            return self.coarsest_latent(error)
        return self.heaviest(plan, error) or self.coarsest_pixel(error)


def largest(trial: Callable[[float], Trial], low: float, high: float, error: float) -> Trial | None:
    """Return the trial at about the largest number from low to high whose error, which grows with it, is allowed."""
    best, above = trial(low), None
    if best.error > error:
        return None
    for _ in range(TRIALS):
        share = 0.5
        if above is not None and above > best.error > 0:  # where a straight line through the logarithms reaches it
            share = min(max(math.log(error / best.error) / math.log(above / best.error), 0.05), 0.95)
        middle = low + share * (high - low)
        now = trial(middle)
        if now.error <= error:
            low, best = middle, now
            if now.error >= CLOSE * error:
                break
        else:
            high, above = middle, now.error
    return best


def try_out(coder: Coder, plan: CodingPlan, stacks: list[np.ndarray]) -> Trial:
    """Return the trial of a plan on stacks of items of one shape; the error is that of finite values."""
    bits, squares, count = 0.0, 0.0, 0
    for x in stacks:
        held, exceptions = plan.quantiser.without_exceptions(x)
        coded = coder.encode(plan, held)
        found = coder.values(plan, coded.indices, held.shape)
        exceptions.put_into(found)
        finite = np.isfinite(x)
        difference = found[finite].astype(np.float64) - x[finite].astype(np.float64)
        bits += coded.bits.sum() + len(exceptions) * (8 * x.itemsize + BITS_BESIDE_VALUE)
        squares += float((difference**2).sum())
        count += difference.size
    return Trial(plan, bits, squares / max(count, 1), count)


def error_of_all(coder: Coder, plan: CodingPlan, items: Items) -> float:
    """Return the mean squared error of a plan on all items, using all cores."""

    def part(run: range) -> tuple[float, int]:
        members = [items[index] for index in run]
        pieces = cut(members[0], items.spatial_dims)
        if len(members) == 1 and len(pieces) > 1:
            trials = [try_out(coder, plan, [piece[None]]) for piece in pieces]
            return sum(trial.error * trial.values for trial in trials), sum(trial.values for trial in trials)
        stacks = [np.stack([members[index] for index in group]) for group in groups([x.shape for x in members])]
        trial = try_out(coder, plan, stacks)
        return trial.error * trial.values, trial.values

    parts = list(ordered_parallel_map(part, chunks_of(items)))
    return sum(squares for squares, _ in parts) / max(1, sum(values for _, values in parts))


def middles(items: Items) -> list[np.ndarray]:
    """Return a sample: items spread evenly over all, of large ones the middles, in groups (n, ...) of one shape."""
    limit = round((LARGEST_SIDE**2) ** (1 / items.spatial_dims))
    each = max(1, items.values.size // len(items))
    each = min(each, LARGEST_SIDE**2 * items.channels)
    chosen = np.unique(np.linspace(0, len(items) - 1, max(1, SAMPLE_VALUES // each)).round().astype(int))
    found: dict[tuple[int, ...], list[np.ndarray]] = {}
    for index in chosen.tolist():
        item = items[index]
        starts = [max(0, (size - limit) // 2) for size in item.shape[: items.spatial_dims]]
        middle = item[tuple(slice(start, start + limit) for start in starts)]
        found.setdefault(middle.shape, []).append(middle)
    return [np.stack(members) for members in found.values()]
