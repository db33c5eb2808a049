"""Axes strings: which axis of an array is which, as microscopists write it, items first and channels last."""

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
    """The axes that a shape suggests: tables NF, grey pictures NYX, and NYXC where the last of four axes is 4 or less.

    Raises DataError, with examples of what to say, for any other shape; `name` is what its message calls the array.
    """
    if len(shape) == 2:
        return "NF"
    if len(shape) == 3:
        return "NYX"
    if len(shape) == 4 and shape[-1] <= 4:
        return "NYXC"
    axes, examples = _EXAMPLES.get(len(shape), ("NYX", f"one of {', '.join(LAYOUTS)}"))
    raise DataError(
        f"{name} has shape {shape}, which does not tell its axes",
        hint=f"specify them ({examples.format(last=shape[-1] if shape else 0)})",
        suggestion={"axes": axes},
    )


def arrange(array: np.ndarray, axes: str, name: str = "X") -> tuple[np.ndarray, str]:
    """The array with its axes in the order of its layout, and that layout, with an N axis of one where it had none.

    The array is transposed, not copied. Raises DataError where `axes` does not fit the array or is no known layout.
    """
    if len(axes) != array.ndim:
        raise DataError(
            f"names {len(axes)} axes, not {array.ndim}, for an array of the shape {array.shape}",
            source=name,
            parameter="axes",
            value=axes,
        )
    layout = layout_of(axes)
    if "N" not in axes:
        axes, array = "N" + axes, array[np.newaxis]
    return array.transpose([axes.index(letter) for letter in layout]), layout


def layout_of(axes: str) -> str:
    """The layout, one of `LAYOUTS`, that an axes string in any order and with or without N means."""
    unknown = sorted(set(axes) - set(_ORDER))
    if unknown:
        raise ParameterError(
            f"unknown letter {unknown[0]!r}; the letters are {' '.join(_ORDER)}", parameter="axes", value=axes
        )
    layout = "".join(sorted({*axes, "N"}, key=_ORDER.index))
    if layout not in LAYOUTS or len(axes) != len(set(axes)):
        raise ParameterError(f"expected one of {', '.join(LAYOUTS)}, in any order", parameter="axes", value=axes)
    return layout
