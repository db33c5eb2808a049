"""What a `.narrow` file says of itself, as plain data. Nothing is decoded, and no torch is needed."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from narrows.artifacts.lookup import find_model_file
from narrows.artifacts.model_file import ModelFile
from narrows.codec.coding_plan import path_of
from narrows.codec.container.archive_file import ArchiveReader
from narrows.data.axes import layout_of
from narrows.errors import FormatError
from narrows.ready import FOLDER


def describe_archive(path: str | Path, verify: bool = False) -> dict[str, Any]:
    """Describe a file.

    Parameters
    ----------
    path : str or Path
        The `.narrow` file. Its model, which knows the shape that the file may leave out, is looked for in it, in its
        folder, in the current folder and among the ready-made ones.
    verify : bool
        Whether to compare the checksums of all chunks too.

    Returns
    -------
    dict
        Plain values for JSON; None for what only the model knows, if it is not there. "damaged_chunks", with `verify`,
        are numbers from 0.

    Raises
    ------
    FormatError
        If it is not a `.narrow` file, or its header is damaged.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        reader = ArchiveReader(file, str(path), max_pixels=sys.maxsize)
        model_at, model = _find_model(reader, Path(path))
        if model is not None:
            try:
                if model["shape"] is not None:
                    reader.complete(layout_of(model["axes"]), model["grid"]["dtype"], tuple(model["shape"]))
            except (KeyError, TypeError) as error:
                raise FormatError(f"its model is not that of a codec ({error!r})", source=str(path)) from None
        found = {"file": str(path), **_describe(reader, model_at)}
        return {**found, "damaged_chunks": reader.verify()} if verify else found


def _describe(reader: ArchiveReader, model_at: str | None) -> dict[str, Any]:
    header, sizes = reader.header, reader.sizes()
    return {
        "bytes": sizes["total"],
        "format": reader.version,
        "items": header.count,
        "named": header.names is not None,
        "axes": header.axes,
        "dtype": header.dtype,
        "smallest": None,
        "largest": None,
        "mode": header.mode,
        "path": path_of(header.parameters) if header.has_model else "stored",
        "bpp": None,
        "raw_bytes": None,
        "model": header.fingerprint if header.has_model else None,
        "model_at": model_at,
        **{f"{part}_bytes": sizes[part] for part in ("header", "model", "payload")},
        "chunks": len(header.chunk_items),
        **_describe_shapes(reader),
    }


def _describe_shapes(reader: ArchiveReader) -> dict[str, Any]:
    """Return what follows from the shapes of the items, where they are known."""
    header = reader.header
    if header.shapes is None:
        return {}
    shapes = np.atleast_2d(np.array(header.shapes, np.int64))
    times = header.count if isinstance(header.shapes, tuple) else 1
    spatial = max(1, len(str(header.axes).strip("NCF")))
    pixels, values = (times * int(shapes[:, :axes].prod(axis=1).sum()) for axes in (spatial, shapes.shape[1]))
    return {
        "smallest": shapes.min(axis=0).tolist(),
        "largest": shapes.max(axis=0).tolist(),
        "bpp": 8 * reader.sizes()["total"] / pixels,
        "raw_bytes": values * np.dtype(header.dtype).itemsize,
    }


def _find_model(reader: ArchiveReader, path: Path) -> tuple[str | None, Mapping[str, Any] | None]:
    """Return where the file's model is, "embedded" or a path, and its document; None for what there is not."""
    if not reader.header.has_model:
        return None, None
    content = reader.model() if reader.header.model_length else None
    if content is not None:
        return "embedded", ModelFile.from_bytes(content, f"{path}: the model in it").document
    found = find_model_file(reader.header.fingerprint, (path.parent, Path(), FOLDER))
    return (None, None) if found is None else (os.fspath(found), ModelFile.from_path(found).document)
