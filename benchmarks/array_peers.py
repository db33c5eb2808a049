"""Peers for values of any kind: general compressors, compressors for numbers, and those for fields of real numbers."""

import bz2
import io
import lzma
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from peers import Options, Peer, imagecodecs_version

ANY = ("pictures", "signals", "fields", "volumes")
DICTIONARY_SIZES = (4_096, 16_384, 112_640)  # bytes; the last is the default of zstd's own tool
MOST_SAMPLES = 10_000_000  # bytes of training items that a dictionary is learned from
FLAC_RATE = 44_100  # stated in the file, and without influence on its size


def planes(rows: np.ndarray) -> np.ndarray:
    """Return the bytes of values (V, C): first the first byte of all values of a channel, then the next."""
    return np.ascontiguousarray(rows.view(np.uint8).reshape(len(rows), -1).T)


def content_of(rows: np.ndarray, by_planes: bool) -> bytes:
    return (planes(rows) if by_planes else np.ascontiguousarray(rows)).tobytes()


def rows_of(content: bytes, like: np.ndarray, by_planes: bool) -> np.ndarray:
    """Return values (V, C); the inverse of `content_of`."""
    values = np.frombuffer(content, np.uint8)
    if by_planes:
        values = values.reshape(-1, len(like)).T.copy()
    return values.reshape(-1).view(like.dtype).reshape(like.shape)


def xz_encode(
    rows: np.ndarray, setting: None, delta: bool = False, by_planes: bool = False, aligned: bool = False
) -> bytes:
    best = {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": max(4096, rows.nbytes)}
    # Contexts are bits of the byte before and, where aligned, the place of a byte within its value or pixel.
    place = {2: 1, 4: 2}[rows.itemsize * rows.shape[1]] if aligned else 0
    filters: list[dict[str, int]] = [{**best, "lc": 4 - place, "lp": place, "pb": place}]
    if delta:
        distance = 1 if by_planes else rows.itemsize * rows.shape[1]
        filters.insert(0, {"id": lzma.FILTER_DELTA, "dist": min(256, distance)})
    return lzma.compress(content_of(rows, by_planes), check=lzma.CHECK_CRC32, filters=filters)


def xz_decode(content: bytes, like: np.ndarray, by_planes: bool = False, **options: bool) -> np.ndarray:
    return rows_of(lzma.decompress(content), like, by_planes)


def bzip2_encode(rows: np.ndarray, setting: None, by_planes: bool = False) -> bytes:
    return bz2.compress(content_of(rows, by_planes), 9)


def bzip2_decode(content: bytes, like: np.ndarray, by_planes: bool = False) -> np.ndarray:
    return rows_of(bz2.decompress(content), like, by_planes)


def zstd_dictionaries(training: Sequence[np.ndarray]) -> dict[str, bytes]:
    """Return a dictionary for each of the sizes, under its size; none where there is too little to learn it from.

    Dictionaries are for many short items: each of the sizes needs ten times as much, in items no longer than itself.
    """
    import zstandard

    samples, total = [], 0
    for array in training:
        samples.append(content_of(array, False))
        total += len(samples[-1])
        if total > MOST_SAMPLES:
            break
    found = {}
    for size in DICTIONARY_SIZES:
        if total >= 10 * size and total / len(samples) <= size:
            found[str(size)] = zstandard.train_dictionary(size, samples, level=19).as_bytes()
    return found


def zstd_encode(rows: np.ndarray, setting: None, dictionary: bytes | None = None) -> bytes:
    import zstandard

    known = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
    return zstandard.ZstdCompressor(level=22, dict_data=known).compress(content_of(rows, False))


def zstd_decode(content: bytes, like: np.ndarray, dictionary: bytes | None = None) -> np.ndarray:
    import zstandard

    known = None if dictionary is None else zstandard.ZstdCompressionDict(dictionary)
    return rows_of(zstandard.ZstdDecompressor(dict_data=known).decompress(content), like, False)


def zstd_version() -> str:
    import zstandard

    return f"zstd {'.'.join(map(str, zstandard.ZSTD_VERSION))}"


def pcodec_encode(rows: np.ndarray, setting: None) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.pcodec_encode(np.ascontiguousarray(rows.T).ravel(), level=12))


def pcodec_decode(content: bytes, like: np.ndarray) -> np.ndarray:
    import imagecodecs

    return imagecodecs.pcodec_decode(content, like.shape[::-1], like.dtype).T


def blosc2_encode(rows: np.ndarray, setting: None, shuffle: str) -> bytes:
    import imagecodecs

    options = {"compressor": "zstd", "shuffle": shuffle, "typesize": rows.itemsize, "numthreads": 1}
    return bytes(imagecodecs.blosc2_encode(np.ascontiguousarray(rows), 9, **options))


def blosc2_decode(content: bytes, like: np.ndarray, shuffle: str) -> np.ndarray:
    import imagecodecs

    return np.frombuffer(imagecodecs.blosc2_decode(content, numthreads=1), like.dtype).reshape(like.shape)


def flac_bits(rows: np.ndarray) -> int:
    return 16 if rows.size == 0 or (rows.min() >= -(2**15) and rows.max() < 2**15) else 24


def flac_accepts(rows: np.ndarray) -> bool:
    return rows.dtype.kind in "iu" and rows.min() >= -(2**23) and rows.max() < 2**23 and rows.shape[1] <= 8


