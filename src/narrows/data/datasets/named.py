"""Named data sets: what ``"mnist"`` and ``"digits:test"`` stand for.

To add one, write a module with ``describe() -> NamedSet`` and ``read_split(split, progress)``, which returns values of
shape (N, Y, X), labels (N,) and notes, and register it.
"""

import importlib
from dataclasses import dataclass
from typing import Any

from narrows.data.items import Items
from narrows.errors import DataError
from narrows.progress import Progress, no_progress

_MODULES = {"mnist": "narrows.data.datasets.mnist", "digits": "narrows.data.datasets.digits"}


@dataclass(frozen=True)
class NamedSet:
    """A data set that has a name in place of a file.

    Parameters
    ----------
    name : str
        Its name.
    splits : dict of str to int
        The number of items of each split; the first is what the bare name means.
    item_shape : tuple of int
        The shape of an item.
    dtype : str
        The dtype of the values.
    title : str
        What it contains, in a few words.
    ready : bool
        Whether it is on this machine.
    where : str
        Where it is, or would be fetched from.
    """

    name: str
    splits: dict[str, int]
    item_shape: tuple[int, ...]
    dtype: str
    title: str
    ready: bool
    where: str


def register_named_set(name: str, module: str) -> None:
    """Add a named data set, or replace the one of that name; its module is imported when it is needed."""
    _MODULES[name] = module


def named_sets() -> list[NamedSet]:
    """Return all named data sets; nothing is fetched.

    Returns
    -------
    list of NamedSet
        The data sets, in the order in which they were registered.

    Examples
    --------
    >>> [known.name for known in named_sets()]
    ['mnist', 'digits']
    """
    return [_module(name).describe() for name in _MODULES]


def is_named(source: str) -> bool:
    """Whether a source is a named data set, with or without a split."""
    return source.partition(":")[0] in _MODULES


def read_named(source: str, progress: Progress = no_progress) -> Items:
    """Return the items of "name" or "name:split", with labels."""
    name, _, split = source.partition(":")
    module = _module(name)
    splits = list(module.describe().splits)
    if split not in ("", *splits):
        raise DataError(f'{name} has no split "{split}"; it has {" and ".join(splits)}', source=source)
    values, labels, notes = module.read_split(split or splits[0], progress)
    return Items(values, "NYX", source=source, labels=labels, notes=notes)


def _module(name: str) -> Any:
    return importlib.import_module(_MODULES[name])
