"""What a context model of colours sees: the colours that surround a pixel, and what a blend of them would be.

A colour is all channels of a pixel in one integer, the first channel in the lowest byte. Training computes with tensors
what coding computes with arrays: all numbers are integers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from narrows.codec.arrays import Array, beside, namespace
from narrows.codec.entropy.exact_predictor import LARGEST

MOST_CHANNELS = 4
MOST_TAPS = 24
SURROUNDING = 12  # nearest pixels that are all of one colour in flat contexts
NEAR, COMMON = 4, 3  # colours of a window that a new pixel may have, or be a blend of: the nearest, the most frequent
DIFFERENT = 8  # in a channel at least, for a common colour that stands beside another
PAIRS = ((0, 1), (0, 2), (1, 2))  # of common colours
OFFSETS = (-2, -1, 0, 1, 2)  # of a channel from what a blend would have
BINS = 32  # of the share of the second common colour in a blend with the first, from -1/2 to 3/2; beside one for none
GATES = COMMON + NEAR + len(PAIRS) * len(OFFSETS)
_COMPARED = 3  # near colours that inputs compare with


def nearest_taps(taps: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Return the taps (channels ahead, *steps) of a window of colours: the nearest, in the order of their distances."""
    return tuple(sorted(taps, key=lambda tap: (sum(step * step for step in tap), tap))[:MOST_TAPS])


def colours_of(k: Array) -> Array:
    """Return the colours (n, 1, *S) of values (n, C, *S), int64."""
    xp = namespace(k)
    whole = xp.astype(k, xp.int64)
    return sum(whole[:, channel : channel + 1] << 8 * channel for channel in range(k.shape[1]))


def channels_of(colours: Array, channels: int) -> Array:
    """Return the channels of colours, (..., C)."""
    return namespace(colours).stack([(colours >> 8 * channel) & 255 for channel in range(channels)], axis=-1)


def flatness(windows: Array) -> Array:
    """Return for each of the windows (P, T) 2 if it has one colour, 1 if what surrounds it closely has one, else 0."""
    xp = namespace(windows)
    same = windows == windows[:, :1]
    close, all_ = (xp.astype(xp.all(part, axis=1), xp.int64) for part in (same[:, :SURROUNDING], same))
    return close + all_


def repeat_inputs_size(taps: int, channels: int) -> int:
    """Return the number of inputs of the perceptron that predicts which colour is repeated."""
    return (_COMPARED + 1) * taps + _COMPARED * channels + NEAR - 1


def channel_inputs_size(taps: int, channels: int) -> int:
    """Return the number of inputs of the perceptron that predicts a channel of a new colour."""
    return 2 * taps + 6 * channels + 2 * len(PAIRS) + 1


