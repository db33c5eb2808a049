"""The alphabet "colours", as docs/format.md specifies it: a part of docs/decoder.py."""

import itertools

import numpy as np
from decoder_parts import BLOCK, buckets, frequencies, perceptron


def read_colours(coder, tensors, name, key, row, around, cell, seen):
    """Return the channels of pixels, (P, C). seen: how often each item has shown each value of each channel."""
    n, channels, top = len(seen), seen.shape[1], seen.shape[2] - 1
    found, scale, same = around[:, 0].copy(), 255 // top, around == around[:, :1]
    flat, new = same[:, :12].all(1).astype(int) + same.all(1), np.zeros(len(around), bool)
    for kind in (2, 1):
        logits = np.full((flat == kind).sum(), tensors[f"{name}.flat"][row, kind - 1])
        new[flat == kind] = coder.symbols(frequencies(np.stack([logits, -logits], 1)))
    others = np.flatnonzero(flat == 0)
    if len(others):
        near = [list(dict.fromkeys(window))[:4] for window in around[others].tolist()]
        inputs = np.array([repeat_inputs(*each, channels, scale) for each in zip(around[others], near, strict=True)])
        logits = perceptron(tensors, f"{name}.repeats", key, 0, inputs, cell[others], row)
        for index, each in enumerate(near):
            logits[index, len(each) : 4] = -(2**15)
        symbols = coder.symbols(frequencies(logits.max(1, keepdims=True) - logits))
        new[others] = symbols == 4
        found[others] = [each[symbol % 4 % len(each)] for each, symbol in zip(near, symbols, strict=True)]
    found = np.stack([found >> 8 * channel & 255 for channel in range(channels)], 1)
    places = np.flatnonzero(new)
    for start in range(0, len(places), BLOCK):
        block = places[start : start + BLOCK]
        known = [[] for _ in block]
        for channel in range(channels):
            parts = [channel_inputs(*each, channels, scale) for each in zip(around[block], known, strict=True)]
            inputs = np.array([inputs for inputs, *_ in parts])
            outputs = perceptron(tensors, f"{name}.main", f"{key}-{channel}", 0, inputs, None, row)
            logits, gate, binned, gates = np.split(outputs, [top + 1, top + 2, top + 35], 1)
            bonus = tensors[f"{name}.bonus.{key}-{channel}"][buckets(seen[:, channel])]
            logits = logits + (bonus[block // (len(new) // n)] * np.clip(gate + 256, 0, 1024) >> 8)
            for index, (_, first, second, raised) in enumerate(parts):
                for value in range(top + 1):
                    share = (value - first) * 16 // (second - first) + 8 if first != second else -1
                    logits[index, value] += binned[index, share if 0 <= share < 32 else 32]
                for value, gate in zip(raised, gates[index], strict=True):
                    if value is not None and 0 <= value <= top:
                        logits[index, value] += gate
            for colour, symbol in zip(
                known, coder.symbols(frequencies(logits.max(1, keepdims=True) - logits)), strict=True
            ):
                colour.append(int(symbol))
        found[block] = known
    return found


def channels_of(colour, channels):
    return np.array([int(colour) >> 8 * channel & 255 for channel in range(channels)])


def repeat_inputs(window, near, channels, scale):
    padded = (near + near[:1] * 3)[:4]
    first, second, third = (channels_of(colour, channels) for colour in padded[:3])
    equal = [255 * (window == colour) for colour in padded[:3]]
    more = [255 * (len(near) > number) for number in (1, 2, 3)]
    relative = np.concatenate([first, second - first, third - first]) * scale
    shares = [share(channels_of(colour, channels), first, second) for colour in window]
    return np.concatenate([*equal, more, relative, shares])


def share(colour, first, second):
    widest = np.argmax(np.abs(second - first)[: len(colour)])
    length = second[widest] - first[widest]
    return np.clip((colour[widest] - first[widest]) * 128 // length, -255, 255) if length else 0


def common_colours(window, channels, scale):
    colours, chosen = list(dict.fromkeys(window)), []

    def rank(colour):
        differences = [np.abs(channels_of(colour, channels) - channels_of(other, channels)).max() for other in chosen]
        alike = sum(int(difference * scale < 8) + int(difference == 0) for difference in differences)
        return alike, -window.count(colour), window.index(colour)

    for _ in range(3):
        chosen.append(min(colours, key=rank))
    return chosen


def channel_inputs(window, known, channels, scale):
    """Return inputs, the channel in the first two common colours, and what gates raise."""
    window, channel = window.tolist(), len(known)
    colours = common_colours(window, channels, scale)
    first, second, third = common = [channels_of(colour, channels) for colour in colours]
    near = list(dict.fromkeys(window))[:4]
    near = [channels_of(colour, channels) for colour in (near + near[:1] * 3)[:4]]

    blends, there = [], []
    for one, other in itertools.combinations(common, 2):
        widest = np.argmax(np.abs(other - one)[:channel]) if channel else 0
        length = other[widest] - one[widest] if channel else 0
        there.append(bool(length))
        along = (2 * (known[widest] - one[widest]) * (other - one)[channel] + length) // (2 * length) if length else 0
        blends.append(np.clip(one[channel] + along, 0, 255))
    before = np.append(np.array(known, int) - first[:channel], np.zeros(channels - channel, int))
    relative = [first, second - first, third - first, near[0] - first, near[1] - first, before, blends - first[channel]]
    inputs = [
        [share(channels_of(colour, channels), first, second) for colour in window],
        [255 * (colour == colours[2]) for colour in window],
        255 * np.array(there),
        np.concatenate(relative) * scale,
        [share(known, first, second) if channel else 0],
    ]
    raised = [each[channel] for each in (*common, *near)]
    raised += [
        blend + offset if is_there else None
        for offset in (-2, -1, 0, 1, 2)
        for blend, is_there in zip(blends, there, strict=True)
    ]
    return np.concatenate(inputs), first[channel], second[channel], raised
