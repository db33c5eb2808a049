"""Plots and sections about the columns and cells of tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from narrows.data import Items
from narrows.evaluation import evaluate
from narrows.models.autoencoder_model import AutoencoderModel
from narrows.models.imputer_model import ImputerModel
from narrows.models.table_imputation import observed_codes
from narrows.render import plots
from narrows.render.blocks import Plot, Section

MAX_BARS, MAX_PANELS, MAX_POINTS = 40, 6, 150


def feature_columns(model: AutoencoderModel) -> list[str]:
    """Return the name of the column of each feature that the network sees."""
    manifest = model.manifest
    if manifest.features is None:
        return list(manifest.feature_names) or [f"column {place}" for place in range(model.channels)]
    columns = zip(manifest.features.columns, manifest.features.features, strict=True)
    return [column.name for column, feature in columns for _ in feature.mean]


def rms_by_column(columns: Sequence[str], squares: np.ndarray) -> dict[str, float]:
    """Return the root mean square over the features of each column, of squares (D,)."""
    groups: dict[str, list[float]] = {}
    for name, square in zip(columns, squares.tolist(), strict=True):
        groups.setdefault(name, []).append(square)
    return {name: float(np.sqrt(np.mean(group))) for name, group in groups.items()}


def column_errors_plot(model: AutoencoderModel, items: Items) -> Plot:
    """Return the reconstruction errors by column."""
    pairs = model.reconstruction_pairs(items)
    squares = np.concatenate([((found - x) ** 2).double().cpu().numpy() for x, found in pairs])
    errors = rms_by_column(feature_columns(model), squares.mean(axis=0))
    shown = dict(sorted(errors.items(), key=lambda pair: -pair[1])[:MAX_BARS])
    few = "" if len(shown) == len(errors) else f" The {len(shown)} of {len(errors)} columns with the largest errors."
    label = "root mean squared error (standard deviations of the column)"
    return Plot(
        plots.bars(list(shown), {"model": list(shown.values())}, label),
        "errors by column",
        f"How much of each column the code keeps: at 0 everything, at 1 no more than the mean.{few}",
    )


def unit_columns_plot(model: AutoencoderModel, units: np.ndarray, changes: np.ndarray) -> Plot:
    """Return which columns each number of the code changes. units: (U,). changes: (U, D) in scaled units."""
    columns = feature_columns(model)
    effects = [rms_by_column(columns, change**2) for change in changes]
    names = list(effects[0])[:MAX_BARS]
    table = np.array([[effect[name] for name in names] for effect in effects])
    return Plot(
        plots.effect_map(table.T, names, units.tolist(), "change (standard deviations of the column)"),
        "what each number of the code changes in each column",
        "Dark cells tie a number of the code to a column: columns that are dark in the same places vary together.",
    )


def table_metrics_section(model: ImputerModel, items: Items, holes: str | None) -> Section:
    """Return the errors on hidden cells, in all and by column, beside filling with the mean."""
    found: Any = evaluate(model, items, holes=holes)
    columns = found.columns[:MAX_BARS]
    bars = {"model": [each.off for each in columns], "mean or most frequent": [each.usual for each in columns]}
    label = "error (standard deviations of the column; share of wrong categories)"
    caption = "Cells were hidden and filled: a short dark bar beside a long light one means that the others predict it."
    figure = plots.bars([each.name for each in columns], bars, label)
    return Section("Metrics", [found.summary(), Plot(figure, "errors by column", caption)])


def filled_cells_sections(model: ImputerModel, items: Items, holes: str | None) -> list[Section]:
    """Return filled cells beside true ones, with their predictive standard deviations."""
    original = model.check(items)
    hidden = model.hide(original, holes)
    backend: Any = model.backend
    true, filled, deviations = observed_codes(original), backend.filled_codes(hidden), backend.std_of_codes(hidden)
    assert hidden.mask is not None
    assert model.columns is not None
    panels: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    for place, column in enumerate(model.columns):
        rows = np.flatnonzero(hidden.mask[:, place] & ~np.isnan(true[:, place]))[:MAX_POINTS]
        if column.kind in ("number", "integer") and len(rows) and len(panels) < MAX_PANELS:
            panels[column.name] = true[rows, place], filled[rows, place], deviations[rows, place]
    if not panels:
        return []
    caption = (
        "Each point is a hidden cell; its bar is one predictive standard deviation each way. Points on the line are "
        "exact, and about two bars in three should touch it."
    )
    return [Section("Filled cells", [Plot(plots.filled_and_true(panels), "filled cells beside true ones", caption)])]
