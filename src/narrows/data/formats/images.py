"""One image: its header, decoding and encoding.

Pillow reads everything but TIFF, which is tifffile's. An image decodes to (rows, columns, channels), where channels
are 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha:

- 8 and 16 bits a value stay as they are; one bit becomes 0 or 255, and so do 2 and 4 bits in a TIFF.
- Palettes, CMYK, YCbCr, Lab and HSV become colour.
- The orientation that a camera wrote down is applied.
- Of an animation, the first frame is read.
"""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.data.formats import orientation, pillow, tiff
from narrows.data.formats.content import Content, size
from narrows.data.formats.image_header import Header
from narrows.data.picture_metadata import NOTHING, PictureMetadata
from narrows.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

# Only decoders that are safe with files from strangers: Pillow's others start Ghostscript, or guess.
_FORMATS = (
    *("PNG", "JPEG", "JPEG2000", "WEBP", "AVIF", "GIF"),
    *("BMP", "DIB", "PPM", "TGA", "ICO", "PCX", "QOI", "SGI"),
)

_SRGB_GAMMA, _SRGB_CHROMATICITY = 1 / 2.2, (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # as in PNG
_COLOUR_TOLERANCE = 0.01


def is_image(source: Content) -> bool:
    """Return whether this is an image of a known format, perhaps a damaged one."""
    if tiff.is_tiff(source):
        return True
    from PIL import UnidentifiedImageError

    try:
        with pillow.decoder_settings(), _opened(source):
            return True
    except UnidentifiedImageError:
        return False
    except Exception:  # decoders raise whatever they like on damaged files
        return True


def read_header(source: Content) -> Header:
    """Return what `decode` will give, without decoding; raises whatever the decoder raises (see `reason`)."""
    if tiff.is_tiff(source):
        return tiff.read_header(source)
    with _opened(source) as image:
        mode, dtype = _target(image)
        turn = _orientation(image, source)
        rows, columns = orientation.shape(turn, image.height, image.width)
        channels = {"LA": 2, "RGB": 3, "RGBA": 4}.get(mode, 1) + (_transparent_value(image, dtype) is not None)
        animated = getattr(image, "is_animated", False) and image.format != "MPO"  # a photograph with its preview
        return Header(rows, columns, channels, channels in (2, 4), dtype, animated, _metadata(image, turn >= 5))


def decode(source: Content) -> np.ndarray:
    """Return the image, (rows, columns, channels); raises whatever the decoder raises (see `reason`)."""
    if tiff.is_tiff(source):
        return tiff.decode_page(source)
    with _opened(source) as image:
        mode, dtype = _target(image)
        turn, transparent = _orientation(image, source), _transparent_value(image, dtype)
        array = _decode_deep_png(image, source) if _is_deep_png(image) else _decode(image, mode, dtype)
    if transparent is not None:
        alpha = np.where((array == transparent).all(axis=-1, keepdims=True), 0, 65535)
        array = np.concatenate([array, alpha.astype(dtype)], axis=-1)
    return orientation.apply(array, turn)


def encode(array: np.ndarray, format: str, metadata: PictureMetadata = NOTHING) -> bytes:
    """Return the bytes of a file, of any format but TIFF, that holds an image and its metadata.

    The image is (rows, columns) or (rows, columns, channels). Raises DataError for what the format cannot hold.
    """
    from PIL import Image

    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    array = array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    channels = array.shape[-1] if array.ndim == 3 else 1
    file = io.BytesIO()
    if not holds(format, array.dtype, channels):
        raise DataError(f"{format} cannot hold {array.dtype} in {channels} channels", hint="write .tif or .npy instead")
    options: dict[str, Any] = {"quality": 95} if format == "JPEG" else {}
    options |= {"lossless": True, "exact": True} if format == "WEBP" else {}
    if metadata.dpi is not None:
        options["dpi"] = metadata.dpi
    Image.fromarray(array).save(file, format, icc_profile=metadata.profile_for(channels), **options)
    return file.getvalue()


def holds(format: str, dtype: np.dtype, channels: int) -> bool:
    """Whether an image format keeps values of this dtype in this number of channels."""
    most = {"PNG": (1, 2, 3, 4), "WEBP": (1, 3, 4)}.get(format, (1, 3))
    return (dtype in (np.uint8, bool) and channels in most) or (
        format == "PNG" and dtype == np.uint16 and channels == 1
    )


def reason(error: Exception, source: Content) -> str:
    """Return why an image could not be read, in words for the user."""
    from PIL import UnidentifiedImageError

    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return (error.strerror or "cannot be opened").lower()
    if size(source) == 0:
        return "empty, 0 bytes"
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format"
    if isinstance(error, MemoryError):
        return "too large for the memory"
    text = " ".join(str(error).split()) or type(error).__name__
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"truncated image (file ends after {size(source)} bytes)"
    return f"damaged image ({text})"


def _opened(source: Content) -> "Image.Image":
    from PIL import Image

    Image.init()
    known = [format for format in _FORMATS if format in Image.OPEN]  # some builds of Pillow lack AVIF or JPEG 2000
    image = pillow.opened(source, known)
    try:
        mode, dtype = _target(image)
        pillow.check_size(image, source, Image.getmodebands(mode) * dtype.itemsize)
    except Exception:
        image.close()
        raise
    return image


def _target(image: "Image.Image") -> tuple[str, np.dtype]:
    """Return the Pillow mode to convert an image to, and the dtype of its values."""
    mode = image.mode
    if _is_deep_png(image):
        return "LA" if image.tile[0].args == "LA;16B" else mode, np.dtype(np.uint16)  # type: ignore[attr-defined]
    if mode == "F":
        return mode, np.dtype(np.float32)
    if mode.startswith("I"):
        return mode, np.dtype(np.uint16)
    transparent = "transparency" in image.info or mode in ("PA", "La", "RGBa", "RGBA", "LA")
    grey = mode in ("1", "L", "LA", "La")
    return ("L" if grey else "RGB") + ("A" if transparent else ""), np.dtype(np.uint8)


def _decode(image: "Image.Image", mode: str, dtype: np.dtype) -> np.ndarray:
    """Return the pixels in a mode of Pillow, (rows, columns, channels); DataError for more than 16 bits."""
    from PIL import Image

    image.load()  # after which the size is certain
    array = np.empty((image.height, image.width, Image.getmodebands(mode)), dtype)
    for rows, band in pillow.bands(image):
        part = np.asarray(band if band.mode == mode else band.convert(mode))
        if dtype == np.uint16 and not 0 <= part.min() <= part.max() <= 65535:
            raise DataError("values of more than 16 bits")
        array[rows] = part.reshape(*part.shape[:2], -1)
    return array


def _transparent_value(image: "Image.Image", dtype: np.dtype) -> int | tuple[int, ...] | None:
    """Return the value that a PNG of 16 bits declares transparent; of 8 bits, Pillow makes alpha of it."""
    value: int | tuple[int, ...] | None = image.info.get("transparency") if dtype == np.uint16 else None
    return value


def _is_deep_png(image: Any) -> bool:
    """Whether this is a PNG of 16 bits in several channels."""
    return image.format == "PNG" and image.mode != "I;16" and image.tile and str(image.tile[0].args).endswith(";16B")


def _decode_deep_png(image: Any, source: Content) -> np.ndarray:
    """Decode a PNG of 16 bits in several channels, of which Pillow alone would keep the high bytes.

    Grey and alpha are unpacked as four plain bytes; colour is decoded again as if little-endian, for the low bytes.
    """
    tile = image.tile[0]
    if tile.args == "LA;16B":
        image.tile = [tile._replace(args="RGBA")]
        array = np.empty((image.height, image.width, 2), np.uint16)
        for rows, band in pillow.bands(image):
            array[rows] = np.ascontiguousarray(band).view(">u2")
        return array
    array = _decode(image, image.mode, np.dtype(np.uint16))
    array <<= 8
    image.close()  # which frees the memory of its pixels
    again: Any
    with _opened(source) as again:
        again.tile = [tile._replace(args=tile.args.replace("16B", "16L"))]
        for rows, band in pillow.bands(again):
            array[rows] |= np.asarray(band)
    return array


def _metadata(image: "Image.Image", turned: bool) -> PictureMetadata:
    """Return what a file states of profile, resolution and gamma. turned: whether rows become columns."""
    info: dict[Any, Any] = image.info
    dpi: Any = info.get("dpi")
    profile = info.get("icc_profile") or None
    known = isinstance(dpi, tuple) and len(dpi) == 2 and all(0 < float(value) < np.inf for value in dpi)
    resolution = tuple(map(float, dpi[::-1] if turned else dpi)) if known else None
    unkept: list[str] = []
    if not profile and "srgb" not in info:  # which override the others
        unkept += ["gamma"] if abs(info.get("gamma", _SRGB_GAMMA) - _SRGB_GAMMA) > _COLOUR_TOLERANCE else []
        colours = np.subtract(info.get("chromaticity", _SRGB_CHROMATICITY), _SRGB_CHROMATICITY)
        unkept += ["chromaticities"] if abs(colours).max() > _COLOUR_TOLERANCE else []
    return PictureMetadata(profile, resolution, unkept=tuple(unkept))  # type: ignore[arg-type]


def _orientation(image: "Image.Image", source: Content) -> int:
    """Return the orientation, 1 to 8, that EXIF or XMP states."""
    from PIL import Image

    if image.format != "PNG" or "exif" in image.info:
        return orientation.valid(image.getexif().get(orientation.TAG, 1))
    try:  # Pillow's own method for PNG would decode every image to look behind its pixels
        if not _has_late_text(source):
            return orientation.valid(Image.Image.getexif(image).get(orientation.TAG, 1))
        with _opened(source) as again:
            again.load()
            return orientation.valid(again.getexif().get(orientation.TAG, 1))
    except Exception:  # decoders raise whatever they like on damaged metadata, without which the image is whole
        return 1


def _has_late_text(source: Content) -> bool:
    """Return whether a PNG has EXIF or text behind its pixels."""
    with open(source, "rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        file.seek(8)
        behind = False
        while len(head := file.read(8)) == 8:
            kind = head[4:]
            if behind and kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
                return True
            behind |= kind == b"IDAT"
            file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return False
