"""TIFF files of one image, or of a stack of images, volumes or signals, with what their metadata say."""

from typing import IO, Any

import numpy as np

from narrows.data.formats.tiff_metadata import scheme_options, write_options
from narrows.data.items import Items
from narrows.data.picture_metadata import NOTHING, PictureMetadata, in_common
from narrows.errors import DataError

_TO_TIFF = str.maketrans("NCF", "ISS")


def write(items: Items, file: IO[bytes]) -> None:
    """Write items as they came from ImageJ or OME, as pages with their own metadata, or as one stack of known axes.

    Raises DataError for what a TIFF cannot hold: tables, and signals or volumes of different sizes.
    """
    from tifffile import imwrite

    if items.axes == "NF":
        raise DataError("a table is not a stack of images", hint="write .npy instead")
    pictures = items.pictures or [NOTHING] * len(items)
    options = _scheme(items)
    if options is not None:
        array = _plain(items.to_array()[0] if _is_single(items) else items.to_array())
        samples = "C" if pictures[0].axes.endswith("S") else "X"
        imwrite(
            file, array, **options, **_samples(array, samples), **write_options(pictures[0], _channels(array, samples))
        )
    elif items.spatial_dims == 2 and (_is_picture(items) or not items.uniform or len(set(pictures)) > 1):
        _write_pages(items, pictures, file)
    elif items.uniform:
        array = _plain(items.values)
        options = _samples(array, items.axes) | write_options(in_common(pictures), items.channels)
        imwrite(file, array, metadata={"axes": items.axes.translate(_TO_TIFF)}, **options)
    else:
        raise DataError("items of different sizes can be pages only if they are images", hint="write .npz instead")


def keeps_scale(items: Items) -> bool:
    """Return whether `write` keeps the scale that ImageJ or OME state."""
    return _scheme(items) is not None


def _scheme(items: Items) -> dict[str, Any] | None:
    """Return the arguments of tifffile that write items in the scheme they were read in; None where they cannot."""
    if not items.uniform or not items.pictures or len(set(items.pictures)) > 1:
        return None
    axes = items.output_axes[1:] if _is_single(items) else items.output_axes
    return scheme_options(items.pictures[0], axes, np.dtype(np.uint8) if items.dtype == bool else items.dtype)


def _is_single(items: Items) -> bool:
    """Return whether there is one item, in an array that has an axis of items nevertheless."""
    return len(items) == 1 and items.output_axes.startswith("N")


def _is_picture(items: Items) -> bool:
    """Return whether this is one item that came from a file of its own, or from an array without an axis of items."""
    return len(items) == 1 and (bool(items.names) or "N" not in (items.array_axes or "N"))


def _write_pages(items: Items, pictures: list[PictureMetadata], file: IO[bytes]) -> None:
    """Write images of any sizes as the pages of one file."""
    from tifffile import TiffWriter

    with TiffWriter(file) as writer:
        for page, metadata in zip(items, pictures, strict=True):
            page = _plain(page[..., 0] if page.ndim == 3 and page.shape[-1] == 1 else page)
            axes = "YXC"[: page.ndim]
            options = _samples(page, axes) | write_options(metadata, _channels(page, axes))
            writer.write(page, metadata=None, contiguous=False, **options)


def _plain(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint8) * np.uint8(255) if values.dtype == bool else values


def _samples(values: np.ndarray, axes: str) -> dict[str, Any]:
    """Return how the channels are declared: as red, green, blue and opacity, or as samples of no stated meaning."""
    channels = _channels(values, axes)
    if channels == 1:
        return {"photometric": "minisblack"}
    if channels in (3, 4) and values.dtype in (np.uint8, np.uint16):  # as in PNG
        return {"photometric": "rgb", "planarconfig": "contig", "extrasamples": ["unassalpha"] * (channels - 3)}
    return {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unspecified"] * (channels - 1)}


def _channels(values: np.ndarray, axes: str) -> int:
    return int(values.shape[-1]) if axes[-1] == "C" else 1
