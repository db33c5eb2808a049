"""What computes perceptrons and codes symbols: the compiled kernel, NumPy where it is not built, or a device of torch.

All give the same numbers and bytes.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.context_features import IndexCounts, features_of_residuals, nearest_index
from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.exact_predictor import ExactPredictor
from narrows.codec.entropy.kernel_predictor import KernelPredictor
from narrows.codec.entropy.mixture_features import (
    COMPONENTS,
    LOG_UNIT,
    SCALES,
    MixtureInputs,
    WindowLayout,
    features_of_mixtures,
    tables,
)
from narrows.codec.entropy.mixtures import Mixtures, mixtures_of, powers

KERNEL_VERSION = 3
kernel: Any
try:
    kernel = importlib.import_module("narrows.codec.entropy._kernel")
except ImportError:  # not built, or not for this processor
    kernel = None
if getattr(kernel, "VERSION", None) != KERNEL_VERSION:  # built from other source
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


def mixture_inputs(windows: np.ndarray, weights: np.ndarray, layout: WindowLayout, bits: int) -> MixtureInputs:
    """Return what `features_of_mixtures` returns for windows int32 (P, T) and weights int32 (T,)."""
    if kernel is None:
        return features_of_mixtures(windows.astype(np.float64), weights.astype(np.float64), layout, bits)
    count = len(windows)
    found = MixtureInputs(np.empty((count, layout.features), np.int16), np.empty(count), np.empty(count, np.int64))
    kernel.mixture_inputs(bits, np.ascontiguousarray(windows, np.int32), weights, *layout.arrays, *tables(), *found)
    return found


def mixtures(outputs: np.ndarray, given: MixtureInputs, shifts: np.ndarray, bits: int) -> Mixtures:
    """Return what `mixtures_of` returns for outputs float32 (P, 9) and shifts int64 (P,)."""
    if kernel is None:
        return mixtures_of(outputs, given, shifts, bits)
    shape = len(outputs), COMPONENTS
    found = Mixtures(np.empty(len(outputs), np.int64), np.empty(shape), np.empty(shape), np.empty(shape, np.int32))
    arrays = outputs, given.predicted, given.scale, shifts
    kernel.mixtures(bits, *map(np.ascontiguousarray, arrays), powers(SCALES), powers(LOG_UNIT), *found)
    return found


def bits_of(given: Distributions, symbols: np.ndarray) -> np.ndarray:
    """Return what each of some symbols (P, M) of distributions would cost in bits."""
    if kernel is None:
        return given.bits(symbols)
    shares = np.empty(symbols.shape[::-1])
    starts, widths = (np.empty(len(symbols), np.uint32) for _ in range(2))
    for column, found in zip(symbols.T, shares, strict=True):
        kernel.intervals(given.symbols, given.arrays, np.ascontiguousarray(column, np.int32), starts, widths, found)
    return np.asarray(np.log2(shares.T))


def windows(flat: np.ndarray, bases: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the values at all offsets (T,) from each base (P,), (P, T)."""
    if kernel is None or flat.dtype not in (np.uint8, np.int32, np.int64):
        return np.asarray(flat.take(bases[:, None] + offsets))
    found = np.empty((len(bases), len(offsets)), flat.dtype)
    kernel.windows(flat.itemsize, flat, np.ascontiguousarray(bases, np.int64), offsets, found)
    return found


def any_nonzero(flat: np.ndarray, bases: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return for each base (P,) whether any value at the offsets (T,) from it is not zero."""
    nonzero, found = flat != 0, np.zeros(len(bases), bool)
    if kernel is not None:
        kernel.any_nonzero(nonzero, np.ascontiguousarray(bases, np.int64), offsets, found)
        return found
    for offset in offsets.tolist():
        found |= nonzero.take(bases + offset)
    return found


def bonuses(seen: IndexCounts, bonus: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the bonus (n, K) of values for each item.

    Parameters
    ----------
    seen : IndexCounts
        How often each item has shown each index.
    bonus : float32 array
        By bucket of a count.
    cells : int64 array of shape (K,)
        The index of each value.
    """
    if kernel is None:
        return np.asarray(bonus[seen.buckets()[:, cells]])
    found = np.empty((len(seen.counts), len(cells)), np.float32)
    kernel.bonuses(seen.counts.shape[1], seen.counts, bonus, cells, found)
    return found
