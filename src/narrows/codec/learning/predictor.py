"""Perceptrons in training; as integers they are those of `ExactPredictor`.

    window (P, T) -> first layer of its key -> + place and step -> clamp -> [linear -> clamp] x depth -> linear (P, K)

Activations are kept within 0..CEILING. Weights are rounded in training as they are stored: to integers in units of
2**-shift, of which a standard deviation of each matrix has a few, and gradients pass straight through.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from narrows.codec.entropy.exact_predictor import INPUT_UNIT, LARGEST, LARGEST_SHIFT, UNIT

CEILING = LARGEST / UNIT
LIMIT = 2**24 - 2**18  # of sums in float32, with room for what rounding adds
MOST_WEIGHT = 2**15 - 1
WEIGHT_LEVELS, TABLE_LEVELS, BIAS_LEVELS = 2, 2, 16  # in a standard deviation
OF_MAGNITUDE = 1.25  # standard deviations of normally distributed numbers in their mean magnitude
SMALLEST_DEVIATION = 2.0**-10  # of weights that are all alike, as before training


@dataclass(frozen=True)
class Windows:
    """Inputs (P, T) of a perceptron, up to 255/256, with the key of their first layer and rows of its tables (P,)."""

    key: str
    inputs: Tensor
    place: Tensor
    step: Tensor


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

    def forward(self, parts: Sequence[Windows]) -> Tensor:
        """Return the outputs (P, K) for all windows of some parts, whose keys are of one group."""
        weights = {key: stored_layer(self.firsts[key]) for key in dict.fromkeys(part.key for part in parts)}
        h = torch.cat([nn.functional.linear(padded(part.inputs), *weights[part.key]) for part in parts])
        for table, rows in ((self.place, [part.place for part in parts]), (self.step, [part.step for part in parts])):
            if len(table) > 1:
                h = h + rounded(nn.functional.embedding(torch.cat(rows), table), unit_of(table, TABLE_LEVELS))
        h = nn.functional.hardtanh(h, 0.0, CEILING)
        group = self.groups[parts[0].key]
        for layer in self.layers(group):
            h = nn.functional.hardtanh(nn.functional.linear(h, *stored_layer(layer)), 0.0, CEILING)
        return nn.functional.linear(h, *stored_layer(self.last[group]))

    def layers(self, group: int) -> list[nn.Linear]:
        """Return the inner layers of a group."""
        layers = self.inner[group]
        assert isinstance(layers, nn.ModuleList)
        return [layer for layer in layers if isinstance(layer, nn.Linear)]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the integer weights, biases and shifts of the exact perceptron, `ExactPredictor`, by name."""
        place, step = (stored(table, TABLE_LEVELS) for table in (self.place, self.step))
        added = np.abs(place).max() + np.abs(step).max()
        firsts = {key: arrays(layer) for key, layer in self.firsts.items()}
        shift = min(largest_shift(weight, np.abs(bias) + added, INPUT_UNIT) for weight, bias in firsts.values())
        scale = 2.0**shift
        found: dict[str, np.ndarray] = {"first.shift": np.array([shift], np.int8)}
        for key, (weight, bias) in firsts.items():
            found[f"first.{key}.weight"] = whole(weight, scale).astype(np.int16)
            found[f"first.{key}.bias"] = whole(bias, scale * INPUT_UNIT)
        found |= {name: whole(table, scale * INPUT_UNIT) for name, table in (("place", place), ("step", step))}
        for group, last in enumerate(self.last):
            for number, layer in enumerate((*self.layers(group), last)):
                weight, bias = arrays(layer)
                shift = largest_shift(weight, np.abs(bias), UNIT)
                name = f"rest.{group}.{number}"
                found[f"{name}.weight"] = whole(weight, 2.0**shift).astype(np.int16)
                found[f"{name}.bias"] = whole(bias, 2.0**shift * UNIT)
                found[f"{name}.shift"] = np.array([shift], np.int8)
        return found

    def load_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Take the weights that `tensors` returned."""
        unit = 2.0 ** -int(tensors["first.shift"][0])
        for key, layer in self.firsts.items():
            load_layer(layer, tensors, f"first.{key}", unit, INPUT_UNIT)
        load(self.place, tensors["place"], unit / INPUT_UNIT)
        load(self.step, tensors["step"], unit / INPUT_UNIT)
        for group, last in enumerate(self.last):
            for number, layer in enumerate((*self.layers(group), last)):
                name = f"rest.{group}.{number}"
                load_layer(layer, tensors, name, 2.0 ** -int(tensors[f"{name}.shift"][0]), UNIT)


def padded(inputs: Tensor) -> Tensor:
    """Return inputs (P, T), or one of 0 where there is none."""
    return inputs if inputs.shape[1] else inputs.new_zeros(len(inputs), 1)


def stored_layer(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a linear layer as they are stored."""
    assert isinstance(layer, nn.Linear)
    weight, bias = (rounded(each, unit_of(each, levels)) for each, levels in with_levels(layer))
    return weight, bias


