"""Sets of signals. Speech is not in a package that is installed: give a folder of recordings by --data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from item_sets import ItemSet, counted, files_of, imported
from narrows.data import Items

SHORTEST = 2048  # values of a seismogram


def ecg(count: int | None) -> ItemSet:
    """An electrocardiogram of 10 bits at 1 kHz that pyhrv ships; its last fifth is the test.

    pyhrv itself is not imported, since it needs many packages.
    """
    [file] = [file for file in files_of("pyhrv", ".txt", "--no-deps pyhrv") if file.name == "SampleECG.txt"]
    values = np.loadtxt(file, dtype=np.int16, usecols=5)
    end = len(values) * 4 // 5
    training, test = (Items.from_array(part[None], "NT") for part in (values[:end], values[end:]))
    title = f"ECG: {counted(test)}, 10 bits, the end of a recording; trained on the {end:,} values before"
    return ItemSet("ecg", "signals", title, training, test, whole=True)


def seismograms(count: int | None) -> ItemSet:
    """Seismograms of several networks and instruments that obspy ships; every fourth record is for the test.

    Records of one event and of one instrument at another time occur in both parts.
    """
    obspy = imported("obspy", "obspy")
    found: dict[tuple[str, int], np.ndarray] = {}
    for file in files_of("obspy", ""):
        if file.suffix.lower() in (".mseed", ".evt", ".seed") or file.name.endswith("MVO_21_1"):
            found.update(_traces(obspy, file))
    records = [values for _, values in sorted(found.items(), key=lambda entry: entry[0])]
    test = [values for place, values in enumerate(records) if place % 4 == 3][:count]
    training = [values for place, values in enumerate(records) if place % 4 != 3]
    held = Items.from_list(test, "NT")
    title = f"seismograms: {counted(held)}, int32; trained on {len(training)} others"
    return ItemSet("seismograms", "signals", title, Items.from_list(training, "NT"), held)


SETS: tuple[Callable[[int | None], ItemSet], ...] = (ecg, seismograms)


def _traces(obspy: Any, file: Path) -> dict[tuple[str, int], np.ndarray]:
    """Return the integer records in a file that are long enough, by name and length; none if it cannot be read."""
    try:
        stream = obspy.read(str(file))
    except Exception:  # some of obspy's own samples are damaged on purpose
        return {}
    whole = [(trace.id, np.asarray(trace.data)) for trace in stream if len(trace.data) >= SHORTEST]
    return {
        (name, len(values)): values.astype(np.int32)
        for name, values in whole
        if values.dtype.kind in "iuf" and np.array_equal(values, values.astype(np.int32)) and np.ptp(values)
    }
