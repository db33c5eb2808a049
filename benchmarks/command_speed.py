"""Speed of the commands that compress and decompress, whole processes less what one item takes."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from comparison import number_in_words, print_table
from item_sets import ItemSet
from picture_sets import tiles

REPEATS = 2  # the faster one counts
SHORTEST = 1e-3  # seconds, where noise makes the difference smaller
SIDE = 256  # pixels of a square of a photograph; sixteen of them are one grey picture
MOST_TIMES = 1.5  # that a search for a PSNR takes as long as lossless compression
PICTURES = 4  # grey pictures of 1024x1024


class CommandError(Exception):
    """A command of narrows failed; the text is the last line of what it said."""


@dataclass(frozen=True)
class Task:
    """Items to compress with the model of a set.

    options: of `narrows compress`. unit, units: what is counted, and how many of it the items are. aim: units a second
    to reach, in and out. beside: options beside which this task is to take at most MOST_TIMES as long.
    """

    name: str
    set: str
    items: np.ndarray
    axes: str
    options: Sequence[str]
    unit: str
    units: float
    aim: float | None = None
    beside: Sequence[str] = ()


@dataclass(frozen=True)
class Speed:
    """Seconds of the commands less those for one item; beside: of compressing with the other options."""

    task: Task
    encoding: float
    decoding: float
    beside: float | None = None

    def row(self) -> dict[str, Any]:
        task = self.task
        more = 1 - 1 / len(task.items)  # the share of the items that the seconds are of
        units, megabytes = task.units * more, task.items.nbytes / 1e6 * more
        return {
            "name": task.name,
            "unit": task.unit,
            "in": units / self.encoding,
            "out": units / self.decoding,
            "MB/s in": megabytes / self.encoding,
            "MB/s out": megabytes / self.decoding,
            "aim": task.aim,
            "times as long": None if self.beside is None else self.encoding / self.beside,
        }


def tasks(sets: Sequence[ItemSet]) -> Iterator[Task]:
    """Yield what is timed with the models of these sets."""
    for item_set in sets:
        name, values, axes = item_set.name, item_set.test.values, item_set.test.axes
        if name == "mnist":
            yield Task("MNIST, lossless", name, values, axes, ["--lossless"], "digits", len(values), 12_000)
        if name == "grey":
            squares = _squares(item_set, 16 * PICTURES).reshape(PICTURES, 4, 4, SIDE, SIDE)
            mosaics = squares.swapaxes(2, 3).reshape(PICTURES, 4 * SIDE, 4 * SIDE)
            kept = (name, mosaics, "NYX")
            pixels = mosaics.size / 1e6
            yield Task("grey 1024x1024, lossless", *kept, ["--lossless"], "megapixels", pixels, 2)
            yield Task("grey 1024x1024, 35 dB", *kept, ["--psnr", "35"], "megapixels", pixels, beside=["--lossless"])
        if name == "colour":
            squares = _squares(item_set, 8 * PICTURES)
            pixels = squares.size / 3e6
            yield Task("colour 256x256, lossless", name, squares, "NYXC", ["--lossless"], "megapixels", pixels, 0.7)
        if item_set.kind == "fields" and item_set.test.uniform and item_set.bounds:
            options = ["--max-error", repr(item_set.demands[1].value)]
            yield Task(f"{name}, {item_set.demands[1]}", name, values, axes, options, "MB", values.nbytes / 1e6, 6)


def _squares(item_set: ItemSet, count: int) -> np.ndarray:
    """Return squares of the test pictures, first as they are, then turned and mirrored, so that none repeats."""
    found = [square for picture in item_set.arrays for square in tiles(picture, SIDE, SIDE)]
    found = [np.rot90(square[::way], turns) for turns in range(4) for way in (1, -1) for square in found]
    return np.stack([found[place % len(found)] for place in range(count)])


def measure_speed(task: Task, model: Path, say: Callable[[str], None]) -> Speed:
    say(f"commands, {task.name}")
    with tempfile.TemporaryDirectory() as folder:
        times = [_commands(task.items[slice(count)], task, model, Path(folder)) for count in (None, 1)]
    net = [max(whole - one, SHORTEST) for whole, one in zip(*times, strict=True)]
    return Speed(task, *net)


def _commands(items: np.ndarray, task: Task, model: Path, folder: Path) -> list[float]:
    """Return the seconds of compressing, of decompressing and, if asked, of compressing with the other options."""
    source, target = folder / "items.npy", folder / "items.narrow"
    np.save(source, items)
    words = ["compress", model, source, "--axes", task.axes, "-o", target, "--force"]
    back = ["decompress", target, "-m", model, "-o", folder / "back.npy", "--force"]
    commands = [[*words, *task.options], back, *([[*words, *task.beside]] if task.beside else [])]
    return [min(seconds(command) for _ in range(REPEATS)) for command in commands]


def seconds(words: Sequence[Any]) -> float:
    """Return how long a command of narrows takes as a process of its own."""
    command = [sys.executable, "-m", "narrows", "--quiet", *map(str, words)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        raise CommandError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return taken


def print_speeds(speeds: Sequence[Speed]) -> None:
    rows = []
    for speed in speeds:
        row = speed.row()
        met = [row["in"] >= row["aim"] and row["out"] >= row["aim"]] if row["aim"] else []
        met += [row["times as long"] <= MOST_TIMES] if row["times as long"] else []
        ratio = "" if row["times as long"] is None else f"{row['times as long']:.2f} times as long as lossless"
        aim = "" if row["aim"] is None else f">= {row['aim']:,}"
        numbers = [number_in_words(row[name]) for name in ("in", "out", "MB/s in", "MB/s out")]
        rows.append(
            [
                row["name"],
                row["unit"],
                *numbers,
                aim or f"<= {MOST_TIMES} times",
                ratio,
                "met" if all(met) else "missed",
            ]
        )
    print("\nWhole commands less what they take for one item\n")
    print_table(["data", "unit", "a second in", "out", "MB/s in", "out", "to reach", "search", "verdict"], rows)


def document(speeds: Sequence[Speed]) -> list[dict[str, Any]]:
    return [{**speed.row(), "seconds": {k: v for k, v in asdict(speed).items() if k != "task"}} for speed in speeds]
