"""The file that says how badly each item comes back."""

import csv
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from narrows.artifacts import atomic
from narrows.data.conversion import convert
from narrows.data.tables import frames as tables
from narrows.data.tables.cells import require
from narrows.errors import DataError
from narrows.estimators.autoencoder import Autoencoder


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


def write_table_errors(model: Autoencoder, source: str, target: str) -> None:
    """As `write_errors`, of the rows of a table's file, part by part."""
    numbers = count()

    def errors(frame: Any) -> Any:
        found = -model.score_samples(tables.frame_to_items(frame, model.columns_, source))
        items = [next(numbers) for _ in range(len(found))]
        return require("pandas").DataFrame({"item": items, "mse": found})

    convert(source, target, errors, model.columns_)
