"""Rate-distortion plots of narrows and its peers."""

import textwrap
from collections.abc import Iterable

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from comparison import NARROWS, Comparison
from narrows.render.style import COLOURS, FAINT, INK, STYLE
from rates import Files, Rate

WIDTH, HEIGHT = 6.0, 4.5  # inches of a panel
LOOKS = [{"color": colour, "marker": marker} for colour, marker in zip((*COLOURS, FAINT), "os^Dv*P", strict=True)]
OWN_LOOK = {"color": INK, "marker": "o", "linewidth": 2.5}


@rc_context(STYLE)
def rate_plot(comparison: Comparison) -> Figure:
    """A panel for all items in one file and one for each in its own; both axes are linear, and sizes start from 0.

    A coder's line goes through those of its files that none of its own beats in both size and PSNR. Lossless files,
    which have no PSNR, stand on the line at the top; nothing larger than the largest of them is shown.
    """
    item_set = comparison.item_set
    panels: dict[Files, str] = {"one": "all items in one file", "each": "each item in its own file"}
    if not _has_mosaics(comparison):
        panels = {"each": "each item in its own file; narrows: all in one"}
    figure = Figure(figsize=(WIDTH * len(panels), HEIGHT), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for ax, (files, title) in zip(axes, panels.items(), strict=True):
        _draw(ax, comparison, files)
        ax.set_title(title, pad=12)
        ax.set_xlabel("bits a pixel" if item_set.unit == "pixel" else "bytes an item")
    axes[0].set_ylabel("PSNR (dB)")
    axes[0].legend(frameon=False, loc="lower right")
    title = textwrap.fill(item_set.title, 70 * len(panels))
    figure.suptitle(title, fontsize=10, fontweight="normal")
    return figure


def _draw(ax: Axes, comparison: Comparison, files: Files) -> None:
    top = max(comparison.item_set.targets) + 10
    largest = 0.0
    for coder, look in zip([NARROWS, *_plotted(comparison)], [OWN_LOOK, *LOOKS], strict=False):
        kind: Files = "one" if coder == NARROWS and not _has_mosaics(comparison) else files
        line = best_files(rate for rate in comparison.rates if (rate.coder, rate.files) == (coder, kind))
        lossy = [(comparison.size(rate), rate.psnr) for rate in line if rate.psnr is not None and rate.psnr < top]
        exact = [(comparison.size(rate), top) for rate in line if rate.psnr is None]
        ax.plot(*zip(*lossy, strict=True) if lossy else ((), ()), label=coder, markersize=4, **look)
        for size, height in exact:
            ax.plot(size, height, markersize=8, clip_on=False, **look)
            largest = max(largest, size)
    ax.set_xlim(0, 1.05 * largest)
    ax.set_ylim(min(comparison.item_set.targets) - 5, top)
    ax.axhline(top, color=FAINT, linewidth=0.5)
    ax.annotate("lossless", (0, 1), xycoords="axes fraction", xytext=(4, -12), textcoords="offset points", color=FAINT)


def _plotted(comparison: Comparison) -> list[str]:
    """Return the peers, those with lossy files first."""
    peers = [
        rate for rate in comparison.rates if not rate.coder.startswith(NARROWS) and not rate.coder.endswith("model")
    ]
    lossy = [rate.coder for rate in peers if rate.psnr is not None]
    return list(dict.fromkeys([*lossy, *(rate.coder for rate in peers)]))


def _has_mosaics(comparison: Comparison) -> bool:
    """Whether lossy peers coded all items as one picture."""
    return any(rate.files == "one" and rate.psnr is not None for rate in comparison.rates if rate.coder != NARROWS)


def best_files(rates: Iterable[Rate]) -> list[Rate]:
    """Return the files with a higher PSNR than all smaller ones, by size."""
    kept: list[Rate] = []
    for rate in sorted(rates, key=lambda rate: rate.bytes):
        if not kept or (kept[-1].psnr is not None and (rate.psnr is None or rate.psnr > kept[-1].psnr)):
            kept.append(rate)
    return kept
