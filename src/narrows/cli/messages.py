"""What the command line prints besides results: single lines and progress bars, on standard error."""

import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from narrows import progress

# Other options are named after the parameter.
_FLAGS = {"init_model": "--from", "random_state": "--seed", "missing_values": "--missing"}


@dataclass
class Verbosity:
    """How much the command line prints; set once per command line."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    noted: set[str] = field(default_factory=set)

    def set(self, quiet: bool = False, verbose: bool = False, debug: bool = False) -> None:
        """Turn options on; they stay on, since they may stand before the verb or after it."""
        self.quiet |= quiet
        self.verbose |= verbose
        self.debug |= debug

    def reset(self) -> None:
        """Start again, for another command line in the same process."""
        self.quiet = self.verbose = self.debug = False
        self.noted.clear()


verbosity = Verbosity()


def say(message: str) -> None:
    """Print one line on standard error, whatever the verbosity."""
    print(f"narrows: {one_line(message)}", file=sys.stderr)


def note(message: str) -> None:
    """Print one line on standard error, unless --quiet."""
    if not verbosity.quiet:
        say(message)


def note_once(message: str) -> None:
    """Print one line as `note` does, the first time."""
    if message not in verbosity.noted:
        verbosity.noted.add(message)
        note(message)


def detail(message: str) -> None:
    """Print one line on standard error with --verbose."""
    if verbosity.verbose:
        note(message)


def shows_progress() -> bool:
    """Return whether progress bars are shown: on terminals only, and not with --quiet."""
    return progress.shows_on_terminal() and not verbosity.quiet


def items_bar(title: str) -> AbstractContextManager[Any]:
    """Return a progress bar of items, or a context that gives None where none is shown."""
    return progress.items_bar(title) if shows_progress() else nullcontext()


def reading_bar() -> AbstractContextManager[Any]:
    """Return a progress bar of reading, or a context that gives None where none is shown."""
    return progress.reading_bar() if shows_progress() else nullcontext()


def as_flag(name: str, value: Any) -> str:
    """Format a parameter as an option of the command line: ``--axes NYX``."""
    flag = _FLAGS.get(name, "--" + name.replace("_", "-"))
    if value is None or value is True:
        return flag
    if value is False:
        return f"--no-{flag.removeprefix('--')}"
    return f"{flag} {'x'.join(map(str, value)) if isinstance(value, tuple) else value}"


def one_line(message: str) -> str:
    """Return a message without line ends, other control characters and marks that reverse the direction of text.

    Names of files and facts in models, which come from anywhere, may hold them.
    """
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+", " ", message)


def aligned(rows: Iterable[Sequence[str]], right: bool = False) -> str:
    """Format rows of text as columns; with `right`, all but the first are aligned to the right."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def cell(text: str, column: int) -> str:
        return text.rjust(widths[column]) if right and column else text.ljust(widths[column])

    return "\n".join("  ".join(cell(text, column) for column, text in enumerate(row)).rstrip() for row in rows)


def size(count: float) -> str:
    """Format a number of bytes with its unit."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"


def smaller(raw: int, total: int) -> str:
    """Format how much smaller than the uncompressed values a file is."""
    return f"{raw / total:.1f} times smaller" if raw >= total else f"{total / raw:.1f} times larger"
