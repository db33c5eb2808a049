"""`narrows.open`: the items in a `.narrow` file, decoded when asked for."""

import os
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from narrows.codec import windows
from narrows.codec.coder import Plan
from narrows.codec.compression import Progress
from narrows.codec.container.file import MAX_PIXELS, Reader
from narrows.codec.container.header import Header
from narrows.codec.container.mode import Mode
from narrows.codec.model_lookup import Model, find_codec
from narrows.codec.parallel import in_order
from narrows.data import Items
from narrows.data.memory import allocate
from narrows.errors import FormatError


def open(path: str | os.PathLike[str], model: Model = None, max_pixels: int = MAX_PIXELS) -> "Archive":
    """The items in a file that `compress` wrote.

    model: the Codec that it needs, or its file. By default the model in the file, or else one beside the file or in
    the current folder. max_pixels: the values that the file may hold. FormatError where the file is damaged, too large
    or needs another model; OSError where it cannot be read.
    """
    path = Path(path)
    return Archive(path.open("rb"), str(path), model, max_pixels, folders=(path.parent, Path()))


class Archive(Sequence):
    """A sequence of items, each decoded when it is asked for: `archive[17]`, `archive[200:300]`, `for item in archive`.

    Items have the axes of the arrays that the model was trained on; a slice, or a list of indices, gives them as one
    array, or as a list where they have different sizes. Neighbours lie in one chunk and are decoded together.

    Attributes
    ----------
    header : what the file says of itself
    name : of the file
    names : of the items, or None
    codec : the model
    mode : what was asked for when it was compressed
    axes, spatial, largest : of the items; how many axes are spatial; the largest size along each axis
    """

    def __init__(
        self,
        file: BinaryIO | bytes,
        name: str,
        model: Model = None,
        max_pixels: int = MAX_PIXELS,
        folders: Iterable[Path] = (),
    ) -> None:
        """The content of a file, or the file, which the archive closes; `folders` are searched for its model."""
        self._file, self.name = file, name
        try:
            self.reader = Reader(file, name, max_pixels)
            self.codec = find_codec(self.reader, name, model, folders)
            self._check_fit()
            self.plan = self._plan()
        except BaseException:
            self.close()
            raise
        self._starts = list(accumulate(self.header.chunk_items[:-1], initial=0))
        self._cached: tuple[int, list[Any]] = (-1, [])

    @property
    def header(self) -> Header:
        return self.reader.header

    @property
    def names(self) -> list[str] | None:
        return self.header.names

    @property
    def mode(self) -> Mode:
        return Mode.from_header(self.header.mode)

    @property
    def axes(self) -> str:
        return str(self.header.axes)

    @property
    def spatial_dims(self) -> int:
        return len(self.axes.strip("NCF"))

    @property
    def largest(self) -> tuple[int, ...]:
        shapes = self.header.shapes
        return tuple(shapes.max(axis=0).tolist()) if isinstance(shapes, np.ndarray) else shapes or ()

    def __len__(self) -> int:
        return self.header.count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"{self.name}: has no item {index}; its items are 0 to {len(self) - 1}")
            where = int(index) % len(self)
            chunk = self._chunk_of(where)
            within = where - self._starts[chunk]
            if self._cached[0] != chunk or self._cached[1][within] is None:
                self._cached = chunk, self._decode(chunk, [where])
            return self.codec._item_as_given(self._cached[1][within])
        chosen = np.arange(len(self))[index]
        if not len(chosen):
            return []
        different, places = np.unique(chosen, return_inverse=True)
        items = self.read(different.tolist()).select(places)
        if items.uniform:
            return self.codec._as_given(items.values)
        return [self.codec._item_as_given(item) for item in items]

    def __iter__(self) -> Iterator[np.ndarray]:
        with closing(in_order(self._decode, range(len(self._starts)))) as chunks:
            for items in chunks:
                yield from map(self.codec._item_as_given, items)

    def read(
        self,
        only: Collection[int] | None = None,
        level: int = 0,
        keep_going: bool = False,
        progress: Progress | None = None,
    ) -> Items:
        """The items, or `only` those at some indices, as `narrows.data.Items` in the order of the file.

        level: of each only every 2**level-th value along its spatial axes, which takes much less time. keep_going:
        leave out the items of damaged chunks, and name them in `skipped`. FormatError where a chunk is damaged, or
        with `keep_going` all are. Some items of an archive without names have their indices for names.
        """
        wanted = range(len(self)) if only is None else sorted(set(only))
        if not wanted or not 0 <= wanted[0] <= wanted[-1] < len(self):
            raise IndexError(f"{self.name}: its items are 0 to {len(self) - 1}")
        by_chunk = {chunk: list(group) for chunk, group in groupby(wanted, self._chunk_of)}

        def decode(chunk: int) -> list[Any] | FormatError:
            try:
                return self._decode(chunk, by_chunk[chunk], level)
            except FormatError as error:
                if not keep_going:
                    raise
                return error

        room, done = self._room(wanted, level), 0
        good: list[int] = []
        lost: list[tuple[str, str]] = []
        with closing(in_order(decode, list(by_chunk))) as chunks:
            for (chunk, indices), found in zip(by_chunk.items(), chunks, strict=True):
                if isinstance(found, FormatError):
                    lost += [(self._item_name(index), str(found)) for index in indices]
                else:
                    for place, index in enumerate(indices, start=done):
                        room[place][...] = found[index - self._starts[chunk]]
                    good += range(done, done + len(indices))
                done += len(indices)
                if progress is not None:
                    progress(done, len(wanted))
        if not good:
            raise FormatError(f"{lost[0][1]}; nor can any other of these items")
        if self.names or only is not None or lost:
            room = replace(room, names=[self._item_name(index) for index in wanted])
        return replace(room.select(good), skipped=lost) if lost else room

    def close(self) -> None:
        """Close the file; `with` does it too."""
        if not isinstance(self._file, bytes):
            self._file.close()

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _plan(self) -> Plan:
        try:
            return self.codec.coder_.plan_from_bytes(self.header.parameters, np.dtype(self.header.dtype))
        except FormatError as error:
            raise FormatError(f"{self.name}: {error}") from None

    def _decode(self, chunk: int, wanted: Sequence[int] | None = None, level: int = 0) -> list[Any]:
        """The items of a chunk, or those of them that are wanted, by their indices in the file."""
        start, count = self._starts[chunk], self.header.chunk_items[chunk]
        shapes = [self._shape(index) for index in range(start, start + count)]
        within = None if wanted is None else {index - start for index in wanted}
        payload = self.reader.chunk(chunk)
        try:
            return windows.decode(self.codec.coder_, self.plan, payload, shapes, self.spatial_dims, level, within)
        except FormatError as error:
            raise FormatError(f"{self.name}: chunk {chunk + 1} of {len(self._starts)}: {error}") from None

    def _room(self, indices: Sequence[int], level: int) -> Items:
        """Items of the shapes that those at `indices` have, their values to be filled in."""
        one = isinstance(self.header.shapes, tuple)
        shapes = np.array([self._shape(index) for index in (indices[:1] if one else indices)], np.int64)
        shapes[:, : self.spatial_dims] = -(-shapes[:, : self.spatial_dims] >> level)
        total = int(shapes.prod(axis=1).sum()) * (len(indices) if one else 1)
        values = allocate(total, self.plan.quantiser.dtype)
        if (shapes == shapes[0]).all():
            return Items(values.reshape(-1, *shapes[0]), self.axes, source=self.name, rate=self.codec.rate_)
        return Items.ragged(values, shapes, self.axes, source=self.name, rate=self.codec.rate_)

    def _chunk_of(self, index: int) -> int:
        return bisect_right(self._starts, index) - 1

    def _shape(self, index: int) -> tuple[int, ...]:
        shapes = self.header.shapes
        return tuple(shapes[index].tolist()) if isinstance(shapes, np.ndarray) else shapes or ()

    def _item_name(self, index: int) -> str:
        return self.names[index] if self.names else f"{index:05d}"

    def _check_fit(self) -> None:
        """FormatError where the file's items are none that its model can have compressed."""
        codec = self.codec
        if codec.item_shape_ is not None:
            self.reader.complete(codec.item_axes_, str(codec.dtype_), codec.item_shape_)
        header, channels = self.header, 1
        if header.shapes is not None and str(header.axes)[-1] == "C":
            channels = header.shapes[-1] if isinstance(header.shapes, tuple) else int(header.shapes[0, -1])
        whole = np.dtype(header.dtype).kind != "f"
        if header.axes != codec.item_axes_ or channels != codec.channels_ or whole != (codec.dtype_.kind != "f"):
            raise FormatError(f"{self.name}: its header makes no sense: its model has never seen items such as these")
