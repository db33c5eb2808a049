"""Many pictures at once: folders, globs and zips.

Headers are read first, to plan; then every picture is decoded into its place, on all cores. What cannot be read is
reported and left out, or with `strict` ends the reading.
"""

import functools
import glob
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from narrows.data import pictures
from narrows.data.content import Content, Progress
from narrows.data.items import Items
from narrows.data.memory import allocate
from narrows.errors import DataError

_LARGEST_ENTRY = 2**30


@dataclass(frozen=True)
class Picture:
    """A picture by its name, the place that messages give for it, and its file: a path, or bytes, that `load` gives."""

    name: str
    place: str
    load: Callable[[], Content]


def in_folder(folder: Path) -> list[Picture]:
    """The pictures in a folder and its sub-folders, hidden ones aside, in natural order ("2.png" before "10.png")."""
    paths = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(here, name) for name in files if _is_picture(name)]
    return _by_name({path.relative_to(folder).as_posix(): path for path in paths})


def in_glob(pattern: str) -> list[Picture]:
    """The pictures whose paths match a pattern, named from its first folder without wildcards on."""
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    root = os.path.dirname(fixed)
    paths = [Path(path) for path in glob.glob(pattern, recursive=True) if _is_picture(os.path.basename(path))]
    return _by_name({Path(os.path.relpath(path, root or ".")).as_posix(): path for path in paths if path.is_file()})


def in_zip(archive: zipfile.ZipFile, source: str) -> list[Picture]:
    """The pictures in a zip, read where they lie: nothing is unpacked to disk."""
    entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
    names = [name for name in entries if _is_picture(PurePosixPath(name).name) and not name.startswith("__MACOSX/")]
    return [
        Picture(name, f"{source}: {name}", functools.partial(_entry, archive, entries[name]))
        for name in sorted(names, key=_natural)
    ]


def read_pictures(found: list[Picture], source: str, strict: bool = False, progress: Progress | None = None) -> Items:
    """Items of all pictures that can be read, `NYX` if all are grey and else `NYXC`.

    Grey pictures among colour ones become colour. Alpha is kept as the last channel if any pixel of the set is not
    opaque. Raises DataError where no picture can be read, where they differ in depth or in kinds of channels, and with
    `strict` for the first that cannot be read.
    """
    if not found:
        raise DataError(f"{source}: no pictures here (looked for {', '.join(pictures.READ_SUFFIXES)})")
    reading = _Reading(source, strict)
    with pictures.quiet(), ThreadPoolExecutor(os.cpu_count()) as pool:
        headers = dict(reading.each(pool, pictures.read_header, found, f"{source}: looking", progress))
        if not headers:
            name, why = reading.skipped[0]
            raise DataError(f"{source}: none of its {len(found)} pictures can be read, the first: {name}: {why}")
        plan = _Plan.of(found, headers, source)
        planned = [found[index] for index in headers]
        values = allocate(int(plan.offsets[-1]), plan.dtype)

        def decode_into_place(content: Content, index: int) -> bool:
            array = plan.fit(pictures.decode(content), index)
            values[plan.offsets[index] : plan.offsets[index + 1]] = array.ravel()
            return plan.alpha and bool((array[..., -1] != plan.opaque).any())

        decoded = dict(reading.each(pool, decode_into_place, planned, f"{source}: reading", progress, indexed=True))
    return plan.items(values, decoded, [picture.name for picture in planned], reading)


class _Reading:
    """What went wrong while reading, and the rule for going on."""

    def __init__(self, source: str, strict: bool) -> None:
        self.source = source
        self.strict = strict
        self.skipped: list[tuple[str, str]] = []

    def each(
        self,
        pool: ThreadPoolExecutor,
        work: Callable[..., Any],
        found: list[Picture],
        description: str,
        progress: Progress | None,
        indexed: bool = False,
    ) -> Iterator[tuple[int, Any]]:
        """(index, result) of `work` on each picture that can be read, in order; the others go to `skipped`."""

        def attempt(index: int) -> tuple[Any, str]:
            content: Content = b""
            try:
                content = found[index].load()
                return work(content, index) if indexed else work(content), ""
            except Exception as error:  # decoders raise whatever they like on damaged files
                return None, pictures.reason(error, content)

        for index, (result, why) in enumerate(pool.map(attempt, range(len(found)))):
            if progress:
                progress(description, index + 1, len(found))
            if not why:
                yield index, result
            elif self.strict:
                raise DataError(f"{found[index].place}: {why}")
            else:
                self.skipped.append((found[index].name, why))