@dataclass(frozen=True, eq=False)
class NearColours:
    """The first NEAR different colours of windows, from the nearest.

    Parameters
    ----------
    windows : array (P, T)
        Colours of the known pixels around each, the nearest first.
    channels : int
        Channels of a colour.
    scale : int
        Factor that brings channels to 0..255.
    """

    windows: Array
    channels: int
    scale: int

    @cached_property
    def _found(self) -> tuple[Array, Array]:
        windows = self.windows
        xp = namespace(windows)
        first = windows[:, 0]
        found, there = [first], [xp.ones_like(first, dtype=xp.bool)]
        new = windows != first[:, None]
        for _ in range(1, NEAR):
            place = xp.argmax(xp.astype(new, xp.uint8), axis=1)[:, None]
            exists = xp.take_along_axis(new, place, axis=1)[:, 0]
            colour = xp.where(exists, xp.take_along_axis(windows, place, axis=1)[:, 0], first)
            new = new & (windows != colour[:, None])
            found.append(colour)
            there.append(exists)
        return xp.stack(found, axis=1), xp.stack(there, axis=1)

    @property
    def colours(self) -> Array:
        """The colours, (P, NEAR); the nearest for those that are not there."""
        return self._found[0]

    @property
    def there(self) -> Array:
        """Whether there are so many colours, (P, NEAR)."""
        return self._found[1]

    def symbols(self, colours: Array) -> Array:
        """Return which of them colours (P,) repeat; NEAR for new ones."""
        xp = namespace(colours)
        same = (self.colours == colours[:, None]) & self.there
        return xp.where(xp.any(same, axis=1), xp.argmax(xp.astype(same, xp.uint8), axis=1), NEAR)

    def inputs(self) -> Array:
        """Return what the perceptron of repeats sees, integers, (P, repeat_inputs_size)."""
        xp = namespace(self.windows)
        same = [self.windows == self.colours[:, near : near + 1] for near in range(_COMPARED)]
        first, second, third = (channels_of(self.colours[:, near], self.channels) for near in range(_COMPARED))
        flags = xp.astype(xp.concat([*same, self.there[:, 1:]], axis=1), xp.int64) * LARGEST
        values = xp.concat([first, second - first, third - first], axis=1) * self.scale
        return xp.concat([flags, values, shares(channels_of(self.windows, self.channels), first, second)], axis=1)


