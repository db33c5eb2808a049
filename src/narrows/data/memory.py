"""Memory for decoded data, or a temporary file where memory does not suffice."""

import tempfile
from pathlib import Path

import numpy as np


def allocate(size: int, dtype: np.dtype) -> np.ndarray:
    """Return a flat array, mapped to a temporary file where it takes more than half of the free memory."""
    if 2 * size * dtype.itemsize <= free_memory():
        return np.empty(size, dtype)
    with tempfile.TemporaryFile(prefix="narrows-") as file:  # the map keeps the nameless file alive
        return np.memmap(file, dtype, mode="w+", shape=(size,))


def free_memory() -> int:
    """Return the bytes that can be had without swapping, of the machine or of its container, whichever has less."""
    import psutil

    free: int = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")
    try:
        return min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no container, or "max": no limit
        return free
