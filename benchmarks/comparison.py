"""Narrows compared with its peers on one set of images."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from picture_sets import PictureSet
from rates import FILES, Files, Rate

NARROWS = "narrows"
OWN_FILE = "an item's own lossless file, bytes over its share"
# What narrows is to reach on MNIST, by the words of the figure.
AIMS = {
    "mnist": {
        "lossless, bits a pixel": 1.08,
        "bytes an item at >= 33.8 dB": 26.0,
        "bytes an item at >= 30 dB": 19.0,
        "bytes an item at >= 24 dB": 14.0,
        OWN_FILE: 24.0,
        "lossless encoding, items a second": 2000.0,
        "lossless decoding, items a second": 1500.0,
    }
}


@dataclass(frozen=True)
class Figure:
    """A figure of narrows, its target and the figure of the best peer. more: whether more is better."""

    what: str
    narrows: float | None
    aim: float | None
    peer: float | None
    best_peer: str
    more: bool = False

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
class Comparison:
    """All rates on one set.

    own_share: bytes that an item's own lossless file of narrows has more than its share of a common payload.
    """

    pictures: PictureSet
    rates: list[Rate]
    own_share: float | None

    def best(self, coder: str, files: Files, psnr: float | None = None) -> Rate | None:
        """Return the smallest lossless file of a codec, or the smallest with at least a PSNR."""
        fitting = (
            rate
            for rate in self.rates
            if (rate.coder, rate.files) == (coder, files)
            and (rate.psnr is None if psnr is None else rate.reaches(psnr))
        )
        return min(fitting, key=lambda rate: rate.bytes, default=None)

    def size(self, rate: Rate) -> float:
        """Bytes of an item or bits of a pixel, as the set has it."""
        return rate.bytes / rate.items if self.pictures.unit == "item" else bits(rate)

    def speed(self, rate: Rate, seconds: float) -> float:
        """Items or megapixels a second."""
        return (rate.items if self.pictures.unit == "item" else rate.pixels / 1e6) / seconds

    def over_share(self, coder: str) -> float | None:
        """Bytes that an item's own lossless file has more than its share of one file of all."""
        each, one = self.best(coder, "each"), self.best(coder, "one")
        if coder == NARROWS or each is None or one is None:
            return self.own_share if coder == NARROWS else None
        return each.bytes / each.items - one.bytes / one.items

    def columns(self) -> list[str]:
        per_pixel = self.pictures.unit == "pixel"
        size, many = ("bits a pixel", "megapixels") if per_pixel else ("bytes an item", "items")
        columns = ["lossless, bits a pixel", *(f"{size} at >= {psnr:g} dB" for psnr in self.pictures.targets)]
        own = [] if per_pixel else [OWN_FILE]
        return [*columns, *own, f"lossless encoding, {many} a second", f"lossless decoding, {many} a second"]

    def row(self, coder: str, files: Files) -> dict[str, float | None]:
        """Each column's figure, None where there is none."""
        exact = self.best(coder, files)
        can_lose = any(rate.coder == coder and rate.psnr is not None for rate in self.rates)
        lossy = [self.best(coder, files, psnr) if can_lose else None for psnr in self.pictures.targets]
        numbers = [
            None if exact is None else bits(exact),
            *(None if rate is None else self.size(rate) for rate in lossy),
        ]
        if self.pictures.unit == "item":
            numbers.append(self.over_share(coder) if files == "each" else None)
        numbers += [None, None] if exact is None else [self.speed(exact, s) for s in (exact.encoding, exact.decoding)]
        return dict(zip(self.columns(), numbers, strict=True))

    def rows(self) -> dict[tuple[str, Files], dict[str, float | None]]:
        """Return the rows with any figure, narrows first."""
        coders = sorted(dict.fromkeys(rate.coder for rate in self.rates), key=lambda coder: coder != NARROWS)
        rows = {(coder, files): self.row(coder, files) for coder in coders for files in FILES}
        return {key: row for key, row in rows.items() if any(number is not None for number in row.values())}

    def figures(self) -> list[Figure]:
        """Narrows beside the best of the peers; sizes and speeds with all items in one file, where there are such."""
        rows = self.rows()
        found = []
        for column in self.columns():
            more = column.endswith("second")
            theirs = {
                coder: number
                for (coder, files), row in rows.items()
                if coder != NARROWS
                and (number := row[column]) is not None
                and (files == "one" or not self.pictures.mosaic or column == OWN_FILE)
            }
            best = (max if more else min)(theirs, key=theirs.__getitem__) if theirs else ""
            own = rows.get((NARROWS, "each" if column == OWN_FILE else "one"), {}).get(column)
            aim = AIMS.get(self.pictures.name, {}).get(column)
            found.append(Figure(column, own, aim, theirs.get(best), best, more))
        return found


def bits(rate: Rate) -> float:
    return 8 * rate.bytes / rate.pixels


def print_rows(comparison: Comparison) -> None:
    columns = comparison.columns()
    print(f"\n{comparison.pictures.title}\n")
    print(f"| {'coder':<8} | files | {' | '.join(columns)} |")
    print(f"|----------|-------|{'|'.join('-' * (len(column) + 1) + ':' for column in columns)}|")
    for (coder, files), row in comparison.rows().items():
        numbers = " | ".join(f"{number_in_words(row[column]):>{len(column)}}" for column in columns)
        print(f"| {coder:<8} | {files:<5} | {numbers} |")


def print_figures(comparisons: Iterable[Comparison]) -> None:
    print(f"\n| {'figure':<65} | narrows | to reach | best peer         | verdict |")
    print(f"|{'-' * 67}|--------:|---------:|-------------------|---------|")
    for comparison in comparisons:
        for figure in comparison.figures():
            what = f"{comparison.pictures.name}: {figure.what}"
            numbers = [number_in_words(number) for number in (figure.narrows, figure.aim, figure.peer)]
            peer = f"{numbers[2]} {figure.best_peer}"
            print(f"| {what:<65} | {numbers[0]:>7} | {numbers[1]:>8} | {peer:<17} | {figure.verdict} |")


def number_in_words(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"


def document(comparison: Comparison) -> dict[str, Any]:
    pictures = comparison.pictures
    return {
        "name": pictures.name,
        "title": pictures.title,
        "rows": [{"coder": coder, "files": files, **row} for (coder, files), row in comparison.rows().items()],
        "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in comparison.figures()],
        "rates": [asdict(rate) for rate in comparison.rates],
    }
