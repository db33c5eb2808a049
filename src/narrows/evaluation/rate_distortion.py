"""Sizes and fidelity of compressed items."""

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from narrows.data import Items


def decompress_items(codec: Any, blob: bytes) -> list[np.ndarray]:
    """Return the items of a compressed file, in the layout of `Items`."""
    back = codec.decompress(blob)
    items = Items.from_list(back, codec.axes_) if isinstance(back, list) else Items.from_array(back, codec.axes_)
    return list(items)


def peak_signal_to_noise(items: Items | Sequence[np.ndarray], back: Sequence[np.ndarray], span: float) -> float | None:
    """Return the PSNR in dB over all values, whose range is `span` wide; None where nothing is lost."""
    squares = sum(
        float(((other.astype(np.float64) - item) ** 2).sum()) for item, other in zip(items, back, strict=True)
    )
    return -10 * math.log10(squares / sum(item.size for item in items) / span**2) if squares else None


def encode_image(image: np.ndarray, format: str, **options: object) -> bytes:
    """Return an image (Y, X) or (Y, X, 3) uint8 as a file of one of Pillow's formats."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, format, **options)
    return content.getvalue()
