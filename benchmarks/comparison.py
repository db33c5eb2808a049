"""Narrows compared with its peers on one set of items, as tables."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from item_sets import LOSSLESS, ItemSet
from rates import FILES, Demand, Failure, Files, Rate

NARROWS = "narrows"
OWN_FILE = "an item's own lossless file, bytes over its share"
# What narrows is to reach: a number in the unit of the column, or a multiple of a peer's.
Aim = float | tuple[str, float]
AIMS: dict[str, dict[str, Aim]] = {
    "mnist": {"lossless": 1.0, "at >= 33.8 dB": 24.0, "at >= 30 dB": 18.0, OWN_FILE: 24.0},
    "colour": {"at >= 35 dB": ("AVIF", 1.5), "at >= 30 dB": ("AVIF", 1.5)},
    "grey": {"at >= 35 dB": ("AVIF", 1.5), "at >= 30 dB": ("AVIF", 1.5)},
}
FIELD_AIM: Aim = ("SZ3", 0.9)  # of fields within an error
Row = dict[str, float | None]


@dataclass(frozen=True)
class Figure:
    """A figure of narrows without and with its model, what it is to reach, and the figure of the best peer."""

    what: str
    narrows: float | None
    with_model: float | None
    aim: float | None
    peer: float | None
    best_peer: str
    more: bool = False  # whether more is better

    @property
    def verdict(self) -> str:
        if self.narrows is None:
            return "not reached"
        words = []
        if self.aim is not None:
            words.append("missed" if self.beats(self.aim) < 0 else "met")
        if self.peer is not None:
            ahead = self.beats(self.peer)
            words.append(f"{NARROWS if ahead > 0 else self.best_peer} wins by {abs(ahead):.0%}")
        return ", ".join(words)

    def beats(self, other: float) -> float:
        """Return by what share of the other number narrows is better; negative if it is worse."""
        assert self.narrows is not None
        return (self.narrows / other - 1) * (1 if self.more else -1)


@dataclass(frozen=True)
class Column:
    """A figure of each row. demand: what the files must meet; None for the overhead and the speeds."""

    name: str
    demand: Demand | None
    value: Callable[[Rate], float]
    more: bool = False


@dataclass(frozen=True)
class Comparison:
    """All rates on one set, and who failed.

    own_share: bytes that an item's own lossless file of narrows has more than its share of a common payload.
    """

    item_set: ItemSet
    results: Sequence[Rate | Failure]
    own_share: float | None = None

    @property
    def rates(self) -> list[Rate]:
        """All rates; those that need a model also with its bytes, as a coder of its own."""
        rates = [result for result in self.results if isinstance(result, Rate)]
        return [*rates, *(rate.with_model() for rate in rates if rate.model)]

    @property
    def failures(self) -> list[Failure]:
        return [result for result in self.results if isinstance(result, Failure)]

    def best(self, coder: str, files: Files, demand: Demand) -> Rate | None:
        """Return the smallest files of a codec that meet a demand."""
        fitting = (rate for rate in self.rates if (rate.coder, rate.files) == (coder, files) and demand.met_by(rate))
        return min(fitting, key=lambda rate: rate.bytes, default=None)

    def size(self, rate: Rate, lossless: bool = False) -> float:
        """Bytes of an item, or bits of a pixel or of a value, as the set has it; never bytes of lossless items."""
        if self.item_set.unit == "item" and not lossless:
            return rate.bytes / rate.items
        return 8 * rate.bytes / (rate.pixels if self.item_set.unit == "pixel" else rate.values)

    def columns(self) -> list[Column]:
        units = {"pixel": "bits a pixel", "value": "bits a value", "item": "bytes an item"}
        unit = units[self.item_set.unit]
        lossless_unit = unit if self.item_set.unit == "pixel" else units["value"]
        columns = [Column(f"lossless, {lossless_unit}", LOSSLESS, lambda rate: self.size(rate, lossless=True))]
        for demand in self.item_set.demands[1:]:
            columns.append(Column(f"{demand}, {unit}", demand, self.size))
        return columns

    def speed_columns(self) -> list[Column]:
        """Speeds of lossless files, or of those within the first bound where a codec has no lossless ones."""
        return [
            Column("encoding, MB/s", None, lambda rate: rate.raw / 1e6 / rate.encoding, more=True),
            Column("decoding, MB/s", None, lambda rate: rate.raw / 1e6 / rate.decoding, more=True),
        ]

    def over_share(self, coder: str) -> float | None:
        """Bytes that an item's own lossless file has more than its share of one file of all."""
        if coder.startswith(NARROWS):
            return self.own_share if coder == NARROWS else None
        each, one = self.best(coder, "each", LOSSLESS), self.best(coder, "one", LOSSLESS)
        if each is None or one is None:
            return None
        return each.bytes / each.items - one.bytes / one.items

    def row(self, coder: str, files: Files) -> Row:
        """Each column's figure, None where there is none."""
        can_lose = coder.startswith(NARROWS) or any(rate.coder == coder and rate.worst > 0 for rate in self.rates)
        row: Row = {}
        for column in self.columns():
            assert column.demand is not None
            best = self.best(coder, files, column.demand) if can_lose or column.demand == LOSSLESS else None
            row[column.name] = None if best is None else column.value(best)
        if self.item_set.unit == "item":
            row[OWN_FILE] = self.over_share(coder) if files == "each" else None
        timed = self.best(coder, files, LOSSLESS) or next(
            (best for demand in self.item_set.demands[1:] if (best := self.best(coder, files, demand))), None
        )
        for column in self.speed_columns():
            row[column.name] = None if timed is None else column.value(timed)
        return row

    def rows(self) -> dict[tuple[str, Files], Row]:
        """Return the rows with any figure, narrows first."""
        coders = list(dict.fromkeys(rate.coder for rate in self.rates))
        coders.sort(key=lambda coder: not coder.startswith(NARROWS))
        rows = {(coder, files): self.row(coder, files) for coder in coders for files in FILES}
        return {key: row for key, row in rows.items() if any(number is not None for number in row.values())}

    def figures(self) -> Iterator[Figure]:
        """Narrows, all items in one file, beside the best of the peers in one file or in several."""
        rows = self.rows()
        columns = [*((column.name, column.more) for column in self.columns()), (OWN_FILE, False)]
        columns += [(column.name, column.more) for column in self.speed_columns()]
        for name, more in columns:
            if name not in next(iter(rows.values()), {}):
                continue
            theirs = {
                f"{coder}, {files}": number
                for (coder, files), row in rows.items()
                if not coder.startswith(NARROWS) and not coder.endswith("+ model") and (number := row[name]) is not None
            }
            best = (max if more else min)(theirs, key=theirs.__getitem__) if theirs else ""
            files: Files = "each" if name == OWN_FILE else "one"
            own, whole = (rows.get((coder, files), {}).get(name) for coder in (NARROWS, f"{NARROWS} + model"))
            yield Figure(name, own, whole, self.aim(name, rows), theirs.get(best), best, more)

    def aim(self, column: str, rows: dict[tuple[str, Files], Row]) -> float | None:
        """Return the number to reach in a column, if there is one."""
        aims = AIMS.get(self.item_set.name, {})
        aim = next((aim for words, aim in aims.items() if column.startswith(words)), None)
        if self.item_set.kind == "fields" and column.startswith("within"):
            aim = FIELD_AIM
        if not isinstance(aim, tuple):
            return aim
        peer, factor = aim
        numbers = [number for files in FILES if (number := rows.get((peer, files), {}).get(column)) is not None]
        return factor * min(numbers) if numbers else None


