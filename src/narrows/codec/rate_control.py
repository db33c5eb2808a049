"""Rate control: the path, step and rate-distortion weight that reach a target with the fewest bits."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from narrows.codec.coder import Coder
from narrows.codec.coding_plan import CodingPlan
from narrows.codec.container.mode import Mode
from narrows.codec.encoding import ItemEncoder, SquaredErrors, Stack, distortion, on_grid
from narrows.codec.exception_coding import exception_bits
from narrows.codec.transforms.latent import STEPS, step_of
from narrows.codec.windows import window_length
from narrows.data import Items
from narrows.data.masks import value_ends
from narrows.errors import DataError

SAMPLE = 64  # of so many values one is in the sample
FEWEST, MOST = 2**15, 2**17  # values of a sample; fewer are all in it
WINDOW = 2**12  # places in a window of an item that is in a sample, at most
MARGIN = 16  # one in so many places of a window's side: the margin whose errors do not count, for want of neighbours
TRIALS = 7  # at most, to find the largest number that will do
CLOSE = 0.014  # octaves below the squared error that may be made, where a trial is good enough
AIM = 0.993  # share of the squared error allowed on all items that is aimed at on the sample
ATTEMPTS = 4  # to meet on all items what was met on the sample
LIGHT, USUAL, HEAVIEST = 0.03, 0.12, 0.3  # squared steps that a bit is worth: by quality, in trials, at most
SLOWEST = 0.1  # octaves by which an error grows with a weight, at least
CANDIDATES = 3  # steps whose bits are counted
HOPELESS = 1.25  # times the bits of the transform path, from which on the pixel path is not looked at closely
ENTRIES = ((0.0, STEPS - 1 / 16), 1 / 16)  # of the transform path, and what they differ by
OF_ENTRY = 0.6  # octaves by which the error grows with it, about
FINEST = 2.0**-20  # step of real numbers, as a share of their range
TINY = 2.0**-400  # for an error of 0


@dataclass(frozen=True)
class Trial:
    """Bits and mean squared error of a plan on a sample."""

    plan: CodingPlan
    bits: float
    error: float


def choose_plan(encoder: ItemEncoder, mode: Mode) -> CodingPlan:
    """Return the plan that meets a mode with the fewest bits; DataError where it cannot be met."""
    coder, items = encoder.coder, encoder.items
    if mode.max_error is not None:
        if mode.max_error == 0 and items.dtype.kind == "f":
            raise DataError(f"{items.dtype} values: lossless is for integers; give a max error, in the data's own unit")
        return plan_within_bound(coder, mode.max_error, items)
    if "lossy" not in coder.pixels:  # what has no loss meets any quality
        return coder.pixel_plan(coder.bounded(0, items.dtype))
    # The network of the transform path would see where windows end; what is quantised in its place does not.
    long = any(
        window_length(shape, items.spatial_dims)
        for shape in (items.shapes if items.shapes is not None else [items.item_shape])
    )
    search = Search(coder, items.dtype, sample_of(items), value_range(coder, items), coder.has_transform and not long)
    if mode.kind == "quality":
        pixel = search.trial(search.pixel_plan(search.span * 2 ** (-8 * mode.value / 100), LIGHT))
        found = (pixel, search.coarsest_transform(pixel.error), search.lossless())
        return min((each for each in found if each), key=lambda each: each.bits).plan
    plan = plan_within(search, encoder, search.span**2 * 10 ** (-mode.value / 10))
    if plan is not None:
        return plan
    if items.dtype.kind == "f":
        raise DataError(
            "cannot be reached for these items; give a max error instead", parameter="psnr", value=mode.value
        )
    return coder.pixel_plan(coder.bounded(0, items.dtype))


def plan_within_bound(coder: Coder, max_error: float, items: Items) -> CodingPlan:
    """Return the plan for a largest error, or the lossless one, which costs less where values repeat exactly."""
    bounded = coder.pixel_plan(coder.bounded(max_error, items.dtype))
    if items.dtype.kind == "f" or bounded.quantiser.bound == 0 or not coder.codes(coder.bounded(0, items.dtype)):
        return bounded
    lossless, sample = coder.pixel_plan(coder.bounded(0, items.dtype)), sample_of(items)
    return min(bounded, lossless, key=lambda plan: try_out(coder, plan, sample).bits)


def plan_within(search: "Search", encoder: ItemEncoder, wanted: float) -> CodingPlan | None:
    """Return the plan of the fewest bits with at most a mean squared error on all items; None where none is found."""
    aim = AIM * wanted * sample_share(search, encoder, wanted)
    transform, lossless = search.coarsest_transform(aim), search.lossless()
    pixel = search.coarsest_pixel(aim, math.inf if transform is None else HOPELESS * transform.bits)
    found = [trial for trial in (transform, lossless, pixel) if trial is not None]
    for trial in sorted(found, key=lambda trial: trial.bits):
        if trial == lossless:
            return trial.plan
        if trial.plan.path == "transform":
            plan = transform_within(search, encoder, trial, wanted)
        else:
            plan = pixel_within(search, encoder, trial, wanted, aim)
        if plan is not None:
            return plan
    return None


def transform_within(search: "Search", encoder: ItemEncoder, trial: Trial, wanted: float) -> CodingPlan | None:
    """Return the plan of the transform path that meets an error on all items, near one that meets it on the sample."""
    found = largest(
        lambda entry: encoder.distortion(search.transform_plan(entry)), *ENTRIES, wanted, trial.plan.entry, OF_ENTRY
    )
    return None if found is None else search.transform_plan(found)


def pixel_within(
    search: "Search", encoder: ItemEncoder, trial: Trial | None, wanted: float, aim: float
) -> CodingPlan | None:
    """Return the plan of the pixel path that meets an error on all items, near one that meets `aim` on the sample."""
    for _ in range(ATTEMPTS):
        if trial is None or trial.plan.quantiser.bound == 0:
            break
        error = encoder.encode(trial.plan, wanted, partial(search.reweighted, trial.plan))
        if error <= wanted:
            return trial.plan
        aim *= AIM * wanted / error  # the sample is not quite like all items
        trial = search.coarsest_pixel(aim)
    return None


def sample_share(search: "Search", encoder: ItemEncoder, wanted: float) -> float:
    """Return the squared error of the sample as a share of that of all items, by the grid alone, which is quick."""
    plan = search.pixel_plan(max(math.sqrt(12 * wanted), search.span * FINEST))
    error = encoder.grid_error(plan)
    return min(max(on_grid(plan, search.sample).mean / error, 0.5), 2.0) if error else 1.0


def value_range(coder: Coder, items: Items) -> float:
    """Return the range of values that qualities and PSNR refer to: the model's, else that of the items."""
    if coder.scaling.is_range:
        return coder.scaling.high - coder.scaling.low
    low, high = value_ends(items, coder.fill_value)
    span = float(high) - float(low)
    return span if span > 0 and math.isfinite(span * span) else 1.0


