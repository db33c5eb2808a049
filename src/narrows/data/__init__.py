"""What comes in and goes out: pictures, arrays, tables and named data sets, as items."""

from narrows.data.axes import guess_axes
from narrows.data.datasets.named import NamedSet, named_sets
from narrows.data.items import Items
from narrows.data.reading import read
from narrows.data.scaling import Scaling
from narrows.data.tables.columns import Column, Columns
from narrows.data.writing import write

__all__ = ["Column", "Columns", "Items", "NamedSet", "Scaling", "guess_axes", "named_sets", "read", "write"]