@dataclass(frozen=True)
class _Plan:
    """Where each picture goes: its shape, its place in the buffer, and what all have in common."""

    source: str
    shapes: np.ndarray
    offsets: np.ndarray
    dtype: np.dtype
    alpha: bool
    animated: list[str]

    @classmethod
    def of(cls, found: list[Picture], headers: dict[int, pictures.Header], source: str) -> "_Plan":
        names = [found[index].name for index in headers]
        kinds = list(headers.values())
        for name, header in zip(names, kinds, strict=True):
            if header.dtype != kinds[0].dtype:
                raise DataError(
                    f"{source}: {names[0]} has values of type {kinds[0].dtype}, {name} of type {header.dtype}: "
                    "bring them to one depth, or read them apart"
                )
        alpha = any(header.alpha for header in kinds)
        colours = [header.channels - header.alpha for header in kinds]
        channels = max(colours)
        for name, count in zip(names, colours, strict=True):
            if count != channels and (count, channels) != (1, 3):
                first = names[colours.index(channels)]
                raise DataError(f"{source}: {first} has {channels} channels, {name} has {count}: read them apart")
        shapes = np.array([(header.rows, header.columns, channels + alpha) for header in kinds], np.int64)
        offsets = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))])
        animated = [name for name, header in zip(names, kinds, strict=True) if header.animated]
        return cls(source, shapes, offsets, kinds[0].dtype, alpha, animated)

    @property
    def opaque(self) -> float:
        """The value of alpha that hides everything behind."""
        return 1.0 if self.dtype.kind == "f" else np.iinfo(self.dtype).max

    def fit(self, array: np.ndarray, index: int) -> np.ndarray:
        """A decoded picture with the channels that all have; DataError if it is not what its header promised."""
        channels = int(self.shapes[index, 2])
        has_alpha = self.alpha and array.shape[2] in (2, 4)
        colour = array[..., :-1] if has_alpha else array
        colour = np.broadcast_to(colour, (*array.shape[:2], channels - self.alpha))
        if array.shape[:2] != tuple(self.shapes[index, :2]) or array.dtype != self.dtype:
            raise DataError("its pixels are not what its header promises")
        if not self.alpha:
            return colour
        return np.concatenate([colour, array[..., -1:] if has_alpha else np.full_like(array[..., :1], self.opaque)], -1)

    def items(self, values: np.ndarray, decoded: dict[int, bool], names: list[str], reading: _Reading) -> Items:
        """The items that were decoded, without the gaps of those that were not, and without alpha if all is opaque."""
        good = np.array(list(decoded), np.int64)
        if not len(good):
            name, why = reading.skipped[0]
            raise DataError(f"{self.source}: none of its pictures can be read, the first: {name}: {why}")
        shapes = self.shapes[good]
        if self.alpha and not any(decoded.values()):
            values, shapes = _without_alpha(values, shapes)
            offsets = self.offsets // self.shapes[0, 2] * shapes[0, 2]
        else:
            offsets = self.offsets
        details: dict[str, Any] = {
            "names": [names[index] for index in good],
            "skipped": reading.skipped,
            "notes": [f"{name}: only the first of its frames is read" for name in self.animated],
            "source": self.source,
        }
        axes = "NYX" if shapes[0, 2] == 1 else "NYXC"
        item_axes = len(axes) - 1
        if (shapes != shapes[0]).any():
            return Items.packed(values, shapes[:, :item_axes], axes, offsets[good], **details)
        size = int(shapes[0].prod())
        if len(good) < len(names):
            for place, index in enumerate(good):  # closed up in place: the values may be larger than the memory
                values[place * size : (place + 1) * size] = values[offsets[index] : offsets[index] + size]
        return Items(values[: len(good) * size].reshape(-1, *shapes[0, :item_axes]), axes, **details)


def _without_alpha(values: np.ndarray, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    channels = int(shapes[0, 2])
    fewer = allocate(values.size // channels * (channels - 1), values.dtype)
    np.copyto(fewer.reshape(-1, channels - 1), values.reshape(-1, channels)[:, :-1])
    return fewer, shapes - (0, 0, 1)


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of one file in a zip."""
    if ".." in PurePosixPath(entry.filename).parts or entry.filename.startswith("/"):
        raise DataError("its path leads out of the archive")
    if entry.file_size > _LARGEST_ENTRY:
        raise DataError(f"unpacks to {entry.file_size} bytes, more than a picture may")
    return archive.read(entry)


def _by_name(paths: dict[str, Path]) -> list[Picture]:
    return [
        Picture(name, str(paths[name]), functools.partial(Path, paths[name])) for name in sorted(paths, key=_natural)
    ]


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in pictures.READ_SUFFIXES


def _natural(name: str) -> tuple[Any, ...]:
    """A key that sorts the numbers within names by their values."""
    numbers_stripped = (part.lstrip("0") if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name))
    return [(len(part), part) if index % 2 else part for index, part in enumerate(numbers_stripped)], name
