"""TIFF pages and stacks: decoding."""

import math
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.data.formats import orientation, photometric, pillow
from narrows.data.formats.content import Content, first_bytes, path_or_buffer, size
from narrows.data.formats.image_header import Header
from narrows.data.formats.signatures import TIFF_MAGIC
from narrows.data.formats.tiff_metadata import file_metadata, page_metadata
from narrows.data.mapped_files import map_file
from narrows.data.memory import MAX_DEFLATE_RATIO, UNPACK, check_fits, fits
from narrows.data.picture_metadata import PictureMetadata
from narrows.errors import DataError, cannot_import

if TYPE_CHECKING:
    from tifffile import TiffFile

_ASSOCIATED, _UNASSOCIATED = 1, 2  # alpha
_PLAIN = (photometric.BLACK_IS_ZERO, photometric.RGB)
_AS_STORED = (photometric.WHITE_IS_ZERO, *_PLAIN)
_TO_COLOUR = (photometric.SEPARATED, photometric.YCBCR, *photometric.LAB)
_INK_SET, _SUBSAMPLING = 332, 530
_CMYK = 1  # an ink set
_BAND = 2**22  # values
_DEFLATE = ("DEFLATE", "ADOBE_DEFLATE")
_MAX_RATIO = 10_000  # the strongest compression of TIFF, LZMA, makes about 7000 bytes of one
_UNCOMPRESSED = "write it without compression"  # since then it can be mapped
_FROM_TIFF = str.maketrans("IQS", "NNC")


def is_tiff(source: Content) -> bool:
    """Whether the file begins as a TIFF does."""
    return first_bytes(source).startswith(TIFF_MAGIC)


def read_header(source: Content) -> Header:
    """Return what `decode_page` will give."""
    with _opened(source) as file:
        pages = _pictures(file)
        page = _checked(pages[0], source)
        check_fits(page.nbytes, hint=pillow.CUT)
        alpha = _has_alpha(page)
        channels = page.samplesperpixel if page.photometric in _AS_STORED else 3 + alpha
        eight = page.bitspersample < 8 or page.photometric == photometric.PALETTE
        turn = _orientation(page)
        rows, columns = orientation.shape(turn, page.imagelength, page.imagewidth)
        dtype = np.dtype(np.uint8) if eight else page.dtype
        metadata = page_metadata(page, turn >= 5, file_metadata(file))
        if metadata.scheme:
            metadata = replace(metadata, axes="YXS" if channels > 1 else "YX")  # those of the page, not of all
        return Header(rows, columns, channels, alpha, dtype, len(pages) > 1, metadata)


def decode_page(source: Content) -> np.ndarray:
    """Return the first picture, (rows, columns, channels)."""
    with _opened(source) as file:
        return _page_array(_pictures(file)[0], source)


def is_image(source: Content) -> bool:
    """Whether the file is one picture, rather than a stack of them."""
    with _opened(source) as file:
        return len(_pictures(file)) == 1 and file.series[0].axes in ("YX", "YXS", "SYX")


def read_stack(source: Content) -> tuple[np.ndarray | list[np.ndarray], str, list[PictureMetadata]]:
    """Return all pictures, their axes and the metadata of each page.

    They are one array, whose axes are "" if the file does not state them, or a list.

    Uncompressed stacks in a file that are too large for the memory are mapped.
    """
    with _opened(source) as file:
        pages = _pictures(file)
        page, series = _checked(pages[0], source), file.series[0]
        turn = _orientation(page)
        stated = file_metadata(file)
        metadata = [page_metadata(each, _orientation(each) >= 5, stated) for each in pages]
        kind = page.shape, page.dtype, turn
        differ = any((other.shape, other.dtype, _orientation(other)) != kind for other in pages)
        plain = page.photometric in _PLAIN and page.bitspersample >= 8 and _decodable(page) and not _is_associated(page)
        if differ or not plain or len(pages) != len(file.pages) or len(file.series) > 1:
            check_fits(sum(page.nbytes for page in pages), hint=UNPACK if isinstance(source, bytes) else _UNCOMPRESSED)
            arrays = [_page_array(page, source) for page in pages]
            grey = all(array.shape[-1] == 1 for array in arrays)
            return ([array[..., 0] for array in arrays], "YX", metadata) if grey else (arrays, "YXC", metadata)
        _check_promise(page, math.prod(series.shape) * series.dtype.itemsize, series.shape, source)
        if series.dataoffset is not None and not isinstance(source, bytes) and not fits(series.nbytes):
            dtype = series.dtype.newbyteorder(file.byteorder)
            stack = map_file(source, dtype, series.dataoffset, series.shape)
        else:
            for each in pages:
                _check_segments(each)
            check_fits(series.nbytes, hint=UNPACK if isinstance(source, bytes) else _UNCOMPRESSED)
            stack = series.asarray()
        upright = stack if turn == 1 else orientation.apply(stack, turn, series.axes.index("Y"))
        return upright, _axes(series.axes), metadata


