"""Peers for pictures, each at its best for PSNR and size.

Efforts are the highest that a run can afford; `THOROUGH` holds those that take many times longer for a few percent.
"""

import io
from dataclasses import replace
from typing import Any

import numpy as np

from narrows.evaluation.peers import pillow_encode
from peers import Options, Peer, imagecodecs_version

PICTURES = ("pictures",)
STACKS = ("pictures", "volumes")  # of volumes, the slices are pictures
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by the number of channels


def channels(picture: np.ndarray) -> int:
    return picture.shape[2] if picture.ndim == 3 else 1


def is_byte(picture: np.ndarray) -> bool:
    """Whether a picture is grey, of colours, or of colours with transparency, 8 bits each."""
    return picture.dtype == np.uint8 and channels(picture) in MODES


def is_opaque_byte(picture: np.ndarray) -> bool:
    return is_byte(picture) and channels(picture) < 4


def is_integer(picture: np.ndarray) -> bool:
    return picture.dtype in (np.uint8, np.uint16) and channels(picture) in MODES


def pillow_decode(content: bytes, like: np.ndarray, **options: Any) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert(MODES[channels(like)]))


def jpeg_encode(picture: np.ndarray, quality: float, **options: Any) -> bytes:
    return pillow_encode(picture, quality, "JPEG", optimize=True, **options)


def webp_encode(picture: np.ndarray, quality: float | None, lossless_effort: int = 0) -> bytes:
    # For lossless images, WebP's quality is the effort; "exact" keeps the colours of what is transparent.
    if quality is None:
        return pillow_encode(picture, lossless_effort, "WEBP", method=6, lossless=True, exact=True)
    return pillow_encode(picture, quality, "WEBP", method=6)


def avif_encode(picture: np.ndarray, quality: float | None, speed: int, subsampling: str = "4:4:4") -> bytes:
    # Pillow supports lossy grey images and the tuning, imagecodecs lossless colour images.
    if quality is None:
        import imagecodecs

        return bytes(imagecodecs.avif_encode(picture, 100, speed=speed, codec="aom", numthreads=1))
    if picture.ndim == 2:
        subsampling = "4:0:0"
    options = {"codec": "aom", "speed": speed, "max_threads": 1, "subsampling": subsampling}
    return pillow_encode(picture, quality, "AVIF", advanced={"tune": "psnr"}, **options)


def jpegxl_encode(picture: np.ndarray, quality: float | None, effort: int) -> bytes:
    """Encode; `quality` is minus the distance, so that higher is better."""
    import imagecodecs

    loss = {"lossless": True} if quality is None else {"distance": -quality}
    return bytes(imagecodecs.jpegxl_encode(picture, effort=effort, usecontainer=False, numthreads=1, **loss))


def jpegxl_decode(content: bytes, like: np.ndarray, **options: Any) -> np.ndarray:
    import imagecodecs

    return imagecodecs.jpegxl_decode(content, numthreads=1)


def jpegls_encode(picture: np.ndarray, quality: None) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpegls_encode(picture))


def jpegls_decode(content: bytes, like: np.ndarray) -> np.ndarray:
    import imagecodecs

    return imagecodecs.jpegls_decode(content)


def png_encode(picture: np.ndarray, quality: None, **options: Any) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.png_encode(picture, 9, **options))


def png_decode(content: bytes, like: np.ndarray, **options: Any) -> np.ndarray:
    import imagecodecs

    return imagecodecs.png_decode(content)


def avif_qualities() -> tuple[int, ...]:
    """Return one quality for each of the 64 quantisers to which libavif maps the qualities from 0 to 100."""
    quantisers = [((100 - quality) * 63 + 50) // 100 for quality in range(100)]
    return tuple(sorted(quantisers.index(quantiser) for quantiser in set(quantisers)))


def pillow_version(library: str, feature: str) -> Any:
    """Return the function that names the library behind one of Pillow's features."""

    def version() -> str:
        from PIL import features

        found = features.version(feature)
        if found is None:
            raise ImportError(f"Pillow without {library}")
        return f"{library} {found}"

    return version


def avif_version() -> str:
    import imagecodecs

    assert imagecodecs  # codes the lossless files
    return str(pillow_version("libavif", "avif")())


def differs_in_colour(options: Options, picture: np.ndarray) -> bool:
    """Whether options make a difference: the subsampling of colours makes none to grey images."""
    return channels(picture) > 1 or options.get("subsampling") in (None, "4:4:4")


def avif(speed: int) -> Peer:
    return Peer(
        "AVIF",
        PICTURES,
        avif_encode,
        pillow_decode,
        "square",
        avif_version,
        accepts=is_opaque_byte,
        matters=differs_in_colour,
        lossless=({"speed": speed},),
        lossy=tuple({"speed": speed, "subsampling": subsampling} for subsampling in ("4:4:4", "4:2:0")),
        qualities=avif_qualities(),
    )


WEBP = Peer(
    "WebP",
    PICTURES,
    webp_encode,
    pillow_decode,
    "square",
    pillow_version("libwebp", "webp"),
    accepts=is_byte,
    lossless=({"lossless_effort": 80},),
    lossy=({},),
    qualities=tuple(range(101)),
    package="pillow",
)
THOROUGH = {"WebP": replace(WEBP, lossless=({"lossless_effort": 100},)), "AVIF": avif(speed=4)}
PICTURE_PEERS = (
    Peer(
        "JPEG",
        PICTURES,
        jpeg_encode,
        pillow_decode,
        "square",
        pillow_version("libjpeg-turbo", "libjpeg_turbo"),
        accepts=is_opaque_byte,
        matters=differs_in_colour,
        lossy=tuple(
            {"progressive": progressive, "subsampling": subsampling}
            for progressive in (False, True)
            for subsampling in ("4:4:4", "4:2:0")
        ),
        qualities=tuple(range(1, 101)),
        package="pillow",
    ),
    WEBP,
    avif(speed=6),
    Peer(
        "JPEG XL",
        STACKS,
        jpegxl_encode,
        jpegxl_decode,
        "square",
        imagecodecs_version("libjxl"),
        accepts=is_integer,
        lossless=({"effort": 7}, {"effort": 9}),
        # Efforts above 7 optimise visual quality: at the same PSNR, files are no smaller.
        lossy=({"effort": 7},),
        qualities=tuple(-np.geomspace(25, 0.1, 121).round(3)),
    ),
    Peer(
        "JPEG-LS",
        STACKS,
        jpegls_encode,
        jpegls_decode,
        "square",
        imagecodecs_version("charls"),
        accepts=is_integer,
        lossless=({},),
    ),
    Peer(
        "PNG",
        STACKS,
        png_encode,
        png_decode,
        "column",
        imagecodecs_version("libpng"),
        accepts=is_integer,
        lossless=tuple({"filter": kind, "strategy": strategy} for kind in (8, 248) for strategy in (0, 3)),
    ),
)
