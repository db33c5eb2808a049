"""Photometric interpretations: from the stored samples of a TIFF page to grey and colour."""

import numpy as np

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, SEPARATED, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
LAB = (CIELAB, ICCLAB)

_WHITE = np.array([0.9642, 1.0, 0.8249], np.float32)  # D50, the white of the ICC's Lab
_XYZ_TO_RGB = np.array(  # linear sRGB from XYZ, its white adapted from D50 to D65 after Bradford
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]],
    np.float32,
)


def black_is_zero(array: np.ndarray, bits: int) -> np.ndarray:
    """Return integers whose white is zero with their black at zero, within their bits."""
    black: np.ndarray = ~array if array.dtype == bool else array.dtype.type(2**bits - 1) - array
    return black


def to_bytes(array: np.ndarray, bits: int) -> np.ndarray:
    """Return samples of fewer than 8 bits in 0..255."""
    return np.asarray(array.astype(np.uint16) * 255 // (2**bits - 1), np.uint8)


def palette_to_rgb(array: np.ndarray, colormap: np.ndarray) -> np.ndarray:
    """Return the colours, 8 bits each, of indices (rows, columns) in a colour map (3, colours) of 16 bits.

    Some programs write colour maps of 8 bits.
    """
    colours = colormap >> 8 if colormap.max() > 255 else colormap
    return np.moveaxis(colours[:, array.astype(np.intp)], 0, -1).astype(np.uint8)


def cmyk_to_rgb(array: np.ndarray) -> np.ndarray:
    """Return the colour of cyan, magenta, yellow and black (..., 4) of 8 or 16 bits, without colour management."""
    full = np.uint32(np.iinfo(array.dtype).max)
    paper = full - array.astype(np.uint32)
    return np.asarray((paper[..., :3] * paper[..., 3:] + full // 2) // full, array.dtype)


def ycbcr_to_rgb(array: np.ndarray) -> np.ndarray:
    """Return the colour of luma and chroma (..., 3) of 8 bits, in their full range."""
    luma, blue, red = np.moveaxis(array.astype(np.float32), -1, 0) - np.array([0, 128, 128], np.float32)[:, None, None]
    rgb = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=-1)
    return np.asarray(np.rint(np.clip(rgb, 0, 255)), np.uint8)


def lab_to_rgb(array: np.ndarray, photometric: int) -> np.ndarray:
    """Return the sRGB colour of L*, a* and b* (..., 3) as TIFF stores them in 8 or 16 bits."""
    unit = 256 if array.dtype == np.uint16 else 1
    full = np.iinfo(array.dtype).max
    if photometric == CIELAB:
        lightness = array[..., 0] / np.float32(full / 100)
        ab = array[..., 1:].view(f"i{array.dtype.itemsize}") / np.float32(unit)
    else:  # the ICC's: 100 is FF00 in 16 bits, and a* and b* have an offset
        lightness = array[..., 0] / np.float32(255 * unit / 100)
        ab = array[..., 1:] / np.float32(unit) - 128
    y = (lightness + 16) / 116
    f = np.stack([y + ab[..., 0] / 500, y, y - ab[..., 1] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (f - 4 / 29) * (3 * (6 / 29) ** 2)) * _WHITE
    linear = np.clip(xyz @ _XYZ_TO_RGB.T, 0, 1)
    rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(rgb * full), array.dtype)


def unassociate(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return colours (..., C) that are not multiplied by alpha (..., 1), from those that are; 0 where alpha is."""
    full = 1.0 if colour.dtype.kind == "f" else float(np.iinfo(colour.dtype).max)
    share = alpha / full
    plain = np.divide(colour, share, out=np.zeros(colour.shape), where=share > 0)
    return np.asarray(plain if colour.dtype.kind == "f" else np.rint(np.minimum(plain, full)), colour.dtype)
