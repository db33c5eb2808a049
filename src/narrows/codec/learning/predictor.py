"""Perceptrons in training; as integers they are those of `ExactPredictor`.

    window (P, T) -> first layer of its key -> + place and step -> clamp -> [linear -> clamp] x depth -> linear (P, K)

Activations are kept within 0..CEILING. Once trained, weights become integers in units of 2**-shift, where the shift of
each layer is the largest at which no sum of its products can reach 2**24.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from narrows.codec.entropy.exact_predictor import INPUT_UNIT, LARGEST, LARGEST_SHIFT, UNIT

CEILING = LARGEST / UNIT
LIMIT = 2**24 - 2**18  # of sums in float32, with room for what rounding adds
MOST_WEIGHT = 2**15 - 1
FINE_WEIGHT = 2**6  # weights need no more bits than this has: files are at most 0.1 % larger than with 16
TABLE_LEVELS = 8  # of the tables, in a standard deviation


class Predictor(nn.Module):
    """A perceptron whose first layer depends on the kind of window, its inner ones on the group of kinds.

    inputs: for each key, the size of its windows. groups: for each key, its group.
    places, steps: sizes of the tables that are added to the first layer, of the value's place and of the step; from 1.
    """

    def __init__(
        self,
        inputs: dict[str, int],
        groups: dict[str, int],
        places: int,
        steps: int,
        hidden: int,
        depth: int,
        outputs: int,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.firsts = nn.ModuleDict({key: nn.Linear(max(size, 1), hidden) for key, size in inputs.items()})
        self.place = nn.Parameter(torch.zeros(places, hidden))
        self.step = nn.Parameter(torch.zeros(steps, hidden))
        self.inner = nn.ModuleList(
            nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth)) for _ in range(max(groups.values()) + 1)
        )
        self.last = nn.ModuleList(nn.Linear(hidden, outputs) for _ in range(max(groups.values()) + 1))

    def first(self, key: str, windows: Tensor, place: Tensor, step: Tensor) -> Tensor:
        """Return the first layer (P, H) of windows (P, T), of inputs up to 255/256, with rows of the tables (P,)."""
        if not windows.shape[1]:
            windows = windows.new_zeros(len(windows), 1)
        h: Tensor = self.firsts[key](windows)
        if len(self.place) > 1:
            h = h + nn.functional.embedding(place, self.place)
        return h + nn.functional.embedding(step, self.step) if len(self.step) > 1 else h

    def rest(self, group: int, h: Tensor) -> Tensor:
        """Return the outputs (P, K) of first layers (P, H)."""
        h = nn.functional.hardtanh(h, 0.0, CEILING)
        for layer in self.layers(group):
            h = nn.functional.hardtanh(layer(h), 0.0, CEILING)
        outputs: Tensor = self.last[group](h)
        return outputs

    def layers(self, group: int) -> list[nn.Linear]:
        """Return the inner layers of a group."""
        layers = self.inner[group]
        assert isinstance(layers, nn.ModuleList)
        return [layer for layer in layers if isinstance(layer, nn.Linear)]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the integer weights, biases and shifts of the exact perceptron, `ExactPredictor`, by name."""
        firsts = {key: arrays(layer) for key, layer in self.firsts.items()}
        place, step = (table.detach().cpu().double().numpy() for table in (self.place, self.step))
        added = np.abs(place).max() + np.abs(step).max()
        shift = min(largest_shift(weight, np.abs(bias) + added, INPUT_UNIT) for weight, bias in firsts.values())
        scale = 2.0**shift
        found: dict[str, np.ndarray] = {"first.shift": np.array([shift], np.int8)}
        for key, (weight, bias) in firsts.items():
            found[f"first.{key}.weight"] = whole(weight, scale).astype(np.int16)
            found[f"first.{key}.bias"] = whole(bias, scale * INPUT_UNIT)
        for name, table in (("place", place), ("step", step)):
            found[name] = rounded(whole(table, scale * INPUT_UNIT))
        for group, last in enumerate(self.last):
            for number, layer in enumerate((*self.layers(group), last)):
                weight, bias = arrays(layer)
                shift = largest_shift(weight, np.abs(bias), UNIT)
                name = f"rest.{group}.{number}"
                found[f"{name}.weight"] = whole(weight, 2.0**shift).astype(np.int16)
                found[f"{name}.bias"] = whole(bias, 2.0**shift * UNIT)
                found[f"{name}.shift"] = np.array([shift], np.int8)
        return found


def arrays(layer: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Return weight and bias of a linear layer."""
    assert isinstance(layer, nn.Linear)
    return layer.weight.detach().cpu().double().numpy(), layer.bias.detach().cpu().double().numpy()


def whole(values: np.ndarray, scale: float) -> np.ndarray:
    """Return scaled values, rounded to int32."""
    return np.rint(values * scale).astype(np.int32)


def rounded(table: np.ndarray) -> np.ndarray:
    """Return a table of integers as multiples of a power of two that leaves `TABLE_LEVELS` in a standard deviation."""
    unit = 2 ** max(0, math.floor(math.log2(max(1.0, float(table.std()) / TABLE_LEVELS))))
    return np.asarray((table + unit // 2) // unit * unit, table.dtype)


def largest_shift(weight: np.ndarray, bias: np.ndarray, unit: int) -> int:
    """Return the largest shift at which no sum of integer weights (K, T) and biases (K,) can exceed LIMIT."""
    sums = np.abs(weight).sum(1) * LARGEST + np.abs(bias) * unit
    rounding = weight.shape[1] * LARGEST / 2 + 3
    for shift in range(LARGEST_SHIFT, -1, -1):
        largest = np.abs(weight).max() * 2.0**shift
        if sums.max() * 2.0**shift + rounding < LIMIT and largest < (FINE_WEIGHT if shift else MOST_WEIGHT):
            return shift
    raise ValueError("weights too large for exact arithmetic")
