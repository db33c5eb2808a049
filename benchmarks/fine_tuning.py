"""Train a few minutes from a model of other photographs, and longer from random weights.

    python benchmarks/fine_tuning.py --photos FOLDER [--only denoiser,imputer,codec] [--models FOLDER] [--json FILE] ...

Two sets: 30 photographs of a folder, tested on its last 40 by name; and 100 pieces of micrographs that scikit-image
ships, of their left halves, tested on pieces of the right halves. The model to start from learned from the other
photographs of the folder, none of which is in either set. All values are 8 bits. One seed. A row is printed once it is
known.
"""

import argparse
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import narrows
from command_line import Parser, announce, write_figures
from item_sets import imported
from measuring import this_machine
from picture_sets import tiles
from restoring_peers import spread
from restoring_tasks import PHOTO_SIGMA, SEED, Photographs, noisy, with_pixels

TOOLS = ("denoiser", "imputer", "codec")
FEW_PHOTOS, PIECES, SIDE = 30, 100, 64
SHARE = 0.5  # of the pixels, that are missing
UNIT = {"denoiser": "dB", "imputer": "dB", "codec": "bits/pixel"}


@dataclass(frozen=True)
class Set:
    """Pictures (N, Y, X), uint8, to learn from and to test on."""

    name: str
    training: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Row:
    """The figure of a tool on the test pictures of a set after some minutes of training, from a model or not."""

    set: str
    tool: str
    start: str
    minutes: float
    figure: float
    unit: str

    def __str__(self) -> str:
        return (
            f"| {self.set:<16} | {self.tool:<8} | {self.start:<16} | {self.minutes:>7g} "
            f"| {self.figure:>8.3f} {self.unit:<10} |"
        )


def photographs(folder: Path, quick: bool) -> tuple[Set, np.ndarray]:
    """Return the set of a few photographs, and the other ones, for the model to start from."""
    read = Photographs(folder, tests=2 if quick else None, side=SIDE if quick else None)
    training, test = (np.rint(255 * values).astype(np.uint8) for values in (read.training, read.test))
    few = spread(len(training), FEW_PHOTOS)
    return Set("photographs", training[few], test), np.delete(training, few, axis=0)


def cells(quick: bool) -> Set:
    """Return the set of pieces of micrographs."""
    pictures = imported("skimage", "scikit-image").data
    micrographs = [pictures.cell(), *pictures.immunohistochemistry().transpose(2, 0, 1)]
    left = np.concatenate([tiles(each[:, : each.shape[1] // 2], SIDE, SIDE) for each in micrographs])
    right = np.concatenate([tiles(each[:, each.shape[1] // 2 :], SIDE, SIDE) for each in micrographs])
    return Set("cells", left[spread(len(left), PIECES)], right[:: 30 if quick else 1])


def trained(tool: str, items: np.ndarray, minutes: float, start: Any = None) -> Any:
    """Return a fitted estimator of a tool."""
    common = {"minutes": minutes, "random_state": SEED, "device": "cpu"}
    if tool == "denoiser":
        model = narrows.Denoiser(f"gaussian:{PHOTO_SIGMA:.6f}", clip=False, **common)
    elif tool == "imputer":
        model = narrows.Imputer(holes=f"pixels:{SHARE}", **common)
    else:
        model = narrows.Codec(**common)
    return model.fit(items, init_model=start)


def figure(model: Any, test: np.ndarray) -> float:
    """Return the mean PSNR of restored test pictures in dB, or the bits a pixel that lossless coding takes."""
    if isinstance(model, narrows.Codec):
        return 8 * len(model.compress(test, lossless=True)) / test.size
    clean = test.astype(np.float32) / 255
    if isinstance(model, narrows.Denoiser):
        given = noisy(clean, PHOTO_SIGMA, clip=False, stream=1)
    else:
        given = with_pixels(clean, SHARE, stream=1)
    restored = np.clip(model.transform(255 * given) / 255, 0, 1)
    squares = np.square(restored - clean, dtype=float).mean(axis=(1, 2))
    return float(np.mean(-10 * np.log10(np.maximum(squares, 1e-12))))


def start_of(tool: str, others: np.ndarray, options: argparse.Namespace) -> Any:
    """Return the model to start from, from the folder of models where it is there."""
    kept = None if options.models is None else options.models / f"{tool}.safetensors"
    if kept is not None and kept.exists():
        return narrows.load(kept)
    model = trained(tool, others, options.start_minutes)
    if kept is not None:
        model.save(kept)
    return model


def measure(options: argparse.Namespace) -> list[Row]:
    few, others = photographs(options.photos, options.quick)
    start = cache(lambda tool: start_of(tool, others, options))
    rows: list[Row] = []

    def add(each: Set, tool: str, kind: str, minutes: float, model: Any) -> None:
        rows.append(Row(each.name, tool, kind, minutes, figure(model, each.test), UNIT[tool]))
        print(rows[-1], flush=True)

    print(f"| {'set':<16} | {'tool':<8} | {'start':<16} | minutes | {'test figure':<19} |", flush=True)
    for each in (few, cells(options.quick)):
        for tool in options.only:
            add(each, tool, "model, unchanged", 0, start(tool))
            add(each, tool, "model", options.minutes, trained(tool, each.training, options.minutes, start(tool)))
            add(each, tool, "random weights", options.alone, trained(tool, each.training, options.alone))
    return rows


def verdicts(rows: list[Row]) -> list[str]:
    """Return for each set and tool by how much the short training is better than the long one."""
    lines = []
    for _, tuned, alone in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
        gain = (tuned.figure - alone.figure) * (-1 if tuned.tool == "codec" else 1)
        met = "met" if gain > 0 else "missed"
        lines.append(
            f"{tuned.set}, {tuned.tool}: {tuned.minutes:g} minutes from the model beat {alone.minutes:g} minutes from "
            f"random weights: {met}, by {gain:+.3f} {tuned.unit}"
        )
    return lines


def main() -> None:
    parser = Parser("Training from a model beside training from random weights.", TOOLS)
    parser.add_argument("--photos", metavar="FOLDER", type=Path, required=True, help="grey photographs of one size")
    parser.add_argument("--models", metavar="FOLDER", type=Path, help="keep models to start from there, or take them")
    parser.add_argument("--minutes", type=float, default=2, help="of training from a model; default 2")
    parser.add_argument("--alone", type=float, default=10, help="minutes of training from random weights; default 10")
    parser.add_argument("--start-minutes", type=float, default=10, help="of the models to start from; default 10")
    options = parser.parse()
    if options.quick:
        options.minutes, options.alone, options.start_minutes = 0.05, 0.05, 0.1
    machine = this_machine()
    announce(machine, options.quick)
    rows = measure(options)
    print("\n" + "\n".join(verdicts(rows)))
    write_figures(
        options.json, machine, {"quick": options.quick, "seed": SEED, "figures": [asdict(row) for row in rows]}
    )


if __name__ == "__main__":
    main()
