"""All bytes that are needed to decode: `narrows pack`, whose files hold their decoder, beside the peers."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import command_speed
from comparison import NARROWS, number_in_words, print_table
from item_sets import LOSSLESS, ItemSet, counted
from narrows import data
from narrows.codec.container.archive_file import ArchiveReader
from narrows.data import Items
from narrows.errors import NarrowsError
from peers import Peer
from rates import Demand, DistortionError, Failure, Rate, distortion

MOST_BYTES = 20_000_000  # of values that slow peers are asked to code
SLOW = ("AVIF", "JPEG XL", "WebP")
AIMS = {"mnist test": 1_250_000, "mnist": 7_600_000}  # bytes that narrows is to reach
MORE_BYTES = 100  # than the best of the general compressors: a packed file never has so many
GENERAL = ("xz", "bzip2")
RATE = 1000  # samples a second, stated for recordings without a known rate


@dataclass(frozen=True)
class Packed:
    """A file of `narrows pack`: all its bytes, those of the model among them, and the seconds of both commands."""

    bytes: int
    model: int
    packing: float
    unpacking: float


@dataclass(frozen=True)
class Total:
    """All items of a set, and what narrows and its peers make of them."""

    item_set: ItemSet
    demand: Demand
    packed: Packed | None
    failure: str
    peers: Sequence[Rate | Failure]

    def row(self) -> dict[str, Any]:
        rates = [rate for rate in self.peers if isinstance(rate, Rate) and self.demand.met_by(rate)]
        best = min(rates, key=lambda rate: rate.bytes, default=None)
        return {
            "name": self.item_set.name,
            "demand": str(self.demand),
            "raw": sum(item.nbytes for item in self.item_set.arrays),
            "narrows": None if self.packed is None else self.packed.bytes,
            "model": None if self.packed is None else self.packed.model,
            "best_peer": "" if best is None else best.coder,
            "peer": None if best is None else best.bytes,
            "aim": AIMS.get(self.item_set.name) or (None if best is None else best.bytes),
            "failure": self.failure,
        }


def whole_sets(sets: Sequence[ItemSet], count: int | None) -> list[ItemSet]:
    """Return the sets to be coded as wholes, with all of their items or the first.

    Of MNIST, the test digits alone are a second set.
    """
    found = []
    for item_set in sets:
        if item_set.name == "mnist":
            found.append(_of(item_set, "mnist test", item_set.test))
        if item_set.whole:
            items = Items.from_list([*item_set.training, *item_set.test][:count], item_set.test.axes)
            found.append(_of(item_set, item_set.name, items))
    return found


def asked(peers: Mapping[str, Peer], item_set: ItemSet) -> dict[str, Peer]:
    """Return the peers that take minutes at most for all items of a set."""
    is_large = sum(item.nbytes for item in item_set.arrays) > MOST_BYTES
    return {name: peer for name, peer in peers.items() if not (is_large and name in SLOW)}


def _of(item_set: ItemSet, name: str, items: Items) -> ItemSet:
    title = f"{name}: all {counted(items)}, {items.dtype}"
    return replace(item_set, name=name, title=title, training=items, test=items, targets=(), bounds=item_set.bounds[:1])


def measure_total(
    item_set: ItemSet, peers: Sequence[Rate | Failure], minutes: float | None, say: Callable[[str], None]
) -> list[Total]:
    """Pack all items of a set, at each demand; without minutes, the peers alone are of interest."""
    totals = []
    for demand in item_set.demands:
        packed, failure = None, ""
        if minutes is not None:
            say(f"narrows pack, {item_set.name}, {demand}, {minutes:g} minutes")
            try:
                packed = pack(item_set.test, demand, minutes)
            except (command_speed.CommandError, DistortionError, NarrowsError) as error:
                failure = str(error)
        totals.append(Total(item_set, demand, packed, failure, peers))
    return totals


def pack(items: Items, demand: Demand, minutes: float) -> Packed:
    """Pack items by the command line, unpack them, and check them."""
    with tempfile.TemporaryDirectory() as folder:
        suffix = ".npy" if items.uniform else ""
        source, target, back = (Path(folder) / name for name in (f"items{suffix}", "items.narrow", f"back{suffix}"))
        # WAV files state a sampling rate, which does not matter here.
        data.write(items if items.uniform else replace(items, rate=items.rate or RATE), source)
        axes = ["--axes", items.axes] if items.uniform else []
        option = ["--lossless"] if demand == LOSSLESS else ["--max-error", repr(demand.value)]
        packing = command_speed.seconds(["pack", source, "-o", target, *axes, *option, "--minutes", minutes])
        unpacking = command_speed.seconds(["unpack", target, "-o", back])
        _, worst = distortion(items, data.read(back, axes=axes[1] if axes else None), 1)
        if worst > demand.value:
            raise DistortionError(f"an error of {worst:g} where {demand} was asked for")
        return Packed(
            target.stat().st_size,
            ArchiveReader(target.read_bytes(), "the packed file").sizes()["model"],
            packing,
            unpacking,
        )


def print_totals(totals: Sequence[Total]) -> None:
    """Print what narrows and each peer need for all items, in bytes."""
    coders = list(dict.fromkeys(rate.coder for total in totals for rate in total.peers))
    heads = ["all items, bytes", "raw", NARROWS, "of it the model", "to reach", "verdict", *coders]
    rows = []
    for total in totals:
        row = total.row()
        numbers = [number_in_words(row[name]) for name in ("raw", "narrows", "model", "aim")]
        cells = [f"{total.item_set.name}, {total.demand}", numbers[0], *numbers[1:], verdict(total)]
        for coder in coders:
            sizes = [
                rate.bytes
                for rate in total.peers
                if isinstance(rate, Rate) and rate.coder == coder and total.demand.met_by(rate)
            ]
            cells.append(number_in_words(min(sizes)) if sizes else "")
        rows.append(cells)
    print("\nAll bytes that are needed to decode all items; peers code all in one file\n")
    print_table(heads, rows)
    for total in totals:
        for failure in total.peers:
            if isinstance(failure, Failure):
                print(f"\n{total.item_set.name}, {failure.coder}: failed ({failure.reason})")


def verdict(total: Total) -> str:
    row = total.row()
    if row["narrows"] is None:
        return f"failed: {row['failure']}" if row["failure"] else ""
    general = [
        rate.bytes
        for rate in total.peers
        if isinstance(rate, Rate) and rate.coder in GENERAL and total.demand.met_by(rate)
    ]
    words = ["met" if row["narrows"] <= row["aim"] else "missed"]
    if row["peer"]:
        ahead = 1 - row["narrows"] / row["peer"]
        words.append(f"{NARROWS if ahead > 0 else row['best_peer']} wins by {abs(ahead):.0%}")
    if general and row["narrows"] > min(general) + MORE_BYTES:
        words.append(f"larger than {' and '.join(GENERAL)} allow")
    return ", ".join(words)


def document(totals: Sequence[Total]) -> list[dict[str, Any]]:
    return [
        {
            **total.row(),
            "packed": None if total.packed is None else asdict(total.packed),
            "peers": [asdict(result) for result in total.peers],
        }
        for total in totals
    ]
