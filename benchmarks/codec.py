"""Compare the codec with JPEG, WebP, AVIF, JPEG XL, PNG, xz and bzip2, in one run.

    python benchmarks/codec.py [--only mnist,digits,colour] [--minutes M] [--output FOLDER] [--json FILE] ...

For each set of images, narrows trains on the training images and compresses the test images; the peers compress
the same images: all in one file, and each in its own. Sizes are of complete files; the model of narrows is not counted.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import narrows
import peers
from command_line import Parser, write_figures
from comparison import NARROWS, Comparison, document, print_figures, print_rows
from measuring import this_machine
from narrows.artifacts import atomic
from narrows.codec.container.archive_file import ArchiveReader
from picture_sets import PictureSet, chosen
from rate_plot import rate_plot
from rates import FILES, Files, Rate, Work, all_rates, distortion, pixels

SEED = 0
SETS = ("mnist", "digits", "colour")
QUALITIES = (10, 25, 40, 55, 70)  # asked of narrows, beside the PSNR of each target
ERRORS = (1, 8, 25)  # the same, as largest errors of a value
OWN_FILES, OWN_QUALITIES = 50, (20, 30, 40, 50)  # items that narrows codes each in its own file, and how
REPEATS = 2  # of what is timed; the faster one counts


def measure_narrows(pictures: PictureSet, codec: Any) -> tuple[list[Rate], float | None]:
    """The rates of narrows on the test pictures, and the bytes that an item's own file has over its share."""
    demands: list[dict[str, Any]] = [{"lossless": True}] * REPEATS
    if pictures.targets:
        demands += [{"psnr": psnr} for psnr in pictures.targets]
        demands += [{"quality": quality} for quality in QUALITIES]
        demands += [{"max_error": error} for error in ERRORS]
    given, rates = as_given(pictures.test), []
    for demand in demands:
        say(f"narrows, {pictures.name}, {in_words(demand)}")
        rates.append(measured(codec, given, pictures.test, "one", demand))
    exact = rates[:REPEATS]
    best = {time: min(getattr(rate, time) for rate in exact) for time in ("encoding", "decoding")}
    rates = [replace(exact[0], **best), *rates[REPEATS:]]
    if pictures.unit != "item":
        return rates, None
    say(f"narrows, {pictures.name}, {OWN_FILES} items in files of their own")
    few = pictures.spread(OWN_FILES)
    demands = [{"lossless": True}, *({"quality": quality} for quality in OWN_QUALITIES if pictures.targets)]
    own = [together([measured(codec, item[None], [item], "each", demand) for item in few]) for demand in demands]
    payload = ArchiveReader(codec.compress(as_given(few), lossless=True), "archive").sizes()["payload"]
    return rates + own, (own[0].bytes - payload) / len(few)


def trained(pictures: PictureSet, minutes: float, models: Path | None) -> Any:
    """Return a codec for the set, from the folder of models if it is there; None if training failed."""
    kept = None if models is None else models / f"{pictures.name}.safetensors"
    if kept is not None and kept.exists():
        say(f"taking {kept}")
        return narrows.load(kept)
    say(f"narrows, {pictures.name}: training for {minutes:g} minutes")
    codec = narrows.Codec(minutes=minutes, random_state=SEED, device="cpu")
    try:
        codec.fit(pictures.training)
    except narrows.TrainingError as error:
        say(f"narrows, {pictures.name}: {error}")
        return None
    if kept is not None:
        codec.save(kept)
    return codec


def measured(codec: Any, given: Any, items: Sequence[np.ndarray], files: Files, demand: dict[str, Any]) -> Rate:
    """One file of what is given, which holds the items."""
    began = time.perf_counter()
    content = codec.compress(given, **demand)
    between = time.perf_counter()
    returned = codec.decompress(content)
    ended = time.perf_counter()
    psnr, worst = distortion(items, returned)
    if worst > demand.get("max_error", 0 if "lossless" in demand else math.inf):
        raise AssertionError(f"narrows: an error of {worst} where {in_words(demand)} was asked for")
    sizes = (len(content), len(items), pixels(items))
    return Rate(NARROWS, files, in_words(demand), *sizes, psnr, worst, between - began, ended - between)


