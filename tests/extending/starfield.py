"""An example data format: images of stars, as an ASCII header and raw bytes.

STARFIELD <items> <height> <width>\\n
items x height x width bytes
"""

from pathlib import Path
from typing import IO

import numpy as np

from narrows.data import Items
from narrows.data.formats import Format, ReadOptions, register_format
from narrows.errors import DataError

MAGIC = b"STARFIELD "


def read(content: Path | bytes, name: str, options: ReadOptions) -> Items:
    """Return the images of a file."""
    data = content.read_bytes() if isinstance(content, Path) else content
    header, _, pixels = data.partition(b"\n")
    try:
        n_items, height, width = (int(number) for number in header.removeprefix(MAGIC).split())
        values = np.frombuffer(pixels, np.uint8).reshape(n_items, height, width)
    except ValueError as error:
        raise DataError(f"not a complete starfield file ({error})", source=name) from None
    return Items.from_array(values, options.axes or "NYX", source=name)


def write(items: Items, file: IO[bytes], name: str) -> None:
    """Write grey 8-bit images that share one shape."""
    if items.axes != "NYX" or items.dtype != np.uint8 or not items.uniform:
        raise DataError("a starfield file holds grey 8-bit images of one size", hint="write .npz instead")
    file.write(MAGIC + b"%d %d %d\n" % items.values.shape)
    file.write(np.ascontiguousarray(items.values).tobytes())


def register() -> None:
    """Make reading, writing and the command line know the format."""
    register_format(Format("starfield", __name__, lambda head, content: head.startswith(MAGIC), suffixes=(".star",)))