def _axes(axes: str) -> str:
    """Translate tifffile's axes: samples are channels; times of images, or one axis before an image, count items."""
    ours = axes.translate(_FROM_TIFF)
    if ours in ("ZYX", "ZYXC"):
        ours = "N" + ours[1:]
    elif "Y" in ours and "N" not in ours:
        ours = ours.replace("T", "N")
    known = len(set(ours)) == len(ours) and "".join(axis for axis in ours if axis not in "NC") in ("YX", "ZYX", "T")
    return ours if known else ""


def _opened(source: Content) -> "TiffFile":
    from tifffile import TiffFile

    return TiffFile(path_or_buffer(source))


def _pictures(file: "TiffFile") -> list[Any]:
    """Return the pages that are pictures of their own, not smaller copies of another or masks of its transparency.

    Raw files of cameras and some microscopes begin with a smaller copy, and keep the picture in a page beneath it.
    """
    pages = list(file.pages)
    beneath = (sub for page in pages for sub in page.pages or ())
    return list(filter(_is_picture, pages)) or list(filter(_is_picture, beneath)) or pages


def _is_picture(page: Any) -> bool:
    return not (page.is_reduced or page.is_mask or page.photometric == photometric.MASK)


def _checked(page: Any, source: Content) -> Any:
    """Return a page, if its kind is read and the file is large enough for what its header promises."""
    if page.dtype is None or page.dtype.kind not in "buif" or not isinstance(page.bitspersample, int):
        raise DataError(
            f"pixels of a type that is not supported ({page.bitspersample} bits, sample format {page.sampleformat})"
        )
    if page.photometric not in (*_AS_STORED, photometric.PALETTE, *_TO_COLOUR):
        name = getattr(page.photometric, "name", page.photometric)
        raise DataError(f"the photometric interpretation {name} is not read", hint="convert it to RGB")
    if page.photometric in _TO_COLOUR:
        other_inks = page.photometric == photometric.SEPARATED and page.tags.valueof(_INK_SET, _CMYK) != _CMYK
        if other_inks or page.dtype not in (np.uint8, np.uint16):
            raise DataError(
                f"{page.photometric.name} of {'inks other than CMYK' if other_inks else page.dtype} is not read",
                hint="convert it to RGB",
            )
    _check_promise(page, page.nbytes, page.shape, source)
    return page


def _check_promise(page: Any, length: int, shape: tuple[int, ...], source: Content) -> None:
    """Raise DataError where so many bytes cannot be in the file; fax, JBIG and newer compressions have no limit."""
    limited = ("NONE", "LZW", "PACKBITS", "DEFLATE", "ADOBE_DEFLATE", "LZMA")
    if _compression(page) in limited and length > _MAX_RATIO * size(source):
        raise DataError(f"its header promises {shape}, more than a file of its size can hold")


def _compression(page: Any) -> str:
    """Return the name of a page's compression in tifffile, or its number where that knows none."""
    from tifffile import COMPRESSION

    try:
        return COMPRESSION(page.compression).name
    except ValueError:
        return str(page.compression)


def _check_segments(page: Any) -> None:
    """Raise DataError where a page, or one of its strips or tiles, takes more memory than there is.

    A small strip may go on behind its pixels, and without imagecodecs, tifffile inflates it to the end.
    """
    segment = math.prod(page.chunks) * page.dtype.itemsize
    check_fits(max(page.nbytes, segment), hint=pillow.CUT)
    if _compression(page) in _DEFLATE:
        file = page.parent.filehandle
        for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
            if not fits(MAX_DEFLATE_RATIO * length * page.maxworkers):
                file.seek(offset)
                inflated = zlib.decompressobj().decompress(file.read(length), segment + 1)
                if len(inflated) > segment:
                    raise DataError("its compressed pixels are more than its header promises")


def _has_alpha(page: Any) -> bool:
    known = bool(page.extrasamples) and page.extrasamples[-1] in (_ASSOCIATED, _UNASSOCIATED)
    return known and (page.photometric != photometric.PALETTE or page.bitspersample == 8)


def _is_associated(page: Any) -> bool:
    """Return whether colours are multiplied by alpha, as they are not in other formats."""
    return _has_alpha(page) and page.extrasamples[-1] == _ASSOCIATED


def _is_boolean_array(page: Any) -> bool:
    """Return whether tifffile wrote a boolean array, of which it says that white is 0 though True stays 1."""
    return bool(page.dtype == bool and page.photometric == photometric.WHITE_IS_ZERO and page.parent.is_shaped)


def _orientation(page: Any) -> int:
    return orientation.valid(page.tags.valueof(orientation.TAG, 1))


def _page_array(page: Any, source: Content) -> np.ndarray:
    """Return one page upright as (rows, columns, channels), as grey or colour of 8 bits or more."""
    _checked(page, source)
    if not _decodable(page):
        return _by_pillow(page, source)
    _check_segments(page)
    array = page.asarray()
    if page.axes == "SYX":
        array = np.moveaxis(array, 0, -1)
    array = array.reshape(page.imagelength, page.imagewidth, -1)
    return orientation.apply(_interpret_in_bands(page, array), _orientation(page))


