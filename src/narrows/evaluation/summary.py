"""Figures of a model as tables, for a terminal or a page."""

from collections.abc import Sequence
from dataclasses import dataclass


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
