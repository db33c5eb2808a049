"""Compare the codec with other codecs on sets of pictures, signals, fields and volumes, in one run.

    python benchmarks/codec.py [--only mnist,digits,...] [--data NAME=PATH] [--parts ratio,speed,totals] [--minutes M]

ratio: narrows trains on the training items of each set and compresses its test items, losslessly and at the losses that
make sense for the set; the peers compress the same items, all in one file and each in its own. speed: whole commands,
less what they take for one item. totals: all bytes that are needed to decode, with `narrows pack`.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import command_speed
import field_sets
import own_rates
import picture_sets
import signal_sets
import totals
from command_line import Parser, write_figures
from comparison import Comparison, document, print_figures, print_rows
from item_sets import ItemSet, MissingPackageError, user_set
from narrows.artifacts import atomic
from narrows.errors import NarrowsError
from peer_rates import available, measure_peers
from peers import Peer
from rates import Failure, Rate

if TYPE_CHECKING:  # processes of peers import this file too, and need neither torch nor matplotlib
    from measuring import Machine

LOADERS = {load.__name__: load for module in (picture_sets, signal_sets, field_sets) for load in module.SETS}
PARTS = ("ratio", "speed", "totals")
Results = dict[str, list[Rate | Failure]]


def say(words: str) -> None:
    print(f"... {words}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = Parser("Compare the codec with other codecs.", tuple(LOADERS), quick=False)
    parser.add_argument(
        "--data",
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="a set of your own: a file or folder, with folders train and test or else its last tenth for the test",
    )
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--minutes", type=float, default=5, help="of training for each set; default 5")
    parser.add_argument("--items", metavar="N", type=int, help="only the first N items, to check the script")
    parser.add_argument("--thorough", action="store_true", help="peers with efforts that take ten times as long")
    parser.add_argument("--peers-only", action="store_true", help="no training, and no figures of narrows")
    parser.add_folders()
    given = parser.parse()
    given.parts = given.parts.split(",")
    for part in given.parts:
        if part not in PARTS:
            parser.error(f"--parts {part}: expected some of {','.join(PARTS)}")
    for words in given.data:
        if not all(words.partition("=")):
            parser.error(f"--data {words}: expected NAME=PATH")
    return given


def chosen(options: argparse.Namespace) -> list[ItemSet]:
    """Return the sets that were asked for; with sets of the user's and no --only, those alone."""
    named: list[tuple[str, Callable[[], ItemSet]]] = []
    everything = options.only == list(LOADERS)
    for name in () if options.data and everything else options.only:
        named.append((name, lambda name=name: LOADERS[name](options.items)))
    for name, _, path in (words.partition("=") for words in options.data):
        named.append((name, lambda name=name, path=path: user_set(name, path, options.items)))
    found = []
    for name, load in named:
        try:
            found.append(load())
        except (MissingPackageError, NarrowsError) as error:
            say(f"{name} is left out: {error}")
    return found


def measure_ratios(
    sets: Sequence[ItemSet], peers: dict[str, Peer], options: argparse.Namespace, cores: int, models: Path
) -> tuple[list[Comparison], dict[str, Any]]:
    """Print the rows of each set as soon as they are known; return them, and facts about the trainings."""
    beside = measure_peers(sets, peers, options.thorough, cores, say)
    comparisons, trainings = [], {}
    for item_set in sets:
        results: list[Rate | Failure] = []
        own_share = None
        codec = None if options.peers_only else own_rates.trained(item_set, options.minutes, models, say)
        if codec is not None:
            trainings[item_set.name] = {name: fact for name, fact in codec.training_.items() if name != "history"}
            results, own_share = own_rates.measure_narrows(item_set, codec, say)
        comparisons.append(Comparison(item_set, [*results, *beside[item_set.name]], own_share))
        print_rows(comparisons[-1])
    if not options.peers_only:
        print_figures(comparisons)
    return comparisons, trainings


def measure_speeds(sets: Sequence[ItemSet], minutes: float, models: Path) -> list[command_speed.Speed]:
    speeds = []
    for task in command_speed.tasks(sets):
        [item_set] = [item_set for item_set in sets if item_set.name == task.set]
        if own_rates.trained(item_set, minutes, models, say) is None:
            continue
        try:
            speeds.append(command_speed.measure_speed(task, own_rates.model_file(item_set, models), say))
        except command_speed.CommandError as error:
            say(f"{task.name} is left out: {error}")
    return speeds


def measure_totals(
    sets: Sequence[ItemSet], peers: dict[str, Peer], options: argparse.Namespace, cores: int
) -> list[totals.Total]:
    found = []
    for item_set in totals.whole_sets(sets, options.items):
        known = totals.asked(peers, item_set)
        results = measure_peers([item_set], known, options.thorough, cores, say, ("one",))[item_set.name]
        found += totals.measure_total(item_set, results, None if options.peers_only else options.minutes, say)
    return found


def draw(comparisons: Sequence[Comparison], folder: Path) -> None:
    from rate_plot import rate_plot

    for comparison in comparisons:
        if comparison.item_set.targets:
            with atomic.replacing(folder / f"{comparison.item_set.name}.png") as temporary:
                rate_plot(comparison).savefig(temporary, format="png", dpi=150)


def announce(machine: "Machine", peers: dict[str, Peer]) -> dict[str, str]:
    """Print where figures are measured, and return the versions of the peers' libraries."""
    versions = {name: peer.version() for name, peer in peers.items()}
    print(machine, flush=True)
    print(", ".join(dict.fromkeys(versions.values())), flush=True)
    return versions


def main() -> None:
    from measuring import this_machine

    options = arguments()
    machine, peers = this_machine(), available(options.thorough, say)
    facts: dict[str, Any] = {
        "libraries": announce(machine, peers),
        "thorough": options.thorough,
        "seed": own_rates.SEED,
    }
    sets = chosen(options)
    with tempfile.TemporaryDirectory() as scratch:
        models = options.models or Path(scratch)
        if "ratio" in options.parts:
            comparisons, facts["trainings"] = measure_ratios(sets, peers, options, machine.cores, models)
            facts["sets"] = [document(comparison) for comparison in comparisons]
            if options.output:
                draw(comparisons, options.output)
        if "speed" in options.parts and not options.peers_only:
            speeds = measure_speeds(sets, options.minutes, models)
            facts["speeds"] = command_speed.document(speeds)
            command_speed.print_speeds(speeds)
        if "totals" in options.parts:
            found = measure_totals(sets, peers, options, machine.cores)
            facts["totals"] = totals.document(found)
            totals.print_totals(found)
    write_figures(options.json, machine, facts)


if __name__ == "__main__":
    main()
