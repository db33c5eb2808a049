"""The sizes of networks that serve one file: a ladder of designs, from few weights to many."""

import math
from dataclasses import replace

from narrows.codec.codec_manifest import CodecDesign
from narrows.codec.coding_plan import Grid
from narrows.codec.entropy.design import KEYED_LEVELS, Design
from narrows.codec.entropy.lattice import RADIUS
from narrows.codec.learning.objective import design_networks
from narrows.codec.transforms.quantiser import Quantiser
from narrows.data import Items, Scaling

NARROW, WIDE = (8, 12, 16, 24, 32), (24, 32, 48, 64, 96, 128)  # units of the layers, with windows of half the radius
GROUPED_FROM = 128  # units, from which on levels have inner layers of their own
TABLE_SHARE = 0.25  # of the weights, that the table of places may have
BITS_A_WEIGHT = 3.2  # as they are stored, about
MODEL_SHARE = 0.035  # of a file, that the model takes about where the file is smallest
CANDIDATES = 3


def file_design(items: Items, scaling: Scaling, grid: Grid, crop: tuple[int, ...] | None, step: float) -> Design:
    """Return the design of a context model for items that are coded with one step; its sizes are the largest."""
    networks = design_networks(items, scaling, grid, crop)
    design = networks.lossless if grid.whole and step == 1 else networks.lossy
    assert design is not None
    design = replace(design, steps=1)
    if design.alphabet in ("mixtures", "signals"):
        span = (grid.high - grid.low) / step if grid.whole else 2 * grid.unit / step
        design = replace(design, top=max(1, min(design.top, math.ceil(span).bit_length())))
    return design


def candidates(design: Design, shape: tuple[int, ...], stored: int) -> list[Design]:
    """Return designs of several sizes about the one that suits data best which general methods store in some bytes.

    Parameters
    ----------
    design : Design
        The largest one.
    shape : tuple of int
        Spatial shape of the items, or crops.
    stored : int
        Bytes that the data take without a model.
    """
    if design.alphabet == "signals":  # without networks
        return [design]
    levels = max(1, min(KEYED_LEVELS, (max(shape) - 1).bit_length()))
    ladder = [sized(design, hidden, levels, narrow=True) for hidden in NARROW]
    ladder += [sized(design, hidden, levels) for hidden in WIDE]
    aim = 8 * MODEL_SHARE * stored / BITS_A_WEIGHT
    nearest = min(range(len(ladder)), key=lambda index: abs(math.log(weights(ladder[index]) / aim)))
    first = min(max(0, nearest - CANDIDATES // 2), len(ladder) - CANDIDATES)
    return ladder[first : first + CANDIDATES]


def sized(design: Design, hidden: int, levels: int, narrow: bool = False) -> Design:
    """Return a design with so many hidden units and levels, windows of half the radius if narrow, and a table."""
    found = replace(
        design,
        hidden=hidden,
        flag_hidden=max(NARROW[0], hidden // 2),
        keyed_levels=levels,
        grouped_levels=design.grouped_levels if hidden >= GROUPED_FROM else 1,
        window=min(design.radius, max(1, RADIUS[design.axes] // 2)) if narrow else design.window,
    )
    while found.places > 1 and table_weights(found) > TABLE_SHARE * weights(found):
        found = replace(found, cells=tuple(max(1, math.ceil(count / 2)) for count in found.cells))
    return found


def weights(design: Design) -> int:
    """Return about how many weights a context model of a design has."""
    outer, groups = sum(design.input_sizes().values()), max(design.groups().values()) + 1
    main = outer * design.hidden + groups * design.hidden * (2 * design.hidden + design.outputs)
    if design.alphabet == "mixtures":
        return main + table_weights(design)
    return main + outer * design.flag_hidden + groups * design.flag_hidden**2 + table_weights(design)


def table_weights(design: Design) -> int:
    """Return how many weights the tables of places have."""
    flags = 0 if design.alphabet == "mixtures" else design.flag_hidden
    return design.places * (design.hidden + flags)


def networks_of(design: Design, quantiser: Quantiser, dequantises: bool) -> CodecDesign:
    """Return the networks of a codec for one file: a context model, and a dequantiser where one helps."""
    if quantiser.whole and quantiser.step == 1:
        return CodecDesign(design, None, dequantises=False)
    return CodecDesign(None, design, dequantises=dequantises)
