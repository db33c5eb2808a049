"""Codes with the shapes and names that decoding needs, and the files that hold them."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from narrows.artifacts import atomic
from narrows.artifacts.schema import PositiveInt, Text, from_document
from narrows.data import Items
from narrows.data.conversion import convert, open_table
from narrows.data.formats import ReadOptions, find_by_name, find_format, identify, npz
from narrows.data.formats.content import content_of
from narrows.data.tables import frames as tables
from narrows.data.tables.cells import require
from narrows.errors import DataError
from narrows.models.autoencoder_model import AutoencoderModel


@dataclass(frozen=True)
class Codes:
    """The codes of N items.

    Parameters
    ----------
    rows : ndarray of shape (N, K), or list of N ndarrays
        The codes; a list where items have different sizes.
    shapes : ndarray of int of shape (N, S), optional
        Spatial shape of each item; None for tables, and where a file does not say.
    names : list of str, optional
        Names of the items.
    source : str
        What messages call the codes.
    """

    rows: np.ndarray | list[np.ndarray]
    shapes: np.ndarray | None = None
    names: list[str] | None = None
    source: str = "codes"


def encode_items(model: AutoencoderModel, items: Items) -> Codes:
    """Return the codes of items; `decode_items` is the inverse as far as the model allows."""
    shapes = None
    if items.spatial_dims:
        shapes = np.tile(items.item_shape, (len(items), 1)) if items.shapes is None else items.shapes
        shapes = shapes[:, : items.spatial_dims]
    return Codes(model.encode(items), shapes, items.names, items.source)


def decode_items(model: AutoencoderModel, codes: Codes) -> Items:
    """Return the items that codes stand for; DataError where the codes are not such as the model gives."""
    shapes = codes.shapes
    if shapes is not None and not isinstance(codes.rows, list):
        shapes = shapes[0]
    try:
        items = model.decode(codes.rows, shapes)
    except DataError as error:
        error.source = error.source or codes.source
        raise
    return replace(items, source=codes.source, names=codes.names)


def encode_table(
    model: AutoencoderModel, source: str, target: str, progress: Callable[[int, int], None] | None = None
) -> Sequence[str]:
    """Write the codes of a table's rows from file to file, part by part; `decode_table` is the inverse.

    Return what the user should know about the rows that were read, one line each.
    """

    def encode(frame: Any) -> Any:
        codes = model.encode(model.code_rows(frame, source))
        return _framed(np.asarray(codes), frame.index)

    reader = open_table(*content_of(source), model.columns, model.cell_text)
    convert(reader, target, encode, progress=progress)
    return reader.notes


def decode_table(
    model: AutoencoderModel, source: str, target: str, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the table rows that codes decode to from file to file, part by part."""

    def decode(frame: Any) -> Any:
        codes = _codes_of(frame, model.code_shape[0])
        try:
            items = model.decode(codes.to_numpy())
        except DataError as error:
            error.source = error.source or source
            raise
        return items_frame(items, codes.index)

    convert(open_table(*content_of(source)), target, decode, progress=progress)


def items_frame(items: Items, index: Any) -> Any:
    """Return decoded rows as a data frame with an index."""
    assert items.columns is not None
    return tables.decode_frame(items.values, items.columns, index)


def _framed(codes: np.ndarray, index: Any = None) -> Any:
    """Return codes (N, K) as a data frame with the columns code0, code1, ..."""
    columns = [f"code{number}" for number in range(codes.shape[1])]
    return require("pandas").DataFrame(codes, index=index, columns=columns)


def _codes_of(frame: Any, count: int) -> Any:
    """Return the columns of a table that hold codes; others, such as an index from a CSV, become the index."""
    names = [f"code{number}" for number in range(count)]
    beside = [name for name in frame.columns if name not in names]
    if not beside or not set(names) <= set(frame.columns):
        return frame
    return frame.set_index(beside)[names]


