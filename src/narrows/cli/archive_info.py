"""Describe a compressed file from its header, without decoding and without torch."""

import json
from typing import Any

from narrows.cli.messages import aligned, size, smaller
from narrows.codec.container.mode import Mode
from narrows.codec.inspection import describe_archive
from narrows.errors import FormatError


def info(file: str, verify: bool, as_json: bool) -> None:
    """Print what a compressed file holds; with `verify`, raise FormatError afterwards where it is damaged."""
    document = describe_archive(file, verify)
    print(json.dumps(document) if as_json else aligned(rows(document)))
    damaged = document.get("damaged_chunks")
    if damaged:
        raise FormatError(
            f"{len(damaged)} of {document['chunks']} chunks damaged, the first of them chunk {damaged[0] + 1}",
            source=file,
        )


def rows(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the facts as rows of a table."""
    smallest, largest = (document[end] and "x".join(map(str, document[end])) for end in ("smallest", "largest"))
    sizes = largest if smallest == largest else f"{smallest} to {largest}"
    data = (
        f"of {sizes}, axes {document['axes']}, {document['dtype']}" if largest else "of the shape that the model knows"
    )
    at = {None: "which is neither in the file nor beside it", "embedded": "which is in the file"}
    paths = {"pixel": "by the pixel path", "transform": "by the transform path", "stored": "stored by a general method"}
    found = [
        ("file", f"{document['file']}, {size(document['bytes'])}, format {document['format']}"),
        ("items", f"{document['items']:,} {data}{', with names' * document['named']}"),
        ("mode", f"{Mode.from_header(document['mode'])}; {paths[document['path']]}"),
        (
            "model",
            f"{document['model']}, {at.get(document['model_at'], document['model_at'])}"
            if document["model"]
            else "none",
        ),
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
