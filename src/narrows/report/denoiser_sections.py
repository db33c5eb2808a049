"""Report sections of denoisers."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter, median_filter

from narrows.data import Items, Scaling
from narrows.evaluation import evaluate
from narrows.evaluation.metrics import Quality, QualitySum, has_ssim
from narrows.evaluation.restoration_evaluation import as_floats
from narrows.evaluation.summary import quality_rows
from narrows.models.denoiser_model import DenoiserModel
from narrows.plans.denoiser_plan import check_pairs as check_pairs
from narrows.render.blocks import Card, Cards, Section
from narrows.render.item_renderer import ItemRenderer, evenly_spaced, item_name
from narrows.render.style import DIFFERENCE_COLOURS
from narrows.report.autoencoder_sections import colour_limit
from narrows.report.model_sections import network_section, training_section
from narrows.report.report_context import ReportContext, Step, ToolReport
from narrows.report.restoration_section import RestoredItems, colour_scales, deviation_image, restoration_section

N_WITHOUT_TARGET = 6  # items that are shown where nothing clean is known
N_FILTERED = 100  # items on which the simple filters are tried
SIGMAS, WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0), (3, 5, 7)


def sections(context: ReportContext) -> ToolReport:
    """Return the sections of a denoiser's report."""
    if context.target is not None:
        check_pairs(context.items, context.target)
    context = context.sample()
    model: DenoiserModel = context.model
    loss, baseline = "mean squared error (scaled units)", "mean of the data"
    if model.blind:
        loss, baseline = "negative log-likelihood of noisy values (nats)", "one distribution for all"
    steps: list[Step] = [
        lambda: [network_section(model.network)],
        lambda: [training_section(model.training, loss, baseline)],
    ]
    if context.noise is None and context.target is None and model.noise is None:
        steps.append(lambda: [removed_section(model, context.items)])
    else:
        steps += [lambda: [metrics_section(model, context)], lambda: [denoised_section(model, context)]]
    return ToolReport(context, steps)


def removed_section(model: DenoiserModel, items: Items) -> Section:
    """Return items before and after, where the clean ones are not known."""
    noisy = as_floats(items.select(evenly_spaced(len(items), N_WITHOUT_TARGET)))
    denoised, deviations = model.denoise(noisy), model.predictive_std(noisy)
    renderer = ItemRenderer.for_items(noisy, model.scaling)
    differences = [(a.astype(np.float64) - b) / renderer.span for a, b in zip(noisy, denoised, strict=True)]
    limit, most = colour_limit(differences), colour_limit(deviations) / renderer.span
    cards = [
        Card(
            item_name(noisy, index),
            [
                ("noisy", renderer.image(noisy[index])),
                ("denoised", renderer.image(denoised[index])),
                ("removed", renderer.colour_map(difference, -limit, limit, DIFFERENCE_COLOURS)),
                ("standard deviation", deviation_image(renderer, deviations[index], most)),
            ],
        )
        for index, difference in enumerate(differences)
    ]
    clipped = ", or the noise was clipped, which can only brighten black and darken white" if model.clip else ""
    caption = (
        "What is removed should look like noise: where it shows outlines, signal was taken for noise"
        f"{clipped}. There are no clean items to compare with; --noise adds noise to clean items, and --target names "
        "them."
    )
    scales = colour_scales(renderer, limit, most, "removed")
    return Section("Before and after", [Cards(cards, caption, items.spatial_dims == 1, scales)])


def noisy_and_clean(model: DenoiserModel, context: ReportContext) -> tuple[Items, Items]:
    """Return the noisy items, with noise added where they are not given, and the clean ones."""
    if context.target is not None:
        return as_floats(context.items), context.target
    return model.add_noise(context.items, context.noise), context.items


def metrics_section(model: DenoiserModel, context: ReportContext) -> Section:
    """Return the metrics of the model, and beside those of simple filters on some items."""
    summary = evaluate(model, context.items, noise=context.noise, target=context.target).summary()
    noisy, clean = noisy_and_clean(model, context.sample(N_FILTERED))
    columns = {
        "before": quality(noisy, clean, model.scaling),
        "model": quality(model.denoise(noisy), clean, model.scaling),
        **filter_quality(noisy, clean, model.scaling),
    }
    note = f"{len(noisy)} of the items; the filters have the parameters that are best for these very items"
    filters = replace(summary, facts=[], rows=quality_rows(columns), note=note)
    return Section("Metrics", [summary, "Compared with simple filters:", filters])


def quality(found: Iterable[np.ndarray], clean: Items, scaling: Scaling) -> Quality:
    """Return the quality of items beside clean ones."""
    total = QualitySum(scaling, has_ssim(clean, scaling))
    for one, other in zip(found, clean, strict=True):
        total.add(scaling.forward(one[None]), scaling.forward(other[None]))
    return total.quality()


def filter_quality(noisy: Items, clean: Items, scaling: Scaling) -> dict[str, Quality]:
    """Return the quality of a Gaussian and a median filter, each with its best parameter."""

    def best(apply: Callable[..., np.ndarray], parameters: Iterable[float]) -> Quality:
        found = (quality(map(partial(apply, parameter), noisy), clean, scaling) for parameter in parameters)
        return min(found, key=lambda each: each.mse)

    def gaussian(sigma: float, item: np.ndarray) -> np.ndarray:
        axes = [sigma if axis < noisy.spatial_dims else 0 for axis in range(item.ndim)]
        return np.asarray(gaussian_filter(item, axes))

    def median(width: int, item: np.ndarray) -> np.ndarray:
        axes = [width if axis < noisy.spatial_dims else 1 for axis in range(item.ndim)]
        return np.asarray(median_filter(item, size=axes))

    return {"Gaussian filter": best(gaussian, SIGMAS), "median filter": best(median, WIDTHS)}


def denoised_section(model: DenoiserModel, context: ReportContext) -> Section:
    """Return noisy, denoised and clean items."""
    noisy, clean = noisy_and_clean(model, context)
    restored = RestoredItems(
        corrupted=noisy,
        restored=model.denoise(noisy),
        true=clean,
        deviations=model.predictive_std(noisy),
        chosen=[np.ones(item.shape, bool) for item in noisy],
        labels=("noisy", "denoised", "clean"),
    )
    return restoration_section(restored, model.scaling)