def write_codes(codes: Codes, target: str) -> None:
    """Write codes to an array file or a table, to standard output as .npy, or to an .npz, which keeps everything.

    Parameters
    ----------
    codes : Codes
        The codes.
    target : str
        A file name, or "-". An .npz holds "codes", stored contiguously, the "lengths" (N,) of each, the "shapes" (N, S)
        of the items, and "names".

    Raises
    ------
    DataError
        If the target cannot hold the codes, or cannot be written.
    """
    format = find_by_name(target, "array", "table") or find_format("npy")
    if isinstance(codes.rows, list) and format.name != "npz":
        raise DataError(f"{target}: codes of items of different sizes are not one array; write an .npz")
    rows = np.asarray(codes.rows) if format.name != "npz" else np.empty((0, 0))
    items = Items(rows, "NF", frame=_framed(rows) if format.kind == "table" else None)
    if target == "-":
        format.load().write(items, sys.stdout.buffer, target)
        return
    try:
        with atomic.replacing(target) as temporary, open(temporary, "wb") as file:
            if format.name == "npz":
                npz.write_arrays(file, _contents(codes).items())
            else:
                format.load().write(items, file, target.lower())
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from None


def read_codes(source: str) -> Codes:
    """Read what `write_codes` wrote, "-" from standard input; DataError for any other file."""
    content, name = content_of(source)
    format, content = identify(content, name)
    if format.kind == "table":
        items = format.load().read(content, name, ReadOptions(most_cells=sys.maxsize))
        if any(column.kind in ("category", "date") for column in items.columns or ()):
            raise DataError(f"{name}: holds cells other than numbers; codes are rows of numbers")
        return Codes(items.values, source=name)
    if format.name != "npz":
        table = (format if format.kind == "array" else find_format("npy")).load().read_array(content, name)
        if table.ndim != 2:
            raise DataError(f"{name}: an array of shape {table.shape}; codes are rows, of shape (items, numbers)")
        return Codes(table, source=name)
    return _from_contents(npz.read_arrays(content, name), name)


@dataclass(frozen=True)
class _Layout:
    """What an .npz says of the codes in it, which are one after the other: their lengths, and shapes and names."""

    lengths: tuple[PositiveInt, ...]
    shapes: tuple[tuple[PositiveInt, ...], ...] | None = None
    names: tuple[Text, ...] | None = None

    def __post_init__(self) -> None:
        """Check that each is there as often as the others."""
        if any(each is not None and len(each) != len(self.lengths) for each in (self.shapes, self.names)):
            raise ValueError("its arrays do not fit together")


_ARRAYS = {"codes": ("fiu", 1), "lengths": ("iu", 1), "shapes": ("iu", 2), "names": ("U", 1)}  # kinds and axes


def _from_contents(contents: dict[str, np.ndarray], name: str) -> Codes:
    """Return the codes in the arrays of an .npz; `_contents` is the inverse. DataError for other arrays."""
    found = {key: contents[key] for key in _ARRAYS if key in contents}
    try:
        for key, array in found.items():
            kinds, axes = _ARRAYS[key]
            if array.dtype.kind not in kinds or array.ndim != axes:
                raise ValueError(f"its array {key!r} is {array.dtype} of shape {array.shape}")
        codes = found.pop("codes", None)
        if codes is None:
            raise ValueError("it has no array 'codes'")
        layout = from_document(_Layout, {key: array.tolist() for key, array in found.items()})
        if sum(layout.lengths) != len(codes):
            raise ValueError("its arrays do not fit together")
    except ValueError as error:
        raise DataError(f"not an .npz that encode wrote: {error}", source=name) from None
    lengths, shapes = layout.lengths, layout.shapes
    if len(set(lengths)) == 1 and (shapes is None or len(set(shapes)) == 1):
        rows: np.ndarray | list[np.ndarray] = codes.reshape(len(lengths), -1)
    else:
        rows = np.split(codes, np.cumsum(lengths)[:-1])
    return Codes(rows, found.get("shapes"), None if layout.names is None else list(layout.names), name)


def _contents(codes: Codes) -> dict[str, np.ndarray]:
    """Return the arrays of the .npz."""
    contents = {"codes": np.concatenate(list(codes.rows)), "lengths": np.array([len(row) for row in codes.rows])}
    if codes.shapes is not None:
        contents["shapes"] = codes.shapes
    if codes.names is not None:
        contents["names"] = np.array(codes.names)
    return contents
