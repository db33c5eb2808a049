"""`narrows.open`: the items in a `.narrow` file, decoded when they are asked for."""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from narrows.artifacts.lookup import find_model_file
from narrows.artifacts.model_file import check_opens
from narrows.codec.container.archive_file import ArchiveReader
from narrows.codec.container.header import ArchiveHeader
from narrows.codec.container.mode import Mode
from narrows.codec.decoding import ArchiveDecoder, Decoded
from narrows.codec.model import CodecModel, Progress
from narrows.data import Items
from narrows.data.axes import in_user_order
from narrows.errors import FormatError, ParameterError
from narrows.ready import FOLDER


class FittedCodec(Protocol):
    """An estimator around a trained codec, such as `narrows.Codec`."""

    model_: CodecModel


Model = CodecModel | FittedCodec | str | os.PathLike[str] | None


def open(path: str | os.PathLike[str], model: Model = None, max_pixels: int | None = None) -> "Archive":
    """Open a file that `Codec.compress` or ``narrows compress`` wrote.

    Parameters
    ----------
    path : str or path
        The `.narrow` file.
    model : Codec, CodecModel, str, path or None
        The codec that the file needs, or its model file. By default the model in the file, or else the one with its
        fingerprint in the file's folder, in the current folder, or among the ready-made ones.
    max_pixels : int, optional
        The largest number of values that the file may announce; by default it follows from the size of the file.

    Returns
    -------
    Archive
        A sequence of items, which are decoded when they are asked for.

    Raises
    ------
    FormatError
        If the file is damaged, holds too many values or needs another model.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> import narrows
    >>> digits = narrows.data.read("digits").values
    >>> codec = narrows.Codec(epochs=1).fit(digits[:200])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "digits.narrow")
    ...     size = path.write_bytes(codec.compress(digits[:100], lossless=True))
    ...     with narrows.open(path, model=codec) as archive:
    ...         print(len(archive), archive[17].shape, archive[20:30].shape)
    100 (8, 8) (10, 8, 8)
    """
    path = Path(path)
    check_opens(path)
    return Archive(path.open("rb"), str(path), model, max_pixels, folders=(path.parent, Path()))


