"""How OpenMP's threads wait for each other, which has to be set before torch loads."""

import os

from narrows.processor_load import running_threads


def wait_passively_if_busy() -> None:
    """Let OpenMP's threads sleep while they wait, where other programs are busy; called before torch loads.

    Sleeping costs up to a fifth on an idle machine, and saves a multiple on a busy one. What the user has set stays.
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"} & set(os.environ):
        return
    if running_threads() > (os.cpu_count() or 1) / 8:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
