"""The command line: thin, no logic of its own.

Verbs import what they work with when they run, so that help is quick.
"""

import atexit
import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence

__all__ = ["console", "main"]


def console() -> None:
    """Run the command line of this process, and end it at once: taking torch down takes a third of its import.

    Nor can threads of libraries abort the process then, which happens where they outlive the interpreter.
    """
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except KeyboardInterrupt:  # before the application takes it
        from narrows.cli.messages import say

        say("stopped")
        code = 1
    except BaseException:  # of --debug
        sys.excepthook(*sys.exc_info())
        code = 1
    else:
        code = 0
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if callable(signal.getsignal(number)):  # which would raise an exception in an exit function
            signal.signal(number, signal.SIG_DFL)
    atexit._run_exitfuncs()  # that remove temporary files, for example
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # which main has reported
            if stream is not None:
                stream.flush()
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit: 0 where it worked, 1 where it failed or was stopped, 2 for wrong usage."""
    from narrows.cli.messages import note_once
    from narrows.cli.waiting import wait_passively_if_busy

    wait_passively_if_busy()
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):  # whatever the environment says, they must not end the work
            warnings.simplefilter("default", category)
        warnings.showwarning = lambda message, *_: note_once(str(message))
        from narrows.cli import application  # whose help lists what plugins register

        application.main(arguments)
