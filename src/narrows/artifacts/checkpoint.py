"""Checkpoints: the state of a training run in one safetensors file."""

import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from narrows.artifacts import atomic
from narrows.artifacts.manifest import CheckpointManifest
from narrows.artifacts.model_file import fingerprint, read_metadata
from narrows.artifacts.schema import parse_document
from narrows.errors import FormatError

KEY, CHECK = "narrows.checkpoint", "narrows.fingerprint"


def write_checkpoint(path: Path, tensors: dict[str, Tensor], document: dict[str, Any]) -> None:
    """Write tensors by name and a document of plain values; the file is complete or absent."""
    document = CheckpointManifest.from_dict(document).to_dict()
    tensors = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {KEY: json.dumps(document), CHECK: check(tensors, document)}
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def read_checkpoint(path: Path, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checkpoint` wrote; FormatError for any other file."""
    try:
        content = path.read_bytes()  # not mapped, because the run that wrote it may replace it
        metadata = read_metadata(io.BytesIO(content))
        document = parse_document(metadata[KEY])
        tensors = load(content)
        found = check(tensors, document)
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not a checkpoint of a training run, or a damaged one ({error})") from None
    if found != metadata.get(CHECK):
        raise FormatError(f"{path}: damaged: its content does not match its fingerprint; remove it and start anew")
    try:
        manifest = CheckpointManifest.from_dict(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"not a checkpoint that this version reads ({error})", source=str(path)) from None
    return {name: tensor.to(device) for name, tensor in tensors.items()}, manifest.to_dict()


def check(tensors: dict[str, Tensor], document: dict[str, Any]) -> str:
    """Return the fingerprint of a checkpoint."""
    return fingerprint({name: tensor.numpy() for name, tensor in tensors.items()}, document)
