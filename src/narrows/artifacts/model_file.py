"""Model files: the weights as tensors and everything else as one JSON document, in one safetensors file.

    8 bytes: length of the header | header: JSON, whose metadata hold the document | tensors

There is no pickle: reading a model never runs code from it. In a file of another kind, which has a checksum and the
fingerprint itself, a model takes fewer bytes:

    magic | 4 bytes: length of the document | document without the record of the training, deflated | packed tensors
"""

import hashlib
import io
import json
import os
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from narrows import __version__
from narrows.artifacts import atomic, packed_tensors
from narrows.artifacts.schema import PositiveInt, ShortText, parse_document, typed
from narrows.errors import FormatError, ParameterError

FORMAT, PACKED_FORMAT = 1, 2  # the latter for weights that `packed_tensors` packs
KEY, CHECK, DOCUMENT_CHECK = "narrows.model", "narrows.fingerprint", "narrows.document"
CONDENSED = b"NRM\x01"
KEPT_OF_TRAINING = ("rate", "bits")  # what decoding needs
UNKNOWN_TRAINING: dict[str, Any] = {
    **{"data": "", "items": 0, "device": "", "batch_size": 1, "learning_rate": 0.0, "seed": 0, "seconds": 0.0},
    **{"steps": 0, "held_out_loss": 0.0, "mean_loss": 0.0, "attempts": 0, "complete": True, "history": {"epoch": []}},
}
_LENGTH_BYTES = 4
MAX_HEADER_BYTES = 100_000_000  # as safetensors itself has it


@dataclass(frozen=True, eq=False)
class ModelFile:
    """The contents of a model file.

    Parameters
    ----------
    tensors : dict of str to ndarray
        The weights by name.
    document : dict
        Plain values for JSON, with the keys "format", "narrows" (the version that wrote it) and "tool" among them.
    source : str
        What error messages call the file.
    """

    tensors: dict[str, np.ndarray]
    document: dict[str, Any]
    source: str = "model"

    @classmethod
    def create(cls, tensors: dict[str, np.ndarray], document: dict[str, Any], packed: bool = False) -> Self:
        """Return the model file of this version for the weights and what a model's manifest says.

        packed: whether the weights are of few different values.
        """
        return cls(tensors, {"format": PACKED_FORMAT if packed else FORMAT, "narrows": __version__, **document})

    @classmethod
    def from_path(cls, path: str | Path) -> Self:
        """Read a model file; the errors are those of `from_bytes`, and OSError where it cannot be opened."""
        check_opens(path)
        with open(path, "rb") as file:
            # Before the rest is read, because the file may be anything, of any size.
            _checked_metadata(file, str(path))
            file.seek(0)
            return cls.from_bytes(file.read(), str(path))

    @classmethod
    def from_bytes(cls, content: bytes, source: str = "model") -> Self:
        """Read a model from the bytes of its file, or condensed ones; `to_bytes` and `to_condensed` are the inverses.

        Raises
        ------
        FormatError
            If the bytes are damaged, of a newer format, or not a model.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        if content.startswith(CONDENSED):
            return cls._from_condensed(content, source)
        metadata, document = _checked_metadata(io.BytesIO(content), source)
        try:
            tensors = load(content)
            if document["format"] == PACKED_FORMAT:
                tensors = packed_tensors.unpack(tensors[packed_tensors.NAME])
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise _not_a_model(source, error) from None
        found = cls(tensors, document, source)
        if (found.fingerprint, sha256(metadata[KEY])) != (metadata.get(CHECK), metadata.get(DOCUMENT_CHECK)):
            raise FormatError("damaged: its content does not match its fingerprint", source=source)
        for name, tensor in tensors.items():
            if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
                raise FormatError(f"its weights {name!r:.99} are not finite", source=source)
        return found

    def to_bytes(self) -> bytes:
        """Return the bytes of the file; `from_bytes` is the inverse."""
        from safetensors.numpy import save

        text = json.dumps(self.document)
        metadata = {KEY: text, CHECK: self.fingerprint, DOCUMENT_CHECK: sha256(text)}
        tensors = {name: np.ascontiguousarray(tensor) for name, tensor in self.tensors.items()}
        if self.document["format"] == PACKED_FORMAT:
            tensors = {packed_tensors.NAME: packed_tensors.pack(tensors)}
        return save(tensors, metadata)

    def to_condensed(self) -> bytes:
        """Return the model in fewer bytes, for a file of another kind: without the record of its training."""
        training = self.document["training"]
        kept = {name: training[name] for name in KEPT_OF_TRAINING if training.get(name) is not None}
        document = {**self.document, "training": kept, "format": PACKED_FORMAT}
        text = json.dumps(document, separators=(",", ":")).encode()
        described = zlib.compress(text, 9, -zlib.MAX_WBITS)
        length = len(described).to_bytes(_LENGTH_BYTES, "little")
        return CONDENSED + length + described + packed_tensors.pack(self.tensors).tobytes()

    @classmethod
    def _from_condensed(cls, content: bytes, source: str) -> Self:
        start = len(CONDENSED) + _LENGTH_BYTES
        end = start + int.from_bytes(content[len(CONDENSED) : start], "little")
        try:
            text = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[start:end], MAX_HEADER_BYTES).decode()
            document = parse_document(text)
            document["training"] = {**UNKNOWN_TRAINING, **document["training"]}
            tensors = packed_tensors.unpack(np.frombuffer(content[end:], np.uint8))
        except (KeyError, TypeError, ValueError, zlib.error) as error:
            raise _not_a_model(source, error) from None
        return cls(tensors, document, source)

    def write(self, path: str | Path) -> None:
        """Write the file, whole or not at all; ParameterError for an empty name."""
        if not os.fspath(path):
            raise ParameterError("the name of the file is empty", parameter="path", value=path)
        with atomic.replacing(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    @property
    def tool(self) -> str:
        """Name of the tool that the model belongs to."""
        return str(self.document.get("tool"))

    @property
    def n_parameters(self) -> int:
        """How many numbers the tensors hold."""
        return sum(tensor.size for tensor in self.tensors.values())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 that identifies the model, in hexadecimal; see `fingerprint`."""
        return fingerprint(self.tensors, self.document)


