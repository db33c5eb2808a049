"""Plots of training, codes, errors and rates, with labelled axes and units."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from narrows.render.diagram import Stage
from narrows.render.style import (
    COLOURS,
    DASHES,
    FAINT,
    INK,
    MARKERS,
    STYLE,
    WIDTH,
    Figure,
    add_grid,
    add_legend,
    add_legend_above,
    add_title,
    new_axes,
    rc_context,
    use_log_scale,
)


@rc_context(STYLE)
def network_diagram(stages: Sequence[Stage]) -> Figure:
    """Draw a bar for each stage, as wide as the number of its values; the code in another colour."""
    figure, ax = new_axes(0.8 + 0.27 * len(stages))
    sizes = [math.prod(stage.shape) for stage in stages]
    widest = max(sizes)
    for row, (stage, size) in enumerate(zip(stages, sizes, strict=True)):
        colour = COLOURS[1] if stage.is_code else COLOURS[5]
        ax.barh(row, max(size, widest / 200), left=-max(size, widest / 200) / 2, height=0.72, color=colour)
        numbers = f"{' x '.join(map(str, stage.shape))} = {size:,}" if len(stage.shape) > 1 else f"{size:,}"
        ax.annotate(numbers, (1.02, row), xycoords=("axes fraction", "data"), va="center", fontsize=8.5)
    for row, stage in enumerate(stages):
        if stage.skips_from is not None:
            reach = widest * (0.53 + 0.08 * (row - stage.skips_from) / len(stages))
            ends = sizes[stage.skips_from] / 2, sizes[row] / 2
            rows = [stage.skips_from, stage.skips_from, row, row]
            ax.plot([ends[0], reach, reach, ends[1]], rows, color=INK, linewidth=0.8)
            ax.plot(ends[1], row, marker="<", color=INK, markersize=4)
    ax.set_yticks(range(len(stages)), [stage.name for stage in stages], fontsize=8.5)
    ax.set_ylim(len(stages) - 0.4, -0.6)
    ax.set_xlim(-0.51 * widest, (0.62 if any(stage.skips_from is not None for stage in stages) else 0.51) * widest)
    tick = max(tick for tick in MaxNLocator(3, integer=True).tick_values(0, widest) if tick <= widest)
    ax.set_xticks([-tick / 2, 0, tick / 2], ["", f"← {tick:,.0f} →", ""])
    ax.set_xlabel("number of values of each stage: the width of its bar", fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=8)
    ax.spines[["left", "bottom"]].set_visible(False)
    return figure


@rc_context(STYLE)
def loss_curves(history: Mapping[str, Sequence[float]], loss: str, baseline: tuple[str, float]) -> Figure:
    """Draw the losses on training items, where they are given, and on held-out items over time, and a baseline."""
    figure, ax = new_axes(3.2)
    kinds = (("training items", "loss", COLOURS[5], "--"), ("held-out items", "held_out", COLOURS[0], "-"))
    curves = [kind for kind in kinds if kind[1] in history]
    values = [value for _, key, *_ in curves for value in history[key] if value is not None and np.isfinite(value)]
    for label, key, colour, dashes in curves:
        ax.plot(
            history["seconds"],
            [np.nan if value is None else value for value in history[key]],
            color=colour,
            linestyle=dashes,
            label=label,
            linewidth=2,
        )
    held_out = np.array(history["held_out"], float)  # NaN for None
    if np.isfinite(held_out).any():
        best = int(np.nanargmin(held_out))
        ax.plot(history["seconds"][best], held_out[best], "o", color=COLOURS[0], markersize=7, label="kept")
    if np.isfinite(baseline[1]):
        ax.axhline(baseline[1], color=FAINT, linewidth=1.2, linestyle=":", label=baseline[0])
        values.append(baseline[1])
    if min(values) > 0 and max(values) > 3 * min(values):
        use_log_scale(ax, "y")
    ax.set_xlabel("training time (seconds)")
    ax.set_ylabel(loss)
    ax.set_xlim(left=0)
    add_grid(ax)
    add_legend(ax)
    return figure


@rc_context(STYLE)
def training_curves(title: str, curves: Mapping[str, Mapping[str, list[float]]], levels: Mapping[str, float]) -> Figure:
    """Draw the held-out losses of several models, {label: history}, over time, and levels to compare them with."""
    figure, ax = new_axes(4.0, width=6.0)
    for index, (label, history) in enumerate(curves.items()):
        colour, dashes = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        ax.plot(history["seconds"], history["held_out"], color=colour, linestyle=dashes, linewidth=2, label=label)
    right = max(max(history["seconds"]) for history in curves.values())
    for label, level in levels.items():
        ax.axhline(level, color=FAINT, linewidth=1, zorder=0)
        ax.annotate(label, (right, level), (0, 3), textcoords="offset points", ha="right", color=FAINT)
    use_log_scale(ax, "y")
    add_grid(ax)
    ax.set_xlim(0, right)
    ax.set_xlabel("training time (seconds)")
    ax.set_ylabel("mean squared error on held-out digits")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, handlelength=3)
    add_title(figure, title)
    return figure


@rc_context(STYLE)
def histogram(values: np.ndarray, label: str, marks: Mapping[str, float], of: str = "items") -> Figure:
    """Draw a histogram of values, with lines at the marks."""
    figure, ax = new_axes(2.6)
    wide = values.min() > 0 and values.max() > 20 * values.min()
    low, high = values.min(), values.max()
    if not high > low:
        low, high = low - 0.5, high + 0.5
    edges = 1 + min(40, 8 + len(values) // 10)
    bins = np.geomspace(low, high, edges) if wide else np.linspace(low, high, edges)
    ax.hist(values, bins=bins.tolist(), color=COLOURS[5])
    if wide:
        use_log_scale(ax, "x")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.xaxis.set_major_formatter(lambda value, position: f"{value:,.10g}")
    for index, (name, mark) in enumerate(marks.items()):
        ax.axvline(
            mark,
            color=COLOURS[index],
            linestyle=DASHES[index],
            label=f"{name} {mark:,.0f}" if mark >= 1000 else f"{name} {mark:.3g}",
        )
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_xlabel(label)
    ax.set_ylabel(f"number of {of}")
    add_grid(ax)
    add_legend_above(figure, len(marks))
    return figure


@rc_context(STYLE)
def code_map(
    positions: np.ndarray,
    names: tuple[str, str],
    thumbnails: Sequence[np.ndarray] | None,
    labels: np.ndarray | None,
    cells: int = 14,
) -> Figure:
    """Draw items at positions (N, 2) as points, coloured by label, and some of them as framed thumbnails."""
    figure, ax = new_axes(WIDTH * 0.92)
    colours, edges = np.full(len(positions), FAINT), np.full(len(positions), "-")
    if labels is None:
        ax.scatter(
            positions[:, 0],
            positions[:, 1],
            s=5 if len(positions) > 500 else 16,
            color=COLOURS[0],
            alpha=0.5,
            linewidths=0,
        )
    else:
        for index, label in enumerate(np.unique(labels)):
            colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index // len(COLOURS) % len(MARKERS)]
            here = positions[labels == label]
            colours[labels == label], edges[labels == label] = colour, ("-", ":")[index // len(COLOURS) % 2]
            ax.scatter(here[:, 0], here[:, 1], s=9, color=colour, marker=marker, linewidths=0, label=str(label))
        ax.legend(
            frameon=False, loc="upper left", bbox_to_anchor=(1, 1), handletextpad=0.1, markerscale=2, title="label"
        )
    low, high = positions.min(0), positions.max(0)
    size = (high - low + 1e-9) / cells
    if thumbnails is not None:
        for index in nearest_to_cell_centres(positions, low, size):
            image = thumbnails[index]
            tall, wide = image.shape[:2]
            half = 0.36 * size * np.array([wide, tall]) / max(wide, tall)
            x, y = positions[index]
            extent = (x - half[0], x + half[0], y - half[1], y + half[1])
            ax.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto", zorder=3)
            frame = {"edgecolor": colours[index], "linewidth": 1.0 if labels is None else 1.6, "fill": False}
            ax.add_patch(
                Rectangle(tuple(positions[index] - half), *(2 * half), zorder=3, linestyle=edges[index], **frame)
            )
    ax.set_xlim(low[0] - size[0], high[0] + size[0])
    ax.set_ylim(low[1] - size[1], high[1] + size[1])
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    return figure


def nearest_to_cell_centres(positions: np.ndarray, low: np.ndarray, size: np.ndarray) -> list[int]:
    """Return the item nearest to the centre of each cell of a grid."""
    cells = ((positions - low) / size - 1e-9).astype(int)
    off = (((positions - low) / size - cells - 0.5) ** 2).sum(1)
    best: dict[tuple[int, ...], int] = {}
    for index in np.argsort(off).tolist():
        best.setdefault(tuple(cells[index].tolist()), index)
    return list(best.values())


@rc_context(STYLE)
def bars(names: Sequence[str], columns: Mapping[str, Sequence[float]], label: str) -> Figure:
    """Draw a group of bars for each name, {series: a value for each name}."""
    figure, ax = new_axes(1.1 + 0.26 * len(names) * max(1, 0.7 * len(columns)))
    thickness = 0.8 / len(columns)
    for index, (what, values) in enumerate(columns.items()):
        at = np.arange(len(names)) + (index - (len(columns) - 1) / 2) * thickness
        ax.barh(at, values, height=thickness * 0.92, color=COLOURS[(0, 4, 2)[index]], label=what)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    figure.supxlabel(label, fontsize=10)
    add_grid(ax, "x")
    if len(columns) > 1:
        add_legend_above(figure, len(columns))
    return figure


@rc_context(STYLE)
def unit_effects(effects: np.ndarray, label: str) -> Figure:
    """Draw the effects of the numbers of a code, (K,)."""
    figure, ax = new_axes(2.4)
    ax.bar(np.arange(len(effects)), effects, width=1.0 if len(effects) > 60 else 0.8, color=COLOURS[0])
    ax.set_xlabel("number of the code")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel(label)
    add_grid(ax)
    return figure


@rc_context(STYLE)
def rate_distortion(curves: Mapping[str, Sequence[tuple[float, float]]], rate: str, quality: str) -> Figure:
    """Draw curves of (rate, PSNR)."""
    figure, ax = new_axes(3.6)
    for index, (name, points) in enumerate(curves.items()):
        across, up = zip(*sorted(points), strict=True)
        ax.plot(
            across,
            up,
            color=COLOURS[index],
            linestyle=DASHES[index % len(DASHES)],
            marker=MARKERS[index],
            markersize=5,
            linewidth=2,
            label=name,
        )
    use_log_scale(ax, "x")
    ax.set_xlabel(rate)
    ax.set_ylabel(quality)
    add_grid(ax)
    add_legend_above(figure, len(curves))
    return figure


@rc_context(STYLE)
def filled_and_true(panels: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """Draw filled values over true ones, {column: (true, filled, deviation)}, with bars of one standard deviation."""
    across = min(3, len(panels))
    down = -(-len(panels) // across)
    figure = Figure(figsize=(WIDTH, 0.4 + 2.0 * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for ax, (name, (true, filled, deviation)) in zip(axes, panels.items(), strict=False):
        ends = [min(true.min(), filled.min()), max(true.max(), filled.max())]
        ax.plot(ends, ends, color=FAINT, linewidth=1)
        ax.errorbar(
            true, filled, yerr=deviation, fmt="o", markersize=2.5, color=COLOURS[0], ecolor=COLOURS[5], elinewidth=0.7
        )
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=7.5)
        ax.xaxis.set_major_locator(MaxNLocator(3))
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    figure.supxlabel("true value (unit of the column)", fontsize=9)
    figure.supylabel("filled value", fontsize=9)
    return figure


@rc_context(STYLE)
def effect_map(effects: np.ndarray, rows: Sequence[str], columns: Sequence[int], label: str) -> Figure:
    """Draw effects (R, C) as cells, the larger the darker."""
    figure, ax = new_axes(1.4 + 0.22 * len(rows))
    image = ax.imshow(effects, cmap="Purples", vmin=0, aspect="auto", interpolation="nearest")
    step = -(-len(columns) // 16)
    ax.set_xticks(range(0, len(columns), step), [str(column) for column in columns[::step]])
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xlabel("number of the code")
    figure.colorbar(image, ax=ax, location="bottom", label=label, aspect=40).outline.set_visible(False)
    return figure


@rc_context(STYLE)
def calibration_curve(points: np.ndarray) -> Figure:
    """Draw root mean squared errors over predictive standard deviations, (G, 2)."""
    figure, ax = new_axes(3.0)
    ends = [0, float(points.max()) * 1.05]
    ax.plot(ends, ends, color=FAINT, linewidth=1.2, linestyle=":", label="as large as predicted")
    ax.plot(*points.T, color=COLOURS[0], marker="o", markersize=4, linewidth=1.5, label="measured")
    ax.set_xlabel("predictive standard deviation (1 is the whole range)")
    ax.set_ylabel("root mean squared error")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    add_grid(ax)
    add_legend(ax)
    return figure


@rc_context(STYLE)
def colour_scale(label: str, low: float, high: float, colours: str) -> Figure:
    """Draw the legend of a colour map."""
    figure = Figure(figsize=(WIDTH, 0.75), layout="constrained")
    ax = figure.add_subplot()
    ax.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap=colours, extent=(low, high, 0, 1))
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.tick_params(labelsize=8.5)
    ax.set_xlabel(label, fontsize=9)
    return figure
