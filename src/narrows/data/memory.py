"""Memory for decoded data, or a temporary file where memory does not suffice."""

import os
import tempfile
from pathlib import Path

import numpy as np

from narrows.errors import DataError


def allocate(size: int, dtype: np.dtype) -> np.ndarray:
    """Return a flat array, mapped to a temporary file where it takes more than half of the free memory.

    The file has all of its space at once: OSError where there is not enough, rather than a crash while it is written.
    """
    length = size * dtype.itemsize
    if fits(length):
        return np.empty(size, dtype)
    with tempfile.TemporaryFile(prefix="narrows-") as file:  # the map keeps the nameless file alive
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, length)
        return np.memmap(file, dtype, mode="w+", shape=(size,))


def fits(length: int) -> bool:
    """Return whether so many bytes take less than half of the free memory."""
    return 2 * length <= free_memory()


def check_fits(length: int, source: str | None = None) -> None:
    """Raise DataError where decompressed data would take more than half of the free memory."""
    if not fits(length):
        raise DataError(
            f"unpacks to {length:,} bytes or more, over half of the free memory ({free_memory():,} bytes)",
            source=source,
            hint="unpack it to a file first",
        )


def free_memory() -> int:
    """Return the bytes that can be had without swapping, of the machine or of its container, whichever has less."""
    import psutil

    free: int = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")
    try:
        return min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no container, or "max": no limit
        return free
