"""How OpenMP's threads wait for each other, which has to be set before torch loads."""

import os
import time


def wait_passively_if_busy() -> None:
    """Let OpenMP's threads sleep while they wait, where other programs are busy; called before torch loads.

    Sleeping costs up to a fifth on an idle machine, and saves a multiple on a busy one. What the user has set stays.
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & set(os.environ):
        return
    if running_programs() > (os.cpu_count() or 1) / 8:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def running_programs() -> int:
    """Return how many other threads are running or waiting for a core now, the median of a few looks; 0 if unknown."""
    looks = []
    for _ in range(5):
        try:
            with open("/proc/loadavg") as file:
                looks.append(int(file.read().split()[3].partition("/")[0]) - 1)
        except (OSError, ValueError, IndexError):
            return 0
        time.sleep(0.002)
    return sorted(looks)[len(looks) // 2]
