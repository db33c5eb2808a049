"""One traversal of the lattice passes, which both training and coding use, so that they see the same contexts.

iterate_passes -> PassContext for each pass and channel: where its values are, and the windows around them
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from narrows.codec.arrays import Array, beside, namespace
from narrows.codec.entropy.design import Design
from narrows.codec.entropy.lattice import LatticePass, parities
from narrows.codec.entropy.plane import Plane, place_cells


@dataclass(frozen=True, eq=False)
class PassContext:
    """All values of one pass and channel of some items, with the known values around them.

    Parameters
    ----------
    lattice_pass : LatticePass
        The pass.
    channel : int
        The channel.
    key, group : str and int
        Names of the first layer and of the inner layers that predict the values.
    plane : Plane
        The known values on the lattice of the pass.
    bases : array (n x count,)
        Where the values are in the plane, item by item.
    offsets, near_offsets : array (T,) and (T',)
        Offsets of the taps of a window, and of those near a value.
    cells : array (count,)
        Rows of the table of positions for the values of one item.
    """

    lattice_pass: LatticePass
    channel: int
    key: str
    group: int
    plane: Plane
    bases: Array
    offsets: Array
    near_offsets: Array
    cells: Array

    def split(self, chosen: Array) -> tuple[Array, Array]:
        """Return the items of chosen values, and their rows of the table of positions."""
        count = len(self.cells)
        return chosen // count, self.cells.take(chosen % count)

    def windows(self, chosen: Array) -> Array:
        """Return the windows of chosen values, (len(chosen), T)."""
        return self.plane.windows(self.bases.take(chosen), self.offsets)

    def means(self, chosen: Array, taps: np.ndarray) -> Array:
        """Return the means of some taps of the windows of chosen values, rounded down, (len(chosen),)."""
        near = self.plane.windows(self.bases.take(chosen), self.offsets[beside(taps, self.offsets)])
        return namespace(near).sum(near, axis=1) // len(taps)

    @cached_property
    def active(self) -> Array:
        """Whether any known value near each value is not zero, (n x count,)."""
        return self.plane.any_nonzero(self.bases, self.near_offsets)

    def item_index(self, shape: tuple[int, ...]) -> tuple[slice | int, ...]:
        """Return the index of the values in items (n, C, *S)."""
        return (slice(None), self.channel, *self.lattice_pass.places(shape))

    @property
    def lattice_index(self) -> tuple[slice | int, ...]:
        """Index of the values among those of the lattice, (n, C, *S)."""
        return (slice(None), self.channel, *self.lattice_pass.on_lattice())


def iterate_passes(
    design: Design,
    shape: tuple[int, ...],
    lattice_values: Callable[[LatticePass], Array],
    coarsest: int = 0,
    group: int | None = None,
    changing: bool = False,
) -> Iterator[PassContext]:
    """Iterate over the passes and channels of items in coding order.

    Parameters
    ----------
    design : Design
        The design of the context model.
    shape : tuple of int
        Spatial shape of the items.
    lattice_values : callable
        From a pass to the features of the values on its lattice, (n, C, *S).
    coarsest : int
        The last level.
    group : int, optional
        Only passes of this group.
    changing : bool
        Whether the values change between the passes of a lattice, as while they are decoded, rather than between
        lattices only.
    """
    lattice, plane = None, None
    values: Array = np.empty(0)
    for lattice_pass, channel in design.passes(shape, coarsest):
        if group not in (None, design.group(lattice_pass)):
            continue
        if changing or lattice != lattice_pass.lattice:
            lattice, values, plane = lattice_pass.lattice, lattice_values(lattice_pass), None
        if design.is_detail(lattice_pass):
            plane = plane or Plane(abs(values), design.radius, reflects=False)
        elif not lattice_pass.is_origin and 1 in values.shape[2:]:
            # Reflection at the ends of an axis of one value does not keep parity, so taps reach unknown values.
            plane = Plane(known_before(values, lattice_pass.parity, channel), design.radius)
        elif plane is None:
            plane = Plane(values, design.radius)
        offsets = plane.offsets(design.taps(lattice_pass, channel))
        yield PassContext(
            lattice_pass=lattice_pass,
            channel=channel,
            key=design.key(lattice_pass, channel),
            group=design.group(lattice_pass),
            plane=plane,
            bases=plane.bases(
                lattice_pass.start,
                lattice_pass.count(shape),
                channel,
                1 if lattice_pass.is_origin else lattice_pass.stride,
            ),
            offsets=offsets,
            near_offsets=offsets.take(beside(np.array(design.near_taps(lattice_pass, channel), np.int64), offsets)),
            cells=beside(place_cells(shape, design.cells, lattice_pass), values),
        )


def contexts_of(design: Design, values: Array, group: int | None = None) -> Iterator[PassContext]:
    """Iterate over the passes and channels of items whose values (n, C, *S) are all known, as `iterate_passes` does."""

    def lattice_values(lattice_pass: LatticePass) -> Array:
        return values[(slice(None), slice(None), *lattice_pass.lattice_places())]

    return iterate_passes(design, tuple(values.shape[2:]), lattice_values, group=group)


def known_before(values: Array, parity: tuple[int, ...], channel: int) -> Array:
    """Return values (n, C, *S) on the lattice of a pass, zero from this channel of the pass on, as in decoding."""
    order = [(0,) * len(parity), *parities(len(parity))]
    known = namespace(values).zeros_like(values)
    for odd in order[: order.index(parity) + 1]:
        end = channel if odd == parity else None
        where = (slice(None), slice(end), *(slice(start, None, 2) for start in odd))
        known[where] = values[where]
    return known
