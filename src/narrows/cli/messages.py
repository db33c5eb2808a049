"""What the command line says beside its results: single lines, on standard error."""

import re
import sys
from collections.abc import Iterable, Sequence

_OPTIONS = (
    "architecture code upsampling preset loss minutes epochs batch_size learning_rate axes device random_state strict "
    "max_error quality psnr noise clip holes missing_values"
)
_NAMES = {"random_state": "seed", "missing_values": "missing"}
_FLAGS = ("strict", "clip")
_IN_PYTHON = re.compile(
    rf"(?<![\w/.])({_OPTIONS.replace(' ', '|')})=([\"']?)(-?\d+\.\d+|-?\w+(?:-\d+)?)\2(?=[\s,:;)]|$)"
)


class WrongUsage(Exception):  # noqa: N818
    """A command line that cannot be meant: a bad value of an option, or options that do not go together."""


def say(message: str) -> None:
    """One line on standard error; what the Python surface calls code=32 is called --code 32."""
    print(f"narrows: {_IN_PYTHON.sub(_as_option, one_line(message))}", file=sys.stderr)


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


def _as_option(found: re.Match[str]) -> str:
    name = _NAMES.get(found[1], found[1].replace("_", "-"))
    return f"--{name}" if name in _FLAGS else f"--{name} {found[3]}"


def smaller(raw: int, total: int) -> str:
    """How much smaller than the values a file is."""
    return f"{raw / total:.1f} times smaller" if raw >= total else f"{total / raw:.1f} times larger"
