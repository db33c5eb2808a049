"""What all alphabets of docs/decoder.py share: range coder, perceptrons, order of values, windows, frequencies."""

import bisect
import itertools

import numpy as np

WINDOW, AROUND = {1: 12, 2: 4, 3: 2}, {1: 8, 2: 3, 3: 1}  # radius of windows, by spatial axes
BLOCK = 2**12  # values whose tokens, and then extra bits, follow each other


class RangeDecoder:
    def __init__(self, payload):
        self.words = iter(np.frombuffer(payload + bytes(-len(payload) % 4), ">u4").tolist())
        self.range, self.offset = 2**64 - 1, next(self.words, 0) << 32 | next(self.words, 0)

    def symbol(self, starts):
        scale = self.range >> 24
        symbol = bisect.bisect_right(starts, self.offset // scale) - 1
        self.offset -= scale * starts[symbol]
        self.range = scale * (starts[symbol + 1] - starts[symbol])
        if self.range < 2**32:
            self.range, self.offset = self.range << 32, self.offset << 32 | next(self.words, 0)
        return symbol

    def symbols(self, frequencies):
        """Decode one symbol for each row of frequencies."""
        count = frequencies.shape[1]
        if count == 1:
            return np.zeros(len(frequencies), int)
        scale = (2**24 - count) / frequencies.sum(1, keepdims=True)
        before = frequencies.cumsum(1) - frequencies
        starts = np.floor(before * scale).astype(int) + np.arange(count)
        return np.array([self.symbol([*row, 2**24]) for row in starts.tolist()], int)

    def bits(self, count):
        return self.symbol(range(0, 2**24 + 1, 2**24 >> count))


def perceptron(tensors, name, key, group, inputs, place, row):
    """Return the outputs (P, K) of inputs (P, T) at places (P,)."""
    if not inputs.shape[1]:
        inputs = np.zeros((len(inputs), 1), int)
    h = inputs @ tensors[f"{name}.first.{key}.weight"].T + tensors[f"{name}.first.{key}.bias"]
    for table, index in (("place", place), ("step", row)):
        if len(tensors[f"{name}.{table}"]) > 1:
            h = h + tensors[f"{name}.{table}"][index]
    h = divided(h, tensors[f"{name}.first.shift"][0] + 2)
    for number in itertools.count():
        layer = f"{name}.rest.{group}.{number}"
        h = np.clip(h, 0, 255) @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"]
        if f"{name}.rest.{group}.{number + 1}.weight" not in tensors:
            return divided(h, tensors[f"{layer}.shift"][0] - 2)
        h = divided(h, tensors[f"{layer}.shift"][0])


def divided(sums, places):
    return (sums + (1 << places - 1)) >> places if places > 0 else sums << -places


def parities(axes):
    return sorted(itertools.product((0, 1), repeat=axes), key=lambda odd: (any(odd), -sum(odd), odd))


def channels_of_window(channel, channels):
    """Return the channels of a window: its own, then those at most three away."""
    return sorted(range(max(0, channel - 3), min(channels, channel + 4)), key=lambda other: other != channel)


def kind_of(channel, channels):
    return f"{min(channel, 3)}{min(channels - 1 - channel, 3)}"


def taps(parity, part, channel, others, design):
    axes, order, found = len(parity), parities(len(parity)), []
    start = [first + 2 * half for first, half in zip(parity, part or order[0], strict=True)]

    def turn(places):
        parity, half = tuple(place % 2 for place in places), tuple(place // 2 % 2 for place in places)
        return order.index(parity), order.index(half) if part and any(parity) else 0

    for other in others:
        reach = design.get("window") or WINDOW[axes] if other == channel else 1
        for steps in itertools.product(range(-reach, reach + 1), repeat=axes):
            there = turn([first + step for first, step in zip(start, steps, strict=True)])
            if there < turn(start) or (there == turn(start) and other < channel):
                found.append((other, *steps))
    return found


def windows(values, taps, places, level, reflected=True):
    """Return windows (n * P, T) of values (n, C, *S) at places (P,) on the lattice, one array for each axis."""
    found = np.zeros((len(values), len(places[0]), len(taps)), int)
    for number, (channel, *steps) in enumerate(taps):
        where, inside = [slice(None), channel], True
        for size, place, step in zip(values.shape[2:], places, steps, strict=True):
            last = -(-size // 2**level) - 1
            at = np.abs(place + step) % max(2 * last, 1)
            inside &= (place + step >= 0) & (place + step <= last) | reflected
            where.append(np.minimum(at, 2 * last - at) * 2**level)
        found[:, :, number] = values[tuple(where)] * inside
    return found.reshape(len(values) * len(places[0]), len(taps))


def cells_of(shape, cells, places):
    found = 0
    for size, count, place in zip(shape, cells, places, strict=True):
        found = found * count + place * count // size
    return found


def passes_of(shape, divided_levels):
    """Yield the level, the parity, the part and the places on the lattice, an array for each axis, of each pass."""
    levels, (origin, *odd) = (max(shape) - 1).bit_length(), parities(len(shape))
    turns = [(levels, origin, ())]
    for level, parity in itertools.product(reversed(range(levels)), odd):
        turns += [(level, parity, part) for part in (parities(len(shape)) if level < divided_levels else [()])]
    for level, parity, part in turns:
        sizes = (1,) * len(shape) if parity == origin else [-(-size // 2**level) for size in shape]
        start = [first + 2 * half for first, half in zip(parity, part or origin, strict=True)]
        along = [np.arange(first, size, 4 if part else 2) for first, size in zip(start, sizes, strict=True)]
        places = [each.reshape(-1) for each in np.meshgrid(*along, indexing="ij")]
        if len(places[0]):
            yield level, parity, part, places


def frequencies(behind):
    return np.maximum(1, np.rint(2**20 * np.exp(-np.clip(behind, 0, 3699) / 256))).astype(int)


def buckets(seen):
    return np.where(seen < 8, seen, np.minimum(np.log2(np.maximum(seen, 1)).astype(int) + 5, 23))


def from_token(coder, token):
    magnitude = (token + 1) // 2
    if magnitude >= 16:
        octave, eighth = divmod(magnitude - 16, 8)
        magnitude = (8 + eighth << octave + 1) + coder.bits(octave + 1)
    return -magnitude if token % 2 else magnitude


def relative(around, predicted, top):
    """Return the inputs of a perceptron for indices (P, T) around a prediction (P,) in 1/4096."""
    eighths = ((around << 12) - predicted[:, None] + 256) >> 9
    size = np.minimum(np.abs(eighths), 2**22 - 1)
    size = np.where(size < 2048, size, size // 2048 * 2048 + 1024)
    compressed = np.rint(255 * np.log2(1 + size / 2) / 21).astype(int) * np.sign(eighths)
    return np.concatenate([compressed, np.clip(predicted >> 4 + top, -255, 255)[:, None]], 1)
