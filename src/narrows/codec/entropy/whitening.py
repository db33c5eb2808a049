"""Whitening of signals: the residuals of an adaptive linear prediction, which a context model then codes.

    index of a value -> less its prediction from the values before it -> residual           (and the inverse)

Weights are the least-squares solution over the values so far, where older ones count less and less. There is one
solution for each of three memories; the prediction is their mean, weighted by how well each did lately. The decoder
computes the same from what it has decoded, so that nothing is transmitted. All arithmetic is in float64, one operation
at a time in a fixed order, which IEEE 754 rounds alike on every machine.

The interlaced order cannot do this: its predictions interpolate, and those of coarse lattices would need to be as good.

References
----------
T. Liebchen, Y. A. Reznik, "MPEG-4 ALS: an emerging standard for lossless audio coding", DCC 2004.
"""

import numpy as np

from narrows.codec.entropy import engines
from narrows.codec.entropy.plane import neighbours

OWN, OTHER = 32, 8  # taps on the channel itself, and on each of the channels near it
PERIOD = 16  # values between two solutions
DECAY = np.array([0.75, 0.9375, 0.9921875])  # of the memories, in a period: of 64, 256 and 2048 values
_LANES = 8  # partial sums
_LIMIT = 2.0**16  # of weights


def whiten(k: np.ndarray, bits: int) -> np.ndarray:
    """Return the residuals, int32, of indices (n, C, S) from -2**bits to 2**bits - 1; `unwhiten` is the inverse."""
    return _run(k, bits, inverse=False)


def unwhiten(residuals: np.ndarray, bits: int) -> np.ndarray:
    """Return the indices (n, C, S), int32, of residuals."""
    return _run(residuals, bits, inverse=True)


def _run(given: np.ndarray, bits: int, inverse: bool) -> np.ndarray:
    n, channels, length = given.shape
    given, out = np.ascontiguousarray(given, np.int32), np.empty((n, channels, length), np.int32)
    if engines.kernel is not None:
        engines.kernel.whitening(given, out, channels, length, bits, inverse)
        return out
    most = 2**bits
    history = np.zeros((n, channels, OWN + length))
    predictors = [_Predictor(n, channel, channels) for channel in range(channels)]
    for t in range(length):
        for channel, predictor in enumerate(predictors):
            now = given[:, channel, t].astype(np.int64)
            if t:
                mixed = predictor.predict(history, OWN + t)
                nearest = np.clip(np.floor(mixed + 0.5) + predictor.first, -most, most - 1).astype(np.int64)
            else:
                nearest = np.zeros(n, np.int64)
            found = ((now + nearest if inverse else now - nearest) + most) % (2 * most) - most
            out[:, channel, t] = found
            value = (found if inverse else now).astype(np.float64)
            if not t:
                predictor.first = value
            history[:, channel, OWN + t] = value - predictor.first
            if t:
                predictor.learn(t, history[:, channel, OWN + t])
    return out


class _Predictor:
    """Predicts the values of a channel of n items."""

    def __init__(self, n: int, channel: int, channels: int) -> None:
        self.taps = [(channel, 1 + step) for step in range(OWN)]
        for other in neighbours(channel, channels):
            self.taps += [(other, step + (other > channel)) for step in range(OTHER)]
        count, memories = len(self.taps), len(DECAY)
        self.first, self.variance, self.loss = np.zeros(n), np.zeros(n), np.ones((n, memories))
        self.weights = np.zeros((n, memories, count))
        self.recent, self.sums = np.zeros((n, 1, count, count)), np.zeros((n, memories, count, count))
        self.recent_targets, self.targets = np.zeros((n, 1, count)), np.zeros((n, memories, count))
        self._channels, self._steps = np.array(self.taps).T

    def predict(self, history: np.ndarray, at: int) -> np.ndarray:
        """Return predictions (n,) of the values at one place of the history (n, C, ...)."""
        self.window = history[:, self._channels, at - self._steps]
        products = (self.weights * self.window[:, None]).reshape(*self.loss.shape, -1, _LANES)
        sums = products[:, :, 0]
        for index in range(1, products.shape[2]):
            sums = sums + products[:, :, index]
        while sums.shape[-1] > 1:
            half = sums.shape[-1] // 2
            sums = sums[..., :half] + sums[..., half:]
        self.predicted = self.window[:, :1] + sums[..., 0]
        share = (self.loss.min(1, keepdims=True) / self.loss) ** 2  # NumPy squares by one product
        share = share * share
        share = share * share
        weighted = share * self.predicted
        total, sum_ = share[:, 0], weighted[:, 0]
        for memory in range(1, len(DECAY)):
            total, sum_ = total + share[:, memory], sum_ + weighted[:, memory]
        self.mixed = sum_ / total
        return np.asarray(self.mixed)

    def learn(self, t: int, value: np.ndarray) -> None:
        """Take in the values (n,) that were predicted last, the t-th ones of their items."""
        error = value - self.mixed
        self.variance = self.variance + (error * error - self.variance) * (1 / min(t, 32))
        miss = value[:, None] - self.predicted
        self.loss = (self.loss * 0.9375 + miss * miss) + 2.0**-10
        share = self.window * (1 / (self.variance + 0.125))[:, None]
        self.recent[:, 0] += share[:, :, None] * self.window[:, None, :]
        self.recent_targets[:, 0] += share * (value - self.window[:, 0])[:, None]
        if t % PERIOD == PERIOD - 1:
            self.sums = self.sums * DECAY[:, None, None] + self.recent
            self.targets = self.targets * DECAY[:, None] + self.recent_targets
            self.weights = solutions(self.sums, self.targets)
            self.recent[:], self.recent_targets[:] = 0, 0


def solutions(sums: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the solutions (..., T) of normal equations (..., T, T), whose upper triangles are read; or zeros."""
    a, b = sums.copy(), targets.copy()
    count = a.shape[-1]
    diagonal = np.arange(count)
    a[..., diagonal, diagonal] = a[..., diagonal, diagonal] * (1 + 2.0**-40) + 2.0**-4
    weights = np.zeros_like(b)
    with np.errstate(all="ignore"):
        for j in range(count):
            factor = a[..., j, j + 1 :] / a[..., j, j, None]
            a[..., j + 1 :, j + 1 :] -= factor[..., :, None] * a[..., j, None, j + 1 :]
            b[..., j + 1 :] -= factor * b[..., j, None]
        for j in reversed(range(count)):
            weights[..., j] = b[..., j] / a[..., j, j]
            b[..., :j] -= a[..., :j, j] * weights[..., j, None]
        good = (np.abs(weights) < _LIMIT).all(-1)
    return np.where(good[..., None], weights, 0.0)
