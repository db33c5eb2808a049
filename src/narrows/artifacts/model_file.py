"""Model files: the weights as tensors, everything else as one JSON document in the metadata of a safetensors file."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from narrows import __version__
from narrows.artifacts import atomic
from narrows.errors import FormatError

FORMAT = 1
KEY, CHECK, DOCUMENT_CHECK = "narrows.model", "narrows.fingerprint", "narrows.document"


def write_model(path: Path, tensors: dict[str, np.ndarray], document: dict[str, Any]) -> None:
    """Write a model; `read_model` undoes it. `document` holds plain values: tool, architecture, ..., training facts."""
    from safetensors.numpy import save

    document = completed(document)
    text = json.dumps(document)
    metadata = {KEY: text, CHECK: fingerprint(tensors, document), DOCUMENT_CHECK: sha256(text)}
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(save({name: np.ascontiguousarray(each) for name, each in tensors.items()}, metadata))


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """A document as it stands in a file."""
    return {"format": FORMAT, "narrows": __version__, **document}


def check_opens(path: str | Path) -> None:
    """Raise the OSError that names a file which is missing or may not be read; safetensors tells them from no other."""
    open(path, "rb").close()


def read_model(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors and the document of a model, with its "fingerprint" added.

    FormatError for a file that is damaged, of a newer format, or not a model; OSError where it cannot be opened.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    check_opens(path)
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
            if KEY not in metadata:
                raise FormatError(f"{path}: a safetensors file, but not a narrows model (no {KEY!r} in its metadata)")
            document = json.loads(metadata[KEY])
            if document["format"] > FORMAT:
                raise FormatError(
                    f"{path}: of format {document['format']}, written by narrows {document['narrows']}; "
                    f"this is narrows {__version__}, which reads up to format {FORMAT}: upgrade it"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path}: not a model file, or a damaged one ({error})") from None
    found = fingerprint(tensors, document), sha256(metadata[KEY])
    if found != (metadata.get(CHECK), metadata.get(DOCUMENT_CHECK)):
        raise FormatError(f"{path}: damaged: its content does not match its fingerprint")
    return tensors, {**document, "fingerprint": metadata[CHECK]}


def stated_fingerprint(path: Path) -> str | None:
    """The fingerprint that stands in a model file, which is not read any further; None for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            return (file.metadata() or {}).get(CHECK)
    except (SafetensorError, OSError):
        return None


def fingerprint(tensors: dict[str, np.ndarray], document: dict[str, Any]) -> str:
    """What names a model: SHA-256 over its tensors and the document as canonical JSON.

    The facts of training and the version that wrote the file are left out.
    """
    digest = hashlib.sha256()
    facts = {name: value for name, value in document.items() if name not in ("training", "narrows")}
    digest.update(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        digest.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
