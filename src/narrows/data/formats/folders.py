"""Many files at once: folders, globs and zips; and the pictures among them, as items.

Headers are read first, to plan; then every picture is decoded into its place, on all cores. What cannot be read is
reported and left out, or with `strict` ends the reading.
"""

import dataclasses
import functools
import glob
import os
import re
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from narrows.data.formats import images as pictures
from narrows.data.formats import wav as audio
from narrows.data.formats.content import Content
from narrows.data.items import Items
from narrows.data.memory import allocate
from narrows.data.progress import Progress, no_progress
from narrows.errors import DataError

_LARGEST_ENTRY = 2**30


@dataclasses.dataclass(frozen=True)
class File:
    """A file by its name, the place that messages give for it, and its content: a path, or bytes, that `load` gives."""

    name: str
    place: str
    load: Callable[[], Content]


def in_folder(folder: Path) -> list[File]:
    """The pictures and recordings in a folder and its sub-folders, in natural order ("2.png" before "10.png").

    What is hidden is left aside.
    """
    paths = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(here, name) for name in files if _is_wanted(name)]
    return _by_name({path.relative_to(folder).as_posix(): path for path in paths})


def in_glob(pattern: str) -> list[File]:
    """The pictures and recordings whose paths match a pattern, named from its first folder without wildcards on."""
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    root = os.path.dirname(fixed)
    paths = [Path(path) for path in glob.glob(pattern, recursive=True) if _is_wanted(os.path.basename(path))]
    return _by_name({Path(os.path.relpath(path, root or ".")).as_posix(): path for path in paths if path.is_file()})


def in_zip(archive: zipfile.ZipFile, source: str) -> list[File]:
    """The pictures and recordings in a zip, read where they lie: nothing is unpacked to disk."""
    entries = {entry.filename: entry for entry in archive.infolist() if not entry.filename.endswith("/")}
    names = [name for name in entries if _is_wanted(PurePosixPath(name).name) and not name.startswith("__MACOSX/")]
    return [
        File(name, f"{source}: {name}", functools.partial(_entry, archive, entries[name]))
        for name in sorted(names, key=_natural)
    ]


def read_pictures(found: list[File], source: str, strict: bool = False, progress: Progress = no_progress) -> Items:
    """Items of all pictures that can be read, `NYX` if all are grey and else `NYXC`.

    Grey pictures among colour ones become colour. Alpha is kept as the last channel if any pixel of the set is not
    opaque. Raises DataError where no picture can be read, where they differ in depth or in kinds of channels, and with
    `strict` for the first that cannot be read.
    """
    if not found:
        looked_for = ", ".join((*pictures.READ_SUFFIXES, audio.SUFFIX))
        raise DataError(f"{source}: no pictures here (looked for {looked_for})")
    with pictures.quiet(), Reading(source, strict, progress, pictures.reason, "pictures") as reading:
        headers = reading.each(found, lambda content, _: pictures.read_header(content), "looking")
        found = [found[index] for index in headers]
        plan = _Plan(source, [picture.name for picture in found], list(headers.values()))
        values = allocate(int(plan.offsets[-1]), plan.dtype)

        def decode_into_place(content: Content, index: int) -> bool:
            array = plan.fit(pictures.decode(content), index)
            values[plan.offsets[index] : plan.offsets[index + 1]] = array.ravel()
            return plan.alpha and bool((array[..., -1] != plan.opaque).any())

        transparent = reading.each(found, decode_into_place, "reading")
    readable = _Plan(source, *zip(*((plan.names[index], plan.headers[index]) for index in transparent), strict=True))
    if readable.channels != plan.channels:  # the only colour, or alpha, was that of pictures which cannot be read
        again = read_pictures([found[index] for index in transparent], source, strict, progress)
        return dataclasses.replace(again, skipped=reading.skipped + again.skipped)
    if plan.alpha and not any(transparent.values()):
        values, plan = plan.without_alpha(values)
    return plan.items(values, list(transparent), reading.skipped)


class Reading:
    """Works on many files at once, and keeps account of what went wrong.

    reason: from an error and the content to why it could not be read. kind: what messages call the files.
    """

    def __init__(
        self, source: str, strict: bool, progress: Progress, reason: Callable[[Exception, Content], str], kind: str
    ) -> None:
        self.source, self.strict, self.progress, self.reason, self.kind = source, strict, progress, reason, kind
        self.skipped: list[tuple[str, str]] = []

    def __enter__(self) -> "Reading":
        self.pool = ThreadPoolExecutor(os.cpu_count())
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown()

    def each(self, found: list[File], work: Callable[[Content, int], Any], verb: str) -> dict[int, Any]:
        """The result of work(content, index) by index, for the files where it succeeds; the others are skipped."""

        def attempt(index: int) -> tuple[Any, str]:
            content: Content = b""
            try:
                content = found[index].load()
                return work(content, index), ""
            except Exception as error:  # decoders raise whatever they like on damaged files
                return None, self.reason(error, content)

        results = {}
        for index, (result, why) in enumerate(self.pool.map(attempt, range(len(found)))):
            self.progress(f"{self.source}: {verb}", index + 1, len(found))
            if not why:
                results[index] = result
            elif self.strict:
                raise DataError(f"{found[index].place}: {why}")
            else:
                self.skipped.append((found[index].name, why))
        if not results:
            name, why = self.skipped[0]
            raise DataError(f"{self.source}: none of its {self.kind} can be read; the first, {name}: {why}")
        return results


