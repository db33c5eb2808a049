"""What a compressed file says of itself; nothing is decoded, and no torch is needed."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from narrows.artifacts.model_file import read_model
from narrows.cli.messages import aligned, size, smaller
from narrows.codec.container.file import FORMAT, Reader
from narrows.codec.container.mode import Mode
from narrows.codec.model_lookup import find_model
from narrows.data.axes import layout_of
from narrows.errors import FormatError


def info(file: str, verify: bool, as_json: bool) -> None:
    """Print it; with `verify` FormatError, after that, where something in the file is damaged."""
    with open(file, "rb") as opened:
        reader = Reader(opened, file, max_pixels=sys.maxsize)
        try:
            document = {"file": file, **describe(reader, Path(file))}
        except (KeyError, TypeError) as error:
            raise FormatError(f"{file}: its model is not that of a codec ({error!r})") from None
        if verify:
            document["damaged_chunks"] = reader.verify()
    print(json.dumps(document) if as_json else aligned(rows(document)))
    damaged = document.get("damaged_chunks")
    if damaged:
        raise FormatError(
            f"{file}: {len(damaged)} of {document['chunks']} chunks damaged, the first of them chunk {damaged[0] + 1}"
        )


def describe(reader: Reader, path: Path) -> dict[str, Any]:
    """The facts as plain values; None where the model alone would know, and it is not there."""
    where, model = find_document(reader, path)
    if model is not None and model["shape"] is not None:
        reader.complete(layout_of(model["axes"]), model["grid"]["dtype"], tuple(model["shape"]))
    header, sizes = reader.header, reader.sizes()
    document: dict[str, Any] = {
        "bytes": sizes["total"],
        "format": FORMAT,
        "items": header.count,
        "named": header.names is not None,
        "axes": header.axes,
        "dtype": header.dtype,
        "smallest": None,
        "largest": None,
        "mode": header.mode,
        "path": "latent" if header.parameters[:1] and header.parameters[0] & 1 else "pixel",
        "bpp": None,
        "raw_bytes": None,
        "model": header.fingerprint,
        "model_at": where,
        **{f"{part}_bytes": sizes[part] for part in ("header", "model", "payload")},
        "chunks": len(header.chunk_items),
    }
    if header.shapes is not None:
        shapes = np.atleast_2d(np.array(header.shapes, np.int64))
        times = header.count if isinstance(header.shapes, tuple) else 1
        spatial = max(1, len(str(header.axes).strip("NCF")))
        pixels, values = (times * int(shapes[:, :axes].prod(axis=1).sum()) for axes in (spatial, shapes.shape[1]))
        document |= {
            "smallest": shapes.min(axis=0).tolist(),
            "largest": shapes.max(axis=0).tolist(),
            "bpp": 8 * sizes["total"] / pixels,
            "raw_bytes": values * np.dtype(header.dtype).itemsize,
        }
    return document


def find_document(reader: Reader, path: Path) -> tuple[str | None, dict[str, Any] | None]:
    """Where the file's model is, "embedded" or a path, and its document; None for what there is not."""
    if reader.header.model_length:
        with tempfile.TemporaryDirectory(prefix="narrows-") as folder:
            model = Path(folder, "model.safetensors")
            model.write_bytes(reader.model() or b"")
            return "embedded", read_model(model)[1]
    try:
        model = find_model(reader.header.fingerprint, str(path), (path.parent, Path()))
    except FormatError:
        return None, None
    return os.fspath(model), read_model(model)[1]


def rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The facts for people."""
    smallest, largest = (document[end] and "x".join(map(str, document[end])) for end in ("smallest", "largest"))
    sizes = largest if smallest == largest else f"{smallest} to {largest}"
    data = (
        f"of {sizes}, axes {document['axes']}, {document['dtype']}" if largest else "of the shape that the model knows"
    )
    at = {None: "which is neither in the file nor beside it", "embedded": "which is in the file"}
    found = [
        ("file", f"{document['file']}, {size(document['bytes'])}, format {document['format']}"),
        ("items", f"{document['items']:,} {data}{', with names' * document['named']}"),
        ("asked for", f"{Mode.from_header(document['mode'])}; by the {document['path']} path"),
        ("model", f"{document['model']}, {at.get(document['model_at'], document['model_at'])}"),
        ("bytes", ", ".join(f"{part} {document[f'{part}_bytes']:,}" for part in ("header", "model", "payload"))),
        ("chunks", str(document["chunks"])),
    ]
    if largest:
        times = smaller(document["raw_bytes"], document["bytes"])
        found.insert(3, ("rate", f"{document['bpp']:.4f} bpp, {times}"))
    if "damaged_chunks" in document:
        damaged = ", ".join(str(chunk + 1) for chunk in document["damaged_chunks"])
        found.append(("checksums", f"damaged: chunk {damaged}" if damaged else "all right"))
    return found
