"""Exact perceptrons in the compiled kernel, where it was built; the same numbers as those of NumPy."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from narrows.codec.entropy.exact_predictor import ExactLayer, ExactPredictor

_NONE = np.zeros(0, np.int32)


class KernelPredictor(ExactPredictor):
    """An `ExactPredictor` whose layers the kernel computes in int16 and int32.

    Parameters
    ----------
    kernel : module
        The compiled kernel.
    tensors, groups : mapping
        As for `ExactPredictor`.
    """

    def __init__(self, kernel: Any, tensors: Mapping[str, np.ndarray], groups: Mapping[str, int]) -> None:
        super().__init__(tensors, groups)
        self._kernel = kernel
        self._tables = [table.astype(np.int32) for table in (self.place, self.step)]
        self._first = {key: self._packed(layer, layer.shift + 2) for key, layer in self.firsts.items()}
        self._rest = []
        for layers in self.rest:
            shifts = [layer.shift for layer in layers[:-1]] + [layer.shift - 2 for layer in layers[-1:]]
            self._rest.append(tuple(map(self._packed, layers, shifts)))

    def __call__(self, key: str, windows: np.ndarray, place: np.ndarray, step: int) -> np.ndarray:
        """Return the outputs (P, K); see `ExactPredictor`."""
        if not windows.shape[1]:
            windows = np.zeros((len(windows), 1), np.int16)
        group = self.groups[key]
        out = np.empty((len(windows), len(self.rest[group][-1].bias)), np.float32)
        places, steps = self._tables
        self._kernel.perceptron(
            (self._first[key], *self._rest[group]),
            np.ascontiguousarray(windows, np.int16),
            places if len(places) > 1 else _NONE,
            np.ascontiguousarray(place, np.int64),
            steps[step] if len(steps) > 1 else _NONE,
            out,
        )
        return out

    def _packed(self, layer: ExactLayer, shift: int) -> Any:
        """Return a layer as the kernel holds it."""
        weight = np.ascontiguousarray(layer.weight.T, np.int16)
        return self._kernel.layer(weight, layer.bias.astype(np.int32), *layer.weight.shape, shift)
