"""A codec or compressor that narrows is compared with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from joins import Join

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """Another codec.

    encode: ``encode(array, setting, **options) -> bytes``, a complete file; the setting is None for lossless files,
        a quality, or a largest error.
    decode: ``decode(content, like, **options) -> array``, of the shape and type of `like`.
    accepts: whether arrays like this one can be coded. matters: whether options make a difference to such arrays.
    lossless, lossy, bounded: variants of the options, of which the smallest file counts; empty without such a mode.
    qualities: all lossy settings that differ, from the lowest to the highest quality.
    learned: ``learned(training arrays) -> options`` that are learned from training items, such as a dictionary, whose
        bytes count as a model.
    package: what has to be installed. version: the name and version of the library.
    """

    name: str
    kinds: tuple[str, ...]
    encode: Callable[..., bytes]
    decode: Callable[..., np.ndarray]
    join: Join
    version: Callable[[], str]
    accepts: Callable[[np.ndarray], bool] = lambda array: True
    matters: Callable[[Options, np.ndarray], bool] = lambda options, array: True
    lossless: tuple[Options, ...] = ()
    lossy: tuple[Options, ...] = ()
    bounded: tuple[Options, ...] = ()
    qualities: tuple[float, ...] = field(default=(), repr=False)
    learned: Callable[[Sequence[np.ndarray]], dict[str, bytes]] | None = None
    package: str = "imagecodecs"


def imagecodecs_version(library: str) -> Callable[[], str]:
    """Return the function that names one of the libraries in imagecodecs with its version."""

    def version() -> str:
        import imagecodecs

        known = dict(entry.rsplit("-", 1) for entry in imagecodecs.version().split(", ") if "-" in entry)
        return f"{library} {known[library]}"

    return version
