"""Progress bars on a terminal: of reading, of training, and of items that are worked on."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import TaskID

    from narrows.training.task import TrainingProgress


@contextmanager
def reading_bar() -> Iterator[Callable[[str, int, int | None], None] | None]:
    """Something for `data.read` to report to, or None where standard error is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as display:
        tasks: dict[str, TaskID] = {}

        def report(description: str, done: int, total: int | None) -> None:
            if description not in tasks:
                tasks[description] = display.add_task(escape(description), total=total)
            display.update(tasks[description], completed=done, total=total)

        yield report


@contextmanager
def training_bar(shown: bool, title: str = "training") -> Iterator[Callable[["TrainingProgress"], None] | None]:
    """Something to report training's progress to, or None where nothing is to be shown."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn(title),
        BarColumn(12),
        TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.description}"),
    )
    for column in columns:
        column.get_table_column().no_wrap = True
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("", total=1.0)

        def report(now: "TrainingProgress") -> None:
            losses = (("loss", now.loss), ("held out", now.held_out))
            minutes, seconds = divmod(round(now.seconds_left), 60)
            words = [f"{name} {value:.4f}" for name, value in losses if value is not None]
            words += [f"{now.items_per_second:,.0f} items/s", f"{minutes}:{seconds:02} left"]
            if now.attempt:
                words.insert(0, f"attempt {now.attempt + 1}")
            display.update(task, completed=now.progress, description=", ".join(words))

        yield report


@contextmanager
def items_bar(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Something to report items done, and items in all, to; None where standard error is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    began = time.monotonic()
    columns = (TextColumn(title), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("", total=None)

        def report(done: int, total: int) -> None:
            rate = done / max(time.monotonic() - began, 1e-9)
            words = f"{done:,} of {total:,}, {rate:,.0f} items/s"
            display.update(task, completed=done, total=total, description=words)

        yield report
