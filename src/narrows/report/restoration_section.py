"""The report section that denoisers and imputers share: corrupted, restored and true items."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from narrows.data import Items, Scaling
from narrows.render import plots
from narrows.render.blocks import Card, Cards, Plot, Section
from narrows.render.item_renderer import ItemRenderer, best_median_worst, item_name
from narrows.render.style import DIFFERENCE_COLOURS, STD_COLOURS, Figure
from narrows.report.autoencoder_sections import colour_limit

MAX_VALUES = 2**21  # whose errors are compared with their predictive standard deviations


@dataclass(frozen=True)
class RestoredItems:
    """Items before and after restoration, in the data's unit.

    corrupted: with NaN where values are missing. labels: what the corrupted, restored and true items are called.
    chosen: of each item, the values that were restored.
    """

    corrupted: Items
    restored: Items
    true: Items
    deviations: Items
    chosen: Iterable[np.ndarray]
    labels: tuple[str, str, str]


def restoration_section(items: RestoredItems, scaling: Scaling) -> Section:
    """Return the best, median and worst items, and errors by predictive standard deviation."""
    errors = np.array(
        [
            float(((scaling.forward(a) - scaling.forward(b)) ** 2).mean())
            for a, b in zip(items.restored, items.true, strict=True)
        ]
    )
    ranking = best_median_worst(errors)
    renderer = ItemRenderer.for_items(items.true, scaling)
    differences = [
        (items.restored[index].astype(np.float64) - items.true[index]) / renderer.span for _, index in ranking
    ]
    limit = colour_limit(differences)
    most = colour_limit([items.deviations[index] for _, index in ranking]) / renderer.span
    corrupted, restored, true = items.labels
    cards = [
        Card(
            f"{which}: {item_name(items.corrupted, index)}, MSE {errors[index]:.4g}",
            [
                (corrupted, renderer.image(items.corrupted[index])),
                (restored, renderer.image(items.restored[index])),
                (true, renderer.image(items.true[index])),
                ("error", renderer.colour_map(difference, -limit, limit, DIFFERENCE_COLOURS)),
                ("standard deviation", deviation_image(renderer, items.deviations[index], most)),
            ],
        )
        for (which, index), difference in zip(ranking, differences, strict=True)
    ]
    caption = (
        "The best, median and worst by mean squared error of the whole item. The predictive standard deviation should "
        "be dark where errors are strong."
    )
    scales = colour_scales(renderer, limit, most, f"error: {restored} minus {true}")
    return Section(
        f"{corrupted.capitalize()}, {restored}, {true}",
        [Cards(cards, caption, items.true.spatial_dims == 1, scales), calibration_plot(items, renderer.span)],
    )


def calibration_plot(items: RestoredItems, span: float) -> Plot:
    """Return the errors of values by their predictive standard deviations."""
    chosen = list(items.chosen)

    def gathered(values: Items) -> np.ndarray:
        found = np.concatenate([item[which].astype(np.float64) for item, which in zip(values, chosen, strict=True)])
        return np.asarray(found[:: 1 + len(found) // MAX_VALUES] / span)

    predicted, errors = gathered(items.deviations), gathered(items.restored) - gathered(items.true)
    groups = [group for group in np.array_split(np.argsort(predicted), 15) if len(group)]
    points = np.array([(predicted[group].mean(), np.sqrt((errors[group] ** 2).mean())) for group in groups])
    caption = (
        "The values in 15 groups of equal size, from certain to uncertain. On the line, errors are as large as "
        "predicted; above it the model is overconfident."
    )
    return Plot(plots.calibration_curve(points), "predictive standard deviations and errors", caption)


def deviation_image(renderer: ItemRenderer, deviations: np.ndarray, most: float) -> np.ndarray:
    """Return predictive standard deviations of an item as an image, up to `most` of the range."""
    return renderer.colour_map(deviations / renderer.span, 0, most, STD_COLOURS)


def colour_scales(renderer: ItemRenderer, limit: float, most: float, error: str) -> list[Figure]:
    """Return the legends of errors and of predictive standard deviations; none for signals, drawn as lines."""
    if renderer.is_signal:
        return []
    return [
        plots.colour_scale(f"{error} (1 is the whole range)", -limit, limit, DIFFERENCE_COLOURS),
        plots.colour_scale("predictive standard deviation (1 is the whole range)", 0, most, STD_COLOURS),
    ]