def with_levels(layer: nn.Linear) -> tuple[tuple[Tensor, int], tuple[Tensor, int]]:
    """Return weight and bias of a layer, and the levels in a standard deviation of each."""
    return (layer.weight, WEIGHT_LEVELS), (layer.bias, BIAS_LEVELS)


def unit_of(values: Tensor, levels: int) -> float:
    """Return the power of two that has about so many levels in a standard deviation of the values; 0 for NaN."""
    # From the mean magnitude, since a few large weights, as long training makes them, are no measure of the others.
    deviation = OF_MAGNITUDE * float(values.detach().abs().mean())
    if not math.isfinite(deviation):
        return 0.0
    return 2.0 ** round(math.log2(max(deviation, SMALLEST_DEVIATION) / levels))


def rounded(values: Tensor, unit: float) -> Tensor:
    """Return values as multiples of a unit, through which gradients pass as if they were not rounded."""
    exact = values.detach()
    return values + multiples(exact, unit).sub_(exact)  # torch.fake_quantize_per_tensor_affine takes ten times as long


def multiples(values: Tensor, unit: float) -> Tensor:
    """Return values rounded to multiples of a unit; a copy where it is 0."""
    if not unit:  # of a training that diverges, which the loss has to show
        return values.clone()
    return torch.mul(values, 1 / unit).round_().mul_(unit)


def stored(values: Tensor, levels: int) -> np.ndarray:
    """Return values as they are stored, float64."""
    return multiples(values.detach(), unit_of(values, levels)).double().cpu().numpy() + 0.0


def arrays(layer: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Return weight and bias of a linear layer as they are stored."""
    assert isinstance(layer, nn.Linear)
    weight, bias = (stored(each, levels) for each, levels in with_levels(layer))
    return weight, bias


def load_layer(layer: nn.Module, tensors: Mapping[str, np.ndarray], name: str, unit: float, inputs: int) -> None:
    """Set a linear layer to integer weights, in units, and biases, in units of which `inputs` are one."""
    assert isinstance(layer, nn.Linear)
    load(layer.weight, tensors[f"{name}.weight"], unit)
    load(layer.bias, tensors[f"{name}.bias"], unit / inputs)


def load(values: Tensor, integers: np.ndarray, unit: float) -> None:
    """Set values to integers in a unit; ValueError where there are more or fewer."""
    if tuple(values.shape) != integers.shape:
        raise ValueError(f"weights of shape {integers.shape}, expected {tuple(values.shape)}")
    values.detach().copy_(torch.from_numpy(integers * unit))


def whole(values: np.ndarray, scale: float) -> np.ndarray:
    """Return scaled values, rounded to int32."""
    return np.rint(values * scale).astype(np.int32)


def largest_shift(weight: np.ndarray, bias: np.ndarray, unit: int) -> int:
    """Return the largest shift that is needed, and at which no sum of integer weights (K, T) and biases (K,) overflows.

    LIMIT is the largest sum.
    """
    sums = np.abs(weight).sum(1) * LARGEST + np.abs(bias) * unit
    rounding = weight.shape[1] * LARGEST / 2 + 3
    for shift in range(LARGEST_SHIFT, -1, -1):
        if sums.max() * 2.0**shift + rounding < LIMIT and np.abs(weight).max() * 2.0**shift < MOST_WEIGHT:
            return shift
    raise ValueError("weights too large for exact arithmetic")


def gate(output: Tensor) -> Tensor:
    """Return the factor of a bonus."""
    return (1 + output).clamp(0, 4)
