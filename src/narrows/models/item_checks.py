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
    """Raise DataError where values are missing or infinite."""
    for chunk in items.chunks() if items.dtype.kind == "f" else ():
        if not np.isfinite(chunk).all():
            raise DataError(
                f"holds NaN or infinity; {tool}s need complete data",
                source=items.source,
                hint="fill missing values first, as with narrows fill",
            )
    if items.mask is not None and items.mask.any():
        raise DataError(f"has missing values; {tool}s need complete data", source=items.source)


def check_no_infinity(items: Items) -> None:
    """Raise DataError where values are infinite."""
    if any(np.isinf(chunk).any() for chunk in (items.chunks() if items.dtype.kind == "f" else ())):
        raise DataError("holds infinity; mark missing values as NaN", source=items.source)


def missing_mask(items: Items) -> np.ndarray:
    """Return where values are NaN or masked, of the shape of `items.values`."""
    nan = np.isnan(items.values) if items.dtype.kind == "f" else np.zeros(items.values.shape, bool)
    return nan if items.mask is None else nan | items.mask


def missing_cells(items: Items) -> np.ndarray:
    """Return which cells (N, F) of a table with columns are missing; those of unknown categories are not.

    Raises DataError for a table that has no rows, or not a single known cell.
    """
    assert items.columns is not None
    missing = np.isnan(items.values) if items.frame is None else items.frame.isna().to_numpy()
    if missing.all():
        raise DataError("holds no rows" if not len(items) else "holds no known cell", source=items.source)
    return np.asarray(missing)