@dataclass(frozen=True)
class Search:
    """Trials of plans on a sample; no plan is tried twice."""

    coder: Coder
    dtype: np.dtype
    sample: list[Stack]
    span: float  # of the values
    transforms: bool  # whether the transform path may be taken
    trials: dict[CodingPlan, Trial] = field(default_factory=dict)
    errors: dict[CodingPlan, float] = field(default_factory=dict)

    @property
    def keeps_integers(self) -> bool:
        """Whether there is a lossless plan."""
        return self.dtype.kind != "f" and self.coder.codes(self.coder.bounded(0, self.dtype))

    def trial(self, plan: CodingPlan) -> Trial:
        """Return the trial of a plan."""
        if plan not in self.trials:
            self.trials[plan] = try_out(self.coder, plan, self.sample)
        return self.trials[plan]

    def error(self, plan: CodingPlan) -> float:
        """Return the mean squared error of a plan without optimised indices, whose symbols need not be coded for it."""
        if plan not in self.errors:
            self.errors[plan] = distortion(self.coder, plan, self.sample).mean
        return self.errors[plan]

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

    def transform_plan(self, entry: float) -> CodingPlan:
        """Return a plan of the transform path."""
        return self.coder.transform_plan(entry, self.dtype)

    def coarsest_grid(self, error: float) -> CodingPlan | None:
        """Return the plan of the pixel path with the largest step and at most this error; None where there is none."""
        ends = 0.0 if self.dtype.kind != "f" else math.log2(self.span * FINEST), math.log2(self.span)
        exponent = largest(
            lambda exponent: self.error(self.pixel_plan(2**exponent)),
            ends,
            1 / 256,
            error,
            octaves(12 * error, 1) / 2,
            2.0,
        )
        return None if exponent is None else self.pixel_plan(2**exponent)

    def coarsest_pixel(self, error: float, most: float = math.inf) -> Trial | None:
        """Return about the cheapest plan of the pixel path with this error, over steps and weights, and its bits.

        Near the largest step that will do, others may do better, above all those that divide the range of the values.
        None where none is found, or where the bits seem to be more than `most`.
        """
        found = self.coarsest_grid(error)
        if found is None or found.quantiser.bound == 0 or not self.coder.chooses_indices(found.quantiser):
            return None if found is None else self.trial(found)
        first_plan = replace(found, weight=USUAL)
        first = self.expected(first_plan, error)
        if first.bits > most:
            return None
        step = found.quantiser.step
        steps = {step * 2 ** (eighths / 8) for eighths in range(-3, 5)} | {self.span / n for n in range(1, 65)}
        near = {self.pixel_plan(each) for each in steps if step / 1.3 < each < 1.5 * step} - {found}
        good = {plan: self.error(plan) for plan in near if self.error(plan) <= error}
        gap = octaves(self.trial(first_plan).error, self.error(found))  # which the weight fills

        def merit(plan: CodingPlan) -> float:
            return octaves(plan.quantiser.step**2, good[plan]) - 2 * abs(octaves(error, good[plan]) - gap)

        others = sorted(good, key=lambda plan: (-merit(plan), plan.quantiser.step))[: CANDIDATES - 1]
        tried = [first, *(self.expected(replace(plan, weight=USUAL), error) for plan in others)]
        return self.expected(min(tried, key=lambda trial: trial.bits).plan, error)

    def expected(self, plan: CodingPlan, error: float) -> Trial:
        """Return what a plan of the pixel path will give for another error, with another weight.

        Bits are about a straight line over the logarithm of the error; the weight, which is how much error a bit is
        worth, tells its slope.
        """
        trial = self.trial(plan)
        changed = self.reweighted(plan, octaves(error, trial.error))
        more = float(np.diff(np.interp([plan.weight, changed.weight], *self.curve(plan)))[0])
        size = sum(stack.items.size for stack in self.sample)
        fall = size * trial.error / (max(plan.weight, LIGHT) * plan.quantiser.step**2) * math.log(2)
        return Trial(changed, trial.bits - fall * more, trial.error * 2**more)

    def reweighted(self, plan: CodingPlan, more: float) -> CodingPlan:
        """Return a plan of the pixel path with the weight by which its error is so many octaves larger."""
        if not self.coder.chooses_indices(plan.quantiser):
            return plan
        weights, errors = self.curve(plan)
        return replace(plan, weight=float(np.interp(np.interp(plan.weight, weights, errors) + more, errors, weights)))

    def curve(self, plan: CodingPlan) -> tuple[np.ndarray, np.ndarray]:
        """Return weights, up to the heaviest, and the binary logarithms of a plan's errors with them, after trials."""
        none = replace(plan, weight=0.0)
        tried = [trial for trial in self.trials.values() if replace(trial.plan, weight=0.0) == none]
        known = {0.0: self.error(none), **{trial.plan.weight: trial.error for trial in tried}}
        weights = np.array(sorted(known))
        errors = np.log2([max(known[weight], TINY) for weight in weights])
        growth = max((errors[-1] - errors[-2]) / (weights[-1] - weights[-2]), SLOWEST)
        weights = np.append(weights, HEAVIEST + 1e-6)
        errors = np.append(errors, errors[-1] + growth * (weights[-1] - weights[-2]))
        return weights, np.maximum.accumulate(errors) + 1e-9 * weights

    def coarsest_transform(self, error: float) -> Trial | None:
        """Return the cheapest trial of the transform path with at most this error; None where there is none."""
        if not self.transforms:
            return None
        finest = step_of(0, self.coder.scaling.is_range) * (self.span if self.coder.scaling.is_range else 1)
        entry = largest(
            lambda entry: self.error(self.transform_plan(entry)),
            *ENTRIES,
            error,
            octaves(12 * error, finest**2),
            OF_ENTRY,
        )
        return None if entry is None else self.trial(self.transform_plan(entry))


