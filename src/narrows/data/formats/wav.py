"""WAV recordings, one or many, through soundfile (libsndfile).

| in the file | values |
|---|---|
| 8 bits | uint8, 128 is silence |
| 16 bits | int16 |
| 24 bits | int32, the 24 bits in the high ones: multiples of 256 |
| 32 bits | int32 |
| 32 and 64 bits, floating point | float32, float64 |

Recordings of different bits that are read together are all int32, in whose high bits each has its own. Recordings are
written with the bits that they had. int32 values from elsewhere are written with 24 bits if all are multiples of 256,
and else with 32.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from narrows.data.axes import check_axes
from narrows.data.formats import ReadOptions
from narrows.data.formats.content import Content, opened, path_or_buffer, size
from narrows.data.formats.members import Decoding, File, single_file
from narrows.data.formats.signatures import is_wav
from narrows.data.items import Items
from narrows.data.memory import allocate
from narrows.errors import DataError, cannot_import

if TYPE_CHECKING:
    from soundfile import SoundFile

_READ = {"PCM_U8": "uint8", "PCM_16": "int16", "PCM_24": "int32", "PCM_32": "int32"} | {
    "FLOAT": "float32",
    "DOUBLE": "float64",
}
_WRITTEN = {np.dtype(dtype): subtype for subtype, dtype in _READ.items()}
_WIDTHS = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_BITS = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_SUBTYPES: dict[int | None, str] = {bits: subtype for subtype, bits in _BITS.items()}
_BLOCK = 2**20  # samples that are read or written at a time
_LONGEST = 2**32 - 2**16  # bytes of a plain WAV; longer ones are RF64


@dataclass(frozen=True)
class Header:
    """What a recording will decode to: samples at each of `frames` times; rate: frames a second.

    bits: per sample; None for floats.
    """

    frames: int
    channels: int
    rate: int
    dtype: np.dtype
    bits: int | None


def read(content: Content, name: str, options: ReadOptions) -> Items:
    """Read one recording as an item."""
    return read_files([single_file(content, name)], name, replace(options, strict=True))


def write(items: Items, file: IO[bytes], name: str = "") -> None:
    """Write a single recording; DataError for several items, or none that are recordings."""
    if len(items) != 1:
        raise DataError("one WAV cannot hold several items", hint="name a folder instead (ending in /)")
    if items.spatial_dims != 1:
        raise DataError(f"items with the axes {items.axes[1:]} are not recordings", hint="write .npy or .npz instead")
    if items.rate is None:
        raise DataError(
            "a WAV needs a sample rate, which neither the data nor the model has", hint="write .npy or .npz instead"
        )
    encode(file, items[0], items.rate, items.bits[0] if items.bits else None)


def suffix_for(items: Items) -> str | None:
    """Return the suffix of the files that can hold such items, one each; None where they are not recordings."""
    return ".wav" if items.spatial_dims == 1 and items.rate is not None else None


def read_files(files: list[File], source: str, options: ReadOptions) -> Items:
    """Read all recordings that can be read, as `NT` if they have one channel and else as `NTC`.

    Raises DataError where none can be read, where they differ in channels, rate or whether they are integers, and with
    `strict` for the first that cannot be read.
    """
    with Decoding(source, options, lambda error, _: reason(error)) as decoding:
        headers = decoding.each(files, lambda content, _: read_header(content), "looking")
        files, plan = [files[index] for index in headers], list(headers.values())
        _check_alike(source, [file.name for file in files], plan)
        channels, depths = plan[0].channels, {header.bits for header in plan}
        dtype = plan[0].dtype if len(depths) == 1 else np.dtype(np.int32)
        sizes = np.array([header.frames * channels for header in plan], np.int64)
        starts = np.cumsum(sizes) - sizes
        values = allocate(int(sizes.sum()), dtype)

        def decode_into_place(content: Content, index: int) -> None:
            out = values[starts[index] : starts[index] + sizes[index]]
            decode(content, out.reshape(-1, channels))

        good = list(decoding.each(files, decode_into_place, "reading"))
    axes = "NT" if channels == 1 else "NTC"
    check_axes(options.axes, axes, source)
    shapes = np.array([(plan[index].frames, channels)[: len(axes) - 1] for index in good], np.int64)
    details: dict[str, Any] = {
        "names": [files[index].name for index in good],
        "skipped": decoding.skipped,
        "source": source,
        "rate": plan[0].rate,
        "bits": [plan[index].bits for index in good] if dtype == np.int32 else None,
        "notes": [_note_on_depths(source, depths)] if len(depths) > 1 else [],
    }
    if (shapes != shapes[0]).any():
        return Items.ragged(values, shapes, axes, starts[good], **details)
    if len(good) < len(files):
        values = np.concatenate([values[starts[index] : starts[index] + sizes[index]] for index in good])
    return Items(values.reshape(-1, *shapes[0]), axes, **details)


def read_header(source: Content) -> Header:
    """Return what `decode` will give; raises whatever the decoder raises (see `reason`)."""
    with opened(source) as file:
        head = file.read(12)
    if not is_wav(head):
        raise DataError(f"not a WAV, it begins with {head[:4].hex(' ') or 'nothing'}")
    promised = int.from_bytes(head[4:8], "big" if head[:4] == b"RIFX" else "little") + 8
    if promised < 2**32 and size(source) < promised - 1:  # recorders that were cut off leave the largest number there
        raise DataError(f"truncated: its header promises {promised} bytes, and it has {size(source)}")
    with _opened(source) as file:
        if file.subtype not in _READ:
            raise DataError(f"audio coded as {file.subtype}; expected WAV of 8, 16, 24 or 32 bits or of floats")
        if file.frames == 0:
            raise DataError("holds no samples")
        if file.frames * file.channels * _WIDTHS[file.subtype] > size(source):
            raise DataError(f"its header promises {file.frames} samples, more than a file of its size can hold")
        dtype = np.dtype(_READ[file.subtype])
        return Header(file.frames, file.channels, file.samplerate, dtype, _BITS.get(file.subtype))


def decode(source: Content, out: np.ndarray) -> None:
    """Fill `out` (frames, channels), of the type that the header says, with the samples, block by block."""
    done = 0
    with _opened(source) as file:
        while done < len(out):
            block = file.read(_BLOCK, "int16" if out.dtype == np.uint8 else out.dtype.name, always_2d=True)
            if not len(block):
                raise DataError(f"truncated: {done} of {len(out)} samples can be read")
            out[done : done + len(block)] = (block >> 8) + 128 if out.dtype == np.uint8 else block
            done += len(block)


def encode(file: IO[bytes], samples: np.ndarray, rate: int, bits: int | None = None) -> None:
    """Write samples (frames,) or (frames, channels) as a WAV; DataError for values that it cannot hold.

    bits: of int32 samples, which are rounded to them; 24 by default if these hold them, else 32.
    """
    subtype = _WRITTEN.get(samples.dtype)
    if subtype is None:
        names = ", ".join(sorted({dtype.name for dtype in _WRITTEN}))
        raise DataError(f"WAV holds {names}, not {samples.dtype}", hint="write .npy instead")
    if samples.dtype == np.int32:
        fewest = 32 if any((block & 255).any() for block in _blocks(samples)) else 24
        subtype = _SUBTYPES[bits if bits in _SUBTYPES else fewest]
    channels = samples.shape[1] if samples.ndim > 1 else 1
    if channels > 1024:
        raise DataError(f"WAV holds at most 1024 channels, not {channels}", hint="write .npy instead")
    format = "RF64" if samples.size * _WIDTHS[subtype] > _LONGEST else "WAV"
    with _library().SoundFile(file, "w", rate, channels, subtype, format=format) as recording:
        for block in _blocks(samples):
            if block.dtype == np.uint8:
                block = (block.astype(np.int16) - 128) << 8
            elif block.dtype == np.int32 and subtype != "PCM_32":
                step = 2 ** (32 - _BITS[subtype])
                block = (np.minimum(block, 2**31 - step) + step // 2) & -step  # rounded to the nearest
            recording.write(block)


def reason(error: Exception) -> str:
    """Return why a recording could not be read, in words for the user."""
    if isinstance(error, (DataError, MemoryError)):
        return str(error) or "larger than the memory of this machine"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = " ".join(str(error).split()).rstrip(".")
    return f"damaged recording ({text.partition(': ')[2] or text})"


def _check_alike(source: str, names: list[str], headers: list[Header]) -> None:
    """DataError, which names two, where recordings have too little in common to be learned from together."""
    first = headers[0]
    for name, header in zip(names, headers, strict=True):
        for what, one, other, hint in (
            ("Hz", first.rate, header.rate, "convert them to one rate"),
            ("channel(s)", first.channels, header.channels, "mix them down"),
            ("values", first.dtype, header.dtype, "convert them to one type"),
        ):
            if one != other and not (what == "values" and first.bits and header.bits):
                raise DataError(
                    f"{names[0]} has {one} {what}, {name} has {other}",
                    source=source,
                    hint=f"{hint}, or read them separately",
                )


def _note_on_depths(source: str, depths: set[Any]) -> str:
    *others, last = sorted(depths)
    bits = f"{', '.join(map(str, others))} and {last}"
    return f"{source}: recordings of {bits} bits are read as integers of 32; they are written with the bits of each"


def _blocks(samples: np.ndarray) -> Iterator[np.ndarray]:
    return (samples[start : start + _BLOCK] for start in range(0, len(samples), _BLOCK))


def _opened(source: Content) -> "SoundFile":
    return _library().SoundFile(path_or_buffer(source))


def _library() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the library in the package does not load
        raise cannot_import("WAV", "soundfile", "audio", error) from None
    return soundfile
