"""Exact perceptrons in the compiled kernel, where it was built; the same numbers as those of NumPy."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from narrows.codec.entropy.distributions import Alphabet, Distributions
from narrows.codec.entropy.exact_predictor import ExactLayer, ExactPredictor

_NONE = np.zeros(0, np.int32)
_LANES = 16  # to which the kernel pads the outputs of a layer


class KernelPredictor(ExactPredictor):
    """An `ExactPredictor` whose layers the kernel computes in integers of 8 to 32 bits.

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
        self._steps = self.step.astype(np.int32)
        self._places = np.pad(self.place.astype(np.int32), ((0, 0), (0, -self.place.shape[1] % _LANES)))
        self._first = {key: self._packed(layer, layer.shift + 2) for key, layer in self.firsts.items()}
        self._rest = []
        for layers in self.rest:
            shifts = [layer.shift for layer in layers[:-1]] + [layer.shift - 2 for layer in layers[-1:]]
            self._rest.append(tuple(map(self._packed, layers, shifts)))

    def __call__(self, key: str, windows: np.ndarray, place: np.ndarray, step: int) -> np.ndarray:
        """Return the outputs (P, K); see `ExactPredictor`."""
        out = np.empty((len(windows), len(self.rest[self.groups[key]][-1].bias)), np.float32)
        self._kernel.outputs(*self._given(key, windows, place, step), out)
        return out

    def distributions(
        self, key: str, windows: np.ndarray, place: np.ndarray, step: int, alphabet: Alphabet, items: np.ndarray
    ) -> Distributions:
        """Return the distributions; see `ExactPredictor`."""
        bonus, edges, outputs = alphabet.bonus, alphabet.edges, len(self.rest[self.groups[key]][-1].bias)
        symbols = max(2, outputs) if bonus is None else outputs - 1
        out = np.empty((len(windows), symbols if edges is None else len(edges) - 1), np.int32)
        self._kernel.distributions(
            *self._given(key, windows, place, step),
            _NONE if bonus is None else np.ascontiguousarray(bonus, np.float32),
            np.ascontiguousarray(items, np.int64),
            _NONE if edges is None else np.ascontiguousarray(edges, np.int64),
            alphabet.first,
            out,
        )
        return Distributions(out)

    def _given(self, key: str, windows: np.ndarray, place: np.ndarray, step: int) -> tuple[Any, ...]:
        """Return the layers and inputs as the kernel takes them."""
        if not windows.shape[1]:
            windows = np.zeros((len(windows), 1), np.uint8)
        wide = windows.dtype != np.uint8
        return (
            (self._first[key], *self._rest[self.groups[key]]),
            wide,
            np.ascontiguousarray(windows, np.int16 if wide else np.uint8),
            self._places if len(self._places) > 1 else _NONE,
            np.ascontiguousarray(place, np.int64),
            self._steps[step] if len(self._steps) > 1 else _NONE,
        )

    def _packed(self, layer: ExactLayer, shift: int) -> Any:
        """Return a layer as the kernel holds it."""
        weight = np.ascontiguousarray(layer.weight.T, np.int16)
        return self._kernel.layer(weight, layer.bias.astype(np.int32), *layer.weight.shape, shift)