def stored_fingerprint(path: str | Path) -> str | None:
    """Return the fingerprint that a model file states, without reading the rest; None for any other file."""
    try:
        with open(path, "rb") as file:
            return read_metadata(file).get(CHECK)
    except (OSError, TypeError, ValueError, RecursionError):
        return None


def fingerprint(tensors: dict[str, np.ndarray], document: dict[str, Any]) -> str:
    """Return what identifies a model: SHA-256 over its tensors and the document as canonical JSON.

    The training record, the version that wrote the file, and whether weights are packed in it are left out.
    """
    digest = hashlib.sha256()
    facts = {name: value for name, value in document.items() if name not in ("training", "narrows")}
    if facts.get("format") == PACKED_FORMAT:
        facts["format"] = FORMAT
    digest.update(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        digest.update(f"\n{name} {tensor.dtype.str} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def sha256(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_opens(path: str | Path) -> None:
    """Raise the OSError of a file that is missing or cannot be read, and FormatError for a pipe."""
    if Path(path).is_fifo():
        raise FormatError("is a pipe, which can be read only once", source=str(path), hint="write it to a file first")
    open(path, "rb").close()


def read_metadata(file: BinaryIO) -> dict[str, str]:
    """Read the metadata from the header of a safetensors file; ValueError where there is no such header."""
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= MAX_HEADER_BYTES:
        raise ValueError("it does not begin as a safetensors file does")
    metadata = json.loads(file.read(length)).get("__metadata__") or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are not text")
    return metadata


def _checked_metadata(file: BinaryIO, source: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Read the metadata and the document; FormatError where the file holds no model that this version reads."""
    try:
        metadata = read_metadata(file)
        if KEY not in metadata:
            raise FormatError(
                f"a safetensors file, but not a narrows model (no {KEY!r} in its metadata)", source=source
            )
        document = parse_document(metadata[KEY])
        if typed(PositiveInt, document["format"]) > PACKED_FORMAT:
            raise FormatError(
                f"of format {document['format']}, written by narrows {typed(ShortText, document['narrows'])}; "
                f"this is narrows {__version__}, which reads up to format {PACKED_FORMAT}",
                source=source,
                hint="upgrade it",
            )
    except FormatError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _not_a_model(source, error) from None
    return metadata, document


def _not_a_model(source: str, error: Exception) -> FormatError:
    reason = " ".join(str(error).split())
    return FormatError(f"not a model file, or a damaged one ({reason})", source=source)
