"""Labels: the class of each item, from a file or from a named data set."""

import csv
import os

import numpy as np

from narrows.data.datasets import named
from narrows.data.formats import identify
from narrows.data.formats.content import content_of, first_bytes
from narrows.data.formats.gzip_files import unwrap
from narrows.errors import DataError


def read_labels(source: str, n_items: int) -> np.ndarray:
    """Return the labels that a source holds for `n_items` items, (N,), integers or text; their number is not checked.

    source: a named data set with labels ("mnist:test"), or a file with one label per item: an array, or text with a
        label on each line, such as a .csv of one column. The first line is a heading where there is one line more than
        items.
    """
    if named.is_named(source):
        labels = named.read_named(source).labels
        assert labels is not None
        return labels
    try:
        format, content = identify(*content_of(source))
        if format.kind == "array":
            return _one_axis(format.load().read_array(content, source), source)
        if first_bytes(content).startswith(b"\x1f\x8b"):  # tables are unpacked as they are read
            content = unwrap(content, source)
        text = (content if isinstance(content, bytes) else content.read_bytes()).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(
            "neither an array nor text in UTF-8", source=source, hint="expected one label an item"
        ) from None
    except OSError as error:
        raise DataError(
            os.strerror(error.errno or 0), source=source, hint="expected a file of labels, or a named set"
        ) from None
    return _lines(text, source, n_items)


def _one_axis(labels: np.ndarray | list[np.ndarray], source: str) -> np.ndarray:
    if isinstance(labels, list):
        raise DataError(f"holds {len(labels)} arrays", source=source, hint="expected one label an item")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise DataError(f"an array of shape {labels.shape}", source=source, hint="expected one label an item, (items,)")
    return labels


def _lines(text: str, source: str, n_items: int) -> np.ndarray:
    try:
        rows = list(csv.reader(text.rstrip().splitlines()))
    except csv.Error as error:
        raise DataError(str(error), source=source, hint="expected one label a line") from None
    for number, row in enumerate(rows, 1):
        if len(row) > 1:
            raise DataError(f"line {number} has {len(row)} columns", source=source, hint="expected one label a line")
    labels = [row[0].strip() if row else "" for row in rows]
    return np.array(labels[1:] if len(labels) == n_items + 1 else labels)
