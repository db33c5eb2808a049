"""The file that says how badly each item comes back."""

import csv
from collections.abc import Sequence

import numpy as np

from narrows import atomic
from narrows.errors import DataError


def write_errors(errors: np.ndarray, names: Sequence[str] | None, target: str) -> None:
    """Write reconstruction errors (N,) as a CSV with the columns item and mse, in the order of the items.

    An item without a name goes by its index. DataError where the target cannot be written.
    """
    try:
        with atomic.replacing(target) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("item", "mse"))
            items = range(len(errors)) if names is None else names
            writer.writerows((item, f"{error:.9g}") for item, error in zip(items, errors, strict=True))
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from None
