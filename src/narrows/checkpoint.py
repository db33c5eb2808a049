"""Checkpoints: the state of a training run in one safetensors file."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from narrows import atomic
from narrows.errors import FormatError

KEY = "narrows.checkpoint"


def write_checkpoint(path: Path, tensors: dict[str, Tensor], document: dict[str, Any]) -> None:
    """Tensors by name, and a document of plain values; the file is whole or is not there."""
    with atomic.replacing(path) as temporary:
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, {KEY: json.dumps(document)}
        )


def read_checkpoint(path: Path, device: torch.device) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_checkpoint` wrote; FormatError for any other file."""
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            document = json.loads((file.metadata() or {})[KEY])
            return {name: file.get_tensor(name) for name in file.keys()}, document  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise FormatError(f"{path}: not a checkpoint of a training run, or a damaged one ({error})") from None
