"""Many files as one set: those in a folder, a glob or a zip archive, decoded on all cores.

Headers are read first, to plan; then every file is decoded into its place. A file that cannot be read is reported and
left out, or an error with `strict`.
"""

import functools
import glob
import os
import re
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TypeVar

from narrows.data.formats import Format, ReadOptions, foreign, member_suffixes, registered_formats
from narrows.data.formats.content import Content
from narrows.data.items import Items
from narrows.data.memory import check_fits, free_memory
from narrows.errors import DataError

Result = TypeVar("Result")


@dataclass(frozen=True)
class File:
    """A file of a set.

    name: relative to the set, with forward slashes. place: what messages call it. load: returns its content. length:
    bytes of memory that the content takes.
    """

    name: str
    place: str
    load: Callable[[], Content]
    length: int = 0


def single_file(content: Content, name: str) -> File:
    """Return a file that stands alone."""
    return File(Path(name).name, name, lambda: content)


def in_folder(folder: Path, source: str) -> list[File]:
    """List the files in a folder and its sub-folders, in natural order ("2.png" before "10.png").

    Hidden files and folders are left out. DataError where there are none.
    """
    paths: list[Path] = []
    others: list[Path] = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            (paths if _is_member(name) else others).append(Path(here, name))
    if not paths:
        raise foreign.no_members(source, [path.name for path in others])
    return _by_name({path.relative_to(folder).as_posix(): path for path in paths})


def in_glob(pattern: str) -> list[File]:
    """List the files whose paths match a pattern, named from its first folder without wildcards on.

    DataError where there are none.
    """
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    root = os.path.dirname(fixed)
    found = [Path(path) for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
    paths = [path for path in found if _is_member(path.name)]
    if not paths:
        raise foreign.no_members(pattern, [path.name for path in found])
    return _by_name({Path(os.path.relpath(path, root or ".")).as_posix(): path for path in paths})


def in_zip(archive: zipfile.ZipFile, source: str) -> list[File]:
    """List the files in a zip archive; DataError where there are none."""
    entries = {entry.filename: entry for entry in archive.infolist() if not entry.filename.endswith("/")}
    names = [name for name in entries if _is_member(PurePosixPath(name).name) and not name.startswith("__MACOSX/")]
    if not names:
        raise foreign.no_members(source, entries, archive=True)
    return [
        File(name, f"{source}: {name}", functools.partial(_entry, archive, entries[name]), entries[name].file_size)
        for name in sorted(names, key=_natural)
    ]


def read_members(files: list[File], source: str, options: ReadOptions) -> Items:
    """Read files of one kind as a set; DataError where there are several kinds."""
    by_format: dict[str, tuple[Format, list[File]]] = {}
    for file in files:
        format = next(each for each in registered_formats() if file.name.lower().endswith(each.members))
        by_format.setdefault(format.name, (format, []))[1].append(file)
    if len(by_format) > 1:
        kinds = " and ".join(f"{format.kind} files ({found[0].name})" for format, found in by_format.values())
        suffix = os.path.splitext(files[0].name)[1]
        raise DataError(f"holds {kinds}", source=source, hint=f"name one kind, as in '*{suffix}'")
    ((format, files),) = by_format.values()
    items: Items = format.load().read_files(files, source, options)
    return items


class Decoding:
    """Work on many files at once that keeps account of those that failed.

    Parameters
    ----------
    source : str
        What messages call the set.
    options : ReadOptions
        Of which `strict` and `progress` matter here.
    reason : callable
        ``reason(error, content)``: why a file could not be read.
    """

    def __init__(self, source: str, options: ReadOptions, reason: Callable[[Exception, Content], str]) -> None:
        self.source, self.options, self.reason = source, options, reason
        self.skipped: list[tuple[str, str]] = []
        self._threads = os.cpu_count() or 1
        self._large = Lock()

    def __enter__(self) -> "Decoding":
        """Start the threads."""
        self._pool = ThreadPoolExecutor(self._threads)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the threads."""
        self._pool.shutdown(cancel_futures=True)

    def each(
        self,
        files: list[File],
        work: Callable[[Content, int], Result],
        verb: str,
        length: Callable[[int], int] = lambda index: 0,
    ) -> dict[int, Result]:
        """Return the result of work(content, index) by index, for the files where it succeeds; skip the others.

        Files are worked on one after the other where all threads together would not have the memory. length: from an
        index to the bytes that the work takes.
        """
        share = free_memory() // (2 * self._threads)

        def attempt(index: int) -> tuple[Result | None, str]:
            content: Content = b""
            with self._large if files[index].length + length(index) > share else nullcontext():
                try:
                    content = files[index].load()
                    return work(content, index), ""
                except Exception as error:  # decoders raise whatever they like on damaged files
                    return None, self.reason(error, content)

        # Each in a copy of this context, in which less memory may be allowed.
        tasks = [self._pool.submit(copy_context().run, attempt, index) for index in range(len(files))]
        results: dict[int, Result] = {}
        for index, (result, why) in enumerate(task.result() for task in tasks):
            self.options.progress(f"{self.source}: {verb}", index + 1, len(files))
            if not why:
                results[index] = result  # type: ignore[assignment]
            elif self.options.strict:
                raise DataError(why, source=files[index].place)
            else:
                self.skipped.append((files[index].name, why))
        if not results:
            name, why = self.skipped[0]
            raise DataError(f"none of its files can be read; the first, {name}: {why}", source=self.source)
        return results


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return the bytes of one file in a zip archive."""
    if ".." in PurePosixPath(entry.filename).parts or entry.filename.startswith("/"):
        raise DataError("its path leads out of the archive")
    check_fits(entry.file_size)
    return archive.read(entry)


def _by_name(paths: dict[str, Path]) -> list[File]:
    return [
        File(name, str(paths[name]), functools.partial(_regular, paths[name])) for name in sorted(paths, key=_natural)
    ]


def _regular(path: Path) -> Path:
    """Return a path; DataError where it is a pipe or a device, for which a decoder might wait forever."""
    if path.exists() and not path.is_file():
        raise DataError("is no regular file")
    return path


def _is_member(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(member_suffixes())


def _natural(name: str) -> tuple[list[str | tuple[int, str]], str]:
    """Return a key that sorts the numbers within names by their values."""
    numbers_stripped = (part.lstrip("0") if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name))
    return [(len(part), part) if index % 2 else part for index, part in enumerate(numbers_stripped)], name
