"""The learned dequantiser: predicts where in its cell a value lies, from the cells around it, in exact arithmetic."""

import numpy as np
import torch
from torch import Tensor, nn

from narrows.codec.entropy.context_features import features_of_residuals, features_of_values
from narrows.codec.entropy.context_model import sample
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.integer_network import INPUT_UNIT, ExactPredictor, Predictor
from narrows.codec.entropy.plane import Plane, channel_kind, full_taps, place_cells

RADIUS = {1: 8, 2: 3, 3: 1}
HIDDEN, TARGETS = 64, 2048
BLOCK = 2**15


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

    def error(self, k: Tensor, x: Tensor, step: Tensor, size: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return the mean squared error, weighted by step, of a sample of the values of indices k (N, C, *S).

        x (N, C, *S): the true values in units of the step; index 0 is at 0.
        """
        parts, wanted, weights = [], [], []
        values = self.design.alphabet == "values"
        plane = Plane(features_of_values(k, size, self.design.top) if values else k, margin(self.design))
        wide = size.view(-1, *(1 for _ in k.shape[1:]))
        away = (x * wide - middles(k, wide, self.design)) / unit(self.design) if values else x - k
        shape = tuple(k.shape[2:])
        place = place_cells(shape, self.design.cells).to(k.device)
        for channel in range(self.design.channels):
            bases = plane.bases((0,) * len(shape), shape, channel, 1)
            offsets = plane.offsets(taps(self.design, channel))
            key = channel_kind(channel, self.design.channels)
            there = torch.arange(len(bases), device=k.device)
            if values:
                there = plane.any_nonzero(bases, offsets).nonzero()[:, 0]
            chosen, _ = sample(there, TARGETS // self.design.channels, generator)
            items = chosen // len(place)
            windows = features(plane.windows(bases[chosen], offsets), self.design)
            parts.append(self.places.first(key, windows / INPUT_UNIT, place[chosen % len(place)], step[items]))
            wanted.append(away[:, channel].reshape(-1)[chosen])
            # Between errors in the data's unit, among which large steps prevail, and errors in steps.
            weights.append(unit(self.design) ** 2 / size[items] ** 1.5 if values else size[items] ** 0)
        found = self.places.rest(0, torch.cat(parts))[:, 0]
        return (torch.cat(weights) * (found - torch.cat(wanted)) ** 2).mean()


class ExactDequantiser:
    """The dequantiser in coding; ValueError for weights that do not fit its design."""

    def __init__(self, design: Design, tensors: dict[str, np.ndarray], device: torch.device) -> None:
        self.design, self.device = design, device
        inputs = window_sizes(design)
        self.places = ExactPredictor(tensors, dict.fromkeys(inputs, 0), device)
        self.places.check(inputs, design.places, design.steps, 1)

    def __call__(self, k: Tensor, step: int, size: int) -> Tensor:
        """Return the distance of each value from the grid point of its index (n, C, *S), in 1/256 of a step, int8."""
        found = torch.zeros(k.shape, dtype=torch.int8, device=self.device)
        shape, values = tuple(k.shape[2:]), self.design.alphabet == "values"
        seen = k
        if values:
            sizes = torch.full((len(k),), size, device=self.device)
            seen = features_of_values(k, sizes, self.design.top).to(torch.uint8)
        plane = Plane(seen, margin(self.design))
        place = place_cells(shape, self.design.cells).to(self.device)
        for channel in range(self.design.channels):
            bases, offsets = (
                plane.bases((0,) * len(shape), shape, channel, 1),
                plane.offsets(taps(self.design, channel)),
            )
            key = channel_kind(channel, self.design.channels)
            there = plane.any_nonzero(bases, offsets) if values else torch.ones_like(bases, dtype=torch.bool)
            here = torch.zeros(len(bases), dtype=torch.int64, device=self.device)
            for block in torch.split(there.nonzero()[:, 0], BLOCK):
                windows = features(plane.windows(bases[block], offsets), self.design)
                out = self.places(key, windows.float(), place[block % len(place)], step)[:, 0]
                here[block] = torch.floor(out * (unit(self.design) / 256) + 0.5).long() if values else out.long()
            if values:
                # From the middle of the cut cell, in the data's unit, to the point of the index, in 1/256 of a step.
                point = (k[:, channel] * size).long().reshape(-1)
                here = (here + point.clamp(max=self.design.top) - point) * there
                here = torch.div(here * 256 + size // 2, size, rounding_mode="floor")
            found[:, channel] = here.clamp(-128, 127).to(torch.int8).reshape(len(k), *shape)
        return found


def middles(k: Tensor, size: Tensor, design: Design) -> Tensor:
    """Return the middle of each cell of "values", within their range."""
    return (k * size).clamp(max=design.top)


def taps(design: Design, channel: int) -> tuple[tuple[int, ...], ...]:
    """Return the taps of a window."""
    return full_taps(design.axes, channel, design.channels, RADIUS[design.axes])


def window_sizes(design: Design) -> dict[str, int]:
    """Return the number of inputs, by kind of channel."""
    return {
        channel_kind(channel, design.channels): len(taps(design, channel)) + n_extra_inputs(design)
        for channel in range(design.channels)
    }


def margin(design: Design) -> int:
    """Return the padding that windows need."""
    return RADIUS[design.axes]


def unit(design: Design) -> int:
    """Return the unit of distances of "values", in the data's own unit: a power of two, so that products are exact."""
    return int(2 ** (design.top.bit_length() - 1))


def n_extra_inputs(design: Design) -> int:
    """Return the number of inputs besides the window."""
    return 0 if design.alphabet == "values" else 1


def features(windows: Tensor, design: Design) -> Tensor:
    """Return windows of integers from -255 to 255; of residuals, as differences from the middle one."""
    if design.alphabet == "values":
        return windows.float()
    windows = windows.double()
    middle = (2 * RADIUS[design.axes] + 1) ** design.axes // 2
    return features_of_residuals(windows, windows[:, middle], design.top).float()
