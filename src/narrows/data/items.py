"""Items: the one form in which data travels, whether its items share one size or not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from narrows.data.axes import arrange, guess_axes
from narrows.data.tables.columns import Columns
from narrows.errors import DataError

_CHUNK_VALUES = 2**22


@dataclass(frozen=True, eq=False)
class Items:
    """N items of one dtype and one layout of axes.

    values: (N, *item_shape) where all items share one shape; else all items end to end, shape (total,).
        A `np.memmap`, maybe read-only, where it lies on disk. Native byte order.
    axes: "NF", "NT", "NTC", "NYX", "NYXC", "NZYX" or "NZYXC".
    shapes: (N, item axes) int64, each item's own shape; None where they share one.
    offsets: (N,) int64, where each item starts in `values`; None where they share one shape.
    names: each item's name, a relative path with forward slashes; None for arrays.
    skipped: (name, reason) of what could not be read.
    notes: what else the user should know about how it was read, one line each.
    source: what the user called it.
    labels: (N,) for named sets that have them.
    mask: bool, as `values`: True where the value is missing; None where none is. NaN is missing as well.
    columns: of a table with cells of any type, what they hold; `values` are then their codes, float64 (N, F).
    frame: that table, a `pandas.DataFrame`, where it is at hand.
    rate: samples a second of recordings; None where it is not known.
    """

    values: np.ndarray
    axes: str
    shapes: np.ndarray | None = None
    offsets: np.ndarray | None = None
    names: list[str] | None = None
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    source: str = "array"
    labels: np.ndarray | None = None
    mask: np.ndarray | None = None
    columns: Columns | None = None
    frame: Any = None
    rate: int | None = None

    @classmethod
    def from_array(cls, X: Any, axes: str | None = None, source: str = "array", **details: Any) -> "Items":
        """Items from one array; `axes` says which axis is which, in any order, where `guess_axes` would not know.

        Not copied unless its byte order is foreign. `details` are further fields, such as names.
        Raises DataError for an array that is empty, not of numbers, or of unclear axes.
        """
        name = "X" if source == "array" else source
        X = _numbers(X, name)
        values, axes = arrange(X, guess_axes(X.shape, name) if axes is None else axes, name)
        return cls(values, axes, source=source, **details)

    @classmethod
    def from_list(
        cls, arrays: Sequence[Any], axes: str | None = None, source: str = "array", **details: Any
    ) -> "Items":
        """Items from one array each, of any sizes but one dtype, one number of axes and of channels.

        `axes` are those of an item, with or without the N. Raises DataError as `from_array`, naming the item.
        """
        if len(arrays) == 0:
            raise DataError(f"{source}: holds no items")
        arranged: list[np.ndarray] = []
        for index, array in enumerate(arrays):
            name = f"{source}, item {details['names'][index] if details.get('names') else index}"
            array = _numbers(array, name)
            item_axes = (axes or guess_axes((1, *array.shape), name)).replace("N", "")
            array, layout = arrange(array, item_axes, name)
            if arranged and (array.dtype != arranged[0].dtype or array.ndim != arranged[0].ndim):
                raise DataError(
                    f"{name}: {array.dtype} of shape {array.shape[1:]}, unlike the first item, "
                    f"{arranged[0].dtype} of shape {arranged[0].shape[1:]}"
                )
            arranged.append(array)
        if len({array.shape for array in arranged}) == 1:
            return cls(np.concatenate(arranged), layout, source=source, **details)
        values = np.concatenate([array.ravel() for array in arranged])
        return cls.ragged(values, [array.shape[1:] for array in arranged], layout, source=source, **details)

    @classmethod
    def ragged(cls, values: np.ndarray, shapes: Any, axes: str, offsets: Any = None, **details: Any) -> "Items":
        """Items of different sizes that lie in a flat array, end to end unless `offsets` says where each begins."""
        shapes = np.asarray(shapes, np.int64)
        if axes == "NF":
            raise DataError(
                "rows of different lengths",
                source=details.get("source", "X"),
                hint="if they are signals, specify",
                suggestion={"axes": "NT"},
            )
        if axes[-1] == "C" and (shapes[:, -1] != shapes[0, -1]).any():
            counts = ", ".join(map(str, np.unique(shapes[:, -1])))
            raise DataError(f"{details.get('source', 'X')}: items of different numbers of channels ({counts})")
        if offsets is None:
            offsets = np.cumsum(shapes.prod(axis=1)) - shapes.prod(axis=1)
        return cls(values, axes, shapes, np.asarray(offsets, np.int64), **details)

    @property
    def uniform(self) -> bool:
        """Whether all items share one shape."""
        return self.shapes is None

    @property
    def item_shape(self) -> tuple[int, ...]:
        """The shape that all items share; DataError where they do not."""
        if not self.uniform:
            raise DataError(f"{self.source}: its items have different sizes, so no common shape")
        return self.values.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """The type of a value."""
        return self.values.dtype

    @property
    def channels(self) -> int:
        """Channels of an item: the length of the C axis, 1 where there is none."""
        if self.axes[-1] != "C":
            return 1
        return int(self.values.shape[-1] if self.shapes is None else self.shapes[0, -1])

    @property
    def spatial_dims(self) -> int:
        """How many axes of an item are spatial: 0 for tables, 1 for signals, 2 for pictures, 3 for volumes."""
        return len(self.axes.strip("NCF"))

    @property
    def item_names(self) -> list[str]:
        """The names of the items; their numbers where they have none."""
        return self.names or [f"{index:05d}" for index in range(len(self))]

    def __len__(self) -> int:
        return len(self.values if self.shapes is None else self.shapes)

    def __getitem__(self, index: int) -> np.ndarray:
        if self.shapes is None or self.offsets is None:
            return np.asarray(self.values[index])
        shape, start = self.shapes[index], self.offsets[index]
        return np.asarray(self.values[start : start + shape.prod()]).reshape(shape)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def chunks(self) -> Iterator[np.ndarray]:
        """All values, a few megabytes at a time: (n, *item_shape), or one item where sizes differ.

        Of an item that is longer than that come parts, along the first of its axes.
        """
        if self.shapes is None:
            step = max(1, _CHUNK_VALUES // max(1, int(np.prod(self.item_shape))))
            for start in range(0, len(self), step):
                chunk = np.asarray(self.values[start : start + step])
                yield from _parts(chunk, 1) if self.spatial_dims else [chunk]
            return
        for item in self:
            yield from _parts(item, 0)

    def mask_items(self) -> "Items":
        """The mask as items of its own: True where a value is missing; for items that have one."""
        assert self.mask is not None
        return replace(self, values=self.mask, mask=None)

    def select(self, indices: Any) -> "Items":
        """The items at `indices` (integers, a mask or a slice); only scattered items of one shape are copied."""
        where = np.arange(len(self))[indices]
        if len(where) and (np.diff(where) == 1).all():
            indices = slice(int(where[0]), int(where[-1]) + 1)
        chosen = replace(
            self,
            names=None if self.names is None else [self.names[i] for i in where],
            labels=None if self.labels is None else self.labels[indices],
            frame=None if self.frame is None else self.frame.iloc[indices],
        )
        if self.shapes is None or self.offsets is None:
            return replace(chosen, values=self.values[indices], mask=None if self.mask is None else self.mask[indices])
        return replace(chosen, shapes=self.shapes[indices], offsets=self.offsets[indices])

    def to_rgb(self) -> "Items":
        """Grey images as colour images, `NYX` as `NYXC`: every value three times."""
        uniform = self.shapes is None

        def thrice(values: np.ndarray) -> np.ndarray:
            return np.repeat(values[..., None], 3, axis=-1) if uniform else np.repeat(values, 3)

        return replace(
            self,
            axes=self.axes + "C",
            values=thrice(self.values),
            mask=None if self.mask is None else thrice(self.mask),
            shapes=None if self.shapes is None else np.column_stack([self.shapes, np.full(len(self), 3)]),
            offsets=None if self.offsets is None else 3 * self.offsets,
        )

    def batch(self, indices: np.ndarray) -> np.ndarray:
        """The items at `indices` (B,) in one array (B, *item_shape), a copy; for items of one shape."""
        if not self.uniform:
            raise DataError(f"{self.source}: its items have different sizes; take crops")
        return np.asarray(self.values[indices])

    def crops(self, indices: np.ndarray, corners: np.ndarray, crop: tuple[int, ...]) -> np.ndarray:
        """One crop of each item at `indices`, in one gather: (B, *crop), and C last where there are channels.

        indices: (B,) ints. corners: (B, S) ints, the first coordinates of each crop along the S spatial axes.
        Coordinates outside an item take the value at its nearest edge.
        """
        corners = np.asarray(corners, np.int64)
        axes = range(self.spatial_dims)
        sizes = np.array([self.item_shape]) if self.shapes is None else self.shapes[indices]

        def column(values: np.ndarray) -> np.ndarray:
            """One number for each crop, as (B, 1, ..., 1) to go with the spatial axes."""
            return np.reshape(values, (-1, *(1 for _ in axes)))

        coordinates = []
        for axis in axes:
            along = corners[:, axis, None] + np.arange(crop[axis])
            along = np.clip(along, 0, sizes[:, axis, None] - 1)
            coordinates.append(along.reshape(-1, *(crop[axis] if other == axis else 1 for other in axes)))
        if self.offsets is None:
            return np.asarray(self.values[(column(indices), *coordinates)])
        pixels = self.values.reshape(-1, self.channels) if self.axes[-1] == "C" else self.values
        position = np.zeros((), np.int64)
        for axis in axes:
            position = position * column(sizes[:, axis]) + coordinates[axis]
        return np.take(pixels, column(self.offsets[indices] // self.channels) + position, axis=0)


def _parts(array: np.ndarray, axis: int) -> Iterator[np.ndarray]:
    """The array, in parts along an axis where it is larger than a chunk should be."""
    step = max(1, _CHUNK_VALUES * array.shape[axis] // max(1, array.size))
    for start in range(0, array.shape[axis], step):
        yield array[(*[slice(None)] * axis, slice(start, start + step))]


def _numbers(X: Any, name: str) -> np.ndarray:
    """X as an array of numbers in native byte order; a memory map stays one."""
    X = X if isinstance(X, np.memmap) else np.asarray(X)
    if X.dtype.kind not in "buif":
        raise DataError(f"{name} has values of type {X.dtype}: only booleans, integers and real numbers can be learnt")
    if X.size == 0:
        raise DataError(f"{name} has shape {X.shape}: it holds no values")
    return X if X.dtype.isnative else X.astype(X.dtype.newbyteorder("="))
