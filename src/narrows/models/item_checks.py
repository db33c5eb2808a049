"""Checks of items before training and inference, and how messages describe them."""

from dataclasses import replace

import numpy as np

from narrows.data import Columns, Items
from narrows.errors import DataError


def describe_items(items: Items) -> str:
    """Return axes, shape and channels of items for a message."""
    sizes = f"shape {items.item_shape}" if items.uniform else "different sizes"
    return f"axes {items.axes}, items of {sizes}, {items.channels} channel(s)"


def plain_numbers(items: Items, tool: str) -> Items:
    """Return a table as rows of numbers, and other items as they are; DataError where cells are no numbers."""
    if items.columns is None:
        return items
    check_numeric(items.columns, f"{items.source}: {tool}s that learned from arrays take numbers alone, and")
    return replace(items, columns=None, frame=None)


def check_numeric(columns: Columns, reason: str) -> None:
    """Raise DataError, which begins with a reason, unless all columns hold numbers."""
    for column in columns:
        if column.kind not in ("number", "integer", "boolean"):
            raise DataError(f"{reason} column {column.name!r} holds {column.kind} cells")


def check_complete(items: Items, tool: str) -> None:
    """Raise DataError where values are missing or infinite, or cells of a table that has no rows or is incomplete."""
    if items.columns is not None:
        _check_complete_table(items, items.columns, tool)
        return
    for chunk in items.chunks() if items.dtype.kind == "f" else ():
        if not np.isfinite(chunk).all():
            raise DataError(f"holds NaN or infinity; {tool}s need complete data", source=items.source)
    if items.mask is not None and items.mask.any():
        raise DataError(f"has missing values; {tool}s need complete data", source=items.source)


def _check_complete_table(items: Items, columns: Columns, tool: str) -> None:
    if not len(items):
        raise DataError("holds no rows", source=items.source)
    observed = np.array([not column.empty for column in columns])  # the others have nothing to learn from
    missing = np.isnan(items.values) if items.frame is None else items.frame.isna().to_numpy()
    counts = missing.sum(axis=0) * observed
    if counts.any():
        first = int((counts > 0).argmax())
        more = int((counts > 0).sum()) - 1
        raise DataError(
            f"column {columns[first].name!r} has {counts[first]} missing value(s)"
            + (f", and {more} other column(s) have some" if more else "")
            + f"; {tool}s need complete data",
            source=items.source,
            hint="fill them first, as with narrows fill",
        )
