"""Inputs of the context model of mixtures: a window in units of the local scale, and the logarithms of that scale.

    window (P, T) -> differences from a prediction, or in other channels from the mean of the nearest values
                  -> mean absolute differences, near and further away -> the local scale
                  -> differences / scale, logarithms of the mean absolute differences, the prediction

So the perceptron sees the same for data of any unit and contrast. Training computes in float64; coding gives the same
numbers, because all are integers that float64 holds.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np

from narrows.codec.arrays import Array, beside, namespace
from narrows.codec.entropy.exact_predictor import LARGEST
from narrows.codec.entropy.tokens import WEIGHT_UNIT

REACHES = (1, 2, 4)  # of the taps whose absolute differences are averaged, in steps of the lattice
SMALLEST = WEIGHT_UNIT // 4  # added to mean absolute differences
COMPONENTS = 3  # of a mixture
PARAMETERS = 3 * COMPONENTS
LOG_UNIT = 16  # of logarithms, for each octave
SCALES = 4  # for each octave
_MANTISSA = 8  # bits


@dataclass(frozen=True)
class WindowLayout:
    """Which taps of a window belong together.

    Parameters
    ----------
    taps : tuple of tuple of int
        Channels ahead and steps along the axes, for each tap; those of the same channel first.
    """

    taps: tuple[tuple[int, ...], ...]

    @cached_property
    def channel(self) -> np.ndarray:
        """For each tap, its channel's place in the window, (T,)."""
        order = list(dict.fromkeys([0, *(ahead for ahead, *_ in self.taps)]))
        return np.array([order.index(ahead) for ahead, *_ in self.taps], np.int64)

    @property
    def channels(self) -> int:
        """Number of channels in the window, and one more where it has no tap of its own."""
        return int(self.channel.max(initial=0)) + 1

    @cached_property
    def near(self) -> list[np.ndarray]:
        """For each channel, the taps next to the value; in all the same steps."""
        distance = np.array([max(map(abs, steps)) for _, *steps in self.taps], np.int64)
        own = {self.taps[index][1:] for index in np.flatnonzero((self.channel == 0) & (distance <= 1))}
        found = []
        for channel in range(self.channels):
            these = np.flatnonzero(self.channel == channel)
            found.append(np.array([index for index in these if self.taps[index][1:] in own], np.int64))
        return found

    @cached_property
    def rings(self) -> list[np.ndarray]:
        """The taps of the same channel within each of `REACHES`."""
        distance = np.array([max(map(abs, steps)) for _, *steps in self.taps], np.int64)
        return [np.flatnonzero((self.channel == 0) & (distance <= reach)) for reach in REACHES]

    @cached_property
    def means(self) -> np.ndarray:
        """Weights (channels, T) of the mean of the nearest taps of each channel; of its value at the origin."""
        weights = np.zeros((self.channels, len(self.taps)), np.int64)
        for channel, near in enumerate(self.near):
            taps = near if len(near) else np.flatnonzero(self.channel == channel)
            if len(taps):
                weights[channel, taps] = WEIGHT_UNIT // len(taps)
                weights[channel, taps[0]] += WEIGHT_UNIT - weights[channel].sum()
        return weights

    @cached_property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What the kernel needs, int32: `means`, where channels begin, the ring of each tap, and `near`."""
        rings = sum((~np.isin(np.arange(len(self.taps)), ring)).astype(np.int32) for ring in self.rings)
        starts = np.searchsorted(self.channel, np.arange(self.channels + 1))
        near = np.concatenate([near for near in self.near])
        return tuple(np.ascontiguousarray(each, np.int32) for each in (self.means, starts, rings, near))

    @property
    def features(self) -> int:
        """Number of inputs: the window, a logarithm for each ring and two for each other channel, the prediction."""
        return len(self.taps) + len(REACHES) + 2 * (self.channels - 1) + 1


class MixtureInputs(NamedTuple):
    """What is computed from windows: inputs (P, features) of the perceptron, -255..255; predictions; scales (P,)."""

    inputs: Array
    predicted: Array
    scale: Array


def features_of_mixtures(windows: Array, weights: Array, layout: WindowLayout, bits: int) -> MixtureInputs:
    """Return the inputs, the predictions in units of 2**-12, and the scales, in quarters of octaves of that unit.

    Parameters
    ----------
    windows : array of shape (P, T)
        Known indices around each, in float64.
    weights : array of shape (T,)
        Weights of the linear prediction, in units of 2**-12, in float64.
    layout : WindowLayout
        Of the windows.
    bits : int
        Bits of the largest index.
    """
    xp = namespace(windows)

    def selected(values: Array, taps: np.ndarray) -> Array:
        return values[:, beside(taps, windows)]

    def mean_size(values: Array) -> Array:
        return xp.floor(xp.sum(xp.abs(values), axis=1) / values.shape[1]) + SMALLEST

    predicted = windows @ weights
    means = windows @ beside(layout.means.T.astype(np.float64), windows)
    ahead = means[:, :1] - predicted[:, None]
    means[:, 0] = predicted
    differences = windows * WEIGHT_UNIT - selected(means, layout.channel)
    if len(layout.near[0]):
        sizes = [mean_size(selected(differences, ring)) for ring in layout.rings]
    else:
        sizes = [xp.zeros_like(predicted) + WEIGHT_UNIT * 2.0 ** (bits - 2)] * len(REACHES)
    scale = logarithm(xp.floor((sizes[0] + sizes[1]) / 2)) // (LOG_UNIT // SCALES)
    scale = xp.clip(scale, None, LARGEST)  # indices of up to 2**23 never need it
    for near in layout.near[1:]:
        if len(near):
            other = selected(differences, near)
            sizes += [mean_size(other), mean_size(selected(differences, layout.near[0]) - ahead - other)]
        else:
            sizes += [sizes[0], sizes[0]]
    logs = logarithm(xp.stack(sizes, axis=1)) - LOG_UNIT * (SMALLEST.bit_length() - 1)
    logs = logs * LARGEST // (LOG_UNIT * (bits + 2))
    divided = xp.floor(differences * beside(tables()[1], windows).take(scale)[:, None] + 0.5)
    level = xp.floor(predicted * 2.0 ** -(bits + 4))
    inputs = xp.concat([divided, xp.astype(logs, xp.float64), level[:, None]], axis=1)
    return MixtureInputs(xp.clip(inputs, -LARGEST, LARGEST), predicted, scale)


def logarithm(sizes: Array) -> Array:
    """Return the binary logarithms of integers from 1 to 2**53 in float64, in units of 1/16, rounded down; int64."""
    xp = namespace(sizes)
    bits = sizes.view(xp.int64)
    mantissa = (bits >> (52 - _MANTISSA)) & (2**_MANTISSA - 1)
    return LOG_UNIT * ((bits >> 52) - 1023) + beside(tables()[0], sizes).take(mantissa)


@cache
def tables() -> tuple[np.ndarray, np.ndarray]:
    """Return the logarithms of mantissas, int32, and what differences are multiplied by, float64, for each scale.

    Products with a difference of 8 scales are about 256. The factors have 16 bits.
    """
    logarithms = np.floor(LOG_UNIT * np.log2(1 + np.arange(2**_MANTISSA) / 2**_MANTISSA)).astype(np.int32)
    scale = np.arange(LARGEST + 1)
    parts = np.rint(2.0**15 * 2.0 ** (-np.arange(SCALES) / SCALES))
    return logarithms, parts[scale % SCALES] * 2.0 ** (-10 - scale // SCALES)
