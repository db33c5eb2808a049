"""What the cells of CSV columns are, decided by patterns over all of their text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from narrows.data.formats.csv_text import plain_numbers
from narrows.data.tables.cell_text import CellText
from narrows.data.tables.cells import require

INTEGER = r"^[+-]?(0|[1-9][0-9]{0,17})$"
_BOOLEAN = r"^(?i:true|false)$"
_DAY = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_DATE = rf"{_DAY}([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{{1,9}})?)?)?$"
_ZONED = rf"{_DAY}[T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9](\.[0-9]{{1,9}})?)?(Z|[+-][0-9]{{2}}:?[0-9]{{2}})$"
PATTERNS = {"boolean": _BOOLEAN, "date": _DATE, "zoned": _ZONED}
_SURE_AFTER = 2**14  # known cells without a number, a column is none of numbers
_OTHER_DATE = r"^[0-9]{1,2}([./-])[0-9]{1,2}[./-][0-9]{4}([ T]|$)"
_LEADING_ZERO = "^0[0-9]+$"  # of names, such as postcodes
LOCALES = (CellText(), CellText(decimal=","), CellText(decimal=",", thousands="."), CellText(thousands=","))
NUMBERS_SHARE = 0.9  # of its known cells, from which on a column is one of numbers
_NAMES_SHARE = 0.01  # of its known cells with leading zeros, from which on it is none


@dataclass(frozen=True)
class Unread:
    """Cells of a column of numbers that are none: how many, and text and row of the first."""

    count: int
    text: str
    row: int


class ColumnKinds:
    """What the cells of one column may be, as far as they were seen."""

    def __init__(self) -> None:
        self.kinds = list(PATTERNS)  # other than numbers
        self.locales = list(LOCALES)  # under which all cells are numbers
        self.other_dates = self.whole = True
        self.count = self.numbers = self.leading_zeros = 0

    def see(self, known: Any, reading: CellText) -> None:
        """Take further known cells into account."""
        if not len(known) or (self.count > _SURE_AFTER and not (self.kinds or self.locales or self.numbers)):
            return
        numbers = plain_numbers(known, reading).drop_null()
        self.count += len(known)
        self.numbers += len(numbers)
        if len(numbers) < len(known):
            pc = require("pyarrow.compute")
            self.leading_zeros += pc.sum(pc.match_substring_regex(known, _LEADING_ZERO)).as_py() or 0
        self.whole = self.whole and all_match(numbers, INTEGER)
        self.kinds = [
            kind
            for kind in self.kinds
            if all_match(known, PATTERNS[kind]) and (kind not in ("date", "zoned") or are_dates(known))
        ]
        self.locales = [text for text in self.locales if all_match(known, text.number)]
        self.other_dates = self.other_dates and all_match(known, _OTHER_DATE)

    @property
    def kind(self) -> str:
        """The kind of the column."""
        if not self.count:
            return "empty"
        if self.kinds:
            return self.kinds[0]
        if self.numbers >= NUMBERS_SHARE * self.count and self.leading_zeros < _NAMES_SHARE * self.count:
            return "integer" if self.whole else "number"
        return "text"


def all_match(texts: Any, pattern: str) -> bool:
    """Return whether all texts match a pattern."""
    if len(texts) and not re.search(pattern, texts[0].as_py() or ""):  # which saves most of the time for short columns
        return False
    pc = require("pyarrow.compute")
    return pc.all(pc.match_substring_regex(texts, pattern)).as_py() is not False


def are_dates(known: Any) -> bool:
    """Return whether cells that look like dates are valid: there is no 30th of February."""
    pd = require("pandas")
    return bool(pd.to_datetime(known.to_pandas(), format="ISO8601", utc=True, errors="coerce").notna().all())


def is_number(text: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
