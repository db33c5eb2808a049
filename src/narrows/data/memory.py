"""Room for decoded data: in memory while it fits, else in a file that vanishes with its array."""

import os
import tempfile
from pathlib import Path

import numpy as np


def allocate(count: int, dtype: np.dtype) -> np.ndarray:
    """A flat array for `count` values, mapped to a temporary file where it takes more than half of the free memory."""
    if 2 * count * dtype.itemsize <= free_memory():
        return np.empty(count, dtype)
    with tempfile.TemporaryFile(prefix="narrows-") as file:  # the map keeps the nameless file alive
        return np.memmap(file, dtype, mode="w+", shape=(count,))


def free_memory() -> int:
    """Bytes that can be had without swapping: of the machine, or of its container where that has less."""
    return min(_machine_memory(), _container_memory())


def _machine_memory() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 4 * 2**30  # a system that does not say


def _container_memory() -> int:
    group = Path("/sys/fs/cgroup")
    try:
        return int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or "max": no limit
        return _machine_memory()
