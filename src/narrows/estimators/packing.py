"""`narrows.pack`: items in one file that needs no other."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from narrows.artifacts import atomic
from narrows.codec.container.mode import Mode
from narrows.data import Items
from narrows.errors import DataError, DataWarning
from narrows.plans.packing import DEFAULT_MINUTES, Packed, PackOptions, pack_items
from narrows.plans.training_plan import TrainingData
from narrows.training.task import TrainingProgress


def pack(
    X: Any,
    path: str | os.PathLike[str],
    *,
    lossless: bool = False,
    max_error: float | None = None,
    quality: float | None = None,
    psnr: float | None = None,
    minutes: float = DEFAULT_MINUTES,
    axes: str | None = None,
    device: str = "auto",
    random_state: int = 0,
    report: Callable[[str, TrainingProgress], None] | None = None,
) -> Packed:
    """Write items to a `.narrow` file with a model that learned from these items alone; `narrows.open` reads it.

    Networks of several sizes are tried, and that with which the file is smallest is trained. Where no model pays, as
    for few items or noise, the items are stored by a general method (deflate, bzip2 or xz).

    Parameters
    ----------
    X : ndarray, list of ndarray or narrows.data.Items
        Signals, images or volumes of integers or real numbers.
    path : str or path
        The file, which is replaced if it exists.
    lossless : bool
        Keep every value as it is: the default. Real numbers are then stored by a general method.
    max_error : float, from 0
        Keep every value within this distance, in the data's own unit.
    quality : float, 0..100
        A trade-off between size and error.
    psnr : float
        Reach at least this PSNR over all values, in dB.
    minutes : float
        Time for learning, at most. Small data take less.
    axes : str, optional
        Which axis is which, where an array's shape does not tell: NYX, NYXC, NT, NTC, NZYX, in any order.
    device : {"auto", "cpu", "cuda"}
        Where to learn; auto is the GPU if there is one.
    random_state : int
        Seed of all that is random.
    report : callable, optional
        Called several times a second with a title and a `TrainingProgress`.

    Returns
    -------
    Packed
        The sizes of the file's parts, the sizes of networks that were tried, and why there is no model if there is
        none.

    Raises
    ------
    DataError
        If X holds rows of a table or missing values, or the file cannot be written.
    ParameterError
        If more than one mode is given, or a value is out of bounds.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import narrows
    >>> items = np.arange(640, dtype=np.uint8).reshape(10, 8, 8) // 3
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "x.narrow")
    ...     packed = narrows.pack(items, path)
    ...     with narrows.open(path) as archive:
    ...         print(packed.reason, bool((archive[:] == items).all()))
    the items take too few bytes for a model to pay True
    """
    several = any(each is not None for each in (max_error, quality, psnr))
    mode = Mode.choose(lossless or not several, max_error, quality, psnr)
    options = PackOptions(minutes, device, random_state, report)
    packed = pack_items(TrainingData(as_items(X, axes), axes), mode, options)
    write(packed, path)
    return packed


def as_items(X: Any, axes: str | None) -> Items:
    """Return arrays as items."""
    if isinstance(X, Items):
        return X
    items = Items.from_list(X, axes) if isinstance(X, (list, tuple)) else Items.from_array(X, axes)
    for note in items.notes:
        warnings.warn(note, DataWarning, stacklevel=3)
    return items


def write(packed: Packed, path: str | os.PathLike[str]) -> None:
    """Write a packed file, whole or not at all; DataError where it cannot be written."""
    try:
        with atomic.replacing(path) as temporary:
            Path(temporary).write_bytes(packed.content)
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror or error})", source=os.fspath(path)) from None
