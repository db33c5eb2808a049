"""Figures, each drawn by a function that gives a matplotlib Figure; nothing here touches pyplot or global settings.

All are 6 inches wide with black words on white, so that words stay readable on a phone. Colours are those of Okabe &
Ito 2008, which colour-blind readers can tell apart; lines differ in their dashes too.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from narrows.errors import NarrowsError

try:
    from matplotlib import colormaps, rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import LogLocator
except ModuleNotFoundError:
    raise NarrowsError(
        "figures are drawn by matplotlib, which is not installed: pip install 'narrows[report]'"
    ) from None

WIDTH = 6.0  # inches
DPI = 240
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":")
INK, FAINT = "#222222", "#777777"
DIFFERENCE_COLOURS = "PuOr_r"
STD_COLOURS, MASK_COLOUR = "Purples", "#f2c48d"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
}


@rc_context(STYLE)
def item_rows(title: str, rows: Mapping[str, np.ndarray], ticks: Sequence[str] = (), ticks_label: str = "") -> Figure:
    """Rows of grey items of 0..1 as ink on paper, {label: (n, Y, X)}; `ticks` stand under the columns."""
    figure, axes = _row_axes(title, rows, 0.45 if ticks else 0.0)
    for ax, (label, items) in zip(axes, rows.items(), strict=True):
        _draw_items(ax, label, items)
    if ticks:
        _put_ticks(axes[-1], ticks, next(iter(rows.values())).shape[2])
        axes[-1].set_xlabel(ticks_label)
    return figure


@rc_context(STYLE)
def doubt_rows(title: str, rows: Mapping[str, np.ndarray], deviations: np.ndarray, ticks: Sequence[str]) -> Figure:
    """Rows as of `item_rows`, NaN where a pixel is hidden, and below them standard deviations with a colour bar."""
    figure, axes = _row_axes(title, {**rows, "deviation": deviations}, 1.0)
    for ax, (label, items) in zip(axes, rows.items(), strict=False):
        _draw_items(ax, label, items)
    doubt = _side_by_side(deviations, 0.0)
    image = axes[-1].imshow(doubt, cmap=STD_COLOURS, vmin=0, vmax=deviations.max(), interpolation="nearest")
    _label_row(axes[-1], "deviation")
    _put_ticks(axes[-1], ticks, deviations.shape[2])
    bar = figure.colorbar(image, ax=axes, location="bottom", aspect=50, shrink=0.75, pad=0.02)
    bar.set_label("standard deviation of what is filled in (pixel values of 0 to 1)")
    bar.outline.set_visible(False)
    return figure


@rc_context(STYLE)
def difference_rows(title: str, originals: np.ndarray, rows: Mapping[str, np.ndarray], limit: float = 0.5) -> Figure:
    """Originals above the errors of what was rebuilt, {label: rebuilt (n, Y, X)}, with a colour bar up to `limit`."""
    figure, axes = _row_axes(title, {"original": originals, **rows}, 0.6)
    _draw_items(axes[0], "original", originals)
    for ax, (label, items) in zip(axes[1:], rows.items(), strict=True):
        errors = _side_by_side(items - originals, np.nan)
        image = ax.imshow(errors, cmap=DIFFERENCE_COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
        _label_row(ax, label)
    bar = figure.colorbar(image, ax=axes, location="bottom", aspect=50, shrink=0.75, extend="both", pad=0.02)
    bar.set_label("rebuilt minus original (pixel values of 0 to 1)")
    bar.outline.set_visible(False)
    return figure


@rc_context(STYLE)
def training_curves(title: str, curves: Mapping[str, Mapping[str, list[float]]], levels: Mapping[str, float]) -> Figure:
    """Held-out loss over time, {label: history with "seconds" and "held_out"}, and horizontal lines to compare with."""
    figure = Figure(figsize=(WIDTH, 4.0), layout="constrained")
    ax = figure.add_subplot()
    for index, (label, history) in enumerate(curves.items()):
        colour, dashes = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        ax.plot(history["seconds"], history["held_out"], color=colour, linestyle=dashes, linewidth=2, label=label)
    right = max(max(history["seconds"]) for history in curves.values())
    for label, level in levels.items():
        ax.axhline(level, color=FAINT, linewidth=1, zorder=0)
        ax.annotate(label, (right, level), (0, 3), textcoords="offset points", ha="right", color=FAINT)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
    ax.minorticks_off()
    ax.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.set_xlim(0, right)
    ax.set_xlabel("training time (seconds)")
    ax.set_ylabel("mean squared error on held-out digits")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handlelength=3)
    _title(figure, title)
    return figure


@rc_context(STYLE)
def upsampling_kinds(
    title: str,
    overlaps: Mapping[str, np.ndarray],
    ripples: Mapping[str, np.ndarray],
    patches: Mapping[str, np.ndarray],
) -> Figure:
    """A column for each kind of upsampling.

    overlaps: {kind: (4, 4) counts} of the weights that reach each pixel. ripples: {kind: (n, n)}, what one untrained
    layer makes of a flat patch, as its deviation from the mean. patches: {kind: (Y, X)} of 0..1, what many make of a
    picture, on average.
    """
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    axes = figure.subplots(3, len(overlaps), squeeze=False)
    most = max(counts.max() for counts in overlaps.values())
    limit = max(np.abs(ripple).max() for ripple in ripples.values())
    for column, kind in enumerate(overlaps):
        top, middle, bottom = axes[:, column]
        counts = overlaps[kind]
        top.imshow(counts, cmap="Blues", vmin=0, vmax=1.6 * most)
        for (y, x), count in np.ndenumerate(counts):
            top.text(x, y, f"{count:.0f}", ha="center", va="center", fontsize=9)
        top.set_title(kind)
        middle.imshow(ripples[kind], cmap=DIFFERENCE_COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
        bottom.imshow(patches[kind], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set(visible=True, color="#bbbbbb", linewidth=0.6)
    labels = (
        "weights that\nreach each pixel\nof a flat patch",
        "a flat patch\nthrough one\nlayer",
        "a digit\nthrough many\nlayers",
    )
    for ax, label in zip(axes[:, 0], labels, strict=True):
        ax.set_ylabel(label, rotation=0, ha="right", va="center")
    _title(figure, title)
    return figure


def _row_axes(title: str, rows: Mapping[str, np.ndarray], below: float) -> tuple[Figure, list[Axes]]:
    """A figure with one axes a row, as high as its items need, and `below` inches more for what stands under them."""
    items = next(iter(rows.values()))
    row_height = 0.76 * WIDTH / len(items) * items.shape[1] / items.shape[2]
    layout = ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.04, hspace=0, wspace=0)
    figure = Figure(figsize=(WIDTH, 0.45 + below + (row_height + 0.05) * len(rows)), layout=layout)
    _title(figure, title)
    return figure, list(figure.subplots(len(rows), 1, squeeze=False)[:, 0])


def _draw_items(ax: Axes, label: str, items: np.ndarray) -> None:
    """A row of grey items, in another colour where they are NaN."""
    colours = colormaps["gray_r"].with_extremes(bad=MASK_COLOUR)
    ax.imshow(_side_by_side(items, 0.0), cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    _label_row(ax, label)


def _put_ticks(ax: Axes, ticks: Sequence[str], width: int) -> None:
    """Words under the items, which are so wide."""
    ax.set_xticks([width / 2 - 0.5 + (width + 2) * i for i in range(len(ticks))], ticks)
    ax.tick_params(length=0)


def _side_by_side(items: np.ndarray, gap: float) -> np.ndarray:
    """(n, Y, X) -> (Y, n * (X + 2) - 2), with a colourless value in the gaps."""
    padded = np.pad(items.astype(float), ((0, 0), (0, 0), (0, 2)), constant_values=gap)
    return np.concatenate(list(padded), axis=1)[:, :-2]


def _label_row(ax: Axes, label: str) -> None:
    ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def _title(figure: Figure, title: str) -> None:
    figure.suptitle(title, x=0.01, ha="left")
