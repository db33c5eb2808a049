"""Rates of peers: lossless, at given PSNR and within given errors, in parallel processes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from array_peers import ARRAY_PEERS
from item_sets import ItemSet
from joins import apart, joined
from peers import Options, Peer
from picture_peers import PICTURE_PEERS, THOROUGH
from rates import FILES, Demand, DistortionError, Failure, Files, Rate, distortion, peak, sizes

SPREAD = 5  # settings of a curve, from the worst to the best, beside those found for the targets
MOST_TRAINING = 20_000  # training items that peers learn from


@dataclass(frozen=True)
class Work:
    """A peer's files of a set, made by a separate process. training: items that the peer learns from, if it does."""

    coder: str
    files: Files
    set: str
    items: Sequence[np.ndarray]
    channels: int
    demands: tuple[Demand, ...]
    training: Sequence[np.ndarray]
    thorough: bool

    def results(self) -> list[Rate | Failure]:
        peer = available(self.thorough)[self.coder]
        try:
            return [*rates_of(peer, self)]
        except Exception as error:  # the others of the run go on
            return [Failure(self.coder, self.files, f"{type(error).__name__}: {error}".splitlines()[0])]


def available(thorough: bool, say: Callable[[str], None] = lambda words: None) -> dict[str, Peer]:
    """Return the peers whose libraries are installed, by name."""
    found = {}
    for peer in (*PICTURE_PEERS, *ARRAY_PEERS):
        try:
            peer.version()
        except ImportError:
            say(f"{peer.name} is left out: pip install {peer.package}")
        else:
            found[peer.name] = THOROUGH.get(peer.name, peer) if thorough else peer
    return found


def works_for(
    item_set: ItemSet, known: Mapping[str, Peer], thorough: bool, kinds: Sequence[Files] = FILES
) -> list[Work]:
    """Return what peers can do with a set: all items in one file, and each in its own, as far as asked."""
    found = []
    for peer in known.values():
        modes = {"lossless": peer.lossless, "psnr": peer.lossy, "max_error": peer.bounded}
        if item_set.kind not in peer.kinds or not any(modes[demand.kind] for demand in item_set.demands):
            continue
        first, _ = apart(item_set.arrays[:1], peer.join, item_set.channels)
        if not peer.accepts(first[0]):
            continue
        training = list(item_set.training.select(slice(MOST_TRAINING))) if peer.learned and "each" in kinds else []
        for files in kinds:
            items = item_set.of(files)
            if files == "each" or joined(items, peer.join, item_set.channels) is not None:
                learning = training if files == "each" else []
                work = (peer.name, files, item_set.name, items, item_set.channels, item_set.demands)
                found.append(Work(*work, learning, thorough))
    return found


def all_results(works: Sequence[Work], processes: int) -> Iterator[tuple[Work, list[Rate | Failure]]]:
    """Each work with its rates, as soon as they are known; one thread each, the longest first."""
    slow = {"AVIF": 30, "JPEG XL": 20, "WebP": 5}
    order = sorted(works, key=lambda work: -sum(item.size for item in work.items) * slow.get(work.coder, 1))
    crashed = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        begun = {pool.submit(work.results): work for work in order}
        for done in as_completed(begun):
            if isinstance(done.exception(), BrokenProcessPool):
                crashed.append(begun[done])
            else:
                yield begun[done], done.result()
    # A process that dies takes the work of the others with it: all that is left is done again, each in its own process.
    for work in crashed:
        yield work, _alone(work)


def _alone(work: Work) -> list[Rate | Failure]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(work.results).result()
        except BrokenProcessPool:
            return [Failure(work.coder, work.files, "its process crashed")]


def rates_of(peer: Peer, work: Work) -> Iterator[Rate]:
    """Yield lossless files, those within each error, and the curve of each lossy variant."""
    first = apart(work.items[:1], peer.join, work.channels)[0][0]
    differing = [options for options in peer.lossless if peer.matters(options, first)]
    for options in differing:
        yield measured(peer, work, None, options)
    if peer.learned and work.training:
        arrays = [*apart(work.training, peer.join, work.channels)[0]]
        for dictionary in peer.learned(arrays).values():
            yield measured(peer, work, None, {"dictionary": dictionary})
    for demand in work.demands:
        if demand.kind == "max_error":
            yield from (within(peer, work, demand, options) for options in peer.bounded)
    targets = [demand for demand in work.demands if demand.kind == "psnr"]
    for options in peer.lossy if targets else ():
        if peer.matters(options, first):
            yield from curve(peer, work, options, targets)


