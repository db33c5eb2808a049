"""Exact perceptrons on a device of torch."""

from collections.abc import Mapping

import numpy as np
import torch

from narrows.codec.entropy.exact_predictor import ExactLayer, ExactPredictor
from narrows.training.torch_state import default_torch_state


class DevicePredictor(ExactPredictor):
    """An `ExactPredictor` whose weights are on a device, where it computes the same numbers.

    Parameters
    ----------
    tensors, groups : mapping
        As for `ExactPredictor`.
    device : str
        The device's name in torch.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], groups: Mapping[str, int], device: str) -> None:
        super().__init__(tensors, groups)

        def moved(layer: ExactLayer) -> ExactLayer:
            weight, bias = (torch.as_tensor(each, device=device) for each in (layer.weight, layer.bias))
            return ExactLayer(weight, bias, layer.shift)

        self.place, self.step = (torch.as_tensor(table, device=device) for table in (self.place, self.step))
        self.firsts = {key: moved(layer) for key, layer in self.firsts.items()}
        self.rest = [list(map(moved, layers)) for layers in self.rest]

    @default_torch_state()
    @torch.inference_mode()
    def __call__(self, key: str, windows: np.ndarray, place: np.ndarray, step: int) -> np.ndarray:
        """Return the outputs (P, K), as NumPy has them."""
        return np.asarray(super().__call__(key, windows, place, step).cpu())