def largest(
    error_of: Callable[[float], float],
    ends: tuple[float, float],
    resolution: float,
    error: float,
    start: float,
    slope: float,
) -> float | None:
    """Return about the largest number whose error, which grows with it, is allowed; None where none is found.

    Parameters
    ----------
    error_of : callable
        From a number to its error.
    ends : float and float
        The least number and the largest.
    resolution : float
        What numbers differ by, at least.
    error : float
        What is allowed.
    start : float
        A first guess.
    slope : float
        By how many octaves the error grows with the number there, about.
    """
    low, high = ends[0] - resolution, ends[1] + resolution  # the largest that is known to be allowed, or the other way
    place, before = start, None
    for _ in range(TRIALS):
        place = min(
            max(ends[0] + round((place - ends[0]) / resolution) * resolution, low + resolution), high - resolution
        )
        now = error_of(place)
        gap = octaves(error, now)
        if gap >= 0:
            low = place
        else:
            high = place
        close = max(CLOSE, slope * resolution)
        if 0 <= gap < close or high - low < 1.5 * resolution:
            break
        if before is not None:
            slope = min(max((before[1] - gap) / (place - before[0]), slope / 4), 4 * slope)
        before = place, gap
        margin = (high - low) / 16 if ends[0] <= low < high <= ends[1] else 0.0
        place = min(max(place + (gap - close / 2) / slope, low + margin), high - margin)
    return None if low < ends[0] else low


