"""The coders beside which narrows is measured, each at its best for PSNR and size.

A picture is (Y, X) or (Y, X, C) uint8. `encode` makes the whole content of a file of it and `decode` undoes that.
Efforts are the highest that a run can afford; `THOROUGH` holds those that take many times longer for some percent.
"""

import bz2
import io
import lzma
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import imagecodecs
import numpy as np
from PIL import Image, features

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """A coder and its settings.

    encode(picture, quality, **options) -> bytes: lossless where quality is None. decode(content, shape) -> picture.
    lossless, lossy: variants of options, of which the smallest file counts; none where the coder cannot.
    qualities: every setting of the loss that makes a difference, from the worst to the best.
    mosaic: how many items go into one picture: as a square, or in a column, one below the other.
    """

    name: str
    encode: Callable[..., bytes]
    decode: Callable[[bytes, tuple[int, ...]], np.ndarray]
    lossless: tuple[Options, ...] = ()
    lossy: tuple[Options, ...] = ()
    qualities: tuple[float, ...] = ()
    mosaic: Literal["square", "column"] = "square"

    def losses(self, colour: bool) -> list[Options]:
        """The variants with a loss that differ: of grey pictures, those of the subsampling of colours do not."""
        if colour:
            return list(self.lossy)
        grey = ({name: value for name, value in one.items() if name != "subsampling"} for one in self.lossy)
        return [dict(one) for one in dict.fromkeys(tuple(one.items()) for one in grey)]


def pillow_encode(picture: np.ndarray, quality: float | None, format: str, **options: Any) -> bytes:
    if quality is not None:
        options["quality"] = int(quality)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format, **options)
    return file.getvalue()


def pillow_decode(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("L" if len(shape) == 2 else "RGB"))


def jpeg_encode(picture: np.ndarray, quality: float, **options: Any) -> bytes:
    return pillow_encode(picture, quality, "JPEG", optimize=True, **options)


def webp_encode(picture: np.ndarray, quality: float | None, lossless_effort: int = 0) -> bytes:
    # Of lossless pictures, WebP's quality is the effort.
    if quality is None:
        return pillow_encode(picture, lossless_effort, "WEBP", method=6, lossless=True)
    return pillow_encode(picture, quality, "WEBP", method=6)


def avif_encode(picture: np.ndarray, quality: float | None, speed: int, subsampling: str = "4:4:4") -> bytes:
    # Pillow knows the loss without colour and the tuning, imagecodecs the colours without a loss.
    if quality is None:
        return bytes(imagecodecs.avif_encode(picture, 100, speed=speed, codec="aom", numthreads=1))
    if picture.ndim == 2:
        subsampling = "4:0:0"
    options = {"codec": "aom", "speed": speed, "max_threads": 1, "subsampling": subsampling}
    return pillow_encode(picture, quality, "AVIF", advanced={"tune": "psnr"}, **options)


def jpegxl_encode(picture: np.ndarray, quality: float | None, effort: int) -> bytes:
    """`quality` is the distance times -1, so that more is better."""
    loss = {"lossless": True} if quality is None else {"distance": -quality}
    return bytes(imagecodecs.jpegxl_encode(picture, effort=effort, usecontainer=False, numthreads=1, **loss))


def jpegxl_decode(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return imagecodecs.jpegxl_decode(content, numthreads=1)


def png_encode(picture: np.ndarray, quality: None, **options: Any) -> bytes:
    return bytes(imagecodecs.png_encode(picture, 9, **options))


def png_decode(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return imagecodecs.png_decode(content)


def xz_encode(picture: np.ndarray, quality: None, delta: bool) -> bytes:
    best = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": max(4096, picture.nbytes)}
    filters: list[dict[str, int]] = [{**best, "lc": 4, "pb": 0}]
    if delta:
        filters.insert(0, {"id": lzma.FILTER_DELTA, "dist": picture.shape[2] if picture.ndim == 3 else 1})
    return lzma.compress(picture.tobytes(), check=lzma.CHECK_CRC32, filters=filters)


def xz_decode(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(lzma.decompress(content), np.uint8).reshape(shape)


def bzip2_encode(picture: np.ndarray, quality: None) -> bytes:
    return bz2.compress(picture.tobytes(), 9)


def bzip2_decode(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(bz2.decompress(content), np.uint8).reshape(shape)


def avif_qualities() -> tuple[int, ...]:
    """One quality for each of the 64 quantisers that libavif makes of the qualities from 0 to 100."""
    quantisers = [((100 - quality) * 63 + 50) // 100 for quality in range(100)]
    return tuple(sorted(quantisers.index(quantiser) for quantiser in set(quantisers)))


def avif(speed: int) -> Peer:
    return Peer(
        "AVIF",
        avif_encode,
        pillow_decode,
        lossless=({"speed": speed},),
        lossy=tuple({"speed": speed, "subsampling": subsampling} for subsampling in ("4:4:4", "4:2:0")),
        qualities=avif_qualities(),
    )


WEBP = Peer("WebP", webp_encode, pillow_decode, ({"lossless_effort": 80},), ({},), tuple(range(101)))
PEERS = (
    Peer(
        "JPEG",
        jpeg_encode,
        pillow_decode,
        lossy=tuple(
            {"progressive": progressive, "subsampling": subsampling}
            for progressive in (False, True)
            for subsampling in ("4:4:4", "4:2:0")
        ),
        qualities=tuple(range(1, 101)),
    ),
    WEBP,
    avif(speed=6),
    Peer(
        "JPEG XL",
        jpegxl_encode,
        jpegxl_decode,
        lossless=({"effort": 7}, {"effort": 9}),
        # Above 7, efforts spend more on what the eye sees: at one PSNR the files are no smaller.
        lossy=({"effort": 7},),
        qualities=tuple(-np.geomspace(25, 0.1, 121).round(3)),
    ),
    Peer(
        "PNG",
        png_encode,
        png_decode,
        lossless=tuple({"filter": kind, "strategy": strategy} for kind in (8, 248) for strategy in (0, 3)),
        mosaic="column",
    ),
    Peer("xz", xz_encode, xz_decode, ({"delta": False}, {"delta": True}), mosaic="column"),
    Peer("bzip2", bzip2_encode, bzip2_decode, ({},), mosaic="column"),
)
THOROUGH = tuple(
    {"WebP": replace(WEBP, lossless=({"lossless_effort": 100},)), "AVIF": avif(speed=4)}.get(peer.name, peer)
    for peer in PEERS
)


def versions() -> dict[str, str]:
    """The library behind each peer."""
    known = dict(entry.split("-", 1) for entry in imagecodecs.version().split(", ") if "-" in entry)
    return {
        "JPEG": f"libjpeg-turbo {features.version('libjpeg_turbo')}",
        "WebP": f"libwebp {features.version('webp')}",
        "AVIF": f"libavif {features.version('avif')}",
        "JPEG XL": f"libjxl {known['libjxl']}",
        "PNG": f"libpng {known['libpng']}",
    }
