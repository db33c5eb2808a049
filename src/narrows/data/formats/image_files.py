"""Image files, one or many, as items."""

import dataclasses
import os
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from narrows.data.axes import check_axes
from narrows.data.formats import ReadOptions, find_format, images, pillow, tiff_writing
from narrows.data.formats.content import Content
from narrows.data.formats.foreign import unknown_form
from narrows.data.formats.image_header import Header
from narrows.data.formats.members import Decoding, File, single_file
from narrows.data.items import Items
from narrows.data.memory import allocate
from narrows.data.picture_metadata import NOTHING, PictureMetadata
from narrows.errors import DataError

ENCODERS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read one image as an item."""
    if not name.lower().endswith(find_format("image").members) and not images.is_image(content):
        raise unknown_form(name)
    return read_files([single_file(content, name)], name, dataclasses.replace(options, strict=True))


def write(items: Items, file: IO[bytes], name: str) -> None:
    """Write a single image; DataError for several items, or none that are images."""
    if len(items) != 1:
        raise DataError("one image cannot hold several items", hint="name a folder instead (ending in /)")
    if items.spatial_dims != 2:
        raise DataError(f"items with the axes {items.axes[1:]} are not images", hint="write .npy, .npz or .tif instead")
    format, metadata = ENCODERS[os.path.splitext(name)[1]], items.pictures[0] if items.pictures else NOTHING
    if format == "TIFF":
        tiff_writing.write(dataclasses.replace(items, array_axes=items.output_axes.replace("N", "")), file)
    else:
        file.write(images.encode(items[0], format, metadata))


def suffix_for(items: Items) -> str | None:
    """Return the suffix of the files that can hold such items, one each; None where they are not images."""
    if items.spatial_dims != 2:
        return None
    return ".png" if images.holds("PNG", items.dtype, items.channels) else ".tif"


def read_files(files: list[File], source: str, options: ReadOptions) -> Items:
    """Read all images that can be read, as `NYX` if all are grey and else as `NYXC`.

    Grey images among colour ones become colour. Alpha is kept as the last channel if any pixel of the set is not
    opaque. Raises DataError where no image can be read, where they differ in depth or in kinds of channels, and with
    `strict` for the first that cannot be read.
    """
    with pillow.decoder_settings(), Decoding(source, options, images.reason) as decoding:
        shared: dict[PictureMetadata, PictureMetadata] = {}  # thousands of photographs have the same profile

        def look(content: Content, _: int) -> Header:
            header = images.read_header(content)
            if not header.rows * header.columns * header.channels:
                raise DataError("an image without pixels")
            return dataclasses.replace(header, metadata=shared.setdefault(header.metadata, header.metadata))

        headers = decoding.each(files, look, "looking")
        files = [files[index] for index in headers]
        plan = _Plan(source, [file.name for file in files], list(headers.values()))
        values = allocate(int(plan.offsets[-1]), plan.dtype)

        def decode_into_place(content: Content, index: int) -> bool:
            array = plan.fit(images.decode(content), index)
            values[plan.offsets[index] : plan.offsets[index + 1]] = array.ravel()
            return plan.alpha and bool((array[..., -1] != plan.opaque).any())

        transparent = decoding.each(files, decode_into_place, "reading", plan.length)
    readable = _Plan(source, *zip(*((plan.names[index], plan.headers[index]) for index in transparent), strict=True))
    if readable.channels != plan.channels:  # the only colour, or alpha, was that of images which cannot be read
        again = read_files([files[index] for index in transparent], source, options)
        return dataclasses.replace(again, skipped=decoding.skipped + again.skipped)
    if plan.alpha and not any(transparent.values()):
        values, plan = plan.without_alpha(values)
    items = plan.items(values, list(transparent), decoding.skipped)
    check_axes(options.axes, items.axes, source)
    return items


class _Plan:
    """What images have in common, and where each goes in one flat array: image i at offsets[i] to offsets[i + 1].

    Raises DataError where they have too little in common.
    """

    def __init__(self, source: str, names: Sequence[str], headers: Sequence[Header]) -> None:
        self.source, self.names, self.headers = source, names, headers
        self.dtype = headers[0].dtype
        colours = [header.channels - header.alpha for header in headers]
        most = max(colours)
        for name, header, count in zip(names, headers, colours, strict=True):
            if header.dtype != self.dtype:
                raise DataError(
                    f"{names[0]} has values of type {self.dtype}, {name} of type {header.dtype}",
                    source=source,
                    hint="convert them to one depth, or read them separately",
                )
            if count != most and (count, most) != (1, 3):
                first = names[colours.index(most)]
                raise DataError(
                    f"{first} has {most} channels, {name} has {count}", source=source, hint="read them separately"
                )
        self.alpha = any(header.alpha for header in headers)
        self.channels = most + self.alpha
        self.shapes = np.array([(header.rows, header.columns, self.channels) for header in headers], np.int64)
        self.offsets = np.concatenate([[0], np.cumsum(self.shapes.prod(axis=1))])
        self.opaque = 1.0 if self.dtype.kind == "f" else np.iinfo(self.dtype).max

    def length(self, index: int) -> int:
        """Return the bytes that decoding an image takes, beside its place among the others."""
        return int(2 * self.shapes[index].prod() * self.dtype.itemsize)

    def fit(self, array: np.ndarray, index: int) -> np.ndarray:
        """Return a decoded image with the channels that all have; DataError if its header promised another."""
        header = self.headers[index]
        if (*array.shape, array.dtype) != (header.rows, header.columns, header.channels, header.dtype):
            raise DataError("its pixels are not what its header promises")
        colour = array[..., :-1] if header.alpha else array
        colour = np.broadcast_to(colour, (*array.shape[:2], self.channels - self.alpha))
        if not self.alpha:
            return colour
        alpha = array[..., -1:] if header.alpha else np.full_like(array[..., :1], self.opaque)
        return np.concatenate([colour, alpha], axis=-1)

    def without_alpha(self, values: np.ndarray) -> tuple[np.ndarray, "_Plan"]:
        """Return the values without the last channel, and their plan."""
        fewer = allocate(values.size // self.channels * (self.channels - 1), values.dtype)
        np.copyto(fewer.reshape(-1, self.channels - 1), values.reshape(-1, self.channels)[:, :-1])
        headers = [
            dataclasses.replace(header, channels=header.channels - header.alpha, alpha=False) for header in self.headers
        ]
        return fewer, _Plan(self.source, self.names, headers)

    def items(self, values: np.ndarray, good: list[int], skipped: list[tuple[str, str]]) -> Items:
        """Return the items whose place in `values` is filled."""
        axes = "NYX" if self.channels == 1 else "NYXC"
        shapes, offsets = self.shapes[good, : len(axes) - 1], self.offsets[good]
        details: dict[str, Any] = {
            "names": [self.names[index] for index in good],
            "skipped": skipped,
            "notes": [
                f"{self.names[index]}: only the first of its frames is read"
                for index in good
                if self.headers[index].animated
            ],
            "source": self.source,
        }
        pictures = [self.headers[index].metadata for index in good]
        if any(each != NOTHING for each in pictures):
            details["pictures"] = pictures
        if (shapes != shapes[0]).any():
            return Items.ragged(values, shapes, axes, offsets, **details)
        size = int(shapes[0].prod())
        if len(good) < len(self.names):
            for place, start in enumerate(offsets):  # closed up in place: the values may be larger than the memory
                values[place * size : (place + 1) * size] = values[start : start + size]
        return Items(values[: len(good) * size].reshape(-1, *shapes[0]), axes, **details)
