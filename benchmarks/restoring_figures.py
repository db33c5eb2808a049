"""Figures of restored items, beside the best peer."""

import textwrap
from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure

from narrows.render.item_rows import WIDTH
from narrows.render.style import MASK_COLOUR, STYLE
from restoring_tasks import Task

GAP = 2  # pixels between digits
LABEL = 1.65  # inches for the words beside digits


@rc_context(STYLE)
def digit_rows(task: Task, rows: Mapping[str, np.ndarray]) -> Figure:
    """A row of digits, ink on paper, for each label: {label: (n, Y, X)}; holes have a colour of their own."""
    height, width = task.clean.shape[1:]
    count = len(task.shown)
    across = count * (width + GAP) - GAP
    row_height = (WIDTH - LABEL) * height / across + 0.05
    figure = Figure(figsize=(WIDTH, 0.4 + row_height * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for ax, (label, items) in zip(axes, rows.items(), strict=True):
        line = np.zeros((height, count, width + GAP), np.float32)
        line[:, :, :width] = items.swapaxes(0, 1)
        colours = colormaps["gray_r"].with_extremes(bad=MASK_COLOUR)
        ax.imshow(line.reshape(height, -1)[:, :across], cmap=colours, vmin=0, vmax=1, interpolation="nearest")
        _bare(ax)
        ax.set_ylabel(textwrap.fill(label, 16), rotation=0, ha="right", va="center")
    figure.suptitle(task.title)
    return figure


@rc_context(STYLE)
def photograph_panels(task: Task, columns: Mapping[str, np.ndarray]) -> Figure:
    """A column of photographs for each label, {label: (n, Y, X)}, each with its PSNR below; holes as in `digit_rows`.

    The first column are the originals.
    """
    height, width = task.clean.shape[1:]
    side = WIDTH / len(columns)
    figure = Figure(figsize=(WIDTH, 0.55 + len(task.shown) * (side * height / width + 0.2)), layout="constrained")
    axes = figure.subplots(len(task.shown), len(columns), squeeze=False)
    for column, (label, pictures) in enumerate(columns.items()):
        for row, (picture, place) in enumerate(zip(pictures, task.shown, strict=True)):
            ax = axes[row, column]
            colours = colormaps["gray"].with_extremes(bad=MASK_COLOUR)
            ax.imshow(picture, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
            _bare(ax)
            if column and not np.isnan(picture).any():
                ax.set_xlabel(f"{task.psnr(picture[None], np.array([place])):.2f} dB")
        axes[0, column].set_title(label)
    figure.suptitle(task.title)
    return figure


def _bare(ax) -> None:  # type: ignore[no-untyped-def]
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