def print_rows(comparison: Comparison) -> None:
    rows = comparison.rows()
    columns = list(next(iter(rows.values()), {}))
    print(f"\n{comparison.item_set.title}\n")
    print_table(
        ["coder", "files", *columns],
        [[coder, files, *(number_in_words(row[column]) for column in columns)] for (coder, files), row in rows.items()],
    )
    for failure in comparison.failures:
        print(f"\n{failure.coder}, {failure.files}: failed ({failure.reason})")


def print_figures(comparisons: Iterable[Comparison]) -> None:
    print("\nNarrows, all items in one file, beside the best peer\n")
    rows = []
    for comparison in comparisons:
        for figure in comparison.figures():
            numbers = [number_in_words(number) for number in (figure.narrows, figure.with_model, figure.aim)]
            peer = f"{number_in_words(figure.peer)} {figure.best_peer}"
            rows.append([f"{comparison.item_set.name}: {figure.what}", *numbers, peer, figure.verdict])
    print_table(["figure", "narrows", "with its model", "to reach", "best peer", "verdict"], rows)


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table; columns of numbers are aligned to the right."""
    widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
    numeric = [all(not row[place] or row[place][0] in "-0123456789" for row in rows) for place in range(len(heads))]
    aligned = [str.rjust if right else str.ljust for right in numeric]
    for cells in (heads, None, *rows):
        if cells is None:
            line = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, numeric, strict=True)]
        else:
            line = [align(cell, width) for align, cell, width in zip(aligned, cells, widths, strict=True)]
        print(f"| {' | '.join(line)} |")


def number_in_words(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"


def document(comparison: Comparison) -> dict[str, Any]:
    item_set = comparison.item_set
    return {
        "name": item_set.name,
        "kind": item_set.kind,
        "title": item_set.title,
        "rows": [{"coder": coder, "files": files, **row} for (coder, files), row in comparison.rows().items()],
        "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in comparison.figures()],
        "rates": [asdict(rate) for rate in comparison.results if isinstance(rate, Rate)],
        "failures": [asdict(failure) for failure in comparison.failures],
    }
