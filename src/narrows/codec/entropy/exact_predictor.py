"""Exact arithmetic: perceptrons whose every sum is an integer that float32 holds, whatever the order of summation.

    window (P, T) -> first layer of its key -> + place and step -> clamp -> [linear -> clamp] x depth -> linear (P, K)

Weights are integers in units of 2**-shift, inputs integers in units of 1/256, and activations integers in units of
1/64, from 0 to 255. So every machine, with any number of threads and any order of summation, computes the same sums,
and the same outputs.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from narrows.codec.arrays import Array, beside
from narrows.codec.entropy.distributions import Alphabet, Distributions

INPUT_UNIT, UNIT = 256, 64  # integers that stand for 1: in inputs and outputs, in activations
LARGEST = 255  # of inputs, either way, and of activations
LARGEST_SHIFT = 14
_EXACT = 2**24 - 2**17  # a limit of sums that leaves room for rounding
_MOST_LAYERS = 7  # after the first


def check_whole(tensors: Mapping[str, np.ndarray], bits: int = 32) -> None:
    """Raise ValueError for tensors that do not hold integers of at most so many bits."""
    if any(tensor.dtype.kind != "i" or 8 * tensor.itemsize > bits for tensor in tensors.values()):
        raise ValueError(f"weights that are no integers of at most {bits} bits")


def part(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class ExactLayer:
    """A linear layer of integers in float32: weight (inputs, outputs) and bias (outputs,)."""

    weight: Array
    bias: Array
    shift: int

    def __call__(self, x: Array) -> Array:
        """Return the sums (P, outputs) of inputs (P, inputs)."""
        sums = x @ self.weight
        sums += self.bias
        return sums


def shifted(sums: Array, places: int) -> Array:
    """Return sums, which it overwrites, divided by 2**places, halves rounded up.

    Exact, because halves are integers before the division.
    """
    if places > 0:
        sums += 2.0 ** (places - 1)
    sums *= 2.0**-places
    return functions(sums).floor(sums, out=sums)


class ExactPredictor:
    """The perceptron of integer weights by name, such as "first.KEY.weight", "place" and "rest.GROUP.0.bias".

    ValueError for tensors that do not fit together, or whose sums might not be exact.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], groups: Mapping[str, int]) -> None:
        check_whole(tensors)
        self.groups = groups
        self.place: Array
        self.step: Array
        self.place, self.step = (tensors[name].astype(np.float32) for name in ("place", "step"))
        added = float(np.abs(self.place).max() + np.abs(self.step).max())
        shift = int(tensors["first.shift"][0])
        self.firsts = {key: layer(tensors, f"first.{key}", shift, added) for key in groups}
        self.rest: list[list[ExactLayer]] = []
        for group in range(max(groups.values()) + 1):
            layers: list[ExactLayer] = []
            while (name := f"rest.{group}.{len(layers)}") + ".weight" in tensors:
                layers.append(layer(tensors, name, int(tensors[f"{name}.shift"][0])))
            if len(layers) > _MOST_LAYERS:
                raise ValueError(f"more than {_MOST_LAYERS} layers after the first")
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

    def __call__(self, key: str, windows: np.ndarray, place: np.ndarray, step: int) -> Array:
        """Return the outputs (P, K) in units of 1/256, integers in float32.

        Parameters
        ----------
        key : str
            The kind of window, which decides the first layer.
        windows : ndarray of shape (P, T)
            Integers -255..255, of any type.
        place : int array of shape (P,)
            Rows of the table of positions.
        step : int
            Row of the table of steps.
        """
        first = self.firsts[key]
        windows = windows.astype(np.float32) if windows.shape[1] else np.zeros((len(windows), 1), np.float32)
        h = first(beside(windows, first.weight))
        if len(self.place) > 1:
            h += self.place[beside(place, first.weight)]
        if len(self.step) > 1:
            h += self.step[step]
        h = activations(h, first.shift + 2)
        *inner, last = self.rest[self.groups[key]]
        for each in inner:
            h = activations(each(h), each.shift)
        return shifted(last(h), last.shift - 2)

    def distributions(
        self, key: str, windows: np.ndarray, place: np.ndarray, step: int, alphabet: Alphabet, items: np.ndarray
    ) -> Distributions:
        """Return the distributions that the outputs stand for.

        Parameters
        ----------
        key, windows, place, step
            As above.
        alphabet : Alphabet
            What the outputs stand for.
        items : int array of shape (P,)
            The items to which the windows belong.
        """
        return alphabet.distributions(np.asarray(self(key, windows, place, step)), items)


def activations(sums: Array, places: int) -> Array:
    """Return sums, which it overwrites, as activations, 0..255."""
    return functions(sums).clip(shifted(sums, places), 0, LARGEST, out=sums)


def functions(array: Array) -> Any:
    """Return NumPy or torch itself, whose functions take ``out``."""
    return np if isinstance(array, np.ndarray) else importlib.import_module("torch")


def layer(tensors: Mapping[str, np.ndarray], name: str, shift: int, added: float = 0) -> ExactLayer:
    """Return a layer; ValueError where its sums, to which at most `added` is added, might not be exact."""
    weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    check_whole({name: weight}, 16)
    sums = np.abs(weight.astype(np.int64)).sum(1) * LARGEST + np.abs(bias.astype(np.int64)) + added
    if not (sums.max() < _EXACT and 0 <= shift <= LARGEST_SHIFT):
        raise ValueError("weights too large for exact arithmetic")
    return ExactLayer(np.ascontiguousarray(weight.T, np.float32), bias.astype(np.float32), shift)
