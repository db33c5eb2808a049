"""What the command line says beside its results: single lines, on standard error."""

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_FLAGS = {"random_state": "--seed", "missing_values": "--missing"}  # others have the name of the parameter


def as_flag(name: str, value: Any) -> str:
    """Format a parameter as an option of the command line: ``--axes NYX``."""
    flag = _FLAGS.get(name, "--" + name.replace("_", "-"))
    if value is None or value is True:
        return flag
    if value is False:
        return f"--no-{flag.removeprefix('--')}"
    return f"{flag} {'x'.join(map(str, value)) if isinstance(value, tuple) else value}"


def say(message: str) -> None:
    """Print one line on standard error."""
    print(f"narrows: {one_line(message)}", file=sys.stderr)


def one_line(message: str) -> str:
    """A message without line ends and other control characters, which names of files may hold."""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", message)


def aligned(rows: Iterable[Sequence[str]], right: bool = False) -> str:
    """Rows of text as a table whose columns line up; with `right`, all but the first are set to the right."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def cell(text: str, column: int) -> str:
        return text.rjust(widths[column]) if right and column else text.ljust(widths[column])

    return "\n".join("  ".join(cell(text, column) for column, text in enumerate(row)).rstrip() for row in rows)


def size(count: float) -> str:
    """A number of bytes in words."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"


def smaller(raw: int, total: int) -> str:
    """How much smaller than the values a file is."""
    return f"{raw / total:.1f} times smaller" if raw >= total else f"{total / raw:.1f} times larger"
