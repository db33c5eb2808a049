"""Checkpoints: the state of a training run in one safetensors file."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from narrows.artifacts import atomic
from narrows.artifacts.manifest import CheckpointManifest
from narrows.artifacts.model_file import fingerprint
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
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            document = json.loads(metadata[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path}: not a checkpoint of a training run, or a damaged one ({error})") from None
    if check(tensors, document) != metadata.get(CHECK):
        raise FormatError(f"{path}: damaged: its content does not match its fingerprint; remove it and start anew")
    return {name: tensor.to(device) for name, tensor in tensors.items()}, CheckpointManifest.from_dict(
        document
    ).to_dict()


def check(tensors: dict[str, Tensor], document: dict[str, Any]) -> str:
    """Return the fingerprint of a checkpoint."""
    return fingerprint({name: tensor.numpy() for name, tensor in tensors.items()}, document)
