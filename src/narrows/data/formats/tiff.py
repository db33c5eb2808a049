"""TIFF pages and stacks: decoding and encoding."""

import math
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from narrows.data.formats.content import Content, first_bytes, path_or_buffer, size
from narrows.data.formats.signatures import TIFF_MAGIC
from narrows.data.memory import fits
from narrows.errors import DataError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

_ALPHA = (1, 2)
_WHITE_IS_ZERO, _PALETTE, _PLAIN = 0, 3, (1, 2)
_MOST_EXPANSION = 10_000  # the strongest compression of TIFF, LZMA, makes about 7000 bytes of one
_TO_TIFF = str.maketrans("NCF", "ISS")
_FROM_TIFF = str.maketrans("IQS", "NNC")


def is_tiff(source: Content) -> bool:
    """Whether the file begins as a TIFF does."""
    return first_bytes(source).startswith(TIFF_MAGIC)


def page_header(source: Content) -> tuple[int, int, int, bool, np.dtype, bool]:
    """Return rows, columns, channels, whether the last is alpha, the dtype, and whether there are more pages."""
    with _opened(source) as file:
        page = _checked_page(file, source)
        channels = page.samplesperpixel if page.photometric in (_WHITE_IS_ZERO, *_PLAIN) else 3
        dtype = np.dtype(np.uint8) if page.dtype == bool else page.dtype
        alpha = bool(page.extrasamples) and page.extrasamples[-1] in _ALPHA
        return page.imagelength, page.imagewidth, channels, alpha, dtype, len(file.pages) > 1


def decode_page(source: Content) -> np.ndarray:
    """Return the first page, (rows, columns, channels)."""
    with _opened(source) as file:
        return _page_array(_checked_page(file, source), source)


def is_image(source: Content) -> bool:
    """Whether the file is one page, rather than a stack of them."""
    with _opened(source) as file:
        return len(file.pages) == 1 and file.series[0].axes in ("YX", "YXS", "SYX")


def read_stack(source: Content) -> tuple[np.ndarray | list[np.ndarray], str]:
    """Return all pages and their axes: one array, whose axes are "" if the file does not state them, or a list.

    Uncompressed stacks in a file that are too large for the memory are mapped.
    """
    with _opened(source) as file:
        page, series = _checked_page(file, source), file.series[0]
        differ = any((other.shape, other.dtype) != (page.shape, page.dtype) for other in file.pages)
        if differ or page.photometric not in _PLAIN or page.dtype == bool or not _decodable(page):
            pages = [_page_array(page, source) for page in file.pages]
            grey = all(array.shape[-1] == 1 for array in pages)
            return ([array[..., 0] for array in pages], "YX") if grey else (pages, "YXC")
        if math.prod(series.shape) * series.dtype.itemsize > _MOST_EXPANSION * size(source):
            raise DataError(f"its header promises {series.shape}, more than a file of its size can hold")
        if series.dataoffset is None or isinstance(source, bytes):
            return series.asarray(), _axes(series.axes)
        if fits(series.nbytes):
            return series.asarray(), _axes(series.axes)
        dtype = series.dtype.newbyteorder(file.byteorder)
        return np.memmap(source, dtype, "r", series.dataoffset, series.shape), _axes(series.axes)


def write_stack(file: IO[bytes], values: np.ndarray, axes: str) -> None:
    """Write items of one shape as one stack that states its axes."""
    from tifffile import imwrite

    imwrite(file, _plain(values), metadata={"axes": axes.translate(_TO_TIFF)}, **_samples(values, axes))


def write_pages(file: IO[bytes], pages: Iterable[np.ndarray]) -> None:
    """Write images, (rows, columns) or (rows, columns, channels), of any sizes as the pages of one file."""
    from tifffile import TiffWriter

    with TiffWriter(file) as writer:
        for page in pages:
            page = page[..., 0] if page.ndim == 3 and page.shape[-1] == 1 else page
            writer.write(_plain(page), metadata=None, contiguous=False, **_samples(page, "YXC"[: page.ndim]))


def _axes(axes: str) -> str:
    """Translate tifffile's axes: samples are channels, and one axis of unknown kind before an image counts items."""
    ours = axes.translate(_FROM_TIFF)
    if ours in ("ZYX", "TYX", "ZYXC", "TYXC"):
        ours = "N" + ours[1:]
    known = len(set(ours)) == len(ours) and "".join(axis for axis in ours if axis not in "NC") in ("YX", "ZYX", "T")
    return ours if known else ""


def _plain(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint8) * np.uint8(255) if values.dtype == bool else values


def _samples(values: np.ndarray, axes: str) -> dict[str, Any]:
    """Return how the channels are declared: as red, green and blue, or as samples of no stated meaning."""
    channels = values.shape[-1] if axes[-1] == "C" else 1
    if channels == 1:
        return {"photometric": "minisblack"}
    if channels == 3 and values.dtype in (np.uint8, np.uint16):
        return {"photometric": "rgb", "planarconfig": "contig"}
    return {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": ["unspecified"] * (channels - 1)}


def _opened(source: Content) -> "TiffFile":
    from tifffile import TiffFile

    return TiffFile(path_or_buffer(source))


def _checked_page(file: "TiffFile", source: Content) -> Any:
    """Return the first page, if the file is large enough for what its header promises."""
    page = file.pages.first
    if page.dtype is None or page.dtype.kind not in "buif":
        raise DataError(
            f"pixels of a type that is not supported ({page.bitspersample} bits, sample format {page.sampleformat})"
        )
    if page.nbytes > _MOST_EXPANSION * size(source):
        raise DataError(f"its header promises {page.shape}, more than a file of its size can hold")
    return page


def _page_array(page: Any, source: Content) -> np.ndarray:
    """Return one page as (rows, columns, channels), its palette applied and one bit made 0 or 255."""
    if not _decodable(page):
        return _by_pillow(page, source)
    array = page.asarray()
    if page.axes == "SYX":
        array = np.moveaxis(array, 0, -1)
    if page.photometric == _WHITE_IS_ZERO and array.dtype.kind in "bu":
        array = ~array
    if page.photometric == _PALETTE:
        array = (page.colormap[:, array].transpose(1, 2, 0) >> 8).astype(np.uint8)
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    return np.asarray(array.reshape(page.imagelength, page.imagewidth, -1))


def _decodable(page: "TiffPage") -> bool:
    """Whether tifffile can decode the page without its optional companion, imagecodecs."""
    from tifffile import COMPRESSION

    if page.photometric not in (_WHITE_IS_ZERO, _PALETTE, *_PLAIN):
        return False
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        plain = (COMPRESSION.NONE, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE)
        return page.compression in plain and page.bitspersample % 8 == 0 and page.predictor in (1, 2)
    return True


def _by_pillow(page: Any, source: Content) -> np.ndarray:
    """Decode a page in a compression that Pillow knows: of 8 bits a sample, or grey."""
    from PIL import Image

    if page.bitspersample > 8 and page.samplesperpixel > 1:
        raise DataError(
            f"{page.compression.name} compression of {page.bitspersample}-bit colour needs: pip install imagecodecs"
        )
    with Image.open(path_or_buffer(source), formats=["TIFF"]) as image:
        image.seek(page.index)
        mode = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}.get(image.mode, image.mode)
        array = np.asarray(image.convert(mode) if mode != image.mode else image)
        return array.astype(page.dtype if page.dtype != bool else np.uint8, copy=False).reshape(*array.shape[:2], -1)
