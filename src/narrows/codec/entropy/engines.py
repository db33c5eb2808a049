"""What computes perceptrons and codes symbols: the compiled kernel, NumPy where it is not built, or a device of torch.

All give the same numbers and bytes.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from narrows.codec.entropy.exact_predictor import ExactPredictor

kernel: Any
try:
    kernel = importlib.import_module("narrows.codec.entropy._kernel")
except ImportError:  # not built, or not for this processor
    kernel = None


def predictor(tensors: Mapping[str, np.ndarray], groups: Mapping[str, int], device: str = "cpu") -> ExactPredictor:
    """Return the perceptron of weights, as `ExactPredictor` describes it.

    Parameters
    ----------
    tensors, groups : mapping
        As for `ExactPredictor`.
    device : str
        "cpu", or the name of a device of torch.
    """
    if device != "cpu":
        module, name = "device_predictor", "DevicePredictor"
    elif kernel is not None:
        module, name = "kernel_predictor", "KernelPredictor"
    else:
        return ExactPredictor(tensors, groups)
    made = getattr(importlib.import_module(f"narrows.codec.entropy.{module}"), name)
    found: ExactPredictor = made(tensors, groups, device)
    return found


def with_bonus(outputs: np.ndarray, bonus: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Return the logits (P, K) of values: their outputs, and the bonus by a gate.

    Parameters
    ----------
    outputs : ndarray of shape (P, K + 1)
        Outputs of a perceptron, of which the last is the gate.
    bonus : ndarray of shape (n, K)
        By item and value.
    items : int array of shape (P,)
        The items.
    """
    if kernel is not None:
        logits = np.empty((len(outputs), bonus.shape[1]), np.float32)
        kernel.with_bonus(outputs, bonus, items, logits, bonus.shape[1])
        return logits
    added: np.ndarray = bonus[items]
    added *= np.clip(outputs[:, -1:] + 256, 0, 1024) * np.float32(1 / 256)
    np.floor(added, out=added)
    added += outputs[:, :-1]
    return added
