"""Figures of items in rows, with errors or standard deviations in colours below them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.layout_engine import ConstrainedLayoutEngine

from narrows.render.style import (
    DIFFERENCE_COLOURS,
    MASK_COLOUR,
    STD_COLOURS,
    STYLE,
    Axes,
    Figure,
    add_title,
    rc_context,
)

WIDTH = 6.0  # inches
DPI = 240


@dataclass(frozen=True)
class ColourScale:
    """A matplotlib colour map from low to high, and the label of its colour bar."""

    colours: str
    low: float
    high: float
    label: str
    extend: Literal["neither", "both"] = "neither"


@rc_context(STYLE)
def item_rows(
    title: str,
    rows: Mapping[str, np.ndarray],
    mapped: Mapping[str, np.ndarray] | None = None,
    scale: ColourScale | None = None,
    ticks: Sequence[str] = (),
    ticks_label: str = "",
) -> Figure:
    """Draw rows of items as ink on paper, and below them rows in colours.

    Parameters
    ----------
    title : str
        Title of the figure.
    rows : mapping of str to ndarray of shape (N, Y, X)
        Items of 0..1 by label; NaN is drawn in `MASK_COLOUR`.
    mapped : mapping of str to ndarray of shape (N, Y, X), optional
        Rows that are drawn with the colour scale.
    scale : ColourScale, optional
        That of `mapped`.
    ticks, ticks_label : sequence of str, str
        What stands under the columns.
    """
    mapped = mapped or {}
    below = 0.45 * bool(ticks) + 0.6 * bool(mapped)
    figure, axes = _row_axes(title, {**rows, **mapped}, below)
    for ax, (label, items) in zip(axes, rows.items(), strict=False):
        colours = colormaps["gray_r"].with_extremes(bad=MASK_COLOUR)
        ax.imshow(_side_by_side(items, 0.0), cmap=colours, vmin=0, vmax=1, interpolation="nearest")
        _label_row(ax, label)
    for ax, (label, values) in zip(axes[len(rows) :], mapped.items(), strict=True):
        assert scale is not None
        image = ax.imshow(
            _side_by_side(values, np.nan), cmap=scale.colours, vmin=scale.low, vmax=scale.high, interpolation="nearest"
        )
        _label_row(ax, label)
    if ticks:
        width = next(iter(rows.values())).shape[2]
        axes[-1].set_xticks([width / 2 - 0.5 + (width + 2) * i for i in range(len(ticks))], ticks)
        axes[-1].tick_params(length=0)
        axes[-1].set_xlabel(ticks_label)
    if scale is not None:
        bar = figure.colorbar(
            image, ax=axes, location="bottom", aspect=50, shrink=0.75, extend=scale.extend, pad=0.02, label=scale.label
        )
        bar.outline.set_visible(False)
    return figure


def difference_rows(title: str, originals: np.ndarray, rows: Mapping[str, np.ndarray], limit: float = 0.5) -> Figure:
    """Draw originals (N, Y, X) above the errors of reconstructions, {label: (N, Y, X)}."""
    label = "reconstruction minus original (pixel values of 0 to 1)"
    return item_rows(
        title,
        {"original": originals},
        {name: items - originals for name, items in rows.items()},
        ColourScale(DIFFERENCE_COLOURS, -limit, limit, label, "both"),
    )


def std_rows(title: str, rows: Mapping[str, np.ndarray], deviations: np.ndarray, ticks: Sequence[str]) -> Figure:
    """Draw rows of items above their predictive standard deviations (N, Y, X)."""
    label = "predictive standard deviation (pixel values of 0 to 1)"
    scale = ColourScale(STD_COLOURS, 0.0, float(deviations.max()), label)
    return item_rows(title, rows, {"standard\ndeviation": deviations}, scale, ticks)


def _row_axes(title: str, rows: Mapping[str, np.ndarray], below: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with one axes per row, as high as its items need, and `below` inches more at the bottom."""
    items = next(iter(rows.values()))
    row_height = 0.76 * WIDTH / len(items) * items.shape[1] / items.shape[2]
    layout = ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.04, hspace=0, wspace=0)
    figure = Figure(figsize=(WIDTH, 0.45 + below + (row_height + 0.05) * len(rows)), layout=layout)
    add_title(figure, title)
    return figure, list(figure.subplots(len(rows), 1, squeeze=False)[:, 0])


def _side_by_side(items: np.ndarray, gap: float) -> np.ndarray:
    """(N, Y, X) -> (Y, N * (X + 2) - 2), with `gap` between the items."""
    padded = np.pad(items.astype(float), ((0, 0), (0, 0), (0, 2)), constant_values=gap)
    return np.concatenate(list(padded), axis=1)[:, :-2]


def _label_row(ax: Axes, label: str) -> None:
    ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
