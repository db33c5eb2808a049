"""The command line: thin, no logic of its own.

Verbs import what they work with when they run, so that help is quick.
"""

import warnings
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit: 0 where it worked, 1 where it failed or was stopped, 2 for wrong usage."""
    from narrows.cli.messages import note_once
    from narrows.cli.waiting import wait_passively_if_busy
    from narrows.errors import DataWarning

    wait_passively_if_busy()
    with warnings.catch_warnings():
        warnings.simplefilter("default", DataWarning)  # whatever the environment says: a result may be wrong
        warnings.showwarning = lambda message, *_: note_once(str(message))
        from narrows.cli import application  # whose help lists what plugins register

        application.main(arguments)
