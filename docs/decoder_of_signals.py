"""The indices of whitened signals, as docs/format.md specifies them: a part of docs/decoder.py."""

import itertools
import math

import numpy as np


def signal_logits(around, steps, shape, top):
    """Return the logits of tokens (P, K) for magnitudes (P, T) at these steps from a value."""
    weights = [round(256 / math.sqrt(abs(step))) for step in steps]
    expected = magnitude_token(16 * (around @ np.array(weights, int)) // max(1, sum(weights)))
    sizes = 16 + 8 * max(0, top - 3)  # of tokens without their signs
    first, count = np.array([range_of_token(m) for m in range(sizes)]).T
    start, width = np.array([range_of_token(m) for m in range(sizes + 32)])[expected].T
    share = 0
    for part, wider in ((0.97, 1), (0.03, 4)):
        s = wider * (start + (width - 1) / 2 + 2.4)[:, None] / 16
        share = share + part * np.exp(-first / s) * (1 - np.exp(-count / s)) / (1 + np.exp(-1 / s))
    logits = np.rint(256 * np.log(np.maximum(share, 2.0**-20))).astype(int)
    logits += shape[np.clip(magnitude_token(16 * first) - expected[:, None], -24, 24) + 24]
    return np.concatenate([logits[:, :1], np.repeat(logits[:, 1:], 2, 1)], 1)


def range_of_token(m):
    """Return the smallest magnitude of a token without its sign, and how many magnitudes it has."""
    octave, eighth = divmod(m - 16, 8)
    return (m, 1) if m < 16 else (8 + eighth << octave + 1, 2 ** (octave + 1))


def magnitude_token(magnitudes):
    large = np.maximum(magnitudes, 16)
    octave = np.floor(np.log2(large)).astype(int)
    return np.where(magnitudes < 16, magnitudes, 8 * (octave - 3) + (large >> octave - 3))


def unwhiten(residuals, top):
    """Return the indices (n, C, T) of whitened signals."""
    found = np.zeros(residuals.shape, int)
    for k, of_item in zip(found, residuals, strict=True):
        x = np.zeros((len(k), 32 + k.shape[1]))  # less the first value of its channel, behind 32 zeros
        states = [signal_state(channel, len(k)) for channel in range(len(k))]
        for t, channel in itertools.product(range(k.shape[1]), range(len(k))):
            nearest = predict_signal(states[channel], x, 32 + t, k[channel, 0]) if t else 0
            nearest = min(max(nearest, -(2**top)), 2**top - 1)
            k[channel, t] = (nearest + of_item[channel, t] + 2**top) % 2 ** (top + 1) - 2**top
            x[channel, 32 + t] = k[channel, t] - k[channel, 0]
            if t:
                learn_signal(states[channel], x[channel, 32 + t], t)
    return found


def signal_state(channel, channels):
    others = [other for other in range(max(0, channel - 3), min(channels, channel + 4)) if other != channel]
    where = [(channel, 1 + back) for back in range(32)]
    where += [(other, back + (other > channel)) for other in others for back in range(8)]
    rows, size = len(where), (3, len(where))
    sums = {"recent": np.zeros((rows, rows)), "recent_y": np.zeros(rows)}
    sums |= {"sums": np.zeros((3, rows, rows)), "sums_y": np.zeros(size)}
    return {"where": np.array(where).T, "weights": np.zeros(size), "loss": np.ones(3), "variance": 0.0, **sums}


def predict_signal(state, x, at, first):
    channels, back = state["where"]
    h = state["h"] = x[channels, at - back]
    products = (state["weights"] * h).reshape(3, -1, 8)
    s = products[:, 0]
    for part in range(1, products.shape[1]):
        s = s + products[:, part]
    state["each"] = h[0] + (((s[:, 0] + s[:, 4]) + (s[:, 2] + s[:, 6])) + ((s[:, 1] + s[:, 5]) + (s[:, 3] + s[:, 7])))
    share = state["loss"].min() / state["loss"]
    for _ in range(3):
        share = share * share
    a, b, c = share * state["each"]
    state["mixed"] = ((a + b) + c) / ((share[0] + share[1]) + share[2])
    return math.floor(state["mixed"] + 0.5) + int(first)


def learn_signal(state, value, t):
    h, error = state["h"], value - state["mixed"]
    state["variance"] += (error * error - state["variance"]) * (1 / min(t, 32))
    state["loss"] = (state["loss"] * 0.9375 + (value - state["each"]) ** 2) + 2.0**-10
    share = h * (1 / (state["variance"] + 0.125))
    state["recent"] += share[:, None] * h
    state["recent_y"] += share * (value - h[0])
    if t % 16 == 15:
        for memory, decay in enumerate((0.75, 0.9375, 0.9921875)):
            state["sums"][memory] = state["sums"][memory] * decay + state["recent"]
            state["sums_y"][memory] = state["sums_y"][memory] * decay + state["recent_y"]
            state["weights"][memory] = solved(state["sums"][memory].copy(), state["sums_y"][memory].copy())
        state["recent"][:], state["recent_y"][:] = 0, 0


def solved(a, b):
    """Return the weights of normal equations, of which the upper triangle of `a` counts."""
    np.fill_diagonal(a, a.diagonal() * (1 + 2.0**-40) + 2.0**-4)
    weights = np.zeros(len(b))
    with np.errstate(all="ignore"):
        for j in range(len(b)):
            factor = a[j, j + 1 :] / a[j, j]
            a[j + 1 :, j + 1 :] -= factor[:, None] * a[j, j + 1 :]
            b[j + 1 :] -= factor * b[j]
        for j in reversed(range(len(b))):
            weights[j] = b[j] / a[j, j]
            b[:j] -= a[:j, j] * weights[j]
    return weights if (np.abs(weights) < 2**16).all() else np.zeros(len(b))