def measured(peer: Peer, work: Work, setting: float | None, options: Options) -> Rate:
    """Encode and decode all items at one setting."""
    if work.files == "one":
        together = joined(work.items, peer.join, work.channels)
        assert together is not None
        arrays, separate = [together[0]], together[1]
    else:
        arrays, separate = apart(work.items, peer.join, work.channels)
    began = time.perf_counter()
    contents = [peer.encode(array, setting, **options) for array in arrays]
    between = time.perf_counter()
    returned = [peer.decode(content, array, **options) for content, array in zip(contents, arrays, strict=True)]
    ended = time.perf_counter()
    psnr, worst = distortion(work.items, separate(returned), peak(work.items))
    if setting is None and worst:
        raise DistortionError(f"{in_words(setting, options)} is not lossless")
    model = len(options.get("dictionary", b""))
    counts = sizes(work.items, work.channels)
    total = sum(map(len, contents))
    words = in_words(setting, options)
    return Rate(
        peer.name,
        work.files,
        words,
        total,
        psnr=psnr,
        worst=worst,
        encoding=between - began,
        decoding=ended - between,
        model=model,
        **counts,
    )


def in_words(setting: float | None, options: Options) -> str:
    chosen = {"lossless": True, **options} if setting is None else {"setting": setting, **options}
    words = {name: f"{len(value):,} bytes" if isinstance(value, bytes) else value for name, value in chosen.items()}
    return ", ".join(f"{name} {value}" for name, value in words.items())


def within(peer: Peer, work: Work, demand: Demand, options: Options) -> Rate:
    """Files within an error; a peer that exceeds it by rounding is asked for a little less."""
    for share in (1, 1 - 1e-4, 1 - 1e-2, 0.9):
        rate = measured(peer, work, demand.value * share, options)
        if demand.met_by(rate):
            return rate
    raise DistortionError(f"an error of {rate.worst:g} where {demand.value:g} was asked for")


def curve(peer: Peer, work: Work, options: Options, targets: Iterable[Demand]) -> list[Rate]:
    """Rates at a few settings and at those that just reach each target PSNR.

    A setting that just reaches a target is found between its neighbours, until the one below it is known to fail.
    """
    known: dict[int, Rate] = {}

    def at(index: int) -> Rate:
        if index not in known:
            known[index] = measured(peer, work, peer.qualities[index], options)
        return known[index]

    last = len(peer.qualities) - 1
    for index in np.linspace(0, last, SPREAD).round().astype(int).tolist():
        at(index)
    for target in targets:
        enough = min((index for index, rate in known.items() if target.met_by(rate)), default=None)
        if enough is None:
            continue
        short = max((index for index in known if index < enough), default=-1)
        while enough - short > 1:
            middle = between(short, enough, known, target.value)
            short, enough = (short, middle) if target.met_by(at(middle)) else (middle, enough)
    return [known[index] for index in sorted(known)]


def between(short: int, enough: int, known: Mapping[int, Rate], target: float) -> int:
    """A setting between two, where a straight line through their PSNR would reach the target; or in their middle."""
    low = known[short].psnr if short in known else None
    high = known[enough].psnr
    if low is None or high is None:
        return (short + enough) // 2
    return min(enough - 1, max(short + 1, short + round((enough - short) * (target - low) / (high - low))))


def measure_peers(
    sets: Sequence[ItemSet],
    known: Mapping[str, Peer],
    thorough: bool,
    processes: int,
    say: Callable[[str], None],
    kinds: Sequence[Files] = FILES,
) -> dict[str, list[Rate | Failure]]:
    """Return what all peers make of the sets, by the names of these."""
    found: dict[str, list[Rate | Failure]] = {item_set.name: [] for item_set in sets}
    works = [work for item_set in sets for work in works_for(item_set, known, thorough, kinds)]
    for count, (work, results) in enumerate(all_results(works, processes), 1):
        seconds = sum(result.encoding + result.decoding for result in results if isinstance(result, Rate))
        say(f"{count} of {len(works)}: {work.coder}, {work.set}, {work.files}: {seconds:.1f} s")
        found[work.set] += results
    names = list(known)
    order = {key: place for place, key in enumerate((name, files) for name in names for files in FILES)}
    return {
        name: sorted(results, key=lambda result: order[result.coder, result.files]) for name, results in found.items()
    }
