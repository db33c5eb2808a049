"""Arrays of NumPy or tensors of torch: what training and coding share computes with either."""

from typing import Any

import array_api_compat
import numpy as np

Array = Any
"""A NumPy array in coding, a tensor of torch in training."""


def namespace(array: Array) -> Any:
    """Return the functions of an array's library."""
    return array_api_compat.array_namespace(array)


def beside(index: np.ndarray, array: Array) -> Array:
    """Return a NumPy array in the library and on the device of another array."""
    if isinstance(array, np.ndarray):
        return index
    return namespace(array).asarray(index, device=array.device)
