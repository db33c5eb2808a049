"""What a report shows of tables: columns, and cells."""

from collections.abc import Callable, Iterable

import numpy as np

from narrows.data import Items
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.imputer import Imputer
from narrows.evaluation.table_evaluation import evaluate_table
from narrows.render import plots
from narrows.render.blocks import Block, Plot, Section

MOST_BARS, MOST_PANELS, MOST_POINTS = 40, 6, 150


def feature_names(model: Autoencoder) -> list[str]:
    """Of each feature that the network sees, the column that it is of."""
    if model.features_ is None:
        names = getattr(model, "feature_names_in_", None)
        return (
            [f"column {place}" for place in range(model.channels_)] if names is None else [str(name) for name in names]
        )
    columns = zip(model.features_.columns, model.features_.features, strict=True)
    return [column.name for column, feature in columns for _ in feature.mean]


def by_column(model: Autoencoder, squares: np.ndarray) -> dict[str, float]:
    """The root of the mean of squares (D,) over the features of each column."""
    names = feature_names(model)
    groups: dict[str, list[float]] = {}
    for name, square in zip(names, squares.tolist(), strict=True):
        groups.setdefault(name, []).append(square)
    return {name: float(np.sqrt(np.mean(group))) for name, group in groups.items()}


def column_errors(model: Autoencoder, items: Items) -> list[Block]:
    squares = np.concatenate([((rebuilt - x) ** 2).double().cpu().numpy() for x, rebuilt in model.pairs(items)])
    errors = by_column(model, squares.mean(axis=0))
    shown = dict(sorted(errors.items(), key=lambda pair: -pair[1])[:MOST_BARS])
    few = "" if len(shown) == len(errors) else f" The {len(shown)} of {len(errors)} columns that are furthest off."
    return [
        Plot(
            plots.bars(
                list(shown), {"model": list(shown.values())}, "root mean square error (deviations of the column)"
            ),
            "errors by column",
            f"What the code keeps of each column: 0 is all of it, and 1 no more than the mean.{few}",
        )
    ]


def unit_columns(model: Autoencoder, units: np.ndarray, spans: np.ndarray) -> list[Block]:
    """Which columns each number of the code moves. units: (U,). spans: (U, D), changes in scaled units."""
    effects = [by_column(model, span**2) for span in spans]
    names = list(effects[0])[:MOST_BARS]
    table = np.array([[effect[name] for name in names] for effect in effects])
    return [
        Plot(
            plots.effect_map(table.T, names, units.tolist(), "change (deviations of the column)"),
            "what each number of the code changes in each column",
            "Dark cells tie a number of the code to a column: columns that darken together vary together.",
        )
    ]


def imputer_steps(model: Imputer, items: Items, holes: str | None) -> list[Callable[[], Iterable[Section]]]:
    return [lambda: [figures_section(model, items, holes)], lambda: cells_sections(model, items, holes)]


def figures_section(model: Imputer, items: Items, holes: str | None) -> Section:
    found = evaluate_table(model, items, holes)
    columns = found.columns[:MOST_BARS]
    bars = {"model": [each.off for each in columns], "mean or most frequent": [each.usual for each in columns]}
    label = "error (deviations of the column; of categories the wrong share)"
    says = "Cells were hidden and filled in: the shorter the dark bar beside the light one, the more the others tell."
    names = [each.name for each in columns]
    return Section("Figures", [found.summary(), Plot(plots.bars(names, bars, label), "errors by column", says)])


def cells_sections(model: Imputer, items: Items, holes: str | None) -> list[Section]:
    """Filled cells beside true ones, with the deviations that the model states."""
    right = model.with_mask(items)
    hidden = model.with_holes(right, holes)
    known, told, doubts = model.known(right), model.codes(hidden), model.doubts(hidden)
    assert hidden.mask is not None
    assert model.columns_ is not None
    panels: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    for place, column in enumerate(model.columns_):
        rows = np.flatnonzero(hidden.mask[:, place] & ~np.isnan(known[:, place]))[:MOST_POINTS]
        if column.kind in ("number", "integer") and len(rows) and len(panels) < MOST_PANELS:
            panels[column.name] = known[rows, place], told[rows, place], doubts[rows, place]
    if not panels:
        return []
    says = (
        "Each point is a cell that was hidden; its bar is one stated deviation each way. Points on the line are right, "
        "and about two bars in three should touch it."
    )
    return [Section("Filled cells", [Plot(plots.told_and_true(panels), "filled cells beside true ones", says)])]