def _interpret_in_bands(page: Any, array: np.ndarray) -> np.ndarray:
    """Return what `_interpret` does, by bands of rows, since colours take several times the memory on the way."""
    height = max(1, _BAND // array[0].size)
    first = np.asarray(_interpret(page, array[:height]))
    if len(array) <= height:
        return first
    whole = np.empty((len(array), *first.shape[1:]), first.dtype)
    for top in range(0, len(array), height):
        whole[top : top + height] = _interpret(page, array[top : top + height])
    return whole


def _interpret(page: Any, array: np.ndarray) -> np.ndarray:
    """Return what the samples of a page, (rows, columns, samples), stand for: grey or colour, and alpha."""
    if not _has_alpha(page):
        return _colour(page, array)
    colour, alpha = _colour(page, array[..., :-1]), array[..., -1:]
    alpha = photometric.to_bytes(alpha, page.bitspersample) if page.bitspersample < 8 else alpha
    if _is_associated(page):
        colour = photometric.unassociate(colour, alpha)
    return np.concatenate([colour, alpha], axis=-1)


def _colour(page: Any, array: np.ndarray) -> np.ndarray:
    """Return what the samples of a page, (rows, columns, samples), stand for: grey or colour."""
    if page.photometric == photometric.PALETTE:
        return photometric.palette_to_rgb(array[..., 0], page.colormap)
    if page.photometric == photometric.SEPARATED:
        return photometric.cmyk_to_rgb(array[..., :4])
    if page.photometric in photometric.LAB:
        return photometric.lab_to_rgb(array[..., :3], page.photometric)
    if page.photometric == photometric.YCBCR:
        return photometric.ycbcr_to_rgb(array[..., :3]) if page.bitspersample == 8 else array[..., :3]
    if page.photometric == photometric.WHITE_IS_ZERO and array.dtype.kind in "bu" and not _is_boolean_array(page):
        array = photometric.black_is_zero(array, page.bitspersample)
    return photometric.to_bytes(array, page.bitspersample) if page.bitspersample < 8 else array


def _decodable(page: Any) -> bool:
    """Whether tifffile can decode the page, for most compressions with its optional companion, imagecodecs."""
    compression = _compression(page)
    if page.photometric == photometric.YCBCR and page.bitspersample == 8:  # Pillow reads what is compressed
        return compression == "NONE" and bool(page.tags.valueof(_SUBSAMPLING, (2, 2)) == (1, 1))
    if page.photometric == photometric.SEPARATED and compression == "JPEG":
        return False
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        return compression in ("NONE", *_DEFLATE) and page.bitspersample % 8 == 0 and page.predictor in (1, 2)
    return True


def _by_pillow(page: Any, source: Content) -> np.ndarray:
    """Decode a page in a compression that Pillow knows: of 8 bits a sample, or grey. It turns pages upright itself."""
    from PIL import Image, UnidentifiedImageError

    colour = page.samplesperpixel > 1 or page.photometric in _TO_COLOUR
    alpha = bool(page.extrasamples) and page.photometric in (photometric.PALETTE, *_TO_COLOUR)
    subsampled = page.photometric == photometric.YCBCR and _compression(page) == "NONE"
    if (page.bitspersample > 8 and colour) or alpha or subsampled or len(page.treeindex) > 1:
        raise _not_decodable(page)
    try:
        image = pillow.opened(source, ["TIFF"])
    except UnidentifiedImageError:
        raise _not_decodable(page) from None
    palette = page.photometric == photometric.PALETTE
    dtype = np.uint8 if palette or page.bitspersample < 8 else page.dtype
    with image:
        image.seek(page.index)
        mode = {"1": "L", "P": "RGB", "CMYK": "RGB", "YCbCr": "RGB"}.get(image.mode, image.mode)
        channels = 3 if mode == "LAB" else Image.getmodebands(mode)
        pillow.check_size(image, source, channels * np.dtype(dtype).itemsize)
        image.load()  # which may turn it
        array = np.empty((image.height, image.width, channels), dtype)
        for rows, band in pillow.bands(image):
            part = np.asarray(band.convert(mode) if mode != band.mode else band)
            if mode == "LAB":
                part = photometric.lab_to_rgb(part, photometric.CIELAB)
            if page.photometric == photometric.WHITE_IS_ZERO and page.dtype == np.uint16:  # Pillow turns only 8 bits
                part = photometric.black_is_zero(part, page.bitspersample)
            if _is_boolean_array(page):
                part = photometric.black_is_zero(part, 8)
            array[rows] = part.reshape(*part.shape[:2], -1)
    return array


def _not_decodable(page: Any) -> DataError:
    """Return the error for a page that none of the decoders at hand reads."""
    interpretation = getattr(page.photometric, "name", page.photometric)
    what = f"{interpretation} of {page.bitspersample} bits with {_compression(page)} compression"
    try:
        import imagecodecs  # noqa: F401
    except ImportError as error:
        return cannot_import(what, "imagecodecs", None, error)
    return DataError(f"{what} is not read", hint="convert it to RGB without compression")
