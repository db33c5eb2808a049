"""The alphabet "signals" in coding: residuals of whitened signals, as tokens and extra bits.

How large a residual is expected to be follows from those around it. The expected magnitude gives the probabilities of
all tokens, by a fixed distribution that training corrects by how many times larger or smaller than expected each is.
"""

import math
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.coding import EncodeRequest, Tables, TokenCoding
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.exact_predictor import check_whole
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream
from narrows.codec.entropy.whitening import unwhiten, whiten

REACH = 24  # of corrections, either way, in eighths of an octave
FINENESS = 16  # units of expected magnitudes
_UNSEEN = 2.4  # what expected magnitudes are larger than the mean of those around, in these units
_TAIL, _WIDER = 0.03, 4.0  # share of a wider distribution, and how much wider it is


class SignalTables(Tables):
    """The weights of a context model of signals, checked against its design; ValueError where they do not fit."""

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray], device: str = "cpu") -> None:
        self.design = design
        shape = tensors["shape"]
        check_whole({"shape": shape}, 16)
        if shape.shape != (design.n_groups, 2 * REACH + 1):
            raise ValueError("corrections of other sizes than the design says")
        bits = design.top + 1
        corrected = (logits(bits) + group.astype(np.float32)[relative_index(bits)] for group in shape)
        self.cumulative = [Distributions.from_logits(each).cumulative for each in corrected]
        self.weights = {key: window_weights(design.taps(*each)) for key, each in design.keys().items()}

    def coding(self, stream: SymbolStream, step: int, size: int, weight: float) -> "SignalCoding":
        """Return what codes signals; see `Tables.coding`."""
        return SignalCoding(self, stream)


class SignalCoding(TokenCoding):
    """Codes n signals, whose planes are the residuals of whitening; for parameters see `Tables.coding`."""

    progressive = False
    largest = 2**31 - 1

    def __init__(self, tables: SignalTables, stream: SymbolStream) -> None:
        super().__init__(stream)
        self.tables = tables

    def begin(self, request: EncodeRequest | None, count: int) -> EncodeRequest | None:
        """Return the residuals to encode; see `Coding.begin`."""
        return None if request is None else EncodeRequest(whiten(request.k, self.tables.design.top))

    def features(self, known: np.ndarray) -> np.ndarray:
        """Return what windows hold for known residuals."""
        return magnitudes(known)

    def prediction(
        self, context: PassContext, target: np.ndarray | None
    ) -> Callable[[np.ndarray], tuple[np.ndarray, Distributions]]:
        """Return the prediction of a pass, 0 throughout; see `TokenCoding.prediction`."""
        cumulative, weights = self.tables.cumulative[context.group], self.tables.weights[context.key]

        def predicted(block: np.ndarray) -> tuple[np.ndarray, Distributions]:
            expected = expected_index(context.windows(block), weights)
            return np.zeros(len(block), np.int64), Distributions(cumulative[expected])

        return predicted

    def indices(self, planes: np.ndarray) -> np.ndarray:
        """Return the indices of residuals; see `Coding.indices`."""
        return unwhiten(planes, self.tables.design.top)


def magnitudes(residuals: np.ndarray) -> np.ndarray:
    """Return the magnitudes of residuals (n, C, S), 0 for the first of each signal, which nothing predicted."""
    found: np.ndarray = np.abs(residuals)
    found[..., 0] = 0
    return found


def window_weights(taps: tuple[tuple[int, ...], ...]) -> np.ndarray:
    """Return the weights of the magnitudes in a window, int64: less for those farther away."""
    return np.array([round(256 / math.sqrt(abs(step))) for _, step in taps], np.int64)


def expected_index(windows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the index of the magnitude that is expected between those in windows (P, T)."""
    sums = windows.astype(np.int64) @ weights
    return np.asarray((tokens.split(FINENESS * sums // max(1, int(weights.sum())))[0] + 1) // 2)


@cache
def logits(bits: int) -> np.ndarray:
    """Return the logits, float32 in units of 1/256, of tokens of numbers below 2**bits for each expected magnitude.

    The numbers have a two-sided geometric distribution, mixed with a wider one.
    """
    index = 2 * np.arange(tokens.magnitudes(bits + 4))
    middle = tokens.join(index, np.zeros(1, np.int64)) + (2.0 ** tokens.extra_bits(index) - 1) / 2
    token = np.arange(tokens.alphabet(bits))
    first, count = np.abs(tokens.join(token, np.zeros(1, np.int64))).astype(np.float64), 2.0 ** tokens.extra_bits(token)
    share = np.zeros((len(index), len(token)))
    for part, wider in ((1 - _TAIL, 1.0), (_TAIL, _WIDER)):
        scale = wider * (middle[:, None] + _UNSEEN) / FINENESS
        share += part * np.exp(-first / scale) * -np.expm1(-count / scale) / (1 + np.exp(-1 / scale))
    found: np.ndarray = np.rint(256 * np.log(np.maximum(share, 2.0**-20))).astype(np.float32)
    return found


@cache
def relative_index(bits: int) -> np.ndarray:
    """Return the correction of each token for each expected magnitude, by its distance from that, int64."""
    token = np.arange(tokens.alphabet(bits))
    own = (tokens.split(FINENESS * np.abs(tokens.join(token, np.zeros(1, np.int64))))[0] + 1) // 2
    expected = np.arange(tokens.magnitudes(bits + 4))
    return np.asarray(np.clip(own - expected[:, None], -REACH, REACH) + REACH, np.int64)
