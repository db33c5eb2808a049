"""Figures of a model as tables, for a terminal or a page."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Summary:
    """Figures to read.

    Parameters
    ----------
    facts : list of tuple of str
        (name, value) pairs.
    rows : sequence of tuple of str
        Rows of a table, the first of them its head.
    note : str
        What the table does not say, such as units.
    """

    facts: list[tuple[str, str]]
    rows: Sequence[tuple[str, ...]]
    note: str


@dataclass(frozen=True)
class Evaluation(ABC):
    """Figures of a model on items; each tool adds its own.

    Parameters
    ----------
    data : str
        The items that were evaluated.
    items : int
        Number of items.
    seconds : float
        Time that the model took.
    """

    data: str
    items: int
    seconds: float

    @abstractmethod
    def summary(self) -> Summary:
        """Return the figures as tables."""

    def summaries(self) -> list[Summary]:
        """Return all figures, a summary for each task."""
        return [self.summary()]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def data_facts(data: str, items: int, seconds: float, skipped: int) -> list[tuple[str, str]]:
    """Return the facts that all evaluations begin with."""
    suffix = f", {skipped} skipped" * bool(skipped)
    return [("data", data), ("items", f"{items:,} in {seconds:.2f} s{suffix}")]


def describe_coverage(within: tuple[float, float]) -> str:
    """Return the shares of errors within one and two predictive standard deviations in words."""
    return f"{within[0]:.1%} of true values within one predictive standard deviation, {within[1]:.1%} within two"


def quality_rows(columns: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a table of `mse`, `psnr` and `ssim` with a column for each name; a dash where there is no figure."""
    rows = [("", *columns), ("mse", *(f"{column.mse:.6f}" for column in columns.values()))]
    psnr = [column.psnr for column in columns.values()]
    if any(figure is not None for figure in psnr):
        rows.append(("psnr", *("-" if figure is None else f"{figure:.2f} dB" for figure in psnr)))
    ssim = [getattr(column, "ssim", None) for column in columns.values()]
    if any(figure is not None for figure in ssim):
        rows.append(("ssim", *("-" if figure is None else f"{figure:.4f}" for figure in ssim)))
    return rows
