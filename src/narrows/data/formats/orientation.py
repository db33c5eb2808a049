"""Orientation: where the first row and column of a stored image belong, 1 to 8 as in TIFF and EXIF."""

from typing import Any

import numpy as np

TAG = 274


def valid(value: Any) -> int:
    """Return what a tag holds if it is an orientation, else 1, which leaves an image as it is."""
    return int(value) if value in range(1, 9) else 1


def shape(orientation: int, rows: int, columns: int) -> tuple[int, int]:
    """Return the rows and columns of an image once it is turned."""
    return (columns, rows) if orientation >= 5 else (rows, columns)


def apply(array: np.ndarray, orientation: int, axis: int = 0) -> np.ndarray:
    """Return a view of an image, or of images, turned upright; rows are along `axis`, columns along the next."""
    if orientation >= 5:
        array = array.swapaxes(axis, axis + 1)
    # Which of rows and columns run backwards, once 5 to 8 are laid on their side.
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return array[(*[slice(None)] * axis, rows, columns)]
