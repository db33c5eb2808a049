"""Measure how many steps a training makes with all threads, with one, and with the number that it chooses itself.

    python benchmarks/busy.py [--seconds S] [--rounds N] [--only linear,conv,codec,unet] [--json FILE]

Each network is trained on MNIST for the same time with each number of threads: on the machine as it is, which should
be idle, and beside one busy program for each core. On an idle machine the choice should cost at most 2 % of the steps
of the best fixed number; on a busy one it should reach at least 80 % of them. The runs of several rounds alternate, and
their steps are added, since single runs of the same kind differ by up to a fifth.
"""

import itertools
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from command_line import Parser, write_figures
from measuring import this_machine
from narrows import Autoencoder, Codec, Denoiser, data

NETWORKS: dict[str, Any] = {
    "linear": lambda **run: Autoencoder("linear", code=32, **run),
    "conv": lambda **run: Autoencoder("conv", code=(4, 7, 7), **run),
    "codec": lambda **run: Codec(**run),
    "unet": lambda **run: Denoiser(noise="gaussian:0.5", **run),
}
REACH = {"idle": 0.98, "busy": 0.8}


def main() -> None:
    parser = Parser(__doc__.partition("\n")[0], tuple(NETWORKS), quick=False)
    parser.add_argument("--seconds", type=float, default=10, help="of each training")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse()
    warnings.simplefilter("ignore")
    machine, digits, most = this_machine(), data.read("mnist").select(slice(20_000)), torch.get_num_threads()
    print(machine)
    head = ["machine", "network", *(f"{n} thread(s)" for n in counts(most)), "chosen", "share of the best", "verdict"]
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    figures = []
    for state in REACH:
        with busy_programs(machine.cores if state == "busy" else 0):
            for name in options.only:
                sums = dict.fromkeys([*counts(most), None], 0)
                for _, count in itertools.product(range(options.rounds), sums):
                    sums[count] += steps(name, digits, options.seconds, count)
                *fixed, chosen = sums.values()
                share = chosen / max(fixed)
                verdict = "met" if share >= REACH[state] else "missed"
                cells = [state, name, *map(str, fixed), str(chosen), f"{share:.0%}", verdict]
                print(f"| {' | '.join(cells)} |", flush=True)
                by_count = dict(zip(counts(most), fixed, strict=True))
                figures.append({"machine": state, "network": name, "steps": by_count, "chosen": chosen})
    write_figures(options.json, machine, {"figures": figures})


def counts(most: int) -> list[int]:
    return sorted({1, max(1, most // 2), most})


def steps(name: str, items: Any, seconds: float, threads: int | None) -> int:
    """Return how many steps a training makes in a time."""
    model = NETWORKS[name](minutes=seconds / 60, threads=threads)
    return int(model.fit(items).training_["steps"])


@contextmanager
def busy_programs(count: int) -> Iterator[None]:
    """Keep so many cores busy within the block."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


if __name__ == "__main__":
    main()
