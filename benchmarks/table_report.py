"""Tables of figures and ranks of saved runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from table_holes import MECHANISMS

METHODS = {
    "mean": "mean/mode",
    "knn": "5 neighbours",
    "ridge": "Bayesian ridge",
    "missforest": "missForest",
    "hyperimpute": "HyperImpute",
    "narrows": "narrows",
}
KINDS = {"rmse": "RMSE of numbers", "error": "error rate of categories"}
COVERED = 0.85, 0.95

Run = dict[str, Any]
Key = tuple[str, str, str]  # table, mechanism, kind of column


@dataclass(frozen=True)
class Comparison:
    """Methods on the cells that all of them have filled.

    means: {(table, mechanism, kind): a figure for each method}, the mean over seeds; seeds: how many there are.
    """

    methods: Sequence[str]
    means: dict[Key, np.ndarray]
    seeds: dict[Key, int]

    @classmethod
    def of(cls, runs: Iterable[Run], methods: Sequence[str]) -> "Comparison":
        measured: dict[tuple[str, str, int], dict[str, Run]] = {}
        for run in runs:
            if run["method"] in methods and "failed" not in run:
                measured.setdefault((run["table"], run["mechanism"], run["seed"]), {})[run["method"]] = run
        figures: dict[Key, list[list[float]]] = {}
        for (table, mechanism, _), found in measured.items():
            for kind in KINDS:
                row = [found[method][kind] for method in methods] if len(found) == len(methods) else [None]
                if None not in row:
                    figures.setdefault((table, mechanism, kind), []).append(row)
        return cls(
            methods,
            {key: np.mean(rows, axis=0) for key, rows in figures.items()},
            {key: len(rows) for key, rows in figures.items()},
        )

    def ranks(self, **chosen: str) -> np.ndarray:
        """The mean rank of each method, 1 the best, over what is `chosen` by table, mechanism or kind."""
        fields = ("table", "mechanism", "kind")
        rows = [
            rankdata(means)
            for key, means in self.means.items()
            if all(dict(zip(fields, key, strict=True))[field] == value for field, value in chosen.items())
        ]
        return np.mean(rows, axis=0) if rows else np.full(len(self.methods), np.nan)

    def at_least_as_good(self, method: str) -> list[bool]:
        """Of each table, mechanism and kind: whether no other method has a smaller figure."""
        place = list(self.methods).index(method)
        return [bool(means[place] <= means.min()) for means in self.means.values()]

    def first(self, method: str) -> dict[str, bool]:
        """Of each table: whether no other method has a smaller mean rank over its mechanisms and kinds."""
        place = list(self.methods).index(method)
        tables = {table: self.ranks(table=table) for table in dict.fromkeys(key[0] for key in self.means)}
        return {table: bool(ranks[place] <= ranks.min()) for table, ranks in tables.items()}


def report(runs: Sequence[Run]) -> str:
    """The methods that filled everything compared with each other; then all, on what all of them filled."""
    present = [method for method in METHODS if any(run["method"] == method for run in runs)]
    parts = []
    whole = [method for method in present if method != "hyperimpute"]
    for methods in (whole, present) if whole != present else (whole,):
        comparison = Comparison.of(runs, methods)
        if comparison.means:
            parts += [f"## {', '.join(METHODS[method] for method in methods)}", *compared(comparison)]
    parts += failures(runs)
    parts += covered(runs)
    return "\n\n".join(parts)


def compared(comparison: Comparison) -> list[str]:
    names = [METHODS[method] for method in comparison.methods]
    parts = []
    for mechanism in MECHANISMS:
        for kind, words in KINDS.items():
            rows = [
                [key[0], comparison.seeds[key], *lowest_in_bold(means)]
                for key, means in comparison.means.items()
                if key[1:] == (mechanism, kind)
            ]
            if rows:
                parts += [f"### {words}, {mechanism}", grid(["table", "seeds", *names], rows)]
    rows = [
        [f"{words}, {mechanism}", *lowest_in_bold(comparison.ranks(mechanism=mechanism, kind=kind), 2)]
        for mechanism in MECHANISMS
        for kind, words in KINDS.items()
        if any(key[1:] == (mechanism, kind) for key in comparison.means)
    ]
    rows.append(["all", *lowest_in_bold(comparison.ranks(), 2)])
    parts += ["### Mean rank", grid(["", *names], rows)]
    if "narrows" in comparison.methods and len(comparison.methods) > 1:
        ranks = dict(zip(comparison.methods, comparison.ranks(), strict=True))
        own, other = ranks.pop("narrows"), min(ranks.values())
        good, first = comparison.at_least_as_good("narrows"), comparison.first("narrows")
        parts.append(
            "\n".join(
                (
                    f"- mean rank of narrows {own:.2f}, of the best peer {other:.2f}: {verdict(own < other)}",
                    f"- at least as good as the best peer: {sum(good)} of {len(good)} figures: "
                    f"{verdict(2 * sum(good) >= len(good))}",
                    f"- the lowest mean rank, or as low: {sum(first.values())} of {len(first)} tables: "
                    f"{verdict(2 * sum(first.values()) >= len(first))}; others win on "
                    f"{', '.join(table for table, won in first.items() if not won) or 'none'}",
                )
            )
        )
    return parts


def failures(runs: Iterable[Run]) -> list[str]:
    words = [
        f"- {METHODS[run['method']]}, {run['table']}, {run['mechanism']}, seed {run['seed']}: {run['failed']}"
        for run in runs
        if "failed" in run
    ]
    return ["## What failed", "\n".join(words)] if words else []


def covered(runs: Iterable[Run]) -> list[str]:
    """Return how many true numbers are within the central 90 % of the samples."""
    tables: dict[str, list[Run]] = {}
    for run in runs:
        if run.get("coverage") is not None:
            tables.setdefault(run["table"], []).append(run)
    if not tables:
        return []
    rows, means = [], []
    for table, found in tables.items():
        shares = [[run["coverage"] for run in found if run["mechanism"] == mechanism] for mechanism in MECHANISMS]
        many = [run["of_many"] for run in found if run["of_many"] is not None]
        rows.append([table, *(f"{np.mean(part):.1%}" if part else "" for part in (*shares, many))])
        means.append(np.mean([run["coverage"] for run in found]))
    low, high = COVERED
    inside = sum(low <= mean <= high for mean in means)
    return [
        "## Coverage of the central 90 % of samples",
        grid(["table", *MECHANISMS, "columns of more than 20 values"], rows),
        f"- mean over tables {np.mean(means):.1%}: {verdict(low <= np.mean(means) <= high)}; "
        f"{inside} of {len(means)} tables are within {low:.0%} to {high:.0%}",
    ]


def timed(times: Sequence[Run]) -> str:
    """Seconds of a fit and a filling, a row for each table."""
    methods = [method for method in METHODS if any(run["method"] == method for run in times)]
    rows = []
    for table in dict.fromkeys(run["table"] for run in times):
        seconds = {run["method"]: run.get("seconds") for run in times if run["table"] == table}
        words = ["" if seconds.get(method) is None else f"{seconds[method]:.1f}" for method in methods]
        own, forest = seconds.get("narrows"), seconds.get("missforest")
        rows.append([table, *words, verdict(own < forest) if own and forest else ""])
    return "## Seconds\n\n" + grid(["table", *(METHODS[method] for method in methods), "faster than missForest"], rows)


def verdict(met: bool) -> str:
    return "met" if met else "missed"


def lowest_in_bold(figures: np.ndarray, digits: int = 3) -> list[str]:
    words = [f"{figure:.{digits}f}" for figure in figures]
    return [f"**{word}**" if figure == figures.min() else word for word, figure in zip(words, figures, strict=True)]


def grid(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown, its columns as wide as what they hold; all but the first are flush right."""
    cells = [list(titles), *([str(cell) for cell in row] for row in rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in row) + " |"
        for row in (enumerate(zip(line, widths, strict=True)) for line in cells)
    ]
    rule = (
        "|"
        + "|".join("-" * (width + 2) if place == 0 else "-" * (width + 1) + ":" for place, width in enumerate(widths))
        + "|"
    )
    return "\n".join((lines[0], rule, *lines[1:]))
