"""What is chosen for the user from the data: architecture, crop, batch size, learning rate, budget, device."""

import math

from narrows.data import Items
from narrows.errors import DataError

CROP = {1: 1024, 2: 64, 3: 32}  # along each of so many spatial axes
LARGEST_FLAT = 128  # along one axis, where the code is chosen
LEARNING_RATE = {"linear": 1e-2, "dense": 2e-3, "conv": 3e-3, "codec": 6e-3, "restoring": 1.5e-3, "table": 3e-3}
BATCH_SIZE = {"linear": 256, "dense": 256, "conv": 64, "codec": 24, "restoring": 64, "table": 256}
SMALLEST_BATCH = {"table": 64}  # others 8
TABLE_STEPS = 1_200
POSITIONS_IN_BATCH = 2**16
VALUES_TO_SEE = 1e9
FEWEST_EPOCHS, MOST_EPOCHS = 5, 300
FEWEST_STEPS = {"restoring": 600}


def choose_kind(items: Items) -> str:
    return "conv" if items.spatial_dims else "dense"


def choose_crop(items: Items, flat: bool) -> tuple[int, ...] | None:
    """The size to cut items to in training: none where they have one size and it is small, or the code is flat."""
    if items.uniform and (
        flat or not items.spatial_dims or max(items.item_shape[: items.spatial_dims]) <= 2 * CROP[items.spatial_dims]
    ):
        return None
    sizes = [items.item_shape] if items.shapes is None else items.shapes
    largest = [max(int(size[axis]) for size in sizes) for axis in range(items.spatial_dims)]
    return tuple(min(CROP[items.spatial_dims], size) for size in largest)


def choose_code(items: Items, kind: str) -> int | tuple[int, ...]:
    """32 numbers for small items of one size, else 8 channels at an eighth of the size, and so for a single item."""
    small = items.uniform and len(items) > 1
    if items.spatial_dims == 0 or (small and max(items.item_shape[: items.spatial_dims]) <= LARGEST_FLAT):
        return 32
    if kind != "conv":
        raise DataError(
            describe(items),
            source=items.source,
            hint="for these, specify code, or use convolutions",
            suggestion={"architecture": "conv"},
        )
    shape = items.item_shape[: items.spatial_dims] if items.uniform else choose_crop(items, flat=False) or ()
    return (8, *(math.ceil(size / 8) for size in shape))


def choose_batch_size(kind: str, items: Items, positions: int = 1) -> int:
    """Smaller for few items, so that an epoch has some ten steps; for large ones as many as hold enough positions."""
    fewest = SMALLEST_BATCH.get(kind, 8)
    return max(fewest, min(BATCH_SIZE[kind], len(items) // 10, POSITIONS_IN_BATCH // positions))


def choose_epochs(kind: str, items: Items, batch_size: int, positions: int) -> int:
    """As many as show the network a thousand million values, within bounds; of tables with holes, so many steps.

    positions: those of one item or crop. A single small item is a whole epoch, and restoring takes more steps than so
    many epochs have.
    """
    if kind == "table":
        return max(1, round(TABLE_STEPS * min(batch_size, len(items)) / len(items)))
    steps = math.ceil(items.values.size / items.channels / positions / batch_size)  # in an epoch
    return max(
        FEWEST_EPOCHS,
        min(MOST_EPOCHS, round(VALUES_TO_SEE / items.values.size)),
        math.ceil(FEWEST_STEPS.get(kind, 0) / steps),
    )


def describe(items: Items) -> str:
    """Items in words for a message."""
    sizes = f"shape {items.item_shape}" if items.uniform else "different sizes"
    return f"axes {items.axes}, items of {sizes}, {items.channels} channel(s)"
