"""Rate control: the path, step and rate-distortion weight that reach a target with the fewest bits."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from narrows.codec.coder import Coder
from narrows.codec.coding_plan import CodingPlan
from narrows.codec.container.mode import Mode
from narrows.codec.encoding import ItemEncoder, SquaredErrors, Stack, distortion, on_grid
from narrows.codec.exception_coding import exception_bits
from narrows.codec.transforms.latent import STEPS
from narrows.codec.windows import window_length
from narrows.data import Items
from narrows.errors import DataError

SAMPLE = 64  # of so many values one is in the sample
FEWEST, MOST = 2**15, 2**17  # values of a sample; fewer are all in it
WINDOW = 2**12  # places in a window of an item that is in a sample, at most
MARGIN = 16  # share of a window's side at each end where errors do not count, for want of neighbours
TRIALS = 7  # at most, to find the largest number that will do
CLOSE = 0.997  # share of the squared error that may be made, from which on a trial is good enough
ATTEMPTS = 4  # to meet on all items what was met on the sample
AIM, CLOSE_ON_ALL = 0.99, 0.98
LIGHT, HEAVIEST = 0.03, 0.3  # squared steps that a bit is worth: by quality, at most
CANDIDATES, FINALISTS = 4, 2  # steps whose bits are counted, and with which heavier bits are tried


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
        return coder.pixel_plan(coder.bounded(mode.max_error, items.dtype))
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


def plan_within(search: "Search", encoder: ItemEncoder, wanted: float) -> CodingPlan | None:
    """Return the plan of the fewest bits with at most a mean squared error on all items; None where none is found."""
    aim = AIM * wanted * sample_share(search, encoder, wanted)
    found = [search.coarsest_pixel(aim), search.coarsest_transform(aim), search.lossless()]
    best = min((trial for trial in found if trial is not None), key=lambda trial: trial.bits, default=None)
    good = None
    for _ in range(ATTEMPTS):
        if best is None or best == search.lossless():
            break
        error = encoder.error(best.plan)
        if error <= wanted:
            good = best.plan
            if error > CLOSE_ON_ALL * wanted:
                break
        elif good is not None:
            break
        aim *= AIM * wanted / max(error, 0.5 * wanted)  # the sample is not quite like all items
        before, best = best, search.adjusted(best.plan, aim)
        if best == before:
            break
    return best.plan if good is None and best is not None and best == search.lossless() else good


def sample_share(search: "Search", encoder: ItemEncoder, wanted: float) -> float:
    """Return the squared error of the sample as a share of that of all items, by the grid alone, which is quick."""
    plan = search.coarsest_grid(wanted)
    if plan is None or not (error := encoder.grid_error(plan)):
        return 1.0
    return min(max(on_grid(plan, search.sample).mean / error, 0.5), 2.0)


def value_range(coder: Coder, items: Items) -> float:
    """Return the range of values that qualities and PSNR refer to: the model's, else that of the items."""
    if coder.scaling.is_range:
        return coder.scaling.high - coder.scaling.low
    ends = [(np.nanmin(x), np.nanmax(x)) for x in (np.where(np.isfinite(x), x, np.nan) for x in items.chunks())]
    span = float(max(high for _, high in ends)) - float(min(low for low, _ in ends))
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

    def coarsest_grid(self, error: float) -> CodingPlan | None:
        """Return the plan of the pixel path with the largest step and at most this error; None where there is none."""
        lowest = 0.0 if self.dtype.kind != "f" else math.log2(self.span) - 20
        exponent = largest(
            lambda exponent: self.error(self.pixel_plan(2**exponent)), lowest, math.log2(self.span), error
        )
        return None if exponent is None else self.pixel_plan(2**exponent)

    def coarsest_pixel(self, error: float) -> Trial | None:
        """Return the cheapest trial of the pixel path with at most this error, over steps and weights.

        Near the largest step that will do, others may do better, above all those that divide the range of the values.
        """
        found = self.coarsest_grid(error)
        if found is None or found.quantiser.bound == 0:
            return None if found is None else self.trial(found)
        step = found.quantiser.step
        steps = {step * 2 ** (eighths / 8) for eighths in range(-4, 5)} | {self.span / n for n in range(1, 65)}
        near = {self.pixel_plan(each) for each in steps if step / 1.5 < each < 1.5 * step}
        good = [plan for plan in {found, *near} if self.error(plan) <= error]
        coarsest = sorted(good, key=lambda plan: -plan.quantiser.step)[:CANDIDATES]
        finalists = sorted(map(self.trial, coarsest), key=lambda each: each.bits)[:FINALISTS]
        heavier = [self.heaviest(each.plan, error) for each in finalists]
        return min((each for each in (*finalists, *heavier) if each), key=lambda each: each.bits)

    def heaviest(self, plan: CodingPlan, error: float) -> Trial | None:
        """Return the trial of a plan of the pixel path with the largest weight of a bit and at most this error."""
        most = HEAVIEST if self.coder.chooses_indices(plan.quantiser) else 0.0
        weight = largest(lambda weight: self.trial(replace(plan, weight=weight)).error, 0.0, most, error)
        return None if weight is None else self.trial(replace(plan, weight=weight))

    def coarsest_transform(self, error: float) -> Trial | None:
        """Return the cheapest trial of the transform path with at most this error; None where there is none."""
        if not self.transforms:
            return None
        entry = largest(
            lambda entry: self.error(self.coder.transform_plan(entry, self.dtype)), 0.0, STEPS - 1 / 16, error
        )
        return None if entry is None else self.trial(self.coder.transform_plan(entry, self.dtype))

    def adjusted(self, plan: CodingPlan, error: float) -> Trial | None:
        """Return the cheapest trial near a plan that was found for another error."""
        if plan.path == "transform":
            return self.coarsest_transform(error)
        return self.heaviest(plan, error) or self.coarsest_pixel(error)


def largest(error_of: Callable[[float], float], low: float, high: float, error: float) -> float | None:
    """Return about the largest number from low to high whose error, which grows with it, is allowed; None for none."""
    below, above = error_of(low), None
    if below > error:
        return None
    for _ in range(TRIALS):
        share = 0.5
        if above is not None and above > below > 0:  # where a straight line through the logarithms reaches it
            share = min(max(math.log(error / below) / math.log(above / below), 0.05), 0.95)
        middle = low + share * (high - low)
        now = error_of(middle)
        if now <= error:
            low, below = middle, now
            if now >= CLOSE * error:
                break
        else:
            high, above = middle, now
    return low


def try_out(coder: Coder, plan: CodingPlan, stacks: list[Stack]) -> Trial:
    """Return the trial of a plan on items; the error is that of finite values."""
    bits, errors = 0.0, SquaredErrors()
    for stack in stacks:
        x = stack.items
        held, exceptions = plan.quantiser.without_exceptions(x)
        coded = coder.encode(plan, held)
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
