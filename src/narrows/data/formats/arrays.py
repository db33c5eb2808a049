"""What formats of bare arrays share: mapping an array on disk into memory, and finding out which axis is which."""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from narrows.artifacts.schema import Shape, typed
from narrows.data.axes import layout_of, notes_on_guess
from narrows.data.formats import ReadOptions
from narrows.data.formats.content import Content, size
from narrows.data.items import Items
from narrows.data.mapped_files import map_file
from narrows.data.memory import fits
from narrows.errors import DataError


def map_array(
    source: Content, name: str, offset: int, dtype: np.dtype, shape: tuple[int, ...], order: Literal["C", "F"] = "C"
) -> np.ndarray:
    """Return the array that begins at `offset`; from a file that is too large for the memory, mapped.

    A file that fits is read rather than mapped, since a map crashes where another program cuts the file off meanwhile.
    Raises DataError where the file is longer or shorter than its header says.
    """
    try:
        shape = typed(Shape, shape)
    except ValueError:
        raise DataError(f"its header promises the impossible shape {shape}", source=name) from None
    found = size(source) - offset
    expected = math.prod(shape) * dtype.itemsize
    if expected == 0:
        raise DataError(f"its shape is {shape}, so it holds no values", source=name)
    if found != expected:
        raise DataError(
            f"its header promises {dtype.name} of shape {shape}, {expected} bytes, but {found} follow", source=name
        )
    if isinstance(source, bytes):
        return np.frombuffer(source, dtype, offset=offset).reshape(shape, order=order)
    if not fits(expected):
        return map_file(source, dtype, offset, shape, order)
    array = np.fromfile(source, dtype, math.prod(shape), offset=offset)
    if array.nbytes != expected:
        raise DataError(f"was cut off while it was read, after {offset + array.nbytes} bytes", source=name)
    return array.reshape(shape, order=order)


def array_items(
    array: np.ndarray | list[np.ndarray], name: str, options: ReadOptions, stated: str = "", **details: Any
) -> Items:
    """Return an array, or a list of arrays, as items.

    The axes are those that the user says, else the `stated` ones of the file, else the expected ones, with or without
    N, else guessed.
    """
    make: Callable[..., Items] = Items.from_list if isinstance(array, list) else Items.from_array
    axes = options.axes or stated or None
    if axes is not None:
        return make(array, axes, source=name, **details)
    if options.expected_axes is None:
        return make(array, source=name, **details)
    if layout_of(options.expected_axes) == "NYX" and not isinstance(array, list):
        details["notes"] = notes_on_guess(array.shape, name)
    try:
        return make(array, options.expected_axes, source=name, **details)
    except DataError as error:
        try:  # a single item
            return make(array, options.expected_axes.replace("N", ""), source=name, **details)
        except DataError:
            raise DataError(
                f"with the axes {options.expected_axes} of the training data: {error.message}",
                source=name,
                hint=error.hint,
                suggestion=error.suggestion,
            ) from None


def one_array(items: Items) -> np.ndarray:
    """Return items that share one shape as an array with the axes that they came with; DataError for others."""
    if not items.uniform:
        raise DataError("items of different sizes are not one array", hint="write .npz or a folder (ending in /)")
    return items.to_array()
