"""Image codecs and compressors that narrows is compared with, each at its best for PSNR and size.

They replace those of `narrows.evaluation.peers`, whose efforts are lower, and add JPEG XL and bzip2. Efforts are the
highest that a run can afford; `THOROUGH` holds those that take many times longer for a few percent.
"""

import bz2
import lzma
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
from PIL import features

from narrows.evaluation.peers import ImagePeer, Options, peers, pillow_decode, pillow_encode, register_peer


def lossy_variants(peer: ImagePeer, colour: bool) -> list[Options]:
    """Return the lossy variants that differ: the subsampling of colours makes no difference to grey images."""
    if colour:
        return list(peer.lossy)
    grey = ({name: value for name, value in one.items() if name != "subsampling"} for one in peer.lossy)
    return [dict(one) for one in dict.fromkeys(tuple(one.items()) for one in grey)]


def jpeg_encode(picture: np.ndarray, quality: float, **options: Any) -> bytes:
    return pillow_encode(picture, quality, "JPEG", optimize=True, **options)


def webp_encode(picture: np.ndarray, quality: float | None, lossless_effort: int = 0) -> bytes:
    # For lossless images, WebP's quality is the effort.
    if quality is None:
        return pillow_encode(picture, lossless_effort, "WEBP", method=6, lossless=True)
    return pillow_encode(picture, quality, "WEBP", method=6)


def avif_encode(picture: np.ndarray, quality: float | None, speed: int, subsampling: str = "4:4:4") -> bytes:
    # Pillow supports lossy grey images and the tuning, imagecodecs lossless colour images.
    if quality is None:
        return bytes(imagecodecs.avif_encode(picture, 100, speed=speed, codec="aom", numthreads=1))
    if picture.ndim == 2:
        subsampling = "4:0:0"
    options = {"codec": "aom", "speed": speed, "max_threads": 1, "subsampling": subsampling}
    return pillow_encode(picture, quality, "AVIF", advanced={"tune": "psnr"}, **options)


def jpegxl_encode(picture: np.ndarray, quality: float | None, effort: int) -> bytes:
    """Encode; `quality` is minus the distance, so that higher is better."""
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
    """Return one quality for each of the 64 quantisers to which libavif maps the qualities from 0 to 100."""
    quantisers = [((100 - quality) * 63 + 50) // 100 for quality in range(100)]
    return tuple(sorted(quantisers.index(quantiser) for quantiser in set(quantisers)))


def avif(speed: int) -> ImagePeer:
    return ImagePeer(
        "AVIF",
        avif_encode,
        pillow_decode,
        lossless=({"speed": speed},),
        lossy=tuple({"speed": speed, "subsampling": subsampling} for subsampling in ("4:4:4", "4:2:0")),
        qualities=avif_qualities(),
    )


WEBP = ImagePeer("WebP", webp_encode, pillow_decode, ({"lossless_effort": 80},), ({},), tuple(range(101)))
for _peer in (
    ImagePeer(
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
    ImagePeer(
        "JPEG XL",
        jpegxl_encode,
        jpegxl_decode,
        lossless=({"effort": 7}, {"effort": 9}),
        # Efforts above 7 optimise visual quality: at the same PSNR, files are no smaller.
        lossy=({"effort": 7},),
        qualities=tuple(-np.geomspace(25, 0.1, 121).round(3)),
    ),
    ImagePeer(
        "PNG",
        png_encode,
        png_decode,
        lossless=tuple({"filter": kind, "strategy": strategy} for kind in (8, 248) for strategy in (0, 3)),
        mosaic="column",
    ),
    ImagePeer("xz", xz_encode, xz_decode, ({"delta": False}, {"delta": True}), mosaic="column"),
    ImagePeer("bzip2", bzip2_encode, bzip2_decode, ({},), mosaic="column"),
):
    register_peer(_peer)
NAMES = ("JPEG", "WebP", "AVIF", "JPEG XL", "PNG", "xz", "bzip2")
PEERS = tuple(peers(ImagePeer)[name] for name in NAMES)
THOROUGH = tuple(
    {"WebP": replace(WEBP, lossless=({"lossless_effort": 100},)), "AVIF": avif(speed=4)}.get(peer.name, peer)
    for peer in PEERS
)


def versions() -> dict[str, str]:
    """Return the library behind each peer."""
    known = dict(entry.split("-", 1) for entry in imagecodecs.version().split(", ") if "-" in entry)
    return {
        "JPEG": f"libjpeg-turbo {features.version('libjpeg_turbo')}",
        "WebP": f"libwebp {features.version('webp')}",
        "AVIF": f"libavif {features.version('avif')}",
        "JPEG XL": f"libjxl {known['libjxl']}",
        "PNG": f"libpng {known['libpng']}",
    }
