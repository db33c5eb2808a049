"""Exact arithmetic: perceptrons whose every sum is an integer that float32 holds, whatever the order of summation.

In training these are ordinary perceptrons, with activations kept within 0..CEILING:

    window (P, T) -> first layer of its key -> + place and step -> clamp -> [linear -> clamp] x depth -> linear (P, K)

For coding, weights become integers in units of 2**-shift, inputs integers in units of 1/256, and activations integers
in units of 1/64, from 0 to 255. The shift of each layer is the largest at which no sum of its products can reach 2**24.
So every machine, with any number of threads and any order of summation, computes the same sums, and the same outputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

INPUT_UNIT, UNIT = 256, 64  # integers that stand for 1: in inputs, in activations
LARGEST = 255  # of inputs, either way, and of activations
CEILING = LARGEST / UNIT
OUTPUT_UNIT = 256
LIMIT = 2**24 - 2**18  # of sums in float32, with room for what rounding adds
LARGEST_SHIFT, LARGEST_WEIGHT = 14, 2**15 - 1


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
        found["place"], found["step"] = whole(place, scale * INPUT_UNIT), whole(step, scale * INPUT_UNIT)
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


def check_whole(tensors: dict[str, np.ndarray]) -> None:
    """Raise ValueError for tensors that do not hold integers."""
    if any(tensor.dtype.kind != "i" for tensor in tensors.values()):
        raise ValueError("weights that are no integers")


def part(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}


def largest_shift(weight: np.ndarray, bias: np.ndarray, unit: int) -> int:
    """Return the largest shift at which no sum of integer weights (K, T) and biases (K,) can exceed LIMIT."""
    sums = np.abs(weight).sum(1) * LARGEST + np.abs(bias) * unit
    rounding = weight.shape[1] * LARGEST / 2 + 3
    for shift in range(LARGEST_SHIFT, -1, -1):
        if sums.max() * 2.0**shift + rounding < LIMIT and np.abs(weight).max() * 2.0**shift < LARGEST_WEIGHT:
            return shift
    raise ValueError("weights too large for exact arithmetic")


@dataclass(frozen=True)
class ExactLayer:
    """A linear layer of integers in float32. weight: (inputs, outputs)."""

    weight: Tensor
    bias: Tensor
    shift: int

    def __call__(self, x: Tensor) -> Tensor:
        """Return the sums (P, outputs) of inputs (P, inputs)."""
        return torch.addmm(self.bias, x, self.weight)


def shifted(sums: Tensor, places: int) -> Tensor:
    """Return sums divided by 2**places, halves rounded up: exact, because halves are integers before the division."""
    if places <= 0:
        return sums * 2.0**-places
    return sums.add_(2.0 ** (places - 1)).mul_(2.0**-places).floor_()


class ExactPredictor:
    """The perceptron that `Predictor.tensors` describes.

    ValueError for tensors that do not fit together, or whose sums might not be exact.
    """

    def __init__(self, tensors: dict[str, np.ndarray], groups: dict[str, int], device: torch.device) -> None:
        check_whole(tensors)
        self.groups, self.device = groups, device
        self.place, self.step = (self._floats(tensors[name]) for name in ("place", "step"))
        added = float(self.place.abs().max() + self.step.abs().max())
        shift = int(tensors["first.shift"][0])
        self.firsts = {
            key: self._layer(tensors[f"first.{key}.weight"], tensors[f"first.{key}.bias"], shift, added)
            for key in groups
        }
        self.rest: list[list[ExactLayer]] = []
        for group in range(max(groups.values()) + 1):
            layers: list[ExactLayer] = []
            while (name := f"rest.{group}.{len(layers)}") + ".weight" in tensors:
                layers.append(
                    self._layer(tensors[f"{name}.weight"], tensors[f"{name}.bias"], int(tensors[f"{name}.shift"][0]), 0)
                )
            self.rest.append(layers)

    def check(self, inputs: dict[str, int], places: int, steps: int, outputs: int) -> None:
        """Raise ValueError unless windows, by key, tables and outputs have these sizes."""
        hidden = self.place.shape[1]
        found: list[tuple[int, ...]] = [tuple(self.place.shape), tuple(self.step.shape)]
        expected: list[tuple[int, ...]] = [(places, hidden), (steps, hidden)]
        for key, layer in self.firsts.items():
            found.append(tuple(layer.weight.shape))
            expected.append((max(inputs[key], 1), hidden))
        for layers in self.rest:
            found += [tuple(layer.weight.shape) for layer in layers] or [(0, 0)]
            expected += [(hidden, hidden)] * (len(layers) - 1) + [(hidden, outputs)]
        for layer in [*self.firsts.values(), *(layer for layers in self.rest for layer in layers)]:
            found.append(tuple(layer.bias.shape))
            expected.append(tuple(layer.weight.shape[1:]))
        if found != expected:
            raise ValueError("weights of other shapes than the design says")

    def _floats(self, whole: np.ndarray) -> Tensor:
        return torch.from_numpy(whole.astype(np.float32)).to(self.device)

    def _layer(self, weight: np.ndarray, bias: np.ndarray, shift: int, added: float) -> ExactLayer:
        sums = np.abs(weight.astype(np.int64)).sum(1) * LARGEST + np.abs(bias.astype(np.int64)) + added
        if not (sums.max() < 2**24 - 2**17 and 0 <= shift <= LARGEST_SHIFT):
            raise ValueError("weights too large for exact arithmetic")
        return ExactLayer(self._floats(np.ascontiguousarray(weight.T)), self._floats(bias), shift)

    def __call__(self, key: str, windows: Tensor, place: Tensor, step: int) -> Tensor:
        """Return the outputs (P, K), in units of 1/256, of windows (P, T) of integers -255..255 at positions (P,)."""
        first = self.firsts[key]
        h = first(windows if windows.shape[1] else windows.new_zeros(len(windows), 1))
        if len(self.place) > 1:
            h += self.place.index_select(0, place)
        if len(self.step) > 1:
            h += self.step[step]
        h = shifted(h, first.shift + 2).clamp_(0, LARGEST)
        *inner, last = self.rest[self.groups[key]]
        for layer in inner:
            h = shifted(layer(h), layer.shift).clamp_(0, LARGEST)
        return shifted(last(h), last.shift - 2)
