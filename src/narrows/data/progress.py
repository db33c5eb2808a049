"""Progress of reading."""

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called with a description, how much is done, and the total, or None where it is not known."""


def no_progress(description: str, done: int, total: int | None) -> None:
    """Report nothing."""
