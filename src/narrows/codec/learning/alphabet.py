"""Choice of the alphabet of a context model by statistics of the items."""

from typing import NamedTuple

import numpy as np

from narrows.codec.coding_plan import Grid
from narrows.codec.entropy import colours
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.pass_context import contexts_of
from narrows.data import Items

VALUES_READ = 2**23
MOST_ITEMS, LONGEST = 32, 256  # items, and positions along their axes, whose colours are looked at
MOST_PIXELS = 2**14  # of a pass
NEAREST = 4  # pixels, from whose mean differences are taken
MOST_NEW, MOST_NEW_OF_FEW = 0.3, 0.05  # share of new colours up to which colours are coded, and of few values


def repeats_colours(items: Items, grid: Grid) -> bool:
    """Return whether pixels have the colours of neighbours, so that colours are worth coding as such.

    Those of a smooth picture often do by chance; then differences from the neighbours take fewer bits.
    """
    if grid.low != 0 or not 0 < grid.high <= 255 or items.channels > colours.MOST_CHANNELS:
        return False
    found = colour_statistics(items)
    most = MOST_NEW_OF_FEW if items.channels == 1 and few_values(items) else MOST_NEW
    return found.new <= most and found.bits <= found.bits_of_differences


class ColourStatistics(NamedTuple):
    """What is known of the pixels of the last passes over some items.

    new: the share whose colour is none of the near ones. bits, bits_of_differences: entropies of a pixel, of which near
    colour it has and of the difference of new ones, and of all differences from the mean of the nearest pixels.
    """

    new: float
    bits: float
    bits_of_differences: float


def colour_statistics(items: Items) -> ColourStatistics:
    """Return the statistics of a sample of pixels."""
    channels, axes = items.channels, items.spatial_dims
    design = Design("colours", axes, channels, 255, (1,) * axes, 1)
    generator = np.random.default_rng(0)
    parts = []
    for index in np.linspace(0, len(items) - 1, min(len(items), MOST_ITEMS)).round().astype(int):
        item = items[index] if items.axes.endswith("C") else items[index][..., None]
        item = item[(slice(LONGEST),) * axes].astype(np.int64)
        pixels = colours.colours_of(np.moveaxis(item, -1, 0)[None])
        for context in contexts_of(design, pixels, group=0):
            wanted = pixels[context.item_index(item.shape[:-1])].reshape(-1)
            chosen = generator.integers(0, len(wanted), min(len(wanted), MOST_PIXELS))
            windows, wanted = context.windows(chosen), wanted[chosen]
            nearest = colours.channels_of(windows[:, :NEAREST], channels)
            differences = colours.channels_of(wanted, channels) - nearest.mean(1).round().astype(np.int64)
            spread = np.ptp(nearest, axis=1).max(1)
            symbols = colours.NearColours(windows, channels, 1).symbols(wanted)
            parts.append(np.column_stack([symbols, np.ceil(np.log2(1 + spread)).astype(np.int64), differences]))
    if not parts:  # items of one pixel
        return ColourStatistics(0.0, 0.0, 0.0)
    symbol, spread, *differences = np.concatenate(parts).T
    new = symbol == colours.NEAR
    return ColourStatistics(
        float(new.mean()),
        entropy_given(symbol, spread)
        + float(new.mean()) * sum(entropy_given(each[new], spread[new]) for each in differences),
        sum(entropy_given(each, spread) for each in differences),
    )


def entropy_given(values: np.ndarray, context: np.ndarray) -> float:
    """Return the mean entropy in bits of integers from -255 where their contexts are known; 0 without any."""
    counts = [np.bincount(values[context == each] + 255) for each in np.unique(context)]
    return float(sum(entropy(each) * each.sum() for each in counts) / max(len(values), 1))


def few_values(items: Items) -> bool:
    """Return whether the values have less entropy than their differences from neighbours."""
    own, differences, seen = np.zeros(256), np.zeros(511), 0
    for chunk in items.chunks():
        x = np.clip(chunk if items.uniform else chunk[None], 0, 255).astype(np.int64)  # what fills missing values too
        own += np.bincount(x.reshape(-1), minlength=256)
        differences += np.bincount(np.diff(x, axis=items.spatial_dims).reshape(-1) + 255, minlength=511)
        seen += x.size
        if seen > VALUES_READ:
            break
    return entropy(own) <= entropy(differences)


def entropy(counts: np.ndarray) -> float:
    """Return the entropy in bits of a distribution given by counts."""
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(shares * np.log2(shares)).sum())