class Archive(Sequence[np.ndarray]):
    """The items in a `.narrow` file: ``archive[17]``, ``archive[200:300]``, ``for item in archive``.

    Items have the axes of the arrays that were compressed. A slice, or a list of indices, gives an array of
    several items, or a list if they have different sizes. Items that are stored in one chunk are decoded together.

    Parameters
    ----------
    file : binary file or bytes
        The content of the file, or the file, which the archive closes.
    name : str
        What error messages call it.
    model : Codec, CodecModel, str, path or None
        As for `narrows.open`.
    max_pixels : int, optional
        The largest number of values that the file may announce; by default it follows from the size of the file.
    folders : iterable of Path
        Where to look for the model file that the file needs.

    Attributes
    ----------
    header : ArchiveHeader
        What the file says of itself.
    names : list of str or None
        Names of the items.
    model : CodecModel or None
        The codec that it was compressed with; None if its items are stored without one.
    mode : Mode
        What was asked of the compression.

    Raises
    ------
    FormatError
        If the file is damaged, holds too many values or needs another model.
    """

    def __init__(
        self,
        file: BinaryIO | bytes,
        name: str,
        model: Model = None,
        max_pixels: int | None = None,
        folders: Iterable[Path] = (),
    ) -> None:
        self._file, self.name = file, name
        try:
            self.reader = ArchiveReader(file, name, max_pixels)
            self.model = find_model(self.reader, name, model, folders) if self.header.has_model else None
            self._decoder = ArchiveDecoder(self.reader, name, self.model)
        except BaseException:
            self.close()
            raise
        self._cached: tuple[int, Decoded] = (-1, [])

    @property
    def header(self) -> ArchiveHeader:
        """What the file says of itself."""
        return self.reader.header

    @property
    def names(self) -> list[str] | None:
        """Names of the items; None if they have none."""
        return self.header.names

    @property
    def mode(self) -> Mode:
        """What was asked of the compression."""
        return Mode.from_header(self.header.mode)

    @property
    def path(self) -> str:
        """By which path the file was coded, "pixel" or "transform"; "stored" without a model."""
        return self._decoder.plan.path if self.header.has_model else "stored"

    @property
    def rate(self) -> int | None:
        """Sampling rate in Hz of recordings."""
        return self._decoder.rate

    @property
    def axes(self) -> str:
        """Axes in the order of `Items`."""
        return self._decoder.axes

    @property
    def array_axes(self) -> str:
        """Axes of arrays of items, in the order of those that were compressed."""
        axes = self.header.metadata.axes or self._decoder.model_axes
        return axes if "N" in axes else f"N{axes}"

    @property
    def spatial_dims(self) -> int:
        """Number of spatial axes of an item."""
        return self._decoder.spatial_dims

    @property
    def largest(self) -> tuple[int, ...]:
        """The largest size of an item along each axis."""
        shapes = self.header.shapes
        return tuple(shapes.max(axis=0).tolist()) if isinstance(shapes, np.ndarray) else shapes or ()

    def __len__(self) -> int:
        """Return the number of items."""
        return self.header.count

    def __getitem__(self, index: Any) -> Any:
        """Decode one item by its index, or several by a slice or a list of indices."""
        if isinstance(index, (int, np.integer)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"{self.name}: has no item {index}; its items are 0 to {len(self) - 1}")
            return self._as_given(self._item(int(index) % len(self)))
        chosen = np.arange(len(self))[index]
        if not len(chosen):
            return []
        different, places = np.unique(chosen, return_inverse=True)
        items = self.read(different.tolist()).select(places)
        if items.uniform:
            return in_user_order(items.values, self.array_axes)
        return [self._as_given(item) for item in items]

    def __iter__(self) -> Iterator[np.ndarray]:
        """Decode item after item, on all cores."""
        with closing(self._decoder.chunks()) as chunks:
            for items in chunks:
                yield from (self._as_given(item) for item in items if item is not None)

    def read(
        self,
        only: Collection[int] | None = None,
        level: int = 0,
        keep_going: bool = False,
        progress: Progress | None = None,
    ) -> Items:
        """Decode items.

        Parameters
        ----------
        only : collection of int, optional
            Indices of the items to decode; all by default.
        level : int
            Decode only every ``2**level``-th value along each spatial axis, which takes much less time.
        keep_going : bool
            Leave out the items of damaged chunks, and name them in `Items.skipped`.
        progress : callable, optional
            Called with the number of items done and of all items.

        Returns
        -------
        Items
            In the order of the file. Where the file has no names, and only some items are decoded, their names are
            their indices.

        Raises
        ------
        FormatError
            If a chunk is damaged; with `keep_going`, if all are.
        IndexError
            If there is no such item.
        """
        return self._decoder.read(only, level, keep_going, progress)

    def close(self) -> None:
        """Close the file; leaving a `with` block does it too."""
        if not isinstance(self._file, bytes):
            self._file.close()

    def __enter__(self) -> "Archive":
        """Return the archive, which leaving the block closes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def _item(self, index: int) -> np.ndarray:
        """Return an item in the layout of `Items`; the last chunk is kept, for the items beside it."""
        chunk = self._decoder.chunk_of(index)
        within = index - self._decoder.starts[chunk]
        cached, items = self._cached  # together, because another thread may replace them
        if cached != chunk or items[within] is None:
            items = self._decoder.decode_chunk(chunk, [index])
            self._cached = chunk, items
        item = items[within]
        assert item is not None
        return item

    def _as_given(self, item: np.ndarray) -> np.ndarray:
        return in_user_order(item, self.array_axes.replace("N", ""))


def find_model(reader: ArchiveReader, name: str, model: Model, folders: Iterable[Path] = ()) -> CodecModel:
    """Return the codec that a file called `name` needs: the one given, else the one in the file, else one in a folder.

    Raises
    ------
    FormatError
        If there is none, or if the one given or in the file is another.
    """
    needed = reader.header.fingerprint
    if isinstance(model, (str, os.PathLike)):
        found, described = CodecModel.load(Path(model)), f"; {model} is"
    elif model is not None:
        given: object = getattr(model, "model_", model)
        if not isinstance(given, CodecModel):
            raise ParameterError("expected a fitted codec or its file", parameter="model", value=type(model))
        found, described = given, "; the one given is"
    elif (content := reader.model()) is not None:
        found, described = CodecModel.from_bytes(content, f"{name}: the model in it"), ", but holds"
    else:
        path = find_model_file(needed, (*folders, FOLDER))
        if path is None:
            raise FormatError(
                f"needs the model {needed}, which is not beside it, nor a ready-made one",
                source=name,
                hint="specify it",
                suggestion={"model": "FILE"},
            )
        found, described = CodecModel.load(path), ", but beside it is"
    if not found.fingerprint.startswith(needed):
        raise FormatError(f"{name}: needs the model {needed}{described} {found.fingerprint[:12]}")
    return found
