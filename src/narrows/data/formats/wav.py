"""WAV: one recording, read and written side by side, through soundfile (libsndfile).

| in the file | values |
|---|---|
| 8 bits | uint8, 128 is silence |
| 16 bits | int16 |
| 24 bits | int32, the 24 bits in the high ones: multiples of 256 |
| 32 bits | int32 |
| 32 and 64 bits, floating point | float32, float64 |

int32 values that are all multiples of 256 go into a file of 24 bits, so that each file comes back as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from narrows.data.formats.content import Content, opened, path_or_buffer, size
from narrows.errors import DataError

if TYPE_CHECKING:
    from soundfile import SoundFile

SUFFIX = ".wav"
_READ = {"PCM_U8": "uint8", "PCM_16": "int16", "PCM_24": "int32", "PCM_32": "int32"} | {
    "FLOAT": "float32",
    "DOUBLE": "float64",
}
_WRITTEN = {np.dtype(dtype): subtype for subtype, dtype in _READ.items()}
_WIDTHS = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_BLOCK = 2**20  # samples that are read or written at a time
_LONGEST = 2**32 - 2**16  # bytes of a plain WAV; longer ones are RF64


@dataclass(frozen=True)
class Header:
    """What a recording will decode to: samples at each of `frames` times; rate: frames a second."""

    frames: int
    channels: int
    rate: int
    dtype: np.dtype


def is_wav(head: bytes) -> bool:
    """Whether a file that begins so is a WAV."""
    return head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE"


def read_header(source: Content) -> Header:
    """What `decode` will give; raises whatever the decoder raises (see `reason`)."""
    with opened(source) as file:
        head = file.read(12)
    if not is_wav(head):
        raise DataError(f"not a WAV, it begins with {head[:4].hex(' ') or 'nothing'}")
    promised = int.from_bytes(head[4:8], "big" if head[:4] == b"RIFX" else "little") + 8
    if promised < 2**32 and size(source) < promised - 1:  # recorders that were cut off leave the largest number there
        raise DataError(f"truncated: its header promises {promised} bytes, and it has {size(source)}")
    with _opened(source) as file:
        if file.subtype not in _READ:
            raise DataError(f"sound coded as {file.subtype}; WAV of 8, 16, 24 or 32 bits or of floats is read")
        if file.frames == 0:
            raise DataError("holds no sound")
        if file.frames * file.channels * _WIDTHS[file.subtype] > size(source):
            raise DataError(f"its header promises {file.frames} samples, more than a file of its size can hold")
        return Header(file.frames, file.channels, file.samplerate, np.dtype(_READ[file.subtype]))


def decode(source: Content, room: np.ndarray) -> None:
    """Fill `room` (frames, channels), of the type that the header says, with the samples, block by block."""
    done = 0
    with _opened(source) as file:
        while done < len(room):
            block = file.read(_BLOCK, "int16" if room.dtype == np.uint8 else room.dtype.name, always_2d=True)
            if not len(block):
                raise DataError(f"truncated: {done} of {len(room)} samples can be read")
            room[done : done + len(block)] = (block >> 8) + 128 if room.dtype == np.uint8 else block
            done += len(block)


def encode(file: IO[bytes], samples: np.ndarray, rate: int) -> None:
    """Write samples (frames,) or (frames, channels) as a WAV; DataError for values that it cannot hold."""
    subtype = _WRITTEN.get(samples.dtype)
    if subtype is None:
        names = ", ".join(sorted({dtype.name for dtype in _WRITTEN}))
        raise DataError(f"WAV holds {names}, not {samples.dtype}; write .npy instead")
    if samples.dtype == np.int32 and not any((block & 255).any() for block in _blocks(samples)):
        subtype = "PCM_24"
    channels = samples.shape[1] if samples.ndim > 1 else 1
    if channels > 1024:
        raise DataError(f"WAV holds at most 1024 channels, not {channels}; write .npy instead")
    form = "RF64" if samples.size * _WIDTHS[subtype] > _LONGEST else "WAV"
    with _library().SoundFile(file, "w", rate, channels, subtype, format=form) as sound:
        for block in _blocks(samples):
            sound.write((block.astype(np.int16) - 128) << 8 if block.dtype == np.uint8 else block)


def reason(error: Exception) -> str:
    """Why a recording could not be read, for people."""
    if isinstance(error, (DataError, MemoryError)):
        return str(error) or "larger than the memory of this machine"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = " ".join(str(error).split()).rstrip(".")
    return f"damaged recording ({text.partition(': ')[2] or text})"


def _blocks(samples: np.ndarray) -> Iterator[np.ndarray]:
    return (samples[start : start + _BLOCK] for start in range(0, len(samples), _BLOCK))


def _opened(source: Content) -> "SoundFile":
    return _library().SoundFile(path_or_buffer(source))


def _library() -> Any:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package is there, the library in it does not load
        raise DataError("WAV needs soundfile: pip install 'narrows[audio]'") from None
    return soundfile