def flac_encode(rows: np.ndarray, setting: None) -> bytes:
    import soundfile

    bits, content = flac_bits(rows), io.BytesIO()
    samples = rows.astype(np.int32) << (32 - bits)
    # 1 is FLAC's level 8
    soundfile.write(content, samples, FLAC_RATE, format="FLAC", subtype=f"PCM_{bits}", compression_level=1.0)
    return content.getvalue()


def flac_decode(content: bytes, like: np.ndarray) -> np.ndarray:
    import soundfile

    samples, _ = soundfile.read(io.BytesIO(content), dtype="int32", always_2d=True)
    return (samples >> (32 - flac_bits(like))).astype(like.dtype)


def flac_version() -> str:
    import soundfile

    return f"FLAC of libsndfile {soundfile.__libsndfile_version__}"


def without_holes(encode: Callable[..., bytes]) -> Callable[..., bytes]:
    """Return an encoder of fields whose values that are not finite are stored apart: as a packed mask, or none.

    Encoders of real numbers take none; the holes are filled with the mean of the others, as users would.
    """

    def encode_with_mask(array: np.ndarray, setting: float | None, **options: Any) -> bytes:
        finite = np.isfinite(array)
        mask = b"" if finite.all() else lzma.compress(np.packbits(finite).tobytes(), lzma.FORMAT_ALONE)
        filled = array if finite.all() else np.where(finite, array, array[finite].mean() if finite.any() else 0)
        content = encode(np.ascontiguousarray(filled.astype(array.dtype)), setting, **options)
        return len(mask).to_bytes(4, "little") + mask + content

    return encode_with_mask


def with_holes(decode: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Return the decoder for an encoder of `without_holes`."""

    def decode_with_mask(content: bytes, like: np.ndarray, **options: Any) -> np.ndarray:
        size = int.from_bytes(content[:4], "little")
        array = decode(content[4 + size :], like, **options)
        if size:
            bits = np.frombuffer(lzma.decompress(content[4 : 4 + size]), np.uint8)
            finite = np.unpackbits(bits, count=like.size).astype(bool).reshape(like.shape)
            array = np.where(finite, array, np.nan)
        return array

    return decode_with_mask


def zfp_encode(array: np.ndarray, bound: float | None) -> bytes:
    import imagecodecs

    if bound is None:
        return bytes(imagecodecs.zfp_encode(array, mode=imagecodecs.ZFP.MODE.REVERSIBLE, level=0, numthreads=1))
    return bytes(imagecodecs.zfp_encode(array, bound, mode=imagecodecs.ZFP.MODE.FIXED_ACCURACY, numthreads=1))


def zfp_decode(content: bytes, like: np.ndarray) -> np.ndarray:
    import imagecodecs

    return imagecodecs.zfp_decode(content, numthreads=1)


def sz3_encode(array: np.ndarray, bound: float) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.sz3_encode(array, mode=imagecodecs.SZ3.MODE.ABS, abs=bound))


def sz3_decode(content: bytes, like: np.ndarray) -> np.ndarray:
    import imagecodecs

    return imagecodecs.sz3_decode(content, like.shape, like.dtype)


def real(array: np.ndarray) -> bool:
    return array.dtype in (np.float32, np.float64)


def standard_library() -> str:
    return "Python's standard library"


def differs(options: Options, rows: np.ndarray) -> bool:
    """Whether options make a difference: planes and places of bytes make none where a pixel is one byte."""
    width = rows.itemsize * rows.shape[1]
    return (width > 1 or not options.get("by_planes")) and (width in (2, 4) or not options.get("aligned"))


ARRAY_PEERS = (
    Peer(
        "xz",
        ANY,
        xz_encode,
        xz_decode,
        "flat",
        standard_library,
        matters=differs,
        lossless=tuple(
            {"delta": delta, **layout}
            for delta in (False, True)
            for layout in ({}, {"by_planes": True}, {"aligned": True})
        ),
    ),
    Peer(
        "bzip2",
        ANY,
        bzip2_encode,
        bzip2_decode,
        "flat",
        standard_library,
        matters=differs,
        lossless=({}, {"by_planes": True}),
    ),
    Peer(
        "zstd",
        ANY,
        zstd_encode,
        zstd_decode,
        "flat",
        zstd_version,
        lossless=({},),
        learned=zstd_dictionaries,
        package="zstandard",
    ),
    Peer(
        "blosc2",
        ANY,
        blosc2_encode,
        blosc2_decode,
        "flat",
        imagecodecs_version("c-blosc2"),
        lossless=({"shuffle": "shuffle"}, {"shuffle": "bitshuffle"}),
    ),
    Peer(
        "pcodec",
        ("signals", "fields", "volumes"),
        pcodec_encode,
        pcodec_decode,
        "flat",
        imagecodecs_version("pcodec"),
        lossless=({},),
    ),
    Peer(
        "FLAC",
        ("signals",),
        flac_encode,
        flac_decode,
        "flat",
        flac_version,
        accepts=flac_accepts,
        lossless=({},),
        package="soundfile",
    ),
    Peer(
        "ZFP",
        ("fields",),
        without_holes(zfp_encode),
        with_holes(zfp_decode),
        "stack",
        imagecodecs_version("zfp"),
        accepts=real,
        lossless=({},),
        bounded=({},),
    ),
    Peer(
        "SZ3",
        ("fields",),
        without_holes(sz3_encode),
        with_holes(sz3_decode),
        "stack",
        imagecodecs_version("sz3"),
        accepts=real,
        bounded=({},),
    ),
)
