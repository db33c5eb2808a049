"""The alphabet "signals" in coding: residuals of whitened signals, as tokens and extra bits.

How large a residual is expected to be follows from those around it. The expected magnitude gives the probabilities of
all tokens, by a fixed distribution that training corrects by how many times larger or smaller than expected each is.
"""

import math
from collections.abc import Mapping
from functools import cache

import numpy as np

from narrows.codec.entropy import tokens
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.exact_predictor import check_whole
from narrows.codec.entropy.pass_context import PassContext
from narrows.codec.entropy.symbol_stream import SymbolStream, blocks

BLOCK = 2**12  # values whose tokens, and then extra bits, follow each other in the bitstream
REACH = 24  # of corrections, either way, in eighths of an octave
FINENESS = 16  # units of expected magnitudes
_UNSEEN = 2.4  # what expected magnitudes are larger than the mean of those around, in these units
_TAIL, _WIDER = 0.03, 4.0  # share of a wider distribution, and how much wider it is


class SignalTables:
    """The weights of a context model of signals, checked against its design; ValueError where they do not fit."""

    def __init__(self, design: Design, tensors: Mapping[str, np.ndarray]) -> None:
        self.design = design
        shape = tensors["shape"]
        check_whole({"shape": shape}, 16)
        if shape.shape != (design.n_groups, 2 * REACH + 1):
            raise ValueError("corrections of other sizes than the design says")
        bits = design.top + 1
        corrected = (logits(bits) + group.astype(np.float32)[relative_index(bits)] for group in shape)
        self.cumulative = [Distributions.from_logits(each).cumulative for each in corrected]
        self.weights = {key: window_weights(design.taps(*each)) for key, each in design.keys().items()}

    def distributions(self, context: PassContext, block: np.ndarray) -> Distributions:
        """Return the distributions of the tokens of a block of a pass."""
        expected = expected_index(context.windows(block), self.weights[context.key])
        return Distributions(self.cumulative[context.group][expected])


class SignalCoding:
    """Codes the residuals of n whitened signals.

    Parameters
    ----------
    tables : SignalTables
        The weights.
    stream : SymbolStream
        The entropy coder.
    """

    def __init__(self, tables: SignalTables, stream: SymbolStream) -> None:
        self.tables, self.stream = tables, stream

    def features(self, known: np.ndarray) -> np.ndarray:
        """Return what windows hold for known residuals."""
        return magnitudes(known)

    def code(self, context: PassContext, target: np.ndarray | None, x: np.ndarray | None) -> np.ndarray:
        """Code a pass -> its residuals (n x count,); parameters are those of `ValueCoding.code`, x is not used."""
        k = np.zeros(len(context.bases), np.int64)

        def predicted(block: np.ndarray) -> Distributions:
            return self.tables.distributions(context, block)

        for block, given in self.stream.ahead(predicted, blocks(np.arange(len(k)), BLOCK)):
            token, extra = None, None
            if target is not None:
                token, extra, _ = tokens.split(target[block].astype(np.int64))
            token = self.stream.symbols(context, block, given, token)
            extra = self.stream.extra_bits(context, block, tokens.extra_bits(token), extra)
            k[block] = tokens.join(token, extra)
        return k


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
