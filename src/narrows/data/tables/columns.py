"""Columns: what the columns of a table hold, and how their cells are told in numbers. NumPy only."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from narrows.errors import DataError, FormatError

Kind = Literal["number", "integer", "boolean", "category", "date"]
Category = str | int | bool | float
_KEYS = {"name", "kind", "dtype", "categories", "ordered", "low", "high", "whole"}  # of a column in a JSON document


@dataclass(frozen=True)
class Column:
    """One column of a table, and the code of its cells: a float64, NaN where the cell is not known.

    name: its label, as text.
    kind: "number" (coded as it is), "integer", "boolean" (0 and 1), "category" (index into `categories`) or "date"
        (days since 1970-01-01, in UTC).
    dtype: the type that goes back: "float64", "Int64", "bool", "category", "str", "datetime64[ns, UTC]", ...
    categories: text, integers, booleans or real numbers, in a stable order: that of an ordered or declared category,
        else sorted. A value that is none of them has no code, so it is coded as NaN.
    ordered: whether the order of the categories means something.
    low, high: the least and the largest code of all cells that have one; None where none has.
    date_only: of dates, whether none has a time of day.
    """

    name: str
    kind: Kind
    dtype: str
    categories: tuple[Category, ...] = ()
    ordered: bool = False
    low: float | None = None
    high: float | None = None
    date_only: bool = False

    def __post_init__(self) -> None:
        def wrong(reason: str) -> DataError:
            return DataError(f"column {self.name!r}: {reason}")

        if not isinstance(self.name, str) or not isinstance(self.dtype, str) or not self.dtype:
            raise wrong("its name and its type are text")
        if self.kind not in get_args(Kind):
            raise wrong(f"kind {self.kind!r}: expected one of {', '.join(get_args(Kind))}")
        if self.kind != "category" and (self.categories or self.ordered):
            raise wrong(f"a {self.kind} has no categories")
        if self.date_only and self.kind != "date":
            raise wrong(f"a {self.kind} has no time of day")
        if not all(isinstance(value, (str, bool, int, float)) and value == value for value in self.categories):
            raise wrong("categories are text, integers, booleans or real numbers")
        if len(set(self.categories)) < len(self.categories):
            raise wrong("each category stands once")
        if (self.low is None) != (self.high is None):
            raise wrong("has one end of a range")
        if self.low is not None and self.high is not None and not -math.inf < self.low <= self.high < math.inf:
            raise wrong(f"a range from {self.low} to {self.high} is none")

    @property
    def empty(self) -> bool:
        """Whether no cell of it has a code."""
        return self.low is None

    @property
    def constant(self) -> bool:
        """Whether all cells that have a code have the same."""
        return self.low is not None and self.low == self.high

    def nearest_valid(self, codes: np.ndarray) -> np.ndarray:
        """The nearest codes that cells can have: integers and dates in the learnt range, known categories, 0 or 1.

        NaN stays, numbers stay as they are, and all of a column without any code is NaN.
        """
        if self.low is None or self.high is None:
            return np.full_like(codes, np.nan)
        if self.kind == "number":
            return codes
        if self.kind == "boolean":
            return np.where(np.isnan(codes), np.nan, codes >= 0.5)
        if self.kind == "category":
            return np.clip(np.rint(codes), 0, len(self.categories) - 1)
        step = 1.0 if self.kind == "integer" or self.date_only else 1 / 86400
        return np.clip(np.rint(codes / step) * step, self.low, self.high)


@dataclass(frozen=True)
class Columns:
    """The columns of a table, in their order, each with a name of its own."""

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = self.names
        if not names:
            raise DataError("a table without columns")
        if len(set(names)) < len(names):
            twice = next(name for index, name in enumerate(names) if name in names[:index])
            raise DataError(f"two columns have the name {twice!r}; each needs its own")

    @classmethod
    def of_array(cls, X: np.ndarray) -> "Columns":
        """Those of a plain array (N, F) of numbers, with the names x0, x1, ...; NaN is not known."""
        if X.ndim != 2 or X.dtype.kind not in "fiub":
            raise DataError(f"X: {X.dtype} of shape {X.shape}; expected numbers, of shape (rows, columns)")
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
        return [column.name for column in self.columns]

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, index: int) -> Column:
        return self.columns[index]

    def nearest_valid(self, codes: np.ndarray) -> np.ndarray:
        """The nearest codes (N, F) that cells can have, as `Column.possible` of each column."""
        return np.column_stack([column.nearest_valid(codes[:, index]) for index, column in enumerate(self)])

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain values for a JSON document."""
        documents = [{**asdict(column), "categories": list(column.categories)} for column in self]
        for document in documents:
            document["whole"] = document.pop("date_only")
        return documents

    @classmethod
    def from_dict(cls, document: Any) -> "Columns":
        """The columns that `to_dict` wrote; FormatError where the document is not of such."""
        try:
            if any(set(each) != _KEYS for each in document):
                raise ValueError(f"expected {', '.join(sorted(_KEYS))} of each")
            for each in document:
                if not isinstance(each["ordered"], bool) or not isinstance(each["whole"], bool):
                    raise TypeError("ordered and whole are true or false")
            fields = [
                {**each, "categories": tuple(each["categories"]), "date_only": each["whole"]} for each in document
            ]
            return cls(tuple(Column(**{name: each[name] for name in each if name != "whole"}) for each in fields))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"columns of the table: {error}") from None


def column_ranges(codes: np.ndarray) -> tuple[list[float | None], list[float | None]]:
    """The least and the largest known value of each column of (N, F); None where there is none."""
    low = np.fmin.reduce(codes, axis=0, initial=np.nan)
    high = np.fmax.reduce(codes, axis=0, initial=np.nan)
    return ([None if np.isnan(value) else float(value) for value in ends] for ends in (low, high))  # type: ignore[return-value]