def octaves(error: float, other: float) -> float:
    """Return the binary logarithm of the ratio of two errors."""
    return math.log2(max(error, TINY) / max(other, TINY))


def try_out(coder: Coder, plan: CodingPlan, stacks: list[Stack]) -> Trial:
    """Return the trial of a plan on items; the error is that of finite values."""
    bits, errors = 0.0, SquaredErrors()
    for stack in stacks:
        x = stack.items
        held, exceptions = plan.quantiser.without_exceptions(x, coder.channels)
        coded = coder.encode(plan, held, exceptions.mask(x.shape))
        found = coder.values(plan, coded.indices, held.shape)
        exceptions.put_into(found)
        errors.add(found[stack.counted], x[stack.counted])
        bits += coded.bits.sum() + exception_bits(exceptions, x.shape).sum()
    return Trial(plan, bits, errors.mean)


def sample_of(items: Items) -> list[Stack]:
    """Return a sample: windows of items, spread evenly over all, or all of a few values."""
    if items.values.size <= FEWEST:
        chosen, limit, each = np.arange(len(items)), items.values.size + 1, 1
    else:
        limit = round(WINDOW ** (1 / items.spatial_dims))
        window = max(1, min(items.values.size // len(items), WINDOW * items.channels))
        count = max(1, min(max(items.values.size // SAMPLE, FEWEST), MOST) // window)
        chosen = np.unique(np.linspace(0, len(items) - 1, count).round().astype(int))
        each = -(-count // len(chosen))
    found: dict[tuple[int, ...], list[np.ndarray]] = {}
    for index in chosen.tolist():
        item = items[index]
        for part in spread_windows(item, limit, items.spatial_dims, each):
            found.setdefault(part.shape, []).append(part)
    return [
        Stack(np.stack(members), within(members[0].shape[: items.spatial_dims], limit)) for members in found.values()
    ]


def within(shape: tuple[int, ...], limit: int) -> tuple[slice, ...]:
    """Return where the values of a window are whose neighbours are in it too, as far as an item is larger than it."""
    margin = limit // MARGIN
    return (slice(None), *(slice(margin, -margin) if size == limit else slice(None) for size in shape))


def spread_windows(item: np.ndarray, limit: int, spatial: int, count: int) -> list[np.ndarray]:
    """Return windows of at most `limit` places along each spatial axis: the middle one, and others spread evenly."""
    rooms = [max(0, size - limit) for size in item.shape[:spatial]]
    parts = []
    for number in range(count if any(rooms) else 1):
        # Multiples of irrational numbers fill an interval evenly, and those of several of them a square or a cube.
        shares = [(0.5 + number * 2 ** (-(axis + 1) / (spatial + 1))) % 1 for axis in range(spatial)]
        starts = [int(share * room) for share, room in zip(shares, rooms, strict=True)]
        parts.append(item[tuple(slice(start, start + limit) for start in starts)])
    return parts
