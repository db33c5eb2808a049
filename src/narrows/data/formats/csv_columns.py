"""What the cells of CSV columns are, decided by patterns over all of their text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from narrows.data.formats.csv_text import plain_numbers
from narrows.data.tables.cell_text import MINUS, CellText
from narrows.data.tables.cells import require

INTEGER = r"^[+-]?(0|[1-9][0-9]{0,17})$"
_DAY = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"[T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?"
PATTERNS = {
    "boolean": r"^(?i:true|false)$",
    "date": f"{_DAY}({_TIME})?$",
    "zoned": rf"{_DAY}{_TIME}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$",
}
_MONTH = "[0-9]{1,2}|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_OTHER_DATE = (
    rf"^([0-9]{{1,2}}[./ -]({_MONTH})[./ -]([0-9]{{4}}|[0-9]{{2}})|[0-9]{{4}}[./]({_MONTH})[./][0-9]{{1,2}})([ T,]|$)"
)
_AMOUNT = rf"[+{MINUS}]?[0-9][0-9.,'’\s]*"
_DECORATED = rf"^([+{MINUS}]?[$€£¥₹]\s?{_AMOUNT}|{_AMOUNT}\s?[$€£¥₹%‰]|\({_AMOUNT}\)|[0-9][0-9.,]*-)$"
_LEADING_ZERO = "^0[0-9]+$"  # of identifiers, such as postcodes
LOCALES = tuple(
    CellText(decimal=decimal, thousands=thousands)
    for thousands in ("", ",", ".", " ", "'")
    for decimal in (".", ",")
    if decimal != thousands
)
_LOCALE_NUMBERS = tuple(text.number for text in LOCALES)
READ_SHARE = 0.9  # share of the known cells that must be numbers or dates for a column to be read as such
_IDENTIFIER_SHARE = 0.01  # share of the known cells with leading zeros that makes a column text
_HINT_SHARE = 0.5  # share of numbers or dates among the known cells with which a column of text gets a hint
_SURE_AFTER = 2**14  # known cells, after which a pattern that none of them matched is not tried any more


@dataclass
class Tally:
    """How many cells match a pattern, and the first that does not."""

    matches: int = 0
    other: str = ""

    def add(self, cells: Any, matches: Any) -> None:
        """Count further cells (N,), which match or not."""
        pc = require("pyarrow.compute")
        found = pc.sum(matches).as_py() or 0
        self.matches += found
        if found < len(cells) and not self.other:
            self.other = cells[pc.index(matches, False).as_py()].as_py()


class ColumnKinds:
    """Infers what the cells of one column are from its known cells, which come in parts."""

    def __init__(self) -> None:
        self.count = self.leading_zeros = 0
        self.whole = True
        self.numbers = Tally()
        self.locales = [Tally() for _ in LOCALES]
        self.patterns = {name: Tally() for name in PATTERNS}
        self.other_dates, self.decorated = Tally(), Tally()

    def see(self, known: Any, reading: CellText) -> None:
        """Take further known cells into account."""
        if not len(known):
            return
        pc = require("pyarrow.compute")
        numbers = plain_numbers(known, reading)
        self.numbers.add(known, pc.is_valid(numbers))
        plain = not numbers.null_count
        whole = all_match(numbers.drop_null(), INTEGER)
        self.whole = self.whole and whole
        for text, pattern, tally in zip(LOCALES, _LOCALE_NUMBERS, self.locales, strict=True):
            if plain and not reading.thousands and (whole or text.decimal == reading.decimal):
                tally.matches += len(known)
            elif self._may_be(tally):
                tally.add(known, matches(known, pattern))
        if not plain:
            self.leading_zeros += pc.sum(matches(known, _LEADING_ZERO)).as_py() or 0
            for name, tally in self.patterns.items():
                if self._may_be(tally):
                    tally.add(known, match_kind(known, name))
            for pattern, tally in ((_OTHER_DATE, self.other_dates), (_DECORATED, self.decorated)):
                if self._may_be(tally):
                    tally.add(known, matches(known, pattern))
        self.count += len(known)

    def _may_be(self, tally: Tally) -> bool:
        return self.count < _SURE_AFTER or bool(tally.matches)

    def _are(self, count: int) -> bool:
        return count >= READ_SHARE * self.count

    @property
    def kind(self) -> str:
        """The kind of the column."""
        if not self.count:
            return "empty"
        if self.patterns["boolean"].matches == self.count:
            return "boolean"
        for name in ("date", "zoned"):
            if self._are(self.patterns[name].matches):
                return name
        if self._are(self.numbers.matches) and self.leading_zeros < _IDENTIFIER_SHARE * self.count:
            return "integer" if self.whole else "number"
        return "text"

    @property
    def fitting_locales(self) -> list[CellText]:
        """The separators with which the column is one of numbers; none of an empty one."""
        return self._locales_that_read(READ_SHARE * self.count) if self.count else []

    @property
    def better_locales(self) -> list[CellText]:
        """Those of them that read more numbers than the separators that were given."""
        return self._locales_that_read(max(self.numbers.matches + 1, READ_SHARE * self.count))

    def _locales_that_read(self, fewest: float) -> list[CellText]:
        return [text for text, tally in zip(LOCALES, self.locales, strict=True) if tally.matches >= fewest]

    @property
    def hint(self) -> str:
        """Why a column of text may have been meant as one of numbers or dates, and what to do; empty if it was not."""
        if self.kind != "text":
            return ""
        if self._are(self.other_dates.matches):
            return "write its dates as YYYY-MM-DD"
        if self.decorated.matches and self._are(self.decorated.matches + self.numbers.matches):
            return "write its numbers without signs of currency or percent, and negative ones with a minus in front"
        for what, tally in (
            ("numbers", self.numbers),
            ("dates", self.patterns["date"]),
            ("dates", self.patterns["zoned"]),
        ):
            share = tally.matches / self.count
            if _HINT_SHARE <= share < 1 and self.leading_zeros < _IDENTIFIER_SHARE * self.count:
                return (
                    f"{1 - share:.0%} of its known cells, such as {tally.other!r}, are no {what}; --missing marks cells"
                )
        return ""


def locale_hint(locales: Iterable[CellText]) -> str | None:
    """Return which options read numbers that are written with such separators; None where none does."""
    ways = [text.separators() for text in locales]
    if {} in ways:
        return "read them without --decimal and --thousands"
    fewest = [way for way in ways if not any(other.items() < way.items() for other in ways)]
    options = [" ".join(f"--{name} {_quoted(value)}" for name, value in way.items()) for way in fewest]
    return f"read them with {' or '.join(options)}" if options else None


def common_locales(columns: Sequence[ColumnKinds]) -> list[CellText]:
    """Return the separators with which all columns are read that are ones of numbers with some."""
    fitting = [locales for column in columns if (locales := column.fitting_locales)]
    return [text for text in LOCALES if all(text in locales for locales in fitting)]


def _quoted(value: str) -> str:
    return value if value in ".," else f'"{value}"'


def matches(texts: Any, pattern: str) -> Any:
    """Return which texts match a pattern."""
    return require("pyarrow.compute").match_substring_regex(texts, pattern)


def match_kind(texts: Any, kind: str) -> Any:
    """Return which texts are cells of a kind of `PATTERNS`: there is no 30th of February."""
    found = matches(texts, PATTERNS[kind])
    pc = require("pyarrow.compute")
    if kind == "boolean" or not pc.any(found).as_py():
        return found
    dates = pc.if_else(found, texts, require("pyarrow").scalar(None, texts.type))
    return require("pyarrow").chunked_array([(to_dates(dates, kind).notna()).to_numpy()])


def to_dates(texts: Any, kind: str) -> Any:
    """Return texts that match the pattern of a kind of dates, or are null, as a series; NaT where one is invalid."""
    pd = require("pandas")
    return pd.to_datetime(texts.to_pandas(), format="ISO8601", utc=kind == "zoned", errors="coerce")


def all_match(texts: Any, pattern: str) -> bool:
    """Return whether all texts match a pattern."""
    return require("pyarrow.compute").all(matches(texts, pattern)).as_py() is not False
