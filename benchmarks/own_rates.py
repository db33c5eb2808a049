"""Rates of narrows itself on a set of items."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import narrows
from comparison import NARROWS
from item_sets import LOSSLESS, ItemSet
from narrows.codec.container.archive_file import ArchiveReader
from narrows.data import Items
from narrows.errors import NarrowsError
from rates import Demand, DistortionError, Failure, Files, Rate, distortion, peak, sizes, together

SEED = 0
QUALITIES = (10, 25, 40, 55, 70)  # asked of narrows, beside the PSNR of each target, for the plot
OWN_QUALITIES = (20, 30, 40, 50)  # the same, of items in files of their own
OWN_FILES, MOST_OWN_VALUES = 50, 1_000_000  # items that narrows codes each in its own file
REPEATS = 2  # of lossless files, which are timed; the faster one counts
Say = Callable[[str], None]


def trained(item_set: ItemSet, minutes: float, models: Path, say: Say) -> Any:
    """Return a codec for the set, from the folder of models if it is there; None if training failed."""
    kept = model_file(item_set, models)
    if kept.exists():
        say(f"taking {kept}")
        return narrows.load(kept)
    say(f"narrows, {item_set.name}: training for {minutes:g} minutes")
    codec = narrows.Codec(minutes=minutes, random_state=SEED, device="cpu")
    try:
        codec.fit(item_set.training)
    except NarrowsError as error:
        say(f"narrows, {item_set.name}: {error}")
        return None
    codec.save(kept)
    return codec


def model_file(item_set: ItemSet, models: Path) -> Path:
    return models / f"{item_set.name}.safetensors"


def measure_narrows(item_set: ItemSet, codec: Any, say: Say) -> tuple[list[Rate | Failure], float | None]:
    """The rates of narrows on the test items, and the bytes that an item's own file has over its share."""
    results: list[Rate | Failure] = []
    own_share = None
    for demand in item_set.demands:
        repeats = REPEATS if demand == LOSSLESS else 1
        say(f"narrows, {item_set.name}, {demand}")
        results.append(attempt(lambda demand=demand, repeats=repeats: timed(codec, item_set, demand, repeats), "one"))
    for quality in QUALITIES if item_set.targets else ():
        results.append(
            attempt(lambda quality=quality: measured(codec, item_set.test, "one", {"quality": quality}), "one")
        )
    if len(item_set.test) > 1:
        few = item_set.spread(own_files(item_set))
        say(f"narrows, {item_set.name}, {len(few)} items in files of their own")
        qualities = OWN_QUALITIES if item_set.targets and item_set.unit == "item" else ()
        for options in ({"lossless": True}, *({"quality": quality} for quality in qualities)):
            results.append(attempt(lambda options=options: each(codec, few, options), "each"))
        own_share = over_share(codec, few, results)
    return results, own_share


def attempt(measure: Callable[[], Rate], files: Files) -> Rate | Failure:
    try:
        return measure()
    except (NarrowsError, DistortionError) as error:
        return Failure(NARROWS, files, str(error))


def own_files(item_set: ItemSet) -> int:
    mean = sum(item.size for item in item_set.arrays) / len(item_set.test)
    return max(1, min(OWN_FILES, round(MOST_OWN_VALUES / mean)))


def model_bytes(codec: Any, items: Items, options: dict[str, Any]) -> int:
    """Return the bytes that the model takes in a file of such items that holds it."""
    content = codec.compress(items.select(slice(1)), embed_model=True, **options)
    return ArchiveReader(content, "archive").sizes()["model"]


def over_share(codec: Any, few: Items, results: Sequence[Rate | Failure]) -> float | None:
    """Return the bytes that an item's own lossless file has more than its share of a common payload."""
    own = [rate for rate in results if isinstance(rate, Rate) and rate.files == "each" and rate.worst == 0]
    if not own:
        return None
    payload = ArchiveReader(codec.compress(few, lossless=True), "archive").sizes()["payload"]
    return (own[0].bytes - payload) / len(few)


def timed(codec: Any, item_set: ItemSet, demand: Demand, repeats: int) -> Rate:
    """Return the file of all items that meets a demand, with the shortest of several times."""
    rates = [measured(codec, item_set.test, "one", demand.options) for _ in range(repeats)]
    if not demand.met_by(rates[0]):
        raise DistortionError(f"an error of {rates[0].worst:g} where {demand} was asked for")
    return replace(rates[0], **{name: min(getattr(rate, name) for rate in rates) for name in ("encoding", "decoding")})


def each(codec: Any, few: Items, options: dict[str, Any]) -> Rate:
    """Files of one item each."""
    return together(
        [measured(codec, few.select(slice(place, place + 1)), "each", options) for place in range(len(few))]
    )


def measured(codec: Any, items: Items, files: Files, options: dict[str, Any]) -> Rate:
    """One file of items."""
    began = time.perf_counter()
    content = codec.compress(items, **options)
    between = time.perf_counter()
    returned = codec.decompress(content)
    ended = time.perf_counter()
    arrays = list(items)
    psnr, worst = distortion(arrays, returned if len(arrays) > 1 else _single(returned, arrays[0]), peak(arrays))
    if "lossless" in options and worst:
        raise DistortionError(f"an error of {worst:g} in a lossless file")
    return Rate(
        NARROWS,
        files,
        ", ".join(f"{name} {value}" for name, value in options.items()),
        len(content),
        psnr=psnr,
        worst=worst,
        encoding=between - began,
        decoding=ended - between,
        model=model_bytes(codec, items, options),
        **sizes(arrays, items.channels),
    )


def _single(returned: Any, item: np.ndarray) -> list[np.ndarray]:
    """Return the only item, which comes back with or without an axis of items."""
    return [np.asarray(returned).reshape(item.shape)]
