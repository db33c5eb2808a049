"""Choice of the alphabet of a context model by statistics of the items."""

import numpy as np

from narrows.codec.coding_plan import Grid
from narrows.codec.entropy import colours
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.pass_context import contexts_of
from narrows.data import Items

VALUES_READ = 2**23
MOST_ITEMS, LONGEST = 32, 256  # items, and positions along their axes, whose colours are looked at
MOST_PIXELS = 2**14  # of a pass
MOST_NEW, MOST_NEW_OF_FEW = 0.3, 0.05  # share of new colours up to which colours are coded, and of few values


def repeats_colours(items: Items, grid: Grid) -> bool:
    """Return whether most pixels have the colour of a neighbour, so that colours are worth coding as such."""
    if grid.low != 0 or not 0 < grid.high <= 255 or items.channels > colours.MOST_CHANNELS:
        return False
    return new_colours(items) <= (MOST_NEW_OF_FEW if items.channels == 1 and few_values(items) else MOST_NEW)


def new_colours(items: Items) -> float:
    """Return the share of pixels, of the last passes over some items, whose colour is none of the near ones."""
    channels, axes = items.channels, items.spatial_dims
    design = Design("colours", axes, channels, 255, (1,) * axes, 1)
    generator = np.random.default_rng(0)
    new = seen = 0
    for index in np.linspace(0, len(items) - 1, min(len(items), MOST_ITEMS)).round().astype(int):
        item = items[index] if items.axes.endswith("C") else items[index][..., None]
        item = item[(slice(LONGEST),) * axes].astype(np.int64)
        pixels = colours.colours_of(np.moveaxis(item, -1, 0)[None])
        for context in contexts_of(design, pixels, group=0):
            wanted = pixels[context.item_index(item.shape[:-1])].reshape(-1)
            chosen = generator.integers(0, len(wanted), min(len(wanted), MOST_PIXELS))
            near = colours.NearColours(context.windows(chosen), channels, 1)
            new += int((near.symbols(wanted[chosen]) == colours.NEAR).sum())
            seen += len(chosen)
    return new / max(seen, 1)


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