class _Plan:
    """What pictures have in common, and where each goes in one flat array: picture i at offsets[i] to offsets[i + 1].

    Raises DataError where they have too little in common.
    """

    def __init__(self, source: str, names: Sequence[str], headers: Sequence[pictures.Header]) -> None:
        self.source, self.names, self.headers = source, names, headers
        self.dtype = headers[0].dtype
        colours = [header.channels - header.alpha for header in headers]
        most = max(colours)
        for name, header, count in zip(names, headers, colours, strict=True):
            if header.dtype != self.dtype:
                raise DataError(
                    f"{source}: {names[0]} has values of type {self.dtype}, {name} of type {header.dtype}: "
                    "bring them to one depth, or read them apart"
                )
            if count != most and (count, most) != (1, 3):
                first = names[colours.index(most)]
                raise DataError(f"{source}: {first} has {most} channels, {name} has {count}: read them apart")
        self.alpha = any(header.alpha for header in headers)
        self.channels = most + self.alpha
        self.shapes = np.array([(header.rows, header.columns, self.channels) for header in headers], np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.shapes.prod(axis=1))])
        self.opaque = 1.0 if self.dtype.kind == "f" else np.iinfo(self.dtype).max

    def fit(self, array: np.ndarray, index: int) -> np.ndarray:
        """A decoded picture with the channels that all have; DataError if it is not what its header promised."""
        header = self.headers[index]
        if (*array.shape, array.dtype) != (header.rows, header.columns, header.channels, header.dtype):
            raise DataError("its pixels are not what its header promises")
        colour = array[..., :-1] if header.alpha else array
        colour = np.broadcast_to(colour, (*array.shape[:2], self.channels - self.alpha))
        if not self.alpha:
            return colour
        alpha = array[..., -1:] if header.alpha else np.full_like(array[..., :1], self.opaque)
        return np.concatenate([colour, alpha], axis=-1)

    def without_alpha(self, values: np.ndarray) -> tuple[np.ndarray, "_Plan"]:
        """The values less the last channel, and where they lie."""
        fewer = allocate(values.size // self.channels * (self.channels - 1), values.dtype)
        np.copyto(fewer.reshape(-1, self.channels - 1), values.reshape(-1, self.channels)[:, :-1])
        headers = [
            dataclasses.replace(header, channels=header.channels - header.alpha, alpha=False) for header in self.headers
        ]
        return fewer, _Plan(self.source, self.names, headers)

    def items(self, values: np.ndarray, good: list[int], skipped: list[tuple[str, str]]) -> Items:
        """The items whose place in `values` is filled."""
        axes = "NYX" if self.channels == 1 else "NYXC"
        shapes, offsets = self.shapes[good, : len(axes) - 1], self.offsets[good]
        details: dict[str, Any] = {
            "names": [self.names[index] for index in good],
            "skipped": skipped,
            "notes": [
                f"{self.names[index]}: only the first of its frames is read"
                for index in good
                if self.headers[index].animated
            ],
            "source": self.source,
        }
        if (shapes != shapes[0]).any():
            return Items.ragged(values, shapes, axes, offsets, **details)
        size = int(shapes[0].prod())
        if len(good) < len(self.names):
            for place, start in enumerate(offsets):  # closed up in place: the values may be larger than the memory
                values[place * size : (place + 1) * size] = values[start : start + size]
        return Items(values[: len(good) * size].reshape(-1, *shapes[0]), axes, **details)


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of one file in a zip."""
    if ".." in PurePosixPath(entry.filename).parts or entry.filename.startswith("/"):
        raise DataError("its path leads out of the archive")
    if entry.file_size > _LARGEST_ENTRY:
        raise DataError(f"unpacks to {entry.file_size} bytes, more than a picture or recording may")
    return archive.read(entry)


def _by_name(paths: dict[str, Path]) -> list[File]:
    return [File(name, str(paths[name]), functools.partial(Path, paths[name])) for name in sorted(paths, key=_natural)]


def _is_wanted(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in (*pictures.READ_SUFFIXES, audio.SUFFIX)


def _natural(name: str) -> tuple[Any, ...]:
    """A key that sorts the numbers within names by their values."""
    numbers_stripped = (part.lstrip("0") if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name))
    return [(len(part), part) if index % 2 else part for index, part in enumerate(numbers_stripped)], name
