"""Items: the one form in which data travel, whether the items share one shape or not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from narrows.data.axes import arrange, guess_axes, in_user_order, notes_on_guess
from narrows.data.picture_metadata import PictureMetadata
from narrows.data.tables.cell_text import CellText
from narrows.data.tables.columns import Columns
from narrows.errors import DataError

_CHUNK_VALUES = 2**22


@dataclass(frozen=True, eq=False)
class Items:
    r"""N items of one dtype and one layout of axes.

    Parameters
    ----------
    values : ndarray of shape (N, \*item_shape) or (total,)
        The values: one array where all items share one shape, else all items stored contiguously (ragged layout). In
        native byte order; a `numpy.memmap`, perhaps read-only, where they are on disk.
    axes : {"NF", "NT", "NTC", "NYX", "NYXC", "NZYX", "NZYXC"}
        The layout: items first, then features, times or spatial axes, channels last.
    shapes : int64 array of shape (N, item axes), optional
        The shape of each item in the ragged layout; None where all share one.
    offsets : int64 array of shape (N,), optional
        Where each item begins in the ragged `values`.
    names : list of str, optional
        The names of the items: relative paths with forward slashes.
    skipped : list of (str, str)
        Name and reason of each file that could not be read.
    notes : list of str
        What else the user should know about how the items were read, one line each.
    source : str
        What messages call the items.
    labels : ndarray of shape (N,), optional
        The classes of the items of a named data set.
    mask : bool array, optional
        As `values`, True where a value is missing; None where none is. NaN is missing as well.
    columns : Columns, optional
        The columns of a table with cells of any type, whose codes `values` (N, F) then are, as float64.
    frame : pandas.DataFrame, optional
        The table itself, where it is at hand.
    cell_text : CellText, optional
        How the text of the table's cells was read.
    rate : int, optional
        The sample rate of recordings in Hz.
    bits : list of int, optional
        The bits per sample of each recording that is int32, in whose high bits it has fewer.
    array_axes : str, optional
        The axes of the array that the items came from, in its own order, such as ``"NCT"`` or ``"YXC"``; what is
        written as an array gets them again.
    pictures : list of PictureMetadata, optional
        Of each image, the colour profile, resolution and scale that its file states.
    unit : Scaling, optional
        That of the model in whose unit the values are known to be; set by `TrainedModel.check_layout`.

    Examples
    --------
    >>> items = Items.from_list([np.zeros((2, 3)), np.zeros((4, 5))], "YX")
    >>> items.axes, len(items), items.uniform, items[1].shape
    ('NYX', 2, False, (4, 5))
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
    cell_text: CellText | None = None
    rate: int | None = None
    bits: list[int] | None = None
    array_axes: str | None = None
    pictures: list[PictureMetadata] | None = None
    unit: Any = None

    @classmethod
    def from_array(cls, X: Any, axes: str | None = None, source: str = "array", **details: Any) -> "Items":
        """Return the items in one array, which is not copied unless its byte order is foreign.

        Parameters
        ----------
        X : array_like
            Booleans, integers or real numbers. Values that a masked array masks are missing.
        axes : str, optional
            Which axis is which, in any order; guessed by `guess_axes` by default.
        source : str
            What messages call the array.
        **details
            Further fields, such as names.

        Raises
        ------
        DataError
            If the array is empty, not of numbers, or its axes are ambiguous.
        """
        name = "X" if source == "array" else source
        masked, X = np.ma.getmask(X), _numbers(X, name)
        if axes is None:
            axes = guess_axes(X.shape, name)
            details.setdefault("notes", notes_on_guess(X.shape, name))
        values, layout = arrange(X, axes, name)
        if masked is not np.ma.nomask:
            details["mask"] = arrange(masked, axes, name)[0]
        return cls(values, layout, source=source, array_axes=axes, **details)

    @classmethod
    def from_list(
        cls, arrays: Sequence[Any], axes: str | None = None, source: str = "array", **details: Any
    ) -> "Items":
        """Return items of one array each, of any sizes but one dtype, one number of axes and of channels.

        Parameters
        ----------
        arrays : sequence of array_like
            The items. Values that masked arrays mask are missing.
        axes : str, optional
            The axes of an item, with or without N.
        source : str
            What messages call the list.
        **details
            Further fields, such as names.

        Raises
        ------
        DataError
            As for `from_array`, naming the item.
        """
        if len(arrays) == 0:
            raise DataError("holds no items", source=source)
        arranged: list[np.ndarray] = []
        for index, array in enumerate(arrays):
            name = f"{source}, item {details['names'][index] if details.get('names') else index}"
            array = _numbers(array, name)
            item_axes = (axes or guess_axes((1, *array.shape), name)).replace("N", "")
            array, layout = arrange(array, item_axes, name)
            if arranged and (array.dtype != arranged[0].dtype or array.ndim != arranged[0].ndim):
                first = f"{arranged[0].dtype} of shape {arranged[0].shape[1:]}"
                raise DataError(
                    f"{array.dtype} of shape {array.shape[1:]}, unlike the first item, {first}", source=name
                )
            arranged.append(array)
        details["array_axes"] = f"N{item_axes}"
        if any(np.ma.is_masked(array) for array in arrays):
            details["mask"] = cls.from_list([np.ma.getmaskarray(array) for array in arrays], axes, source).values
        if len({array.shape for array in arranged}) == 1:
            return cls(np.concatenate(arranged), layout, source=source, **details)
        values = np.concatenate([array.ravel() for array in arranged])
        return cls.ragged(values, [array.shape[1:] for array in arranged], layout, source=source, **details)

    @classmethod
    def ragged(cls, values: np.ndarray, shapes: Any, axes: str, offsets: Any = None, **details: Any) -> "Items":
        """Return items of different sizes in a flat array, contiguous unless `offsets` say where each begins."""
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
            raise DataError(f"items of different numbers of channels ({counts})", source=details.get("source", "X"))
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
            raise DataError("the items have different sizes, so no common shape", source=self.source)
        return self.values.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self.values.dtype

    @property
    def channels(self) -> int:
        """The number of channels: the length of the C axis, 1 where there is none."""
        if self.axes[-1] != "C":
            return 1
        return int(self.values.shape[-1] if self.shapes is None else self.shapes[0, -1])

    @property
    def common_bits(self) -> int | None:
        """The `bits` of all recordings; None where they are not known or differ."""
        bits = set(self.bits or ())
        return bits.pop() if len(bits) == 1 else None

    @property
    def output_axes(self) -> str:
        """The axes of an array that the items are written as: `array_axes`, as far as they are those of the items."""
        given = "".join(axis for axis in self.array_axes or self.axes if axis in self.axes)
        given += "".join(axis for axis in self.axes if axis not in given and axis != "N")
        return given if "N" in given or len(self) == 1 else f"N{given}"

    @property
    def spatial_dims(self) -> int:
        """The number of spatial axes: 0 for tables, 1 for signals, 2 for images, 3 for volumes."""
        return len(self.axes.strip("NCF"))

    @property
    def item_names(self) -> list[str]:
        """The names of the items; their numbers where they have none."""
        return self.names or [f"{index:05d}" for index in range(len(self))]

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.values if self.shapes is None else self.shapes)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return one item."""
        if self.shapes is None or self.offsets is None:
            return np.asarray(self.values[index])
        shape, start = self.shapes[index], self.offsets[index]
        return np.asarray(self.values[start : start + shape.prod()]).reshape(shape)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Iterate over the items."""
        return (self[index] for index in range(len(self)))

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield all values, a few megabytes at a time: (n, *item_shape), or one item where sizes differ.

        Longer items come in parts along their first axis.
        """
        if self.shapes is None:
            step = max(1, _CHUNK_VALUES // max(1, int(np.prod(self.item_shape))))
            for start in range(0, len(self), step):
                chunk = np.asarray(self.values[start : start + step])
                yield from _parts(chunk, 1) if self.spatial_dims else [chunk]
            return
        for item in self:
            yield from _parts(item, 0)

    def to_array(self) -> np.ndarray:
        """Return items of one shape as an array with the `output_axes`."""
        values = self.values if "N" in self.output_axes else self[0]
        return in_user_order(values, self.output_axes)

    def to_arrays(self) -> Iterator[np.ndarray]:
        """Yield each item as an array with the `output_axes`, without N."""
        return (in_user_order(item, self.output_axes.replace("N", "")) for item in self)

    def mask_items(self) -> "Items":
        """Return the mask as items of their own, True where a value is missing; for items that have one."""
        assert self.mask is not None
        return replace(self, values=self.mask, mask=None)

    def select(self, indices: Any) -> "Items":
        """Return the items at `indices` (integers, booleans or a slice), a view unless they are scattered."""
        where = np.arange(len(self))[indices]
        if len(where) and (np.diff(where) == 1).all():
            indices = slice(int(where[0]), int(where[-1]) + 1)
        chosen = replace(
            self,
            names=None if self.names is None else [self.names[i] for i in where],
            labels=None if self.labels is None else self.labels[indices],
            bits=None if self.bits is None else [self.bits[i] for i in where],
            pictures=None if self.pictures is None else [self.pictures[i] for i in where],
            frame=None if self.frame is None else self.frame.iloc[indices],
        )
        if self.shapes is None or self.offsets is None:
            return replace(chosen, values=self.values[indices], mask=None if self.mask is None else self.mask[indices])
        return replace(chosen, shapes=self.shapes[indices], offsets=self.offsets[indices])

    def to_rgb(self) -> "Items":
        """Return grey images (NYX) as colour images (NYXC)."""
        uniform = self.shapes is None

        def repeat(values: np.ndarray) -> np.ndarray:
            return np.repeat(values[..., None], 3, axis=-1) if uniform else np.repeat(values, 3)

        return replace(
            self,
            axes=self.axes + "C",
            values=repeat(self.values),
            mask=None if self.mask is None else repeat(self.mask),
            shapes=None if self.shapes is None else np.column_stack([self.shapes, np.full(len(self), 3)]),
            offsets=None if self.offsets is None else 3 * self.offsets,
        )

    def batch(self, indices: np.ndarray) -> np.ndarray:
        """Return a copy of the items at `indices` (B,) as one array (B, *item_shape); for items of one shape."""
        if not self.uniform:
            raise DataError("the items have different sizes", source=self.source, hint="take crops")
        return np.asarray(self.values[indices])

    def crops(self, indices: np.ndarray, corners: np.ndarray, crop: tuple[int, ...]) -> np.ndarray:
        r"""Return one crop of each item at `indices`, gathered at once.

        Parameters
        ----------
        indices : int array of shape (B,)
            The items.
        corners : int array of shape (B, S)
            The first coordinates of each crop along the S spatial axes. Coordinates outside an item take the value at
            its nearest edge.
        crop : tuple of S int
            The shape of a crop.

        Returns
        -------
        ndarray of shape (B, \*crop) or (B, \*crop, C)
            The crops, with channels last where the items have some.
        """
        corners = np.asarray(corners, np.int64)
        axes = range(self.spatial_dims)
        sizes = np.array([self.item_shape]) if self.shapes is None else self.shapes[indices]

        def column(values: np.ndarray) -> np.ndarray:
            """Return one number for each crop as (B, 1, ..., 1), to broadcast along the spatial axes."""
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
    """Yield an array, in parts along an axis where it is larger than a chunk should be."""
    step = max(1, _CHUNK_VALUES * array.shape[axis] // max(1, array.size))
    for start in range(0, array.shape[axis], step):
        yield array[(*[slice(None)] * axis, slice(start, start + step))]


def _numbers(X: Any, name: str) -> np.ndarray:
    """Return X as an array of numbers in native byte order; a memory map stays one."""
    try:
        X = X if isinstance(X, np.memmap) else np.asarray(np.ma.getdata(X) if isinstance(X, np.ma.MaskedArray) else X)
    except (TypeError, ValueError, RuntimeError) as error:  # of NumPy, and of libraries whose arrays it converts
        raise DataError(f"no array of numbers ({str(error).splitlines()[0]})", source=name) from None
    if X.dtype.kind not in "buif":
        raise DataError(f"values of type {X.dtype}, expected booleans, integers or real numbers", source=name)
    if X.size == 0:
        raise DataError(f"shape {X.shape}, so it holds no values", source=name)
    native: np.ndarray = X if X.dtype.isnative else X.astype(X.dtype.newbyteorder("="))
    return native
