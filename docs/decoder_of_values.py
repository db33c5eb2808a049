"""The alphabets "values" and "residuals", as docs/format.md specifies them: a part of docs/decoder.py."""

import numpy as np
from decoder_parts import BLOCK, buckets, frequencies, from_token, perceptron, relative


def read_values(coder, tensors, name, key, group, inputs, cell, row, active, seen, size):
    k, top = np.zeros(len(inputs), int), seen.shape[1] - 1
    zero = tensors[f"{name}.quiet"][cell[~active]] + tensors[f"{name}.quiet_step"][row]
    flags = perceptron(tensors, f"{name}.flags", key, group, inputs[active], cell[active], row)[:, 0]
    for places, logits in ((~active, zero), (active, flags)):
        k[places] = coder.symbols(frequencies(np.stack([logits, -logits], 1)))
    nonzero = np.flatnonzero(k)
    if not len(nonzero):
        return k
    outputs = perceptron(tensors, f"{name}.main", key, group, inputs[nonzero], cell[nonzero], row)
    gate = np.clip(outputs[:, -1:] + 256, 0, 1024)
    bonus = tensors[f"{name}.bonus.{key}"][buckets(seen)]
    index = (np.arange(1, top + 1) + size // 2) // size  # of the values 1..top
    logits = outputs[:, :-1] + (bonus[nonzero // (len(k) // len(seen))][:, index] * gate >> 8)
    logits, index = logits[:, index > 0], index[index > 0]
    each = frequencies(logits.max(1, keepdims=True) - logits)
    k[nonzero] = 1 + coder.symbols(np.add.reduceat(each, np.unique(index, return_index=True)[1], 1))
    return k


def read_residuals(coder, tensors, name, key, group, around, cell, row, top):
    k = []
    for start in range(0, len(around), BLOCK):
        block = slice(start, start + BLOCK)
        predicted = around[block] @ tensors[f"{name}.prediction.{key}"]  # in 1/4096
        inputs = relative(around[block], predicted, top)
        outputs = perceptron(tensors, f"{name}.main", key, group, inputs, cell[block], row)
        tokens = coder.symbols(frequencies(outputs.max(1, keepdims=True) - outputs))
        residuals = [from_token(coder, token) for token in tokens.tolist()]
        nearest = np.clip(predicted + 2048 >> 12, 1 - 2**top, 2**top - 1)
        k.append(np.clip(nearest + residuals, -(2**23), 2**23))
    return np.concatenate(k)
