"""The alphabet "mixtures", as docs/format.md specifies it: a part of docs/decoder.py."""

import numpy as np
from decoder_parts import BLOCK, frequencies, from_token, perceptron


def read_mixtures(coder, tensors, name, key, group, around, where, channel, cell, row, top, shifts):
    """Return indices (P,), by windows (P, T) of taps `where` and shifts of spreads (P,)."""
    k = [np.zeros(0, int)]
    for start in range(0, len(around), BLOCK):
        block = slice(start, start + BLOCK)
        predicted = around[block] @ tensors[f"{name}.prediction.{key}"]  # in 1/4096
        inputs, scale = mixture_inputs(around[block], predicted, where, channel, top)
        outputs = perceptron(tensors, f"{name}.main", key, group, inputs, cell[block], row)
        means, spreads, weights = np.split(outputs, 3, 1)
        means = np.floor(np.clip(means, -4096, 4096) * power(scale, 4)[:, None] / 256).astype(int) + predicted[:, None]
        spreads = np.clip((spreads * 16 + 128 >> 8) + (4 * scale + shifts[block])[:, None], 112, 592)
        shares = np.maximum(frequencies(weights.max(1, keepdims=True) - weights) >> 9, 1)
        nearest = np.take_along_axis(means, weights.argmax(1)[:, None], 1) + 2048 >> 12
        nearest = np.clip(nearest, 1 - 2**top, 2**top - 1)
        symbols = coder.symbols(token_frequencies(means - (nearest << 12), spreads, shares, top + 1))
        places = symbols - 15 - 8 * max(0, top - 3)
        residuals = [from_token(coder, 2 * abs(place) - (place < 0)) for place in places.tolist()]
        k.append(np.clip(nearest[:, 0] + residuals, -(2**23), 2**23))
    return np.concatenate(k)


def mixture_inputs(around, predicted, where, channel, top):
    """Return the inputs of a perceptron, and local scales in quarters of octaves."""
    steps = np.array([max(map(abs, steps)) for _, *steps in where], int)
    order = list(dict.fromkeys([channel, *(other for other, *_ in where)]))
    own = np.array([other == channel for other, *_ in where], bool)
    near = {tap[1:]: index for index, tap in enumerate(where) if own[index] and steps[index] == 1}
    differences, sizes, others = np.zeros(around.shape, int), [], []
    differences[:, own] = (around[:, own] << 12) - predicted[:, None]
    for other in order:
        these = [index for index, tap in enumerate(where) if tap[0] == other]
        nearest = [index for index in these if where[index][1:] in near]
        if other != channel:
            mean = mean_of(around[:, nearest or these])
            differences[:, these] = (around[:, these] << 12) - mean[:, None]
            others.append(nearest)
    if near:
        sizes = [
            np.abs(differences[:, own & (steps <= reach)]).sum(1) // (own & (steps <= reach)).sum()
            for reach in (1, 2, 4)
        ]
        first = (around[:, list(near.values())] << 12) - mean_of(around[:, list(near.values())])[:, None]
        for nearest in others:
            sizes += [
                np.abs(each).sum(1) // len(near) for each in (differences[:, nearest], first - differences[:, nearest])
            ]
        sizes = [size + 1024 for size in sizes]
    else:
        sizes = [np.full(len(around), 2 ** (top + 10))] * (3 + 2 * len(others))
    scale = logarithm(sizes[0] + sizes[1] >> 1) // 4
    parts = np.rint(2**15 * 2 ** (-(scale % 4) / 4)) * 2.0 ** (-10 - scale // 4)
    divided = np.floor(differences * parts[:, None] + 0.5).astype(int)
    logs = (np.stack([logarithm(size) for size in sizes], 1) - 160) * 255 // (16 * (top + 2))
    inputs = np.concatenate([divided, logs, (predicted >> top + 4)[:, None]], 1)
    return np.clip(inputs, -255, 255), scale


def mean_of(values):
    """Return the mean of values (P, T) in 1/4096, which its first value rounds."""
    return values.sum(1) * (4096 // values.shape[1]) + values[:, 0] * (4096 % values.shape[1])


def logarithm(sizes):
    """Return binary logarithms in 1/16, rounded down, of the upper 9 bits of numbers."""
    octave = np.floor(np.log2(sizes)).astype(int)
    octave += (sizes >> octave > 1).astype(int) - (sizes >> octave < 1)
    upper = np.where(octave > 8, sizes >> np.maximum(octave - 8, 0), sizes << np.maximum(8 - octave, 0))
    return 16 * octave + np.floor(16 * np.log2(upper / 256)).astype(int)


def power(exponent, parts):
    """Return 2^(exponent / parts) with 14 bits behind the point of its fraction's."""
    return np.rint(2**14 * 2 ** (exponent % parts / parts)) * 2.0 ** (exponent // parts - 14)


def token_frequencies(means, spreads, shares, bits):
    """Return the frequencies of tokens in the order of what they stand for."""
    tokens = np.arange(1, 16 + 8 * max(0, bits - 4))
    octave = np.maximum(tokens - 16, 0) // 8
    smallest = np.where(tokens < 16, tokens, 8 + (tokens & 7) << octave + 1)
    ends = np.concatenate([2048 - (smallest[::-1] << 12), (smallest << 12) - 2048])
    table = np.rint(2**18 / (1 + np.exp(-np.arange(-256, 258) / 16))).astype(int)
    sums = 0
    for mean, spread, share in zip(means.T, spreads.T, shares.T, strict=True):
        z = np.floor((ends - mean[:, None]) * power(-spread, 16)[:, None] * 1024)
        entry, rest = divmod(np.clip(z, -16384, 16384).astype(int) + 16384, 64)
        sums = sums + share[:, None] * (table[entry] + ((table[entry + 1] - table[entry]) * rest >> 6))
    return np.diff(sums, prepend=0, append=(shares.sum(1) << 18)[:, None], axis=1) + 1
