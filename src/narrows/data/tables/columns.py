"""Columns: what the columns of a table hold, and how their cells are coded as numbers. NumPy only."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from narrows.artifacts.schema import FiniteFloat, ShortText, Text, from_document
from narrows.errors import DataError, FormatError

Kind = Literal["number", "integer", "boolean", "category", "date"]
Category = str | int | bool | float
_KEYS = {"name", "kind", "dtype", "categories", "ordered", "low", "high", "whole"}  # of a column in a JSON document


@dataclass(frozen=True)
class Column:
    """One column of a table, and the code of its cells: a float64, NaN where the cell is missing.

    Parameters
    ----------
    name : str
        The label.
    kind : {"number", "integer", "boolean", "category", "date"}
        Numbers and integers are their own codes; booleans are 0 and 1, categories the index into `categories`, dates
        the days since 1970-01-01, in UTC.
    dtype : str
        The pandas dtype to restore: ``"float64"``, ``"Int64"``, ``"category"``, ``"datetime64[ns, UTC]"``, ...
    categories : tuple of str, int, bool or float
        The categories in a stable order: that of an ordered or declared category, else sorted. Other values have no
        code, so they are coded as NaN.
    ordered : bool
        Whether the order of the categories means something.
    low, high : float, optional
        The least and the largest code of all cells that have one; None where none has.
    date_only : bool
        Of dates, whether none has a time of day.

    Raises
    ------
    DataError
        If these are not a valid column.

    Examples
    --------
    >>> age = Column("age", "integer", "int64", low=0.0, high=120.0)
    >>> age.nearest_valid(np.array([41.7, 150.0, np.nan])).tolist()
    [42.0, 120.0, nan]
    """

    name: Text
    kind: Kind
    dtype: ShortText
    categories: tuple[Category, ...] = ()
    ordered: bool = False
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    date_only: bool = False

    def __post_init__(self) -> None:
        """Check the fields."""

        def wrong(reason: str) -> DataError:
            return DataError(reason, source=f"column {self.name!r}")

        if not isinstance(self.name, str) or not isinstance(self.dtype, str) or not self.dtype:
            raise wrong("its name and its dtype must be text")
        if self.kind not in get_args(Kind):
            raise wrong(f"kind {self.kind!r}, expected one of {', '.join(get_args(Kind))}")
        if self.kind != "category" and (self.categories or self.ordered):
            raise wrong(f"a {self.kind} has no categories")
        if self.date_only and self.kind != "date":
            raise wrong(f"a {self.kind} has no time of day")
        if not all(isinstance(value, (str, bool, int, float)) and value == value for value in self.categories):
            raise wrong("categories must be text, integers, booleans or real numbers")
        if len(set(self.categories)) < len(self.categories):
            raise wrong("a category occurs twice")
        if (self.low is None) != (self.high is None):
            raise wrong("its range has one end only")
        if self.low is not None and self.high is not None and not -math.inf < self.low <= self.high < math.inf:
            raise wrong(f"a range from {self.low} to {self.high} is invalid")

    @property
    def empty(self) -> bool:
        """Whether no cell has a code."""
        return self.low is None

    @property
    def constant(self) -> bool:
        """Whether all codes are the same."""
        return self.low is not None and self.low == self.high

    def nearest_valid(self, codes: np.ndarray) -> np.ndarray:
        """Return the nearest codes that cells can have: integers and dates in the range, categories, 0 or 1.

        NaN stays, numbers stay as they are, and all of a column without any code is NaN.
        """
        if self.low is None or self.high is None:
            return np.full_like(codes, np.nan)
        if self.kind == "number":
            return codes
        if self.kind == "boolean":
            return np.where(np.isnan(codes), np.nan, codes >= 0.5)
        if self.kind == "category":
            return np.asarray(np.clip(np.rint(codes), 0, len(self.categories) - 1))
        step = 1.0 if self.kind == "integer" or self.date_only else 1 / 86400
        return np.asarray(np.clip(np.rint(codes / step) * step, self.low, self.high))


@dataclass(frozen=True)
class Columns:
    """The columns of a table, in their order, each with a name of its own.

    Parameters
    ----------
    columns : tuple of Column
        At least one column.

    Raises
    ------
    DataError
        If there are none, or two have the same name.

    Examples
    --------
    >>> columns = Columns.of_array(np.array([[1.5, np.nan], [2.5, 3.0]]))
    >>> columns.names, columns[0].low, columns[0].high
    (['x0', 'x1'], 1.5, 2.5)
    """

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        """Check the names."""
        if not self.columns:
            raise DataError("a table without columns")
        check_distinct(self.names)

    @classmethod
    def of_array(cls, X: np.ndarray) -> "Columns":
        """Return the columns x0, x1, ... of a plain array (N, F) of numbers; NaN is missing."""
        if X.ndim != 2 or X.dtype.kind not in "fiub":
            raise DataError(f"{X.dtype} of shape {X.shape}, expected numbers, of shape (rows, columns)", source="X")
        kind: Kind = "number" if X.dtype.kind == "f" else "boolean" if X.dtype.kind == "b" else "integer"
        low, high = column_ranges(np.asarray(X, np.float64))
        return cls(
            tuple(
                Column(f"x{index}", kind, str(X.dtype), low=each[0], high=each[1])
                for index, each in enumerate(zip(low, high, strict=True))
            )
        )

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.columns)

    def __iter__(self) -> Iterator[Column]:
        """Iterate over the columns."""
        return iter(self.columns)

    def __getitem__(self, index: int) -> Column:
        """Return one column."""
        return self.columns[index]

    def nearest_valid(self, codes: np.ndarray) -> np.ndarray:
        """Return the nearest codes (N, F) that cells can have, as `Column.nearest_valid` of each column."""
        return np.column_stack([column.nearest_valid(codes[:, index]) for index, column in enumerate(self)])

    def to_dict(self) -> list[dict[str, Any]]:
        """Return plain values for a JSON document."""
        documents = [{**asdict(column), "categories": list(column.categories)} for column in self]
        for document in documents:
            document["whole"] = document.pop("date_only")
        return documents

    @classmethod
    def from_dict(cls, document: Any) -> "Columns":
        """Return the columns of a document that `to_dict` returned; FormatError for any other."""
        try:
            if any(set(each) != _KEYS for each in document):
                raise ValueError(f"expected {', '.join(sorted(_KEYS))} of each")
            fields = ({"date_only" if key == "whole" else key: each[key] for key in each} for each in document)
            return cls(tuple(from_document(Column, each) for each in fields))
        except (TypeError, ValueError) as error:
            raise FormatError(str(error), source="columns of the table") from None


def column_ranges(codes: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """Return the least and the largest observed value of each column of (N, F); None where there is none."""
    low, high = (
        [None if np.isnan(value) else float(value) for value in end.reduce(codes, axis=0, initial=np.nan)]
        for end in (np.fmin, np.fmax)
    )
    return low, high


def check_distinct(names: list[str]) -> None:
    """Raise DataError where two columns have the same name."""
    if len(set(names)) < len(names):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise DataError(f"two columns have the name {twice!r}", hint="give each its own")
