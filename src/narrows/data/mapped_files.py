"""Files that are mapped because they do not fit in memory."""

import faulthandler
import functools
import os
import signal
from pathlib import Path
from typing import Literal

import numpy as np

_lengths: dict[Path, int] = {}  # of the files that were mapped


def map_file(
    path: Path, dtype: np.dtype, offset: int, shape: tuple[int, ...], order: Literal["C", "F"] = "C"
) -> np.ndarray:
    """Return a read-only array that lies in a file.

    Where another program cuts the file off, the system ends the process when the array is used. No exception can be
    raised in the middle of arithmetic, but the process says why it ends.
    """
    _lengths[path] = path.stat().st_size
    _explain_bus_errors()
    return np.memmap(path, dtype, "r", offset, shape, order)


@functools.cache
def _explain_bus_errors() -> None:
    """Write one line at SIGBUS, unless the program that uses this package has a way of its own."""
    if not hasattr(signal, "SIGBUS") or signal.getsignal(signal.SIGBUS) != signal.SIG_DFL or faulthandler.is_enabled():
        return
    import ctypes

    def end(number: int) -> None:
        try:
            cut_off = [path for path, length in _lengths.items() if path.stat().st_size < length]
            names, what = (
                map(str, cut_off or _lengths),
                "was cut off while it was read" if cut_off else "cannot be read",
            )
            os.write(2, f"narrows: error: {', '.join(names)}: {what}\n".encode())
        finally:
            os._exit(1)

    # Python's own handlers run after the instruction that failed, which never ends.
    _handlers.append(ctypes.CFUNCTYPE(None, ctypes.c_int)(end))
    ctypes.CDLL(None).signal(signal.SIGBUS, _handlers[-1])


_handlers: list[object] = []  # kept for as long as the process lives
