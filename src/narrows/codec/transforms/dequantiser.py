"""The learned dequantiser: predicts where in its cell a value lies, from the cells around it, in exact arithmetic."""

from collections.abc import Mapping

import numpy as np

from narrows.codec.arrays import Array, namespace
from narrows.codec.entropy import tokens
from narrows.codec.entropy.context_features import features_of_residuals, features_of_values
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.engines import predictor, residual_inputs
from narrows.codec.entropy.plane import Plane, channel_kind, full_taps, place_cells
from narrows.codec.entropy.symbol_stream import blocks
from narrows.codec.parallel import working_ahead

RADIUS = {1: 8, 2: 3, 3: 1}
BLOCK = 2**13


class ExactDequantiser:
    """The dequantiser in coding; ValueError for weights that do not fit its design."""

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        self.design = design
        inputs = window_sizes(design)
        self.places = predictor(tensors, dict.fromkeys(inputs, 0), device)
        self.places.check(inputs, design.places, design.steps, 1)

    def __call__(self, k: np.ndarray, step: int, size: int) -> np.ndarray:
        """Return the distance of each value from the grid point of its index (n, C, *S), in 1/256 of a step, int8."""
        found = np.zeros(k.shape, np.int8)
        shape, values = tuple(k.shape[2:]), self.design.alphabet == "values"
        seen = k
        if values:
            seen = features_of_values(k, np.full(len(k), size), self.design.top).astype(np.uint8)
        plane = Plane(seen, margin(self.design))
        for channel in range(self.design.channels):
            here, there = self.outputs(plane, channel, step)
            if values:
                here = np.floor(here * (unit(self.design) / 256) + 0.5).astype(np.int64)
                # From the middle of the cut cell, in the data's unit, to the point of the index, in 1/256 of a step.
                point = (k[:, channel].astype(np.int64) * size).reshape(-1)
                here = (here + np.minimum(point, self.design.top) - point) * there
                here = (here * 256 + size // 2) // size
            found[:, channel] = np.clip(here, -128, 127).reshape(len(k), *shape)
        return found

    def outputs(self, plane: Plane, channel: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs for all values of a channel, float32, and for which "values" there are any, (P,)."""
        key, place = channel_kind(channel, self.design.channels), place_cells(plane.shape, self.design.cells)
        bases = plane.bases((0,) * len(plane.shape), plane.shape, channel, 1)
        offsets = plane.offsets(taps(self.design, channel))
        there = np.ones(len(bases), bool)
        if self.design.alphabet == "values":
            there = plane.any_nonzero(bases, offsets)
        found = np.zeros(len(bases), np.float32)

        def outputs(block: np.ndarray) -> np.ndarray:
            windows = self.inputs(plane.windows(bases[block], offsets))
            return np.asarray(self.places(key, windows, place[block % len(place)], step)[:, 0])

        with working_ahead() as ahead:
            for block, out in ahead(outputs, blocks(np.flatnonzero(there), BLOCK)):
                found[block] = out
        return found, there

    def inputs(self, windows: np.ndarray) -> np.ndarray:
        """Return what the perceptron sees of windows (P, T), as `features` does."""
        if self.design.alphabet == "values":
            return windows
        own = np.zeros(windows.shape[1], np.int32)
        own[middle(self.design)] = tokens.WEIGHT_UNIT
        return residual_inputs(windows, own, self.design.top)[0]


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


def features(windows: Array, design: Design) -> Array:
    """Return windows of integers from -255 to 255, float32; of residuals, as differences from the middle one."""
    xp = namespace(windows)
    if design.alphabet == "values":
        return xp.astype(windows, xp.float32)
    windows = xp.astype(windows, xp.float64)
    return xp.astype(features_of_residuals(windows, windows[:, middle(design)], design.top), xp.float32)


def middle(design: Design) -> int:
    """Return which value of a window is the value itself."""
    return int((2 * RADIUS[design.axes] + 1) ** design.axes // 2)
