"""How the text of table cells is read: marks of missing cells, decimal and thousands separators."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, Self

from narrows.artifacts.schema import FiniteFloat, ShortText, Text, typed
from narrows.errors import ParameterError

Mark = float | str
MINUS = "\\-\u2212"  # in a class of a regular expression: the hyphen, and the sign of typography
_ALIKE = (" \u00a0\u2009\u202f", "'\u2019")  # separators of thousands that look alike
NA_TEXTS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"),
    *("NULL", "NaN", "None", "n/a", "nan", "null"),
)  # those that pandas reads as missing


@dataclass(frozen=True)
class MissingMarks:
    """Values that mean "missing", besides NaN and what `NA_TEXTS` lists.

    Parameters
    ----------
    everywhere : tuple of float or str
        Marks in all columns.
    by_column : mapping of str to tuple of float or str
        Marks in one column.

    Examples
    --------
    >>> marks = MissingMarks.parse(["?", {"age": -1}])
    >>> marks.of("age"), marks.of("name")
    (('?', -1.0), ('?',))
    """

    everywhere: tuple[Mark, ...] = ()
    by_column: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Return the marks of a number, a text, a mapping from columns to marks, or a list of these; NaN adds none.

        Marks that are parsed already are returned as they are.
        """
        if isinstance(value, cls):
            return value
        everywhere: list[Mark] = []
        by_column: dict[str, tuple[Mark, ...]] = {}
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(each, Mapping):
                for name, marks in each.items():
                    by_column[str(name)] = by_column.get(str(name), ()) + cls.parse(marks).everywhere
            elif isinstance(each, str):
                everywhere.append(each)
            elif isinstance(each, Real):
                everywhere += [] if each != each else [float(each)]
            elif each is not None:
                raise ParameterError("expected numbers, texts or a mapping", parameter="missing_values", value=value)
        return cls(tuple(everywhere), by_column)

    def of(self, column: str) -> tuple[Mark, ...]:
        """Return the marks in a column."""
        return self.everywhere + tuple(self.by_column.get(column, ()))

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.everywhere or self.by_column)


@dataclass(frozen=True)
class CellText:
    """How the text of cells is read.

    Parameters
    ----------
    marks : MissingMarks
        What means "missing" besides `NA_TEXTS`.
    keep_na : tuple of str
        Columns in which `NA_TEXTS`, other than nothing, are values.
    decimal : str
        What stands before the decimals of a number.
    thousands : str
        What stands between groups of three digits, or two as in India; nothing by default. A space is any kind of
        space, and an apostrophe any kind of apostrophe.

    Raises
    ------
    ParameterError
        If a separator is not a single character, or both are the same.

    Examples
    --------
    >>> german = CellText(decimal=",", thousands=".")
    >>> bool(re.match(german.number, "1.234,5")), bool(re.match(german.number, "1.5"))
    (True, False)
    """

    marks: MissingMarks = field(default_factory=MissingMarks)
    keep_na: tuple[str, ...] = ()
    decimal: str = "."
    thousands: str = ""

    def __post_init__(self) -> None:
        """Check the separators."""
        for name, fewest in (("decimal", 1), ("thousands", 0)):
            value = getattr(self, name)
            if not fewest <= len(value) <= 1 or value.isdigit() or value in ("+", "-"):
                raise ParameterError("expected one character", parameter=name, value=value)
        if self.decimal == self.thousands:
            raise ParameterError("is the decimal separator as well", parameter="thousands", value=self.thousands)

    @property
    def number(self) -> str:
        """Regular expression of a number."""
        whole = "0|[1-9][0-9]{0,17}"
        if self.thousands:
            comma = self.grouping
            whole += rf"|[1-9][0-9]{{0,2}}({comma}[0-9]{{2,3}})*{comma}[0-9]{{3}}"
        point, sign = re.escape(self.decimal), f"[+{MINUS}]?"
        return rf"^{sign}(({whole})({point}[0-9]*)?|{point}[0-9]+)([eE]{sign}[0-9]+)?$|^{sign}(?i:inf|infinity)$"

    @property
    def grouping(self) -> str:
        """Regular expression of what stands between thousands."""
        return f"[{re.escape(next((each for each in _ALIKE if self.thousands in each), self.thousands))}]"

    def separators(self) -> dict[str, str]:
        """Return the separators that are not those of Python."""
        separators = {"decimal": (self.decimal, "."), "thousands": (self.thousands, "")}
        return {name: own for name, (own, usual) in separators.items() if own != usual}

    def na_texts(self, column: str) -> tuple[str, ...]:
        """Return the texts that mean "missing" in a column."""
        texts = ("",) if column in self.keep_na else NA_TEXTS
        return (*texts, *(mark for mark in self.marks.of(column) if isinstance(mark, str)))

    def na_numbers(self, column: str) -> tuple[float, ...]:
        """Return the numbers that mean "missing" in a column, however they are written."""
        return tuple(mark for mark in self.marks.of(column) if isinstance(mark, float))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; `from_dict` is the inverse."""
        return {
            "missing": list(self.marks.everywhere),
            "missing_in": {name: list(marks) for name, marks in self.marks.by_column.items()},
            "keep_na": list(self.keep_na),
            "decimal": self.decimal,
            "thousands": self.thousands,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Return what `to_dict` wrote; KeyError, TypeError or ValueError where the document is another."""
        everywhere = typed(tuple[FiniteFloat | Text, ...], document["missing"])
        by_column = typed(dict[str, tuple[FiniteFloat | Text, ...]], document["missing_in"])
        keep_na = typed(tuple[Text, ...], document["keep_na"])
        separators = (typed(ShortText, document[name]) for name in ("decimal", "thousands"))
        return cls(MissingMarks.parse([*everywhere, by_column]), keep_na, *separators)