class NewColours:
    """Pixels whose colours are none of the near ones: what is known of each channel before it is coded.

    Parameters
    ----------
    near : NearColours
        Of the pixels.
    """

    def __init__(self, near: NearColours) -> None:
        self.near, self.windows = near, near.windows
        xp = namespace(self.windows)
        self._xp = xp
        self._around = channels_of(self.windows, near.channels)
        places = self._common_places()
        self.common = [self._taken(self._around, place) for place in places]  # (P, C) each
        self._third = self.windows == xp.take_along_axis(self.windows, places[2][:, None], axis=1)
        self._share = shares(self._around, *self.common[:2])

    def _taken(self, around: Array, place: Array) -> Array:
        xp = self._xp
        index = xp.broadcast_to(place[:, None, None], (len(place), 1, around.shape[2]))
        return xp.take_along_axis(around, index, axis=1)[:, 0]

    def _common_places(self) -> list[Array]:
        """Return where in their windows the most frequent colours stand, different from each other if possible."""
        xp, windows, around = self._xp, self.windows, self._around
        taps = windows.shape[1]
        counts = xp.sum(xp.astype(windows[:, :, None] == windows[:, None, :], xp.int64), axis=2) * taps
        counts = counts - beside(np.arange(taps), windows)
        places = []
        for _ in range(COMMON):
            place = xp.argmax(counts, axis=1)
            places.append(place)
            colour = self._taken(around, place)
            alike = xp.max(xp.abs(around - colour[:, None]), axis=2) * self.near.scale < DIFFERENT
            same = windows == xp.take_along_axis(windows, place[:, None], axis=1)
            penalty = xp.astype(alike, xp.int64) + xp.astype(same, xp.int64)
            counts = counts - penalty * (2 * taps * taps)
        return places

    def blends(self, known: Array) -> tuple[Array, Array]:
        """Return the next channel of a blend of each pair of common colours, and whether there is one, (P, PAIRS) both.

        known (P, c): the channels before.
        """
        xp, channel = self._xp, known.shape[1]
        values, there = [], []
        for pair in PAIRS:
            first, second = (self.common[index] for index in pair)
            if not channel:
                values.append(first[:, 0])
                there.append(xp.zeros_like(first[:, 0], dtype=xp.bool))
                continue
            steps = (second - first)[:, :channel]
            place = xp.argmax(xp.abs(steps), axis=1)[:, None]
            step = xp.take_along_axis(steps, place, axis=1)[:, 0]
            done = xp.take_along_axis(known - first[:, :channel], place, axis=1)[:, 0]
            along = divided(2 * done * (second - first)[:, channel] + step, 2 * step)
            values.append(xp.clip(first[:, channel] + along, 0, LARGEST))
            there.append(step != 0)
        return xp.stack(values, axis=1), xp.stack(there, axis=1)

    def inputs(self, known: Array) -> Array:
        """Return what the perceptron of channels sees before the next channel, integers, (P, channel_inputs_size).

        known (P, c): the channels before.
        """
        xp, channel = self._xp, known.shape[1]
        first, second, third = self.common
        blends, there = self.blends(known)
        before = xp.concat([known - first[:, :channel], xp.zeros_like(first[:, channel:])], axis=1)
        near = channels_of(self.near.colours[:, :2], self.near.channels)
        share = shares(known[:, None], *self.common[:2]) if channel else xp.zeros_like(first[:, :1])
        values = [first, second - first, third - first, near[:, 0] - first, near[:, 1] - first, before]
        scaled = xp.concat([*values, blends - first[:, channel : channel + 1]], axis=1) * self.near.scale
        flags = xp.astype(xp.concat([self._third, there], axis=1), xp.int64) * LARGEST
        return xp.concat([self._share, flags, scaled, share], axis=1)

    def bins(self, channel: int, top: int) -> Array:
        """Return the bin of each value by its share of the second common colour, BINS for none, (P, top + 1)."""
        xp = self._xp
        start, end = (colour[:, channel, None] for colour in self.common[:2])
        size = xp.astype(xp.where(start == end, 1, end - start), xp.float32)
        steps = xp.astype((beside(np.arange(top + 1), start) - start) * (BINS // 2), xp.float32)
        share = xp.floor(steps / size) + BINS // 4  # exact: quotients of such integers are at least 1/255 from others
        found = xp.where((share >= 0) & (share < BINS), share, BINS)
        return xp.astype(xp.where(start == end, BINS, found), xp.int64)

    def gated(self, known: Array, top: int) -> tuple[Array, Array]:
        """Return the values of the next channel that gates raise, and whether they do, (P, GATES) both."""
        xp, channel = self._xp, known.shape[1]
        blends, there = self.blends(known)
        near = channels_of(self.near.colours, self.near.channels)[:, :, channel]
        values = [xp.stack([colour[:, channel] for colour in self.common], axis=1), near]
        values += [blends + offset for offset in OFFSETS]
        raised = xp.concat(values, axis=1)
        always = xp.ones_like(raised[:, : COMMON + NEAR], dtype=xp.bool)
        raises = xp.concat([always, *([there] * len(OFFSETS))], axis=1) & (raised >= 0) & (raised <= top)
        return xp.clip(raised, 0, top), raises


def shares(values: Array, first: Array, second: Array) -> Array:
    """Return the share of a second colour in blends with a first, in 1/128, cut to -255..255, 0 where they are equal.

    values (P, T, c) of the first channels, colours (P, C) -> (P, T), by the channel in which they differ most.
    """
    xp = namespace(values)
    first, second = (colour[:, : values.shape[2]] for colour in (first, second))
    place = xp.argmax(xp.abs(second - first), axis=1)[:, None]
    start, end = (xp.take_along_axis(colour, place, axis=1) for colour in (first, second))
    value = xp.take_along_axis(values, xp.broadcast_to(place[:, None], (*values.shape[:2], 1)), axis=2)[:, :, 0]
    return xp.clip(divided((value - start) * 128, end - start), -LARGEST, LARGEST)


def divided(numerator: Array, denominator: Array) -> Array:
    """Return integer quotients, rounded down; 0 where the denominator is 0.

    Numerators below 2**18 and denominators below 2**10 are exact: float64 tells each quotient from an integer.
    """
    xp = namespace(numerator)
    nonzero = xp.where(denominator == 0, 1, denominator)
    quotient = xp.floor(xp.astype(numerator, xp.float64) / xp.astype(nonzero, xp.float64))
    return xp.where(denominator == 0, 0, xp.astype(quotient, xp.int64))
