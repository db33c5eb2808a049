"""How busy the machine is with other programs; nothing here imports torch."""

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
