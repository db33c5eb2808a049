"""Memory for decoded data: how much they may take, and a temporary file where it does not suffice."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from narrows.errors import DataError

if TYPE_CHECKING:
    import numpy as np

UNPACK = "unpack it to a file first"
MAX_DEFLATE_RATIO = 1032  # bytes that deflate makes of one, at most

_most_bytes: ContextVar[int | None] = ContextVar("most_bytes", default=None)


class Budget:
    """Counts what is unpacked to be kept in memory together: at most half of what is free at the beginning.

    Parameters
    ----------
    source : str, optional
        What messages call the data.
    hint : str
        What to do where they are too large.
    verb : str
        What messages say of the length.
    """

    def __init__(self, source: str | None = None, hint: str = UNPACK, verb: str = "unpacks to") -> None:
        self.source, self.hint, self.verb = source, hint, verb
        self.length, self.free = 0, free_memory()

    def take(self, length: int) -> None:
        """Count further bytes; DataError where all together are too many."""
        self.length += length
        what, most = f"{self.verb} {self.length:,} bytes or more, over", _most_bytes.get()
        if most is not None and self.length > most:
            raise DataError(f"{what} the {most:,} that are taken here", source=self.source, hint="choose a smaller one")
        if 2 * self.length > self.free:
            raise DataError(f"{what} half of the free memory ({self.free:,} bytes)", source=self.source, hint=self.hint)


@contextmanager
def limited(length: int) -> Iterator[None]:
    """Refuse, in this context, data that unpack to more than so many bytes, whatever memory is free."""
    token = _most_bytes.set(length)
    try:
        yield
    finally:
        _most_bytes.reset(token)


def allocate(size: int, dtype: "np.dtype") -> "np.ndarray":
    """Return a flat array, mapped to a temporary file where it takes more than half of the free memory.

    The file has all of its space at once: OSError where there is not enough, rather than a crash while it is written.
    """
    import numpy as np

    length = size * dtype.itemsize
    if _most_bytes.get() is not None:
        check_fits(length)
    if fits(length):
        return np.empty(size, dtype)
    with tempfile.TemporaryFile(prefix="narrows-") as file:  # the map keeps the nameless file alive
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, length)
        return np.memmap(file, dtype, mode="w+", shape=(size,))


def fits(length: int) -> bool:
    """Return whether so many bytes take less than half of the free memory."""
    return 2 * length <= free_memory()


def check_fits(length: int, source: str | None = None, hint: str = UNPACK) -> None:
    """Raise DataError where decompressed data would take more than half of the free memory."""
    Budget(source, hint).take(length)


def check_bomb(length: int, most: int, source: str, hint: str = UNPACK) -> None:
    """Raise DataError where data that are unpacked in parts, and so need not fit in memory, are a decompression bomb.

    Parameters
    ----------
    length : int
        The bytes that were unpacked so far, or that a header promises.
    most : int
        The bytes that real data in a file of its size unpack to.
    source : str
        What messages call the data.
    hint : str
        What to do where they are one.
    """
    if length > most or _most_bytes.get() is not None:
        check_fits(length, source, hint)


def free_memory() -> int:
    """Return the bytes that can be had without swapping, of the machine or of its container, whichever has less."""
    import psutil

    free: int = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")
    try:
        return min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no container, or "max": no limit
        return free
