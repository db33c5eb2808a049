"""What a report shows of denoisers and imputers: before, after and what is right."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter, median_filter

from narrows.data import Items
from narrows.estimators.denoiser import Denoiser
from narrows.estimators.imputer import Imputer, missing
from narrows.evaluation.metrics import Quality, QualitySum, has_ssim
from narrows.evaluation.restoration_evaluation import as_floats, evaluate_denoiser, evaluate_imputer
from narrows.evaluation.summary import quality_rows
from narrows.render import plots
from narrows.render.blocks import Block, Card, Cards, Plot, Section
from narrows.render.item_renderer import ItemRenderer, best_median_worst, evenly_spaced, item_name
from narrows.render.style import DIFFERENCE_COLOURS, STD_COLOURS
from narrows.report.autoencoder_sections import colour_limit

SHOWN_WITHOUT_TRUTH = 6
MOST_TRUSTED = 2**21  # values whose stated deviations are held against their errors
FILTERED = 100  # items on which the simple filters are tried
SIGMAS, WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0), (3, 5, 7)


def denoiser_steps(
    model: Denoiser, items: Items, noise: str | None, target: Items | None
) -> list[Callable[[], Iterable[Section]]]:
    if noise is None and target is None and model.noise is None:
        return [lambda: [removed_section(model, items)]]
    right = items if target is None else target

    def noisy() -> Items:
        return model.with_noise(items, noise) if target is None else as_floats(items)

    return [
        lambda: [denoiser_figures(model, items, noise, target)],
        lambda: [restored_section(model, noisy(), right, "noisy", "clean")],
    ]


def removed_section(model: Denoiser, items: Items) -> Section:
    """Before and after, where nobody knows what is right."""
    some = as_floats(items.select(evenly_spaced(len(items), SHOWN_WITHOUT_TRUTH)))
    after, doubts = model.transform(some), model.uncertainty(some)
    renderer = ItemRenderer.for_items(some, model.scaling_)
    off = [(a.astype(np.float64) - b) / renderer.span for a, b in zip(some, after, strict=True)]
    limit, most = colour_limit(off), colour_limit(doubts) / renderer.span
    cards = [
        Card(
            item_name(some, number),
            [
                ("noisy", renderer.image(before)),
                ("denoised", renderer.image(restored)),
                ("taken away", renderer.colour_map(error, -limit, limit, DIFFERENCE_COLOURS)),
                ("doubt", renderer.colour_map(doubt / renderer.span, 0, most, STD_COLOURS)),
            ],
        )
        for number, (before, restored, error, doubt) in enumerate(zip(some, after, off, doubts, strict=True))
    ]
    says = (
        "What is taken away should look like noise: where it shows the outlines of things, part of them was taken "
        f"for noise{', or the noise was clipped, which can only brighten black and darken white' * model.clip_}. "
        "There is nothing clean to compare with; --noise adds noise to clean items, and --target names them."
    )
    return Section(
        "Before and after",
        [Cards(cards, says, wide=items.spatial_dims == 1, colour_scales=scales(renderer, limit, most, "taken away"))],
    )


def denoiser_figures(model: Denoiser, items: Items, noise: str | None, target: Items | None) -> Section:
    summary = evaluate_denoiser(model, items, noise, target).summary()
    few = evenly_spaced(len(items), FILTERED)
    some, right = items.select(few), (items if target is None else target).select(few)
    noisy = model.with_noise(some, noise) if target is None else as_floats(some)
    columns: dict[str, Quality] = {
        "before": quality(model, noisy, right),
        "model": quality(model, model.transform(noisy), right),
    }
    columns |= filtered(model, noisy, right)
    peers = replace(
        summary,
        facts=[],
        rows=quality_rows(columns),
        note=f"{len(some)} of the items; the filters are those of the parameter that is best for these very items",
    )
    return Section("Figures", [summary, "Beside simple filters:", peers])


def quality(model: Denoiser, answer: Iterable[np.ndarray], right: Items) -> Quality:
    sums = QualitySum(model.scaling_, has_ssim(right, model.scaling_))
    for one, other in zip(answer, right, strict=True):
        sums.add(model.scaling_.forward(one[None]), model.scaling_.forward(other[None]))
    return sums.quality()


def filtered(model: Denoiser, noisy: Items, right: Items) -> Mapping[str, Quality]:
    """The Gaussian and the median filter, each with its best parameter."""

    def with_filter(change: Callable[[np.ndarray], np.ndarray]) -> Quality:
        return quality(model, map(change, noisy), right)

    def gaussian(item: np.ndarray, sigma: float) -> np.ndarray:
        return gaussian_filter(item, [sigma if axis < noisy.spatial_dims else 0 for axis in range(item.ndim)])

    def median(item: np.ndarray, width: int) -> np.ndarray:
        return median_filter(item, size=[width if axis < noisy.spatial_dims else 1 for axis in range(item.ndim)])

    gaussians = [with_filter(partial(gaussian, sigma=sigma)) for sigma in SIGMAS]
    medians = [with_filter(partial(median, width=width)) for width in WIDTHS]
    return {
        "Gaussian filter": min(gaussians, key=lambda found: found.mse),
        "median filter": min(medians, key=lambda found: found.mse),
    }


def restored_section(model: Denoiser | Imputer, given: Items, right: Items, name: str, truth: str) -> Section:
    """Given, restored and right, with errors and stated deviations: the best, the middle and the worst."""
    answer, doubts = model.transform(given), model.uncertainty(given)
    scaling = model.scaling_
    errors = np.array(
        [float(((scaling.forward(a) - scaling.forward(b)) ** 2).mean()) for a, b in zip(answer, right, strict=True)]
    )
    shown = best_median_worst(errors)
    renderer = ItemRenderer.for_items(right, scaling)
    holes = replace(given, values=missing(given), mask=None)
    off = [(answer[index].astype(np.float64) - right[index]) / renderer.span for _, index in shown]
    limit = colour_limit(off)
    most = colour_limit([doubts[index] for _, index in shown]) / renderer.span
    filled = isinstance(model, Imputer)
    cards = [
        Card(
            f"{which}: {item_name(given, index)}, MSE {errors[index]:.4g}",
            [
                (name, renderer.image(np.where(holes[index], np.nan, given[index].astype(np.float32)))),
                ("filled" if filled else "denoised", renderer.image(answer[index])),
                (truth, renderer.image(right[index])),
                ("error", renderer.colour_map(error, -limit, limit, DIFFERENCE_COLOURS)),
                ("doubt", renderer.colour_map(doubts[index] / renderer.span, 0, most, STD_COLOURS)),
            ],
        )
        for (which, index), error in zip(shown, off, strict=True)
    ]
    says = (
        "The best, the middle and the worst by mean squared error of the whole item. Doubt is the "
        "deviation that the model states: it should be dark where the errors are strong."
    )
    blocks: list[Block] = [
        Cards(
            cards,
            says,
            wide=right.spatial_dims == 1,
            colour_scales=scales(renderer, limit, most, "error: restored minus right"),
        )
    ]
    asked = holes if filled else [np.ones(item.shape, bool) for item in given]
    return Section(
        "Hidden, filled, true" if filled else "Before, after, clean",
        [*blocks, trust(renderer.span, answer, doubts, right, asked)],
    )


def trust(span: float, answer: Items, doubts: Items, right: Items, asked: Items | list[np.ndarray]) -> Plot:
    """Errors beside the deviations that were stated for them, value by value; asked: which values of each item."""

    def gathered(items: Iterable[np.ndarray]) -> np.ndarray:
        values = np.concatenate([item[which].astype(np.float64) for item, which in zip(items, asked, strict=True)])
        return values[:: 1 + len(values) // MOST_TRUSTED] / span

    stated, errors = gathered(doubts), gathered(answer) - gathered(right)
    order = np.argsort(stated)
    groups = [group for group in np.array_split(order, 15) if len(group)]
    points = np.array([(stated[group].mean(), np.sqrt((errors[group] ** 2).mean())) for group in groups])
    says = (
        "The values in 15 groups of equal size, from sure to doubtful. On the line, errors are as large as was said; "
        "above it the model is too sure of itself."
    )
    return Plot(plots.doubt_curve(points), "stated deviations and errors", says)


def imputer_steps(model: Imputer, items: Items, holes: str | None) -> list[Callable[[], Iterable[Section]]]:
    def filled() -> list[Section]:
        right = as_floats(model.with_mask(items))
        return [restored_section(model, model.with_holes(right, holes), right, "hidden", "true")]

    return [lambda: [Section("Figures", [evaluate_imputer(model, items, holes).summary()])], filled]


def scales(renderer: ItemRenderer, limit: float, most: float, error: str) -> list[plots.Figure]:
    if renderer.is_signal:
        return []
    return [
        plots.colour_scale(f"{error} (1 is the whole range)", -limit, limit, DIFFERENCE_COLOURS),
        plots.colour_scale("doubt: the stated deviation (1 is the whole range)", 0, most, STD_COLOURS),
    ]
