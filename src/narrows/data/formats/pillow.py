"""Pillow as a decoder: pictures as large as the memory allows, in bands of rows, and its process-wide settings."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from narrows.data.formats.content import Content, path_or_buffer, size
from narrows.data.memory import MAX_DEFLATE_RATIO, check_fits
from narrows.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

CUT = "cut it into smaller pictures first"

_ALWAYS_PIXELS = 2**22  # that are decoded without asking how much memory is free
_MAX_PIXELS = 8 * MAX_DEFLATE_RATIO  # a byte: of one bit each, in a PNG
_BAND = 2**24  # pixels
_ONE_BYTE, _TWO_BYTES = ("1", "L", "P"), ("I;16", "I;16L", "I;16B", "I;16N")  # modes; Pillow keeps others in four
# How often decoders hold a picture, where they do more often than the twice that half of the memory leaves room for.
_EFFORT = {"WEBP": 2, "AVIF": 2, "JPEG2000": 3}


def opened(source: Content, formats: list[str]) -> "Image.Image":
    """Open a picture, which is not decoded yet."""
    from PIL import Image

    image = Image.open(path_or_buffer(source), formats=formats)
    image.filename = ""  # else Pillow maps plain pixels, and crashes where another program cuts the file off
    return image


def check_size(image: "Image.Image", source: Content, pixel: int) -> None:
    """Raise DataError where a picture, which decodes to so many bytes a pixel, takes too much memory to decode."""
    pixels = image.width * image.height
    if pixels > _MAX_PIXELS * size(source) and image.format not in (*_EFFORT, "TIFF"):
        raise DataError(f"its header promises {pixels:,} pixels, more than a file of its size can hold")
    if pixels > _ALWAYS_PIXELS:
        effort = 2 if image.info.get("progressive") else _EFFORT.get(image.format or "", 1)
        kept = 1 if image.mode in _ONE_BYTE else 2 if image.mode in _TWO_BYTES else 4
        check_fits(effort * pixels * max(kept, pixel), hint=CUT)


def bands(image: "Image.Image") -> Iterator[tuple[slice, "Image.Image"]]:
    """Yield bands of rows; to convert a large picture at once takes several times its memory."""
    image.load()
    height = max(1, _BAND // image.width)
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        whole = bottom - top == image.height
        yield slice(top, bottom), image if whole else image.crop((0, top, image.width, bottom))


class _Settings:
    """Settings of the process for as long as any thread decodes: the first one changes them, the last restores them.

    The warnings and messages of Pillow and tifffile are kept from the terminal, since what matters is in errors and
    notes; and Pillow's limit to pixels, which knows nothing of the memory at hand, gives way to `check_size`.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0

    def change(self) -> None:
        from PIL import Image

        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.simplefilter("ignore")
                self._log = logging.getLogger("tifffile")
                self._level, self._pixels = self._log.level, Image.MAX_IMAGE_PIXELS
                self._log.setLevel(logging.CRITICAL + 1)
                Image.MAX_IMAGE_PIXELS = None

    def restore(self) -> None:
        from PIL import Image

        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._warnings.__exit__(None, None, None)
                self._log.setLevel(self._level)
                if Image.MAX_IMAGE_PIXELS is None:  # else it was set meanwhile
                    Image.MAX_IMAGE_PIXELS = self._pixels


_settings = _Settings()


@contextmanager
def decoder_settings() -> Iterator[None]:
    """Decode without warnings of Pillow and tifffile, and without Pillow's limit to pixels."""
    _settings.change()
    try:
        yield
    finally:
        _settings.restore()
