"""Defaults that depend on the data: architecture, code, crop, batch size, learning rate and epochs."""

import math

from narrows.data import Items
from narrows.errors import DataError
from narrows.models.item_checks import describe_items
from narrows.networks import architecture_kinds

CROP = {1: 1024, 2: 64, 3: 32}  # along each of so many spatial axes
LARGEST_FLAT = 128  # along one axis, where the code is chosen
# Those of autoencoders are in their `narrows.networks.ArchitectureKind`.
LEARNING_RATE = {"codec": 6e-3, "restoring": 1.5e-3, "table": 3e-3}
# Times the learning rate, where training starts from a model. Weights of codecs are rounded to few values: where they
# are to change at all, they have to change by much.
FINE_TUNING_RATE = {"codec": 1.0, "restoring": 0.5}
OTHER_FINE_TUNING_RATE = 0.1
BATCH_SIZE = {"codec": 24, "restoring": 64, "table": 256}
SMALLEST_BATCH = {"table": 64}  # others 8
TABLE_STEPS = 1_200
POSITIONS_IN_BATCH = 2**16
VALUES_TO_SEE = 1e9
FEWEST_EPOCHS, MOST_EPOCHS = 5, 300
FEWEST_STEPS = {"restoring": 600}


def default_architecture(items: Items) -> str:
    """Return "conv" for items with spatial axes, and "dense" for tables."""
    return "conv" if items.spatial_dims else "dense"


def default_crop(items: Items, flat: bool) -> tuple[int, ...] | None:
    """Return the size of crops to train on; None for small items of one size, and where the code is flat."""
    if items.uniform and (
        flat or not items.spatial_dims or max(items.item_shape[: items.spatial_dims]) <= 2 * CROP[items.spatial_dims]
    ):
        return None
    sizes = [items.item_shape] if items.shapes is None else items.shapes
    largest = [max(int(size[axis]) for size in sizes) for axis in range(items.spatial_dims)]
    return tuple(min(CROP[items.spatial_dims], size) for size in largest)


def default_code(items: Items, kind: str) -> int | tuple[int, ...]:
    """Return 32 for small items of one size; 8 channels at an eighth of the size for others and for a single item."""
    small = items.uniform and len(items) > 1
    if items.spatial_dims == 0 or (small and max(items.item_shape[: items.spatial_dims]) <= LARGEST_FLAT):
        return 32
    if not architecture_kinds()[kind].spatial:
        raise DataError(
            describe_items(items),
            source=items.source,
            hint="for these, specify code, or use convolutions",
            suggestion={"architecture": "conv"},
        )
    shape = items.item_shape[: items.spatial_dims] if items.uniform else default_crop(items, flat=False) or ()
    return (8, *(math.ceil(size / 8) for size in shape))


def default_learning_rate(kind: str, fine_tuning: bool = False) -> float:
    """Return the learning rate of a kind of network: a key of `LEARNING_RATE`, or a registered architecture."""
    rate = LEARNING_RATE[kind] if kind in LEARNING_RATE else architecture_kinds()[kind].learning_rate
    return rate * FINE_TUNING_RATE.get(kind, OTHER_FINE_TUNING_RATE) if fine_tuning else rate


def default_batch_size(kind: str, items: Items, positions: int = 1) -> int:
    """Return a batch size: smaller for few items, so that an epoch has about ten steps, and for large items."""
    most = BATCH_SIZE[kind] if kind in BATCH_SIZE else architecture_kinds()[kind].batch_size
    fewest = SMALLEST_BATCH.get(kind, 8)
    return max(fewest, min(most, len(items) // 10, POSITIONS_IN_BATCH // positions))


def default_epochs(kind: str, items: Items, batch_size: int, positions: int) -> int:
    """Return epochs that show the network a billion values, within bounds; for imputing tables, a number of steps.

    Parameters
    ----------
    kind : str
        A key of `LEARNING_RATE`, or a registered architecture.
    items : Items
        The items to learn from.
    batch_size : int
        Items in a batch.
    positions : int
        Those of one item or crop that each count as an example. A single small item is a whole epoch, and restoration
        takes more steps than that many epochs have.
    """
    if kind == "table":
        return max(1, round(TABLE_STEPS * min(batch_size, len(items)) / len(items)))
    steps = math.ceil(items.values.size / items.channels / positions / batch_size)  # in an epoch
    return max(
        FEWEST_EPOCHS,
        min(MOST_EPOCHS, round(VALUES_TO_SEE / items.values.size)),
        math.ceil(FEWEST_STEPS.get(kind, 0) / steps),
    )
