"""Files without a model: all items stored by the best general method, for a mode and without one."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from narrows.codec.chunk import checksum, store_chunk
from narrows.codec.coding_plan import Grid
from narrows.codec.container.archive_file import write_archive
from narrows.codec.container.header import NO_MODEL
from narrows.codec.container.metadata import ArchiveMetadata
from narrows.codec.container.mode import Mode
from narrows.codec.decoding import CHECK_BYTES
from narrows.codec.transforms.quantiser import Quantiser
from narrows.data import Items
from narrows.data.masks import fill_value, value_ends

LARGEST_OF_VALUES = 255  # of integers from 0, whose grid begins at 0 so that 0 stays 0
HALVINGS = 40  # of the interval in which a step is looked for


def store(items: Items, mode: Mode, target: BinaryIO) -> dict[str, int]:
    """Write items to a file without a model, exactly as they are, and return the bytes of its parts.

    mode: what was asked for, which the file states.
    """
    covered = checksum([items.values] if items.shapes is None else items)
    return write_archive(
        target,
        fingerprint=NO_MODEL,
        mode=mode.to_header(),
        chunk_items=[len(items)],
        chunks=[covered.to_bytes(CHECK_BYTES, "little") + store_chunk(items)],
        axes=items.axes,
        dtype=str(items.dtype),
        shapes=items.item_shape if items.shapes is None else items.shapes,
        names=items.names,
        metadata=replace(ArchiveMetadata.of_items(items, items.axes, None), rate=items.rate),
    )


def grid_of_values(items: Items) -> Grid:
    """Return the narrowest grid that holds the values: from the lowest to the highest, or about their middle."""
    low, high = value_ends(items, fill_value(items))
    low, high = (low, high) if low <= high else (0, 0)
    if items.dtype.kind == "f":
        return Grid(
            items.dtype, origin=float(low) / 2 + float(high) / 2, unit=(float(high) / 2 - float(low) / 2) or 1.0
        )
    low, high = int(low), int(high)
    low = 0 if low >= 0 and high <= LARGEST_OF_VALUES else low
    return Grid.of_integers(items.dtype, low, high)


def quantiser_of(items: Items, mode: Mode, grid: Grid, span: float) -> Quantiser | None:
    """Return the coarsest quantiser that meets a mode without a model; None for real numbers without loss.

    span: the range of the values that qualities and PSNR refer to.
    """
    fill = fill_value(items)
    if mode.max_error is not None:
        if mode.max_error == 0 and not grid.whole:
            return None
        bounded = Quantiser.bounded(items.dtype, mode.max_error, grid.low, grid.high, grid.origin)
        return replace(bounded, fill_value=fill)
    step = span * 2 ** (-8 * mode.value / 100)
    if mode.kind == "psnr":
        wanted = span**2 * 10 ** (-mode.value / 10)
        step = largest_step(lambda step: error_of(items, of_step(grid, step, fill)) <= wanted, span)
    return of_step(grid, step, fill)


def of_step(grid: Grid, step: float, fill: float | int | None) -> Quantiser:
    """Return the quantiser of a step, which is lossless for integers where that is 1.

    fill: the value that stands for missing ones.
    """
    if not grid.whole:
        return Quantiser(grid.dtype, step, origin=grid.origin, fill_value=fill)
    step = max(1, min(round(step), grid.high - grid.low))
    bound = 0 if step == 1 else None
    return Quantiser(grid.dtype, step, grid.low, grid.high, bound=bound, fill_value=fill)


def largest_step(allowed: Callable[[float], bool], span: float) -> float:
    """Return about the largest step that is allowed, below the range of the values."""
    low, high = math.log2(span) - HALVINGS / 2, math.log2(span)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if allowed(2.0**middle) else (low, middle)
        if high - low < 2**-6:
            break
    return float(2.0**low)


def error_of(items: Items, quantiser: Quantiser) -> float:
    """Return the mean squared error of finite values."""
    squares, count = 0.0, 0
    for x in items.chunks():
        finite = np.isfinite(x)
        difference = rounded(x, quantiser)[finite].astype(np.float64) - x[finite].astype(np.float64)
        squares, count = squares + float((difference**2).sum()), count + difference.size
    return squares / max(count, 1)


def rounded(x: np.ndarray, quantiser: Quantiser) -> np.ndarray:
    """Return the values that a quantiser makes of values."""
    indices, exceptions = quantiser.indices(x)
    found = quantiser.values(indices)
    exceptions.put_into(found)
    return found


def rounded_items(items: Items, quantiser: Quantiser | None) -> Items:
    """Return items as a quantiser leaves them; those of None as they are."""
    if quantiser is None or (quantiser.whole and quantiser.step == 1):
        return items
    return replace(items, values=rounded(np.ascontiguousarray(items.values), quantiser))
