"""Checks that results can be written, before work begins."""

import os
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from narrows.artifacts.atomic import without_link
from narrows.errors import DataError, ParameterError

if TYPE_CHECKING:
    from narrows.data import Items

_SUFFIX = re.compile(r"(\.[^./]+|\.[^./]+\.gz|-ubyte|-ubyte\.gz)?$")


def check_output(output: str, force: bool) -> None:
    """Raise where OUT is a terminal, a file that exists and is not to be replaced, or of no format that is written."""
    from narrows.data.writing import choose_format

    if output == "-":
        check_standard_output()
        return
    if not is_special(Path(output)):
        choose_format(output, Path(output))
    if not Path(output).is_dir():
        check_new([Path(output)], force)
        if not is_special(Path(output)):
            check_writable(existing_folder(Path(output)), output)


def check_items_output(items: "Items", outputs: Iterable[str], force: bool) -> None:
    """Raise DataError where items cannot be written to these outputs, or would replace files."""
    from narrows.data.writing import output_paths

    paths = [path for output in outputs for path in output_paths(items, output)]
    check_new(paths, force)
    for folder in {existing_folder(path) for path in paths if not is_special(path)}:
        check_writable(folder, str(folder))


def check_new(paths: list[Path], force: bool) -> None:
    """Raise DataError where files exist and are not to be replaced; devices may be written to."""
    existing = [] if force else [path for path in paths if path.is_file() or path.is_dir()]
    if not existing:
        return
    count = "" if len(paths) == 1 else f", as do {len(existing)} of {len(paths)} outputs" if len(existing) > 1 else ""
    raise DataError(f"already exists{count}", source=str(existing[0]), hint="use --force to replace it")


def check_file(path: str, suffixes: tuple[str, ...], force: bool, option: str = "--output") -> None:
    """Raise an error where no file with one of these suffixes can be written at `path`, or one exists."""
    target = Path(path)
    if not target.name.lower().endswith(suffixes):
        *others, last = suffixes
        names = f"{', '.join(others)} or {last}" if others else last
        raise ParameterError(f"expected a name that ends in {names}", source=f"{option} {path}")
    if target.is_dir():
        raise DataError("is a folder; name a file in it", source=path)
    final = target if is_special(target) else without_link(target)
    for each in {target, final}:  # a checkpoint lies beside a link, the file where it leads to
        if not each.parent.is_dir():
            raise DataError(f"there is no folder {each.parent}; create it first", source=path)
        # As long as the longest name that is written beside it: that of a checkpoint in the making.
        check_writable(each.parent, path, f".{each.name}.checkpoint.")
    check_new([target], force)


def check_writable(folder: Path, source: str, prefix: str = ".") -> None:
    """Raise DataError where no file can be created in a folder. prefix: how the name of the file begins."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=prefix, suffix=".partial"):
            pass
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror})", source=source) from None


def existing_folder(path: Path) -> Path:
    """Return the innermost folder of a path that exists; those below it are created when the path is written."""
    return next(folder for folder in Path(os.path.realpath(path)).parents if folder.exists())


def is_special(path: Path) -> bool:
    """Return whether a path is a device or a pipe, which is written to as it is."""
    return path.exists() and not path.is_file() and not path.is_dir()


def check_standard_output() -> None:
    """Raise where standard output is a terminal, which cannot show arrays."""
    if sys.stdout.isatty():
        raise ParameterError("standard output is a terminal: name a file with -o, or pipe the result on")


def numbered(output: str, number: int) -> str:
    """Return the name of a sample: x-1.npy beside x.npy, and folder-1/ beside folder/."""
    if output.endswith("/") or Path(output).is_dir():
        return f"{output.rstrip('/')}-{number}/"
    start = _SUFFIX.search(output).start()  # type: ignore[union-attr]
    return f"{output[:start]}-{number}{output[start:]}"


def items_to_come(names: list[str], axes: str, channels: int, dtype: str, rate: int | None) -> "Items":
    """Return stand-ins for items that are not decoded yet, for `check_items_output`."""
    import numpy as np

    from narrows.data import Items

    shape = (len(names), *(channels if axis in "CF" else 1 for axis in axes[1:]))
    return Items(np.broadcast_to(np.zeros((), dtype), shape), axes, names=names, rate=rate)
