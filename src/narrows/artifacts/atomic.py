"""Files that are whole or absent."""

import errno
import hashlib
import importlib
import os
import platform
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

fcntl: Any = importlib.import_module("fcntl") if os.name == "posix" else None


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; what the block wrote there takes the name `path` when the block ends well.

    The content is flushed to disk before the rename, so that a crash leaves the old file or the new one, never a part.
    A symbolic link stays and its target is replaced, a file that is replaced keeps its mode, and a device or a pipe is
    written to as it is. Temporary files in the folder whose processes no longer live are removed.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # before links are followed: that of /dev/stdout leads to no path
        yield path
        return
    path = without_link(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    remove_stale(path.parent.resolve())
    temporary, descriptor = _create(path)
    try:
        yield temporary
        with suppress(OSError):  # there is no file yet, or the file system has no modes
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.fsync(descriptor)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def without_link(path: Path) -> Path:
    """Return the path that a symbolic link leads to, whether there is a file or not; other paths as they are."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@cache
def remove_stale(folder: Path) -> None:
    """Remove temporary files that processes left which no longer live; once for each folder and process.

    A process holds a lock on its temporary file, which ends with the process, however it ends. Where the file system
    has no locks, the files stay, and so do those of other machines, whose locks may not be seen here.
    """
    if fcntl is None:
        return
    partial = re.compile(rf"\..+\.{_machine()}[0-9a-f]{{4}}\.partial")
    with suppress(OSError):
        for path in folder.iterdir():
            if partial.fullmatch(path.name) and path.is_file():
                with suppress(OSError), open(path, "rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


def _create(path: Path) -> tuple[Path, int]:
    """Create a temporary file beside `path`, and return it with an open descriptor that holds its lock."""
    while True:
        temporary = path.with_name(f".{path.name}.{_machine()}{secrets.token_hex(2)}.partial")
        try:
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o666)
        except FileExistsError:
            continue
        if fcntl is None:
            return temporary, descriptor
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # waits for a process that takes the file for stale to remove it
        if temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


def _machine() -> str:
    """Return four hexadecimal digits that stand for this machine in names of temporary files."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:4]


def _flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
