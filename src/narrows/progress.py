"""Progress bars: of reading, of training and of items. They show on a terminal only, on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

    from narrows.training.task import TrainingProgress

Progress = Callable[[str, int, int | None], None]
"""Called with a description, how much is done, and the total, or None where it is not known."""


def shows_on_terminal() -> bool:
    """Return whether standard error is a terminal; it is None where it was closed."""
    return sys.stderr is not None and sys.stderr.isatty()


def no_progress(description: str, done: int, total: int | None) -> None:
    """Report nothing."""


@contextmanager
def display(*columns: Any) -> Iterator["Display | None"]:
    """Show progress bars with these columns, strings or those of rich; None where standard error is no terminal."""
    if not shows_on_terminal():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Display

    with Display(*(columns or Display.get_default_columns()), console=Console(stderr=True), transient=True) as shown:
        yield shown


@contextmanager
def reading_bar() -> Iterator[Progress | None]:
    """Show a bar for each step of `narrows.data.read`; None where there is no terminal."""
    with display() as shown:
        if shown is None:
            yield None
            return
        from rich.markup import escape

        tasks: dict[str, TaskID] = {}

        def report(description: str, done: int, total: int | None) -> None:
            if description not in tasks:
                tasks[description] = shown.add_task(escape(description), total=total)
            shown.update(tasks[description], completed=done, total=total)

        yield report


@contextmanager
def training_bar(shown: bool, title: str = "training") -> Iterator[Callable[["TrainingProgress"], None] | None]:
    """Show a bar of a training; None where it is not to be shown, or there is no terminal."""
    if not shown:
        yield None
        return
    from rich.progress import BarColumn, TextColumn
    from rich.table import Column

    texts = (title, "{task.percentage:3.0f} %", "{task.description}")
    name, share, description = (TextColumn(text, table_column=Column(no_wrap=True)) for text in texts)
    with display(name, BarColumn(12, table_column=Column(no_wrap=True)), share, description) as bars:
        if bars is None:
            yield None
            return
        task = bars.add_task("", total=1.0)
        yield lambda now: bars.update(task, completed=now.progress, description=now.describe())


@contextmanager
def items_bar(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar of items that are done, of all items; None where there is no terminal."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    began = time.monotonic()
    with display(TextColumn(title), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()) as shown:
        if shown is None:
            yield None
            return
        task = shown.add_task("", total=None)

        def report(done: int, total: int) -> None:
            rate = done / max(time.monotonic() - began, 1e-9)
            shown.update(task, completed=done, total=total, description=f"{done:,} of {total:,}, {rate:,.0f} items/s")

        yield report
