"""What computes perceptrons and codes symbols: the compiled kernel, NumPy where it is not built, or a device of torch.

All give the same numbers and bytes.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.context_features import features_of_residuals, nearest_index
from narrows.codec.entropy.exact_predictor import ExactPredictor
from narrows.codec.entropy.kernel_predictor import KernelPredictor

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
        from narrows.codec.entropy.device_predictor import DevicePredictor  # needs torch

        return DevicePredictor(tensors, groups, device)
    return ExactPredictor(tensors, groups) if kernel is None else KernelPredictor(kernel, tensors, groups)


def residual_inputs(windows: np.ndarray, weights: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what the perceptron of residuals sees, and the indices that residuals count from.

    Parameters
    ----------
    windows : int32 array of shape (P, T)
        Known indices around each.
    weights : int32 array of shape (T,)
        Weights of the linear prediction, in units of 2**-12.
    bits : int
        Bits of the largest index.

    Returns
    -------
    ndarray of shape (P, T + 1) and int64 array of shape (P,)
        The inputs, integers -255..255, and the indices.
    """
    if kernel is not None:
        inputs, nearest = np.empty((len(windows), len(weights) + 1), np.int16), np.empty(len(windows), np.int64)
        kernel.residuals(bits, np.ascontiguousarray(windows, np.int32), weights, *tokens.compressed(), inputs, nearest)
        return inputs, nearest
    values = windows.astype(np.float64)
    predicted = values @ weights / tokens.WEIGHT_UNIT
    return features_of_residuals(values, predicted, bits), nearest_index(predicted, bits).astype(np.int64)


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
