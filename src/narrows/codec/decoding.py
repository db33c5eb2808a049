"""From a `.narrow` file and its model to items: whole files or parts of them, at full size or coarsely."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import accumulate, groupby
from typing import Protocol

import numpy as np

from narrows.artifacts.manifest import TrainingRecord
from narrows.codec import windows
from narrows.codec.chunk import checksum
from narrows.codec.coder import Coder
from narrows.codec.coding_plan import CodingPlan
from narrows.codec.container.archive_file import ArchiveReader
from narrows.codec.container.header import ArchiveHeader
from narrows.codec.parallel import ordered_parallel_map
from narrows.codec.transforms.quantiser import Quantiser
from narrows.data import Items
from narrows.data.memory import allocate
from narrows.errors import FormatError

Decoded = list[np.ndarray | None]
"""The items of a chunk; None for those that were not asked for."""

CHECK_BYTES = 4  # of the decoded values, before the payload of a chunk from format 2 on


class DecodingModel(Protocol):
    """What decoding needs of a codec."""

    @property
    def axes(self) -> str:
        """Axes of the arrays that it was trained on, in their own order."""

    @property
    def coder(self) -> Coder:
        """What codes items of one shape."""

    @property
    def training(self) -> TrainingRecord:
        """How it was trained."""

    @property
    def item_shape(self) -> tuple[int, ...] | None:
        """The shape of items for which a file states none."""

    @property
    def rate(self) -> int | None:
        """Sampling rate in Hz."""


class ArchiveDecoder:
    """Decodes the chunks of a file.

    Parameters
    ----------
    reader : ArchiveReader
        The file.
    name : str
        What error messages call it.
    model : CodecModel, optional
        Its model; None for a file whose items are all stored.

    Raises
    ------
    FormatError
        If the model cannot have compressed the file.
    """

    def __init__(self, reader: ArchiveReader, name: str, model: DecodingModel | None) -> None:
        self.reader, self.name, self.coder = reader, name, None if model is None else model.coder
        if model is not None and model.item_shape is not None:
            reader.complete(model.coder.axes, str(model.coder.grid.dtype), model.item_shape)
        header = reader.header
        self.model_axes = str(header.axes) if model is None else model.axes
        self.rate = header.metadata.rate if model is None else model.rate
        self._bits = None if model is None else model.training.bits
        self._check_fit()
        self.plan = self._plan()
        self.starts = list(accumulate(self.header.chunk_items[:-1], initial=0))

    @property
    def header(self) -> ArchiveHeader:
        """What the file says of itself."""
        return self.reader.header

    @property
    def axes(self) -> str:
        """Axes in the order of `Items`."""
        return str(self.header.axes)

    @property
    def spatial_dims(self) -> int:
        """Number of spatial axes of an item."""
        return len(self.axes.strip("NCF"))

    def chunk_of(self, index: int) -> int:
        """Return the chunk that holds an item."""
        return bisect_right(self.starts, index) - 1

    def shape(self, index: int) -> tuple[int, ...]:
        """Return the shape of an item."""
        shapes = self.header.shapes
        return tuple(shapes[index].tolist()) if isinstance(shapes, np.ndarray) else shapes or ()

    def item_name(self, index: int) -> str:
        """Return the name of an item, or its number where it has none."""
        return self.header.names[index] if self.header.names else f"{index:05d}"

    def decode_chunk(self, chunk: int, wanted: Sequence[int] | None = None, level: int = 0) -> Decoded:
        """Return the items of a chunk, or those `wanted` by index in the file; FormatError where it is damaged."""
        start, count = self.starts[chunk], self.header.chunk_items[chunk]
        shapes = [self.shape(index) for index in range(start, start + count)]
        within = None if wanted is None else {index - start for index in wanted}
        content = self.reader.chunk(chunk)
        has_check = self.reader.version > 1
        check, payload = (content[:CHECK_BYTES], content[CHECK_BYTES:]) if has_check else (b"", content)
        try:
            found, covered = windows.decode(self.coder, self.plan, payload, shapes, self.spatial_dims, level, within)
            complete = level == 0 and all(item is not None for item in found)
            if has_check and complete and checksum(covered) != int.from_bytes(check, "little"):
                raise FormatError("decodes to other values than those that were compressed")
            return found
        except FormatError as error:
            raise FormatError(f"{self.name}: chunk {chunk + 1} of {len(self.starts)}: {error}") from None

    def chunks(self) -> Generator[Decoded, None, None]:
        """Decode chunk after chunk, on all cores."""
        return ordered_parallel_map(self.decode_chunk, range(len(self.starts)))

    def read(
        self,
        only: Collection[int] | None = None,
        level: int = 0,
        keep_going: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Items:
        """Decode the items, or `only` those at some indices; see `Archive.read`."""
        count = self.header.count
        wanted = range(count) if only is None else sorted(set(only))
        if not wanted or not 0 <= wanted[0] <= wanted[-1] < count:
            raise IndexError(f"{self.name}: its items are 0 to {count - 1}")
        by_chunk = {chunk: list(group) for chunk, group in groupby(wanted, self.chunk_of)}

        def decode(chunk: int) -> Decoded | FormatError:
            try:
                return self.decode_chunk(chunk, by_chunk[chunk], level)
            except FormatError as error:
                if not keep_going:
                    raise
                return error

        out, done = self._allocate(wanted, level), 0
        good: list[int] = []
        lost: list[tuple[str, str]] = []
        with closing(ordered_parallel_map(decode, list(by_chunk))) as chunks:
            for (chunk, indices), found in zip(by_chunk.items(), chunks, strict=True):
                if isinstance(found, FormatError):
                    lost += [(self.item_name(index), str(found)) for index in indices]
                else:
                    for place, index in enumerate(indices, start=done):
                        out[place][...] = found[index - self.starts[chunk]]
                    good += range(done, done + len(indices))
                done += len(indices)
                if progress is not None:
                    progress(done, len(wanted))
        if not good:
            raise FormatError(f"{lost[0][1]}; no other of these items can be read either")
        if self.header.names or only is not None or lost:
            out = replace(out, names=[self.item_name(index) for index in wanted])
        return replace(out.select(good), skipped=lost) if lost else out

    def _allocate(self, indices: Sequence[int], level: int) -> Items:
        """Return items of the shapes that those at `indices` have, whose values are still to be written."""
        one = isinstance(self.header.shapes, tuple)
        shapes = np.array([self.shape(index) for index in (indices[:1] if one else indices)], np.int64)
        shapes[:, : self.spatial_dims] = -(-shapes[:, : self.spatial_dims] >> level)
        total = int(shapes.prod(axis=1).sum()) * (len(indices) if one else 1)
        values = allocate(total, self.plan.quantiser.dtype)
        if (shapes == shapes[0]).all():
            items = Items(values.reshape(-1, *shapes[0]), self.axes, source=self.name, rate=self.rate)
        else:
            items = Items.ragged(values, shapes, self.axes, source=self.name, rate=self.rate)
        return self.header.metadata.put_on(items, indices, self.model_axes, self._bits)

    def _plan(self) -> CodingPlan:
        if self.coder is None:
            return CodingPlan("pixel", Quantiser(np.dtype(self.header.dtype), 1), 0)
        try:
            return self.coder.plan_from_bytes(self.header.parameters, np.dtype(self.header.dtype))
        except FormatError as error:
            raise FormatError(f"{self.name}: {error}") from None

    def _check_fit(self) -> None:
        """Raise FormatError where the model cannot have compressed items such as those of the file."""
        header, coder, channels = self.header, self.coder, 1
        if coder is not None and header.shapes is not None and str(header.axes)[-1] == "C":
            channels = header.shapes[-1] if isinstance(header.shapes, tuple) else int(header.shapes[0, -1])
        whole = np.dtype(header.dtype).kind != "f"
        if coder is not None and (header.axes, channels, whole) != (coder.axes, coder.channels, coder.grid.whole):
            raise FormatError(f"{self.name}: its header is invalid: its model does not take items such as these")
        axes = header.metadata.axes
        if axes is not None and {*axes, "N"} != {*str(header.axes)}:
            raise FormatError(f"{self.name}: its header is invalid: arrays of axes {axes} of items of {header.axes}")
