"""Style of all figures. Nothing here touches pyplot or global settings.

Words are black on white and large enough for a phone. Colours are those of Okabe and Ito (2008), which colour-blind
readers can tell apart; lines differ in their dashes too.
"""

from typing import Any, Literal

from narrows.errors import cannot_import

try:
    from matplotlib import rc_context
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator
except ImportError as error:
    raise cannot_import("a figure", "matplotlib", "report", error) from None

__all__ = ["Axes", "Figure", "rc_context"]

WIDTH = 5.0  # inches: words stay readable where a phone shows less than that
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":")
MARKERS = "os^Dv<>pP*"
INK, FAINT = "#222222", "#777777"
DIFFERENCE_COLOURS, STD_COLOURS = "PuOr_r", "Purples"
MASK_COLOUR = "#f2c48d"
GRID: dict[str, Any] = {"color": "#e4e4e4", "linewidth": 0.6}
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


def new_axes(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Return a figure of one plot; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def use_log_scale(ax: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers at few places."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    low, high = ax.get_xlim() if which == "x" else ax.get_ylim()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
    axis.set_major_formatter(lambda value, position: f"{value:g}")
    ax.minorticks_off()


def add_grid(ax: Axes, axis: Literal["x", "y"] = "y") -> None:
    """Add faint lines behind the data."""
    ax.grid(axis=axis, **GRID)
    ax.set_axisbelow(True)


def add_legend(ax: Axes) -> None:
    """Add a legend without a frame, where it hides least."""
    ax.legend(frameon=False, handlelength=3, labelcolor=INK)


def add_legend_above(figure: Figure, columns: int) -> None:
    """Add a legend in one line above the plot, where it hides nothing."""
    look: dict[str, Any] = {"frameon": False, "handlelength": 2.5, "columnspacing": 1.2, "labelcolor": INK}
    figure.legend(loc="outside upper left", ncols=columns, **look)


def add_title(figure: Figure, title: str) -> None:
    """Add a title at the left."""
    figure.suptitle(title, x=0.01, ha="left")
