"""Time and memory for imputing long and wide tables on the command line.

    python benchmarks/large_tables.py [--quick] [--json FILE]

Synthetic tables in Parquet: one of 1,000,000 rows with numbers, integers, a category and a date, and two of numbers
that share 20 factors, of 1,000 columns and 2,000 rows and of 20,000 columns and 300 rows. In each, 30 % of the cells
are missing. `narrows train imputer` and `narrows fill` run on each as separate processes, whose peak memory is
reported.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from command_line import Parser, announce, write_figures
from measuring import this_machine

SEED = 0
MISSING = 0.3
FACTORS = 20
LONG, WIDE, WIDEST = (1_000_000, 8), (2_000, 1_000), (300, 20_000)
QUICK_LONG, QUICK_WIDE, QUICK_WIDEST = (5_000, 8), (200, 100), (60, 600)


@dataclass(frozen=True)
class Row:
    """What a command took: seconds, and MiB of memory at most. mb: of the table's file."""

    table: str
    mb: float
    command: str
    seconds: float
    memory: float

    def __str__(self) -> str:
        return (
            f"| {self.table:<20} | {self.mb:>7.1f} | {self.command:<7} | {self.seconds:>7.1f} | {self.memory:>10,.0f} |"
        )


def long_table(rows: int, columns: int, generator: np.random.Generator) -> pd.DataFrame:
    """Numbers, with a whole number, a category and a date that go with them."""
    hidden = generator.standard_normal((rows, 2))
    mixed = hidden @ generator.standard_normal((2, columns)) + 0.5 * generator.standard_normal((rows, columns))
    table = pd.DataFrame(mixed, columns=[f"x{place}" for place in range(columns)])
    table["x1"] = np.exp(table["x1"] / 2)
    table["x2"] = (10 * table["x2"]).round().astype("Int64")
    table["x3"] = pd.Series(np.array(["low", "middle", "high"])[np.digitize(mixed[:, 3], (-1, 1))])
    table["x4"] = pd.Timestamp("2020-01-01") + pd.to_timedelta((100 * mixed[:, 4]).round(), unit="D")
    return table


def wide_table(rows: int, columns: int, generator: np.random.Generator) -> pd.DataFrame:
    """Numbers that share a few factors."""
    mixed = generator.standard_normal((rows, FACTORS)) @ generator.standard_normal((FACTORS, columns))
    table = mixed + generator.standard_normal((rows, columns))
    return pd.DataFrame(table, columns=[f"x{place}" for place in range(columns)])


def measured(table: str, file: Path, command: str, *arguments: str) -> Row:
    """Run a command of narrows and return its time and memory."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "narrows", command, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(said)
    return Row(table, file.stat().st_size / 2**20, command, time.perf_counter() - began, usage.ru_maxrss / 1024)


def main() -> None:
    given = Parser("Long and wide tables filled in by the command line.").parse()
    machine = this_machine()
    announce(machine, given.quick)
    print(f"\n| {'table':<20} | MiB     | command | seconds | memory MiB |")
    print(f"|{'-' * 22}|--------:|---------|--------:|-----------:|", flush=True)
    rows = []
    sizes = (QUICK_LONG, QUICK_WIDE, QUICK_WIDEST) if given.quick else (LONG, WIDE, WIDEST)
    with tempfile.TemporaryDirectory() as folder:
        for size, make in zip(sizes, (long_table, wide_table, wide_table), strict=True):
            generator = np.random.default_rng(SEED)
            name = f"{size[0]:,} x {size[1]:,}"
            forms = (".parquet", ".safetensors", "-filled.parquet")
            source, model, filled = (str(Path(folder) / f"{size[1]}{form}") for form in forms)
            table = make(*size, generator)
            table.mask(generator.random(size) < MISSING).to_parquet(source)
            for command, arguments in (
                ("train", ("imputer", source, "-o", model)),
                ("fill", (model, source, "-o", filled)),
            ):
                rows.append(measured(name, Path(source), command, *arguments))
                print(rows[-1], flush=True)
    write_figures(given.json, machine, {"quick": given.quick, "seed": SEED, "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    main()
