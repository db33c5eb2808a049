"""Sets of fields of real numbers: temperatures of models and of observations, from iris-sample-data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from item_sets import BOUNDS, ItemSet, counted, files_of, imported
from narrows.data import Items

HEIGHTS = 5  # of the winds; a map of the ground follows
MISSING = 1e19  # values above are no temperatures; the files fill the land with 1e20


def surface(count: int | None) -> ItemSet:
    """Surface temperatures of an ensemble of seasonal forecasts; the last three members are the test."""
    files = [file for file in files_of("iris-sample-data", ".pp") if file.parent.name == "GloSea4"]
    members = [pp_fields(file) for file in files]
    return _fields(
        "surface", "temperatures", members[:-3], members[-3:], count, "the last 3 of 13 members of an ensemble"
    )


def wind(count: int | None) -> ItemSet:
    """Monthly winds at 5 heights, which are channels; the last 3 months are the test."""
    files = [file for file in files_of("iris-sample-data", ".pp") if file.parent.name == "time_varying_hybrid_height"]
    months = [np.moveaxis(pp_fields(file)[None, :HEIGHTS], 1, -1) for file in files]
    return _fields("wind", "winds at 5 heights", months[:-3], months[-3:], count, "the last 3 of 15 months", "NYXC")


def air(count: int | None) -> ItemSet:
    """Yearly air temperatures on a coarse grid; the last 80 years of one scenario are the test.

    Training is on those years of another scenario that differ, and on all before.
    """
    first, second = (_variable(f"{name}_north_america.nc", "air_temperature") for name in ("A1B", "E1"))
    return _fields("air", "temperatures", [first[:160]], [second[160:]], count, "years after the training years")


def sea(count: int | None) -> ItemSet:
    """Monthly sea temperatures with land, which is missing; the last 14 months are the test."""
    months = _variable("ostia_monthly.nc", "surface_temperature")
    return _fields("sea", "temperatures with land", [months[:40]], [months[40:]], count, "the last months of 54")


SETS: tuple[Callable[[int | None], ItemSet], ...] = (surface, wind, air, sea)


def pp_fields(file: Path) -> np.ndarray:
    """Return the fields of one size, (N, Y, X), in a file of the Met Office's format PP.

    A field is two records of big-endian words, a header of 64 and the values; a record stands between two counts of its
    bytes. Words 18 and 19 of a header are the rows and columns.
    """
    words, place, found = np.frombuffer(file.read_bytes(), ">i4"), 0, []
    while place < len(words):
        rows, columns = words[place + 18], words[place + 19]
        start = place + words[place] // 4 + 3
        found.append(words[start : start + rows * columns].view(">f4").reshape(rows, columns))
        place = start + words[start - 1] // 4 + 1
    return np.stack(found).astype(np.float32)


def _variable(name: str, variable: str) -> np.ndarray:
    """Return a variable of a netCDF 4 file, NaN where it is missing."""
    h5py = imported("h5py", "h5py")
    [file] = [file for file in files_of("iris-sample-data", ".nc") if file.name == name]
    with h5py.File(file) as content:
        values = content[variable][:].astype(np.float32)
    return np.where(values > MISSING, np.float32(np.nan), values)


def _fields(
    name: str,
    what: str,
    training: list[np.ndarray],
    test: list[np.ndarray],
    count: int | None,
    split: str,
    axes: str = "NYX",
) -> ItemSet:
    held = Items.from_array(np.concatenate(test)[:count], axes)
    known = Items.from_array(np.concatenate(training), axes)
    title = f"{name} {what}: {counted(held)}, {held.dtype} ({split}); trained on {len(known):,} others"
    return ItemSet(name, "fields", title, known, held, bounds=BOUNDS, whole=name == "surface")
