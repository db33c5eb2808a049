"""Files that are whole or absent."""

import errno
import importlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

fcntl: Any = importlib.import_module("fcntl") if os.name == "posix" else None
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{8}\.partial")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; what the block wrote there takes the name `path` when the block ends well.

    The content is flushed to disk before the rename, so that a crash leaves the old file or the new one, never a part.
    A symbolic link stays and its target is replaced, a file that is replaced keeps its mode, and a device or a pipe is
    written to as it is. Temporary files in the folder whose processes no longer live are removed.
    """
    path = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    if path.exists() and not path.is_file():
        yield path
        return
    remove_stale(path.parent.resolve())
    temporary, descriptor = _create(path)
    try:
        yield temporary
        if path.exists():
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.fsync(descriptor)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


@cache
def remove_stale(folder: Path) -> None:
    """Remove temporary files that processes left which no longer live; once for each folder and process.

    A process holds a lock on its temporary file, which ends with the process, however it ends. Where the file system
    has no locks, the files stay.
    """
    if fcntl is None:
        return
    with suppress(OSError):
        for path in folder.iterdir():
            if _PARTIAL.fullmatch(path.name) and path.is_file():
                with suppress(OSError), open(path, "rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


def _create(path: Path) -> tuple[Path, int]:
    """Create a temporary file beside `path`, and return it with an open descriptor that holds its lock."""
    while True:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o666)
        if fcntl is None:
            return temporary, descriptor
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if temporary.exists():  # not taken for stale by another process between the two calls
            return temporary, descriptor
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
