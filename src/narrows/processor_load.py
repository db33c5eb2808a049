"""How busy the machine is with other programs; nothing here imports torch."""

import os
import time

LOOKS, PAUSE = 5, 0.0005


def running_threads(own: int = 1) -> int:
    """Return how many threads of others run or wait for a core now, the fewest of a few looks; 0 if unknown.

    Parameters
    ----------
    own : int
        How many of those that run belong to the caller.
    """
    looks = []
    for _ in range(LOOKS):
        try:
            with open("/proc/loadavg") as file:
                looks.append(int(file.read().split()[3].partition("/")[0]) - own)
        except (OSError, ValueError, IndexError):
            return 0
        if looks[-1] <= 0:
            return 0
        time.sleep(PAUSE)
    return min(looks)


def usable_cores() -> int:
    """Return how many cores this process may use: those it may run on, or fewer by ``OMP_NUM_THREADS``."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdecimal() and int(wanted) > 0 else cores
