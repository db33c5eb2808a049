"""TIFF files as items: one image, or a stack of images, volumes or signals."""

from dataclasses import replace
from typing import IO

from narrows.data.axes import check_axes, layout_of
from narrows.data.formats import ReadOptions, image_files, images, pillow, tiff, tiff_writing
from narrows.data.formats.arrays import array_items
from narrows.data.formats.content import Content
from narrows.data.items import Items
from narrows.data.picture_metadata import NOTHING, in_common
from narrows.errors import DataError


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read the pages as images, or as what the metadata or the user say that they are.

    Pages are a stack of images unless volumes are expected.
    """
    axes, stated = options.axes, None
    volumes = axes is None and options.expected_axes is not None and layout_of(options.expected_axes).startswith("NZ")
    try:
        with pillow.decoder_settings():
            alone = not volumes and (axes is None or layout_of(axes) in ("NYX", "NYXC")) and tiff.is_image(content)
            if not alone:
                stack, stated, pages = tiff.read_stack(content)
    except Exception as error:  # decoders raise whatever they like on damaged files
        raise DataError(images.reason(error, content), source=name) from None
    if alone:
        return image_files.read(content, name, options)
    if isinstance(stack, list):
        items = Items.from_list(stack, stated, source=name)
        check_axes(axes, items.axes, name)
    elif volumes:
        items = array_items(stack, name, options)
    else:
        items = Items.from_array(stack, axes or stated or None, source=name)
    if items.spatial_dims != 2 or len(items) != len(pages):
        pages = [in_common(pages)] * len(items)
    return replace(items, pictures=pages if any(page != NOTHING for page in pages) else None)


def write(items: Items, file: IO[bytes], name: str = "") -> None:
    """Write one image, or a stack; see `tiff_writing.write`."""
    tiff_writing.write(items, file)
