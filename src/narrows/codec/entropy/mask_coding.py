"""Masks to a bitstream and back: which values are missing, flag by flag, with probabilities learned from those before.

Flags come in the interlaced order. The nearest known flags of the same mask, and those of the mask before around the
same place, are a context; what it has shown so far is the probability. A mask that repeats the one before takes next to
nothing.
"""

from typing import Any

import numpy as np

from narrows.codec.entropy.design import Design
from narrows.codec.entropy.distributions import Distributions
from narrows.codec.entropy.interlaced import refine
from narrows.codec.entropy.lattice import LatticePass, parities, reflected
from narrows.codec.entropy.pass_context import PassContext, iterate_passes
from narrows.codec.entropy.range_coder import Decoder, Encoder

FIRST, COUNTED = 2, 5  # the frequency of what a context has not shown, and what each time adds to it
MOST = 2**18  # sum of the frequencies of a context, above which they are halved
BLOCKS = 2**5, 2**12  # the fewest and the most flags that are coded with the same frequencies
GROWTH = 4  # a block has one in so many of the flags before it


class MaskCoding:
    """Codes masks of one shape, one after another.

    Parameters
    ----------
    coder : Encoder or Decoder
        Where the flags go, or come from.
    axes : {1, 2, 3}
        Number of spatial axes.
    """

    def __init__(self, coder: Any, axes: int) -> None:
        self._encoder: Encoder = coder
        self._decoder: Decoder = coder
        self._design = Design("values", axes, 1, 1, (1,) * axes, 1, window=2)
        self._kinds = {parity: kind for kind, parity in enumerate([(0,) * axes, *parities(axes)])}
        self._frequencies = np.full((len(self._kinds), 2 ** (4 * axes + 1), 2), FIRST, np.int32)
        self._repeats = np.full((1, 2), FIRST, np.int32)
        self._seen = 0

    def code(self, before: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Code a mask (*S), bool; None in decoding. before: the mask before, of the same shape."""
        repeats = None if mask is None else np.array([np.array_equal(mask, before)], np.int32)
        if self._flags(self._repeats, np.zeros(1, np.int64), repeats)[0]:
            return before
        shape = before.shape
        known = np.zeros((1, 1, *(1 for _ in shape)), np.uint8)

        def lattice_values(lattice_pass: LatticePass) -> np.ndarray:
            nonlocal known
            if not lattice_pass.is_origin:
                known = refine(known, shape, lattice_pass.level)
            return known

        for context in iterate_passes(self._design, shape, lattice_values, changing=True):
            wanted = None if mask is None else mask[context.lattice_pass.places(shape)].reshape(-1).astype(np.int32)
            flags = self._pass(context, around(before, context.lattice_pass), wanted)
            known[context.lattice_index] = flags.reshape(known[context.lattice_index].shape)
        return np.asarray(known[0, 0] != 0)

    def _pass(self, context: PassContext, before: np.ndarray, wanted: np.ndarray | None) -> np.ndarray:
        """Code the flags of a pass. before: the number of each that stands for the flags of the mask before."""
        frequencies = self._frequencies[self._kinds[context.lattice_pass.parity]]
        offsets = context.offsets[nearest(self._design.taps(context.lattice_pass, 0), 2 * self._design.axes)]
        found, start = np.empty(len(before), np.int32), 0
        while start < len(before):
            size = min(max(self._seen // GROWTH, BLOCKS[0]), BLOCKS[1])
            block = slice(start, min(start + size, len(before)))
            own = context.plane.windows(context.bases[block], offsets) @ 2 ** np.arange(len(offsets))
            row = (own << 2 * self._design.axes + 1) + before[block]
            found[block] = self._flags(frequencies, row, None if wanted is None else wanted[block])
            start += size
            self._seen += size
        return found

    def _flags(self, frequencies: np.ndarray, row: np.ndarray, flags: np.ndarray | None) -> np.ndarray:
        """Code flags by the frequencies (R, 2) of their rows, which grow by what the flags are."""
        given = Distributions(frequencies[row].cumsum(1, dtype=np.int32))
        if flags is None:
            flags = self._decoder.categorical(given)
        else:
            self._encoder.categorical(given, flags)
        shown = np.bincount(2 * row + flags, minlength=frequencies.size).reshape(frequencies.shape)
        frequencies += COUNTED * shown.astype(np.int32)
        many = frequencies.sum(1) > MOST
        frequencies[many] = (frequencies[many] + 1) // 2
        return flags


def around(mask: np.ndarray, lattice_pass: LatticePass) -> np.ndarray:
    """Return for each place of a pass a number whose bits are the flags of a mask there and beside it, (count,)."""
    on_lattice = mask[lattice_pass.lattice_places()].astype(np.uint8)  # of at most 7 bits
    found, bit = on_lattice.copy(), 1
    for axis, size in enumerate(on_lattice.shape):
        for start in (0, 2):
            found += on_lattice.take(reflected(size, 1)[start : start + size], axis) << bit
            bit += 1
    return np.asarray(found[lattice_pass.on_lattice()].reshape(-1))


def nearest(taps: tuple[tuple[int, ...], ...], count: int) -> np.ndarray:
    """Return which taps of a window are nearest."""
    distances = [sum(step * step for step in steps) for _, *steps in taps]
    return np.argsort(distances, kind="stable")[:count]
