"""Distributions of indices: mixtures of logistic distributions, whose parameters a perceptron predicts.

outputs (P, 9): means, spreads and weights of 3 logistic distributions, relative to a prediction and a scale
-> the index nearest to the mean of the heaviest -> the probabilities of the tokens of distances from it
"""

from functools import cache, cached_property
from typing import NamedTuple

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.exact_predictor import INPUT_UNIT
from narrows.codec.entropy.mixture_features import COMPONENTS, LOG_UNIT, PARAMETERS, SCALES, MixtureInputs

SHIFTS = np.arange(-16, 16) * (LOG_UNIT // 8)
"""By how much the spreads of an item can differ from those predicted, in units of logarithms."""
PRIOR = (
    0.025  # bits that the square of a shift is taken to cost, so that few values do not choose a large one by chance
)
LARGEST_MEAN = 16  # scales from the prediction
SPREADS = (LOG_UNIT * 7, LOG_UNIT * 37)  # the least and the largest logarithm, in units of 2**-12: from 1/32 to 2**25
WEIGHT_BITS, LOGISTIC_BITS = 11, 18
_STEPS, _SIDE = 16, 16  # of the table of the logistic function: entries of a unit, and units on either side of 0
_FINE = 64  # units of its argument between entries
_MANTISSA = 14  # bits of factors


class Mixtures(NamedTuple):
    """Mixtures of P distributions.

    Parameters
    ----------
    nearest : int64 array of shape (P,)
        The index nearest to the mean of the heaviest component.
    mean : float64 array of shape (P, 3)
        Means of the components, less `nearest`, in units of 2**-12.
    rate : float64 array of shape (P, 3)
        The inverse of their spreads: arguments of the logistic function, in units of 2**-10, for each 2**-12.
    share : int32 array of shape (P, 3)
        Their weights.
    """

    nearest: np.ndarray
    mean: np.ndarray
    rate: np.ndarray
    share: np.ndarray


@cache
def logistic() -> np.ndarray:
    """Return the table of the logistic function, int32."""
    x = np.arange(-_STEPS * _SIDE, _STEPS * _SIDE + 2) / _STEPS
    return np.rint(2.0**LOGISTIC_BITS / (1 + np.exp(-x))).astype(np.int32)


@cache
def powers(parts: int) -> np.ndarray:
    """Return 2**(i / parts) for i below `parts`, as multiples of 2**-14."""
    return np.asarray(np.rint(2.0**_MANTISSA * 2.0 ** (np.arange(parts) / parts)) * 2.0**-_MANTISSA)


@cache
def edges(bits: int) -> np.ndarray:
    """Return where the indices of each ordered token but the first begin, in units of 2**-12 from index 0, float64."""
    above = tokens.smallest(bits)[1:] - 0.5
    return np.concatenate([-above[::-1], above]) * tokens.WEIGHT_UNIT


def mixtures_of(outputs: np.ndarray, given: MixtureInputs, shifts: np.ndarray, bits: int) -> Mixtures:
    """Return the mixtures that outputs stand for.

    Parameters
    ----------
    outputs : ndarray of shape (P, 9)
        Outputs of the perceptron.
    given : MixtureInputs
        What it saw.
    shifts : int array of shape (P,)
        What is added to the logarithms of spreads.
    bits : int
        Bits of the largest index.
    """
    mean, spread, weight = (
        outputs[:, start : start + COMPONENTS].astype(np.int64) for start in range(0, PARAMETERS, COMPONENTS)
    )
    most = LARGEST_MEAN * INPUT_UNIT
    unit = powers(SCALES)[given.scale % SCALES] * 2.0 ** (given.scale // SCALES) / INPUT_UNIT
    mean = np.floor(np.clip(mean, -most, most) * unit[:, None]) + given.predicted[:, None]
    spread = (spread * LOG_UNIT + INPUT_UNIT // 2) // INPUT_UNIT
    spread = np.clip(spread + (given.scale * (LOG_UNIT // SCALES) + shifts)[:, None], *SPREADS)
    rate = powers(LOG_UNIT)[-spread % LOG_UNIT] * 2.0 ** (-spread // LOG_UNIT) * (_STEPS * _FINE)
    behind = weight.max(1, keepdims=True) - weight
    share = np.maximum(tokens.decay()[np.minimum(behind, len(tokens.decay()) - 1)] // 2 ** (20 - WEIGHT_BITS), 1)
    heaviest = np.take_along_axis(mean, weight.argmax(1)[:, None], 1)[:, 0]
    nearest = np.clip(np.floor(heaviest / tokens.WEIGHT_UNIT + 0.5), 1 - 2**bits, 2**bits - 1)
    mean -= nearest[:, None] * tokens.WEIGHT_UNIT
    return Mixtures(nearest.astype(np.int64), mean, rate, share.astype(np.int32))


class MixtureDistributions(Distributions):
    """Distributions of the ordered tokens of numbers of magnitudes below 2**bits, computed where they are needed."""

    def __init__(self, given: Mixtures, bits: int) -> None:
        self.__dict__.update(given=given, ends=edges(bits))

    given: Mixtures
    ends: np.ndarray

    def __len__(self) -> int:
        """Return P."""
        return len(self.given.nearest)

    @property
    def symbols(self) -> int:
        """The size S of the alphabet."""
        return len(self.ends) + 1

    @cached_property
    def cumulative(self) -> np.ndarray:
        """Cumulative frequencies, int32, (P, S)."""
        return self.sums(np.tile(np.arange(self.symbols), (len(self), 1)))

    def sums(self, symbols: np.ndarray) -> np.ndarray:
        """Return the cumulative frequencies of symbols (P, M), int32."""
        (_, mean, rate, share), table = self.given, logistic()
        ends, most = self.ends[np.minimum(symbols, len(self.ends) - 1)], _STEPS * _SIDE * _FINE
        found = np.zeros(symbols.shape, np.int32)
        for component in range(COMPONENTS):
            z = np.floor((ends - mean[:, component, None]) * rate[:, component, None])
            z = np.clip(z, -most, most).astype(np.int32) + most
            entry = z // _FINE
            low = table[entry]
            low += (table[entry + 1] - low) * (z % _FINE) // _FINE
            found += low * share[:, component, None]
        found = np.where(symbols == self.symbols - 1, share.sum(1, keepdims=True) << LOGISTIC_BITS, found)
        return np.asarray(found + symbols + 1, np.int32)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What the kernel computes cumulative frequencies from."""
        return self.given.mean, self.given.rate, self.given.share, self.ends, logistic()


def best_shift(unshifted: Mixtures, target: np.ndarray) -> int:
    """Return which of `SHIFTS` makes indices cost the fewest bits."""
    nearest, mean, rate, share = unshifted
    ends = (target - nearest)[:, None] + np.array([-0.5, 0.5])
    arguments = (ends[:, None] * tokens.WEIGHT_UNIT - mean[..., None]) * rate[..., None] / (_STEPS * _FINE)
    weights, last = share / share.sum(1, keepdims=True), len(SHIFTS) - 1

    @cache
    def cost(choice: int) -> float:
        z = np.clip(arguments * 2.0 ** (-SHIFTS[choice] / LOG_UNIT), -40, 40)
        likely = (np.diff(1 / (1 + np.exp(-z)))[..., 0] * weights).sum(1)
        return float(-np.log2(likely + 2.0**-24).sum() + PRIOR * SHIFTS[choice] ** 2)

    choice = len(SHIFTS) // 2
    for step in (4, 2, 1):
        before = None
        while choice != before:
            before = choice
            choice = min((choice, choice - step, choice + step), key=lambda each: cost(min(max(each, 0), last)))
            choice = min(max(choice, 0), last)
    return choice
