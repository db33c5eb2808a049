"""Data in and out: images, recordings, arrays, tables and named data sets, as items."""

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "Column": "narrows.data.tables.columns",
    "Columns": "narrows.data.tables.columns",
    "Items": "narrows.data.items",
    "NamedSet": "narrows.data.datasets.named",
    "Scaling": "narrows.data.scaling",
    "guess_axes": "narrows.data.axes",
    "named_sets": "narrows.data.datasets.named",
    "read": "narrows.data.reading",
    "write": "narrows.data.writing",
}
__all__ = ["Column", "Columns", "Items", "NamedSet", "Scaling", "guess_axes", "named_sets", "read", "write"]

if TYPE_CHECKING:
    from narrows.data.axes import guess_axes
    from narrows.data.datasets.named import NamedSet, named_sets
    from narrows.data.items import Items
    from narrows.data.reading import read
    from narrows.data.scaling import Scaling
    from narrows.data.tables.columns import Column, Columns
    from narrows.data.writing import write


def __getattr__(name: str) -> Any:
    # Looked up on first use, so that the command line's help can list the formats without importing NumPy.
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