def together(rates: Sequence[Rate]) -> Rate:
    """Return files of one item each as one rate; the PSNR is over all their values."""
    mse = [0.0 if rate.psnr is None else 10 ** (-rate.psnr / 10) for rate in rates]
    total = sum(rate.pixels for rate in rates)
    squares = sum(error * rate.pixels for error, rate in zip(mse, rates, strict=True))
    return replace(
        rates[0],
        **{name: sum(getattr(rate, name) for rate in rates) for name in ("bytes", "items", "encoding", "decoding")},
        pixels=total,
        psnr=-10 * math.log10(squares / total) if squares else None,
        worst=max(rate.worst for rate in rates),
    )


def measure_peers(sets: Sequence[PictureSet], thorough: bool, processes: int) -> dict[str, list[Rate]]:
    """Return the rates of all peers by the names of the sets."""
    works = [
        Work(peer.name, files, pictures.name, pictures.of(files), pictures.targets, thorough)
        for pictures in sets
        for peer in peers.PEERS
        for files in FILES
        if files == "each" or pictures.mosaic
    ]
    # The longest first, so that all processes end at about the same time.
    works.sort(key=lambda work: (work.coder != "AVIF", work.coder != "JPEG XL", -sum(item.size for item in work.items)))
    found: dict[str, list[Rate]] = {pictures.name: [] for pictures in sets}
    for work, rates in all_rates(works, processes):
        say(f"{work.coder}, {work.pictures}, {work.files}: {sum(r.encoding + r.decoding for r in rates):.1f} s")
        found[work.pictures] += rates
    order = [(peer.name, files) for peer in peers.PEERS for files in FILES]
    return {
        name: sorted(rates, key=lambda rate: order.index((rate.coder, rate.files))) for name, rates in found.items()
    }


def as_given(items: Sequence[np.ndarray]) -> Any:
    """Items as users give them: in one array, or in a list where they differ in size."""
    return np.stack(items) if len({item.shape for item in items}) == 1 else list(items)


def in_words(demand: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in demand.items())


def say(words: str) -> None:
    print(f"... {words}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = Parser("Compare the codec with other codecs for images and bytes.", SETS, quick=False)
    parser.add_argument("--minutes", type=float, default=5, help="of training for each set; default 5")
    parser.add_argument("--items", metavar="N", type=int, help="only the first N test images, to check the script")
    parser.add_argument("--thorough", action="store_true", help="peers with efforts that take ten times as long")
    parser.add_argument("--peers-only", action="store_true", help="no training, and no figures of narrows")
    parser.add_folders()
    return parser.parse()


def main() -> None:
    options = arguments()
    machine = this_machine()
    print(machine, flush=True)
    print(", ".join(peers.versions().values()), flush=True)
    sets = chosen(options.only, options.items)
    beside = measure_peers(sets, options.thorough, machine.cores)
    comparisons, trainings = [], {}
    for pictures in sets:
        rates: list[Rate] = []
        own_share = None
        codec = None if options.peers_only else trained(pictures, options.minutes, options.models)
        if codec is not None:
            trainings[pictures.name] = {name: fact for name, fact in codec.training_.items() if name != "history"}
            rates, own_share = measure_narrows(pictures, codec)
        comparisons.append(Comparison(pictures, rates + beside[pictures.name], own_share))
        print_rows(comparisons[-1])
    if not options.peers_only:
        print_figures(comparisons)
    if options.output:
        for comparison in comparisons:
            if comparison.pictures.targets:
                with atomic.replacing(options.output / f"{comparison.pictures.name}.png") as temporary:
                    rate_plot(comparison).savefig(temporary, format="png", dpi=150)
    facts = {
        "libraries": peers.versions(),
        "thorough": options.thorough,
        "seed": SEED,
        "trainings": trainings,
        "sets": [document(comparison) for comparison in comparisons],
    }
    write_figures(options.json, machine, facts)


if __name__ == "__main__":
    main()
