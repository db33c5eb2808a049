"""Recordings, one or many at once, as items: signals of their own lengths, with their names and their rate."""

from typing import Any

import numpy as np

from narrows.data.formats import wav as audio
from narrows.data.formats.content import Content
from narrows.data.formats.folders import File, Reading
from narrows.data.items import Items
from narrows.data.memory import allocate
from narrows.data.progress import Progress, no_progress
from narrows.errors import DataError


def read_recordings(found: list[File], source: str, strict: bool = False, progress: Progress = no_progress) -> Items:
    """Items of all recordings that can be read, `NT` if they have one channel and else `NTC`.

    Raises DataError where none can be read, where they differ in type, channels or rate, and with `strict` for the
    first that cannot be read.
    """
    with Reading(source, strict, progress, lambda error, _: audio.reason(error), "recordings") as reading:
        headers = reading.each(found, lambda content, _: audio.read_header(content), "looking")
        found, plan = [found[index] for index in headers], list(headers.values())
        check_alike(source, [file.name for file in found], plan)
        dtype, channels = plan[0].dtype, plan[0].channels
        sizes = np.array([header.frames * channels for header in plan], np.int64)
        starts = np.cumsum(sizes) - sizes
        values = allocate(int(sizes.sum()), dtype)

        def decode_into_place(content: Content, index: int) -> None:
            room = values[starts[index] : starts[index] + sizes[index]]
            audio.decode(content, room.reshape(-1, channels))

        good = list(reading.each(found, decode_into_place, "reading"))
    axes = "NT" if channels == 1 else "NTC"
    shapes = np.array([(plan[index].frames, channels)[: len(axes) - 1] for index in good], np.int64)
    details: dict[str, Any] = {
        "names": [found[index].name for index in good],
        "skipped": reading.skipped,
        "source": source,
        "rate": plan[0].rate,
    }
    if len(good) == len(found) and (shapes == shapes[0]).all():
        return Items(values.reshape(-1, *shapes[0]), axes, **details)
    if (shapes == shapes[0]).all():
        return Items(
            np.stack([values[starts[i] : starts[i] + sizes[i]].reshape(shapes[0]) for i in good]), axes, **details
        )
    return Items.ragged(values, shapes, axes, starts[good], **details)


def check_alike(source: str, names: list[str], headers: list[audio.Header]) -> None:
    """DataError, which names two, where recordings have too little in common to be learnt from together."""
    first = headers[0]
    for name, header in zip(names, headers, strict=True):
        for what, one, other, mend in (
            ("Hz", first.rate, header.rate, "bring them to one rate"),
            ("channel(s)", first.channels, header.channels, "mix them down"),
            ("values", first.dtype, header.dtype, "bring them to one type"),
        ):
            if one != other:
                raise DataError(
                    f"{source}: {names[0]} has {one} {what}, {name} has {other}: {mend}, or read them apart"
                )
