"""Files of reconstruction errors."""

import csv
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np

from narrows.artifacts import atomic
from narrows.data.conversion import convert, open_table
from narrows.data.formats.content import content_of
from narrows.data.tables.cells import require
from narrows.errors import DataError
from narrows.evaluation import trained_model
from narrows.models.autoencoder_model import AutoencoderModel


def write_errors(errors: np.ndarray, names: Sequence[str] | None, target: str) -> None:
    """Write reconstruction errors (N,) as a CSV file with the columns item and mse, in the order of the items.

    Parameters
    ----------
    errors : ndarray of shape (N,)
        Mean squared errors.
    names : sequence of str or None
        Names of the items; None for their indices.
    target : str
        The file.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    try:
        with atomic.replacing(target) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("item", "mse"))
            items = range(len(errors)) if names is None else names
            writer.writerows((item, f"{error:.9g}") for item, error in zip(items, errors, strict=True))
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from None


def write_table_errors(model: AutoencoderModel, source: str, target: str) -> None:
    """Write the reconstruction errors of the rows of a table's file, part by part.

    Parameters
    ----------
    model : AutoencoderModel or fitted Autoencoder
        A model for tables.
    source, target : str
        The file of the table, and the file to write.

    Raises
    ------
    DataError
        If the rows do not fit the model, or the file cannot be written.
    """
    model, indices = trained_model(model), count()

    def errors(frame: Any) -> Any:
        found = model.item_errors(model.code_rows(frame, source))
        items = [next(indices) for _ in range(len(found))]
        return require("pandas").DataFrame({"item": items, "mse": found})

    convert(open_table(*content_of(source), model.columns, model.cell_text), target, errors)
