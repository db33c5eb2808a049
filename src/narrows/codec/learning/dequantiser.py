"""The dequantiser in training."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from narrows.codec.arrays import beside, namespace
from narrows.codec.entropy.context_features import features_of_values
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.exact_predictor import INPUT_UNIT
from narrows.codec.entropy.plane import Plane, channel_kind, place_cells
from narrows.codec.learning.predictor import Predictor, Windows
from narrows.codec.learning.sampling import on_host, sample
from narrows.codec.transforms.dequantiser import features, margin, taps, unit, window_sizes

HIDDEN, TARGETS = 64, 2048


class Dequantiser(nn.Module):
    """Learns; `tensors` returns the weights of `ExactDequantiser`.

    window of indices around each -> perceptron -> distance from the middle of its cell, in the unit of `unit`
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        inputs = window_sizes(design)
        self.places = Predictor(inputs, dict.fromkeys(inputs, 0), design.places, design.steps, HIDDEN, 2, 1)
        for layer in self.places.last:  # to begin with, the middles
            assert isinstance(layer, nn.Linear)
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return integer weights by name."""
        return self.places.tensors()

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take what `tensors` returned."""
        self.places.load_tensors(tensors)

    def error(self, k: Tensor, x: Tensor, step: Tensor, size: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the mean squared error, weighted by step, of a sample of the values of indices k (N, C, *S).

        x (N, C, *S): the true values in units of the step; index 0 is at 0.
        """
        parts, wanted, weights = [], [], []
        indices, sizes, steps = on_host(k), on_host(size), on_host(step)
        values, xp = self.design.alphabet == "values", namespace(indices)
        given = features_of_values(indices, sizes, self.design.top) if values else indices
        plane = Plane(xp.astype(given, xp.uint8) if values else given, margin(self.design))
        wide = size.view(-1, *(1 for _ in k.shape[1:]))
        away = (x * wide - middles(k, wide, self.design)) / unit(self.design) if values else x - k
        shape = tuple(k.shape[2:])
        place = beside(place_cells(shape, self.design.cells), indices)
        for channel in range(self.design.channels):
            bases = plane.bases((0,) * len(shape), shape, channel, 1)
            offsets = plane.offsets(taps(self.design, channel))
            there = plane.any_nonzero(bases, offsets) if values else xp.ones_like(bases)
            chosen, _ = sample(xp.nonzero(there)[0], TARGETS // self.design.channels, generator)
            items = chosen // len(place)
            windows = torch.as_tensor(features(plane.windows(bases[chosen], offsets), self.design)).to(x) / INPUT_UNIT
            key = channel_kind(channel, self.design.channels)
            rows = (torch.as_tensor(each, device=x.device) for each in (place[chosen % len(place)], steps[items]))
            parts.append(Windows(key, windows, *rows))
            wanted.append(away[:, channel].reshape(-1)[chosen])
            # Between errors in the data's unit, among which large steps prevail, and errors in steps.
            weights.append(unit(self.design) ** 2 / size[items] ** 1.5 if values else size[items] ** 0)
        found = self.places(parts)[:, 0]
        errors: Tensor = torch.cat(weights) * (found - torch.cat(wanted)) ** 2
        return errors.mean() if len(errors) else errors.sum()  # of none where all is zero


def middles(k: Tensor, size: Tensor, design: Design) -> Tensor:
    """Return the middle of each cell of "values", within their range."""
    return (k * size).clamp(max=design.top)
