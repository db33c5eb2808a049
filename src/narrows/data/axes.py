"""Axes strings: which axis of an array is which, items first and channels last."""

import numpy as np

from narrows.errors import DataError, ParameterError

LAYOUTS = ("NF", "NT", "NTC", "NYX", "NYXC", "NZYX", "NZYXC")
_ORDER = "NZYXTCF"
_EXAMPLES = {
    1: ("T", "T for one signal, F for one row of features"),
    2: ("NF", "NF for a table, NT for signals, YX for one image"),
    3: ("NYX", "NYX for images, NTC for signals with several channels, ZYX for one volume"),
    4: ("NZYX", "NZYX for volumes, NYXC for images with {last} channels"),
    5: ("NZYXC", "NZYXC for volumes with {last} channels"),
}


def guess_axes(shape: tuple[int, ...], name: str = "X") -> str:
    """Return the axes that a shape suggests.

    Parameters
    ----------
    shape : tuple of int
        The shape of an array.
    name : str
        What error messages call the array.

    Returns
    -------
    str
        ``"NF"`` (a table) for two axes, ``"NYX"`` (grey images) for three, and ``"NYXC"`` for four of which the last
        is 4 or less.

    Raises
    ------
    DataError
        For any other shape, with examples of what to specify.

    Examples
    --------
    >>> guess_axes((60000, 28, 28))
    'NYX'
    >>> guess_axes((100, 64, 64, 3))
    'NYXC'
    """
    if not shape:
        raise DataError("a single number, not an array of items", source=name)
    if len(shape) == 2:
        return "NF"
    if len(shape) == 3:
        return "NYX"
    if len(shape) == 4 and shape[-1] <= 4:
        return "NYXC"
    axes, examples = _EXAMPLES.get(len(shape), ("NYX", f"one of {', '.join(LAYOUTS)}"))
    if len(shape) == 4 and shape[1] <= 4:
        axes, examples = "NCYX", f"NCYX for images with {shape[1]} channels, NZYX for volumes"
    raise DataError(
        f"shape {shape} does not say which axis is which",
        source=name,
        hint=f"specify the axes ({examples.format(last=shape[-1])})",
        suggestion={"axes": axes},
    )


def notes_on_guess(shape: tuple[int, ...], name: str) -> list[str]:
    """Return a note where an array that is taken as grey images may be one colour image, as image libraries give it."""
    if len(shape) != 3 or shape[2] not in (3, 4) or shape[1] <= 4:
        return []
    count, rows, columns = shape
    return [f"{name}: read as {count} grey images of {rows}x{columns}; if it is one colour image, specify the axes YXC"]


def arrange(array: np.ndarray, axes: str, name: str = "X") -> tuple[np.ndarray, str]:
    """Transpose an array into its layout, with an N axis of one where it has none; return it and the layout.

    The array is not copied. Raises DataError where `axes` does not fit the array, ParameterError where it is invalid.
    """
    if len(axes) != array.ndim:
        raise DataError(
            f"names {len(axes)} axes, not {array.ndim}, for an array of shape {array.shape}",
            source=name,
            parameter="axes",
            value=axes,
        )
    layout = layout_of(axes)
    if "N" not in axes:
        axes, array = "N" + axes, array[np.newaxis]
    return array.transpose([axes.index(letter) for letter in layout]), layout


def layout_of(axes: str) -> str:
    """Return the layout, one of `LAYOUTS`, that an axes string in any order and with or without N means."""
    unknown = sorted(set(axes) - set(_ORDER))
    if unknown:
        raise _invalid(axes, f"unknown letter {unknown[0]!r}; the letters are {' '.join(_ORDER)}")
    layout = "".join(sorted({*axes, "N"}, key=_ORDER.index))
    if layout not in LAYOUTS or len(axes) != len(set(axes)):
        raise _invalid(axes, f"expected one of {', '.join(LAYOUTS)}, in any order")
    return layout


def check_axes(axes: str | None, layout: str, source: str) -> None:
    """Raise DataError where the user gives other axes than data have that leave no choice."""
    if axes is not None and layout_of(axes) != layout:
        raise DataError(f"the items have the axes {layout}", source=source, parameter="axes", value=axes)


def _invalid(axes: str, message: str) -> ParameterError:
    return ParameterError(message, parameter="axes", value=axes)


def in_user_order(array: np.ndarray, axes: str) -> np.ndarray:
    """Return an array, whose axes are in the order of its layout, with them in the order of `axes`, such as "CYX"."""
    layout = sorted(axes, key=_ORDER.index)
    return array.transpose([layout.index(axis) for axis in axes])
