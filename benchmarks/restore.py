"""Compare denoising and imputation with methods that need no training, in one run.

    python benchmarks/restore.py [--only gaussian,blind,...] [--photos FOLDER] [--output FOLDER] [--json FILE] ...

Peers have the settings that are best on training items. The mean squared error (MSE) is of values in 0..1, for
imputation over the hidden values only. PSNR is averaged over images, with values clipped to 0..1 first. One seed. A row
is printed once it is known.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict
from functools import cache, cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import narrows
from command_line import Parser, announce, write_figures
from measuring import this_machine
from narrows.artifacts import atomic
from narrows.render.item_rows import DPI
from restoring_figures import digit_rows, photograph_panels
from restoring_peers import PACKAGES, Tuned, denoisers, fillers, library, spread, tuned
from restoring_rows import Figure, Unit, header, row
from restoring_tasks import DIGIT_SIGMA, PHOTO_SIGMA, SEED, Digits, Photographs, Task

DIGIT_PARTS = ("gaussian", "blind", "block", "pixels")
PHOTO_PARTS = ("photos", "photos-blind", "camera", "camera-blind", "holes", "speed")
PARTS = DIGIT_PARTS + PHOTO_PARTS
BLIND = {
    "blind": "gaussian",
    "photos-blind": "photos",
    "camera-blind": "camera",
}  # parts without clean data: their tasks
COURSE = 0.0261  # the published test MSE of the classic course's denoiser
LARGE = 2048  # pixels of a side of the picture whose denoising is timed
REPEATS, LONG = 3, 20  # what takes more than so many seconds is timed once
BRIEFLY = 15 / 60  # minutes of training where it does not matter how well


class Bench:
    """The tasks, the peers at their best settings and the models, each made when first needed; and the rows so far."""

    def __init__(self, options: argparse.Namespace, pool: Executor) -> None:
        self.options, self.pool = options, pool
        self.figures: list[Figure] = []
        self.trainings: dict[str, dict[str, Any]] = {}
        self.shown: dict[str, dict[str, np.ndarray]] = {}
        self.task, self.model = cache(self._task), cache(self._model)
        self.settings, self.peers = cache(self._settings), cache(self._peers)

    @cached_property
    def digits(self) -> Digits:
        return Digits(2_000, 100) if self.options.quick else Digits(60_000, 10_000)

    @cached_property
    def photographs(self) -> Photographs:
        quick = self.options.quick
        return Photographs(self.options.photos, tests=2 if quick else None, side=64 if quick else None)

    def _task(self, name: str) -> Task:
        task: Task = getattr(self.digits if name in DIGIT_PARTS else self.photographs, name)()
        return task

    def _settings(self, name: str) -> list[Tuned]:
        """The peers of a task that are installed, each at its best settings."""
        task, found = self.task(name), []
        if task.sigma is not None:
            peers = denoisers(task.sigma, task.family)
        else:
            peers = fillers(self.digits.training.mean(axis=0) if task.family == "digits" else None)
        for peer in peers:
            if library(peer.package) is None:
                self.add(name, peer.name, task.unit, None, **{"": f"{peer.package} is not installed"})
                continue
            peer = peer.shortened() if self.options.quick else peer
            if peer.choices:
                say(f"{peer.name}, {name}: searching its settings")
                # Clipped noise shifts black up and white down, which peers do not model; a linear map corrects it.
                found.append(tuned(peer, task.tuning_clean, task.tuning_given, task.clipped, self.pool))
            else:
                found.append(Tuned(peer, {}))
        return found

    def _peers(self, name: str) -> dict[str, float]:
        """The figures of a task's peers by their names, a row each; the best one's pictures are kept to be shown."""
        task, figures = self.task(name), {}
        if task.sigma is not None:
            self.add_restored(name, "noisy, as it is", task, task.given)
        for entry in self.settings(name):
            places = spread(len(task.given), entry.peer.tests)
            say(f"{entry.peer.name}, {name}: {len(places)} test items")
            restored = entry.restored(task.given[places], self.pool)
            figures[entry] = self.add_restored(name, entry.peer.name, task, restored, places, **{"": str(entry)})
        best = (min if task.unit == "MSE" else max)(figures, key=lambda entry: figures[entry])
        self.shown[name] = {
            "original": task.clean[task.shown],
            "noisy" if task.sigma is not None else "given": task.given[task.shown],
            best.peer.name: best.restored(task.given[task.shown], self.pool),
        }
        return {entry.peer.name: figure for entry, figure in figures.items()}

    def _model(self, name: str, minutes: float, keep: bool) -> Any:
        """A model of narrows, from the folder of models where it is there; None where training failed.

        With `keep` it is saved to that folder.
        """
        kept = None if self.options.models is None else self.options.models / f"{name}.safetensors"
        if kept is not None and kept.exists():
            say(f"taking {kept}")
            return narrows.load(kept)
        say(f"narrows, {name}: training for {minutes:.3g} minutes")
        task = self.task(BLIND.get(name, name))
        common = {"minutes": minutes, "random_state": SEED, "device": "cpu"}
        try:
            match name:
                case "gaussian":
                    model = narrows.Denoiser(noise=f"gaussian:{DIGIT_SIGMA}", **common).fit(task.training)
                case "blind":
                    model = narrows.Denoiser(**common).fit(task.noisy_training())
                case "photos-blind" | "camera-blind":
                    model = narrows.Denoiser(clip=False, **common).fit(task.noisy_training())
                case "block":
                    model = narrows.Imputer(holes="blocks:0.25", **common).fit(task.training)
                case "pixels":
                    model = narrows.Imputer(holes="pixels:0.75", **common).fit(task.training)
                case "photos":
                    noise = f"gaussian:{PHOTO_SIGMA:.6f}"
                    model = narrows.Denoiser(noise=noise, clip=False, **common).fit(task.training)
                case "camera":
                    model = narrows.Denoiser(clip=False, **common).fit(task.noisy_training(), task.training)
                case "holes":
                    model = narrows.Imputer(holes="pixels:0.5", **common).fit(task.training)
        except narrows.TrainingError as error:
            say(f"narrows, {name}: {error}")
            return None
        if kept is not None and keep:
            model.save(kept)
        return model

    def trained(self, name: str) -> Any:
        """The part's model, given the time that the user allows."""
        minutes = self.options.minutes if name in DIGIT_PARTS else self.options.photo_minutes
        quick = self.options.quick
        model = self.model(name, BRIEFLY if quick else minutes, keep=not quick)
        if model is not None:
            self.trainings[name] = {fact: value for fact, value in model.training_.items() if fact != "history"}
        return model

    def add_restored(
        self,
        part: str,
        what: str,
        task: Task,
        restored: np.ndarray,
        places: np.ndarray | slice = slice(None),
        target: float | None = None,
        **details: Any,
    ) -> float:
        """A row for the task's items at `places`, restored."""
        measured = task.figure(restored, places)
        if task.unit == "dB" and task.sigma is None:
            details = {"hidden values alone": task.psnr(restored, places, hidden=True), **details}
        self.add(part, what, task.unit, measured, len(restored), target, **details)
        return measured

    def add(
        self,
        part: str,
        what: str,
        unit: Unit,
        measured: float | None,
        items: int | None = None,
        target: float | None = None,
        **details: Any,
    ) -> None:
        self.figures.append(Figure(part, what, unit, measured, items, target, details))
        print(row(self.figures[-1]), flush=True)


def restoring(bench: Bench, part: str) -> None:
    """Measure the peers of a part, then the errors and the calibration of narrows."""
    task = bench.task(BLIND.get(part, part))
    peers = bench.peers(task.name)
    target, beside = goal(bench, part, peers)
    model = bench.trained(part)
    if model is None:
        bench.add(part, "narrows", task.unit, None, target=target, **beside)
        return
    restored = model.transform(task.given)
    if part not in BLIND:
        one, two = task.inside(restored, model.uncertainty(task.given))
        beside |= {"within one deviation": one, "within two": two}
    name = "narrows, without clean data" if part in BLIND else "narrows"
    bench.add_restored(part, name, task, restored, target=target, **beside)
    rows = bench.shown[task.name]
    rows[name] = restored[task.shown]
    if part in ("block", "pixels"):
        samples = model.sample(task.given[task.shown], 2, random_state=SEED)
        rows |= {f"sample {number}": sample for number, sample in enumerate(samples, 1)}


def goal(bench: Bench, part: str, peers: dict[str, float]) -> tuple[float | None, dict[str, Any]]:
    """Return the target of narrows, and what it is."""
    match part:
        case "gaussian":
            return 0.0078, {"course": COURSE}
        case "blind":
            measured = {figure.what: figure.measured for figure in bench.figures if figure.part == "gaussian"}
            return 0.013, {"with clean data": measured["narrows"]} if measured.get("narrows") else {}
        case "block" | "pixels":
            return min(peers.values()) / 2, {"": "half of the best peer's"}
        case "photos" | "photos-blind" | "camera" | "camera-blind":
            return peers.get("BM3D"), {"": "BM3D's"}
    return peers["biharmonic"] + 1.5, {"": "1.5 dB above biharmonic"}


def speed(bench: Bench) -> None:
    """Megapixels a second of a large noisy picture."""
    picture = bench.photographs.large(128 if bench.options.quick else LARGE)
    what = f"{picture.shape[1]}x{picture.shape[0]}"
    speeds = {}

    def add(name: str, work: Callable[[], Any], target: float | None = None) -> None:
        say(f"{name}, {what}: timing")
        seconds = seconds_of(work)
        speeds[name] = picture.size / 1e6 / statistics.median(seconds)
        bench.add("speed", f"{name}, {what}", "MP/s", speeds[name], None, target, repeats=len(seconds))

    for entry in bench.settings("photos"):
        add(entry.peer.name, lambda entry=entry: entry.peer.restore(picture, **entry.settings, **entry.peer.whole))
    model = bench.trained("photos") if "photos" in bench.options.only else bench.model("photos", BRIEFLY, keep=False)
    fastest = max((speeds[name] for name in ("BM3D", "non-local means") if name in speeds), default=None)
    if model is None:
        bench.add("speed", f"narrows, {what}", "MP/s", None, target=fastest)
    else:
        add("narrows", lambda: model.transform(picture[None]), fastest)


def seconds_of(work: Callable[[], Any]) -> list[float]:
    seconds: list[float] = []
    while len(seconds) < REPEATS and max(seconds, default=0) <= LONG:
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return seconds


def say(words: str) -> None:
    print(f"... {words}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = Parser("Denoising and filling in, beside programs that do it unlearnt.", PARTS)
    parser.add_argument("--minutes", type=float, default=5, help="of each training on digits; default 5")
    parser.add_argument("--photo-minutes", type=float, default=30, help="of each training on photographs; default 30")
    parser.add_argument(
        "--photos", metavar="FOLDER", type=Path, help="grey photographs of one size as PNG, the last 40 for the test"
    )
    parser.add_folders()
    options = parser.parse()
    if library("scikit-image") is None:
        parser.error("the peers need scikit-image: pip install '.[bench]'")
    if options.photos and not any(options.photos.glob("*.png")):
        parser.error(f"--photos {options.photos}: there is no PNG file")
    return options


def main() -> None:
    options = arguments()
    machine = this_machine()
    announce(machine, options.quick)
    libraries = {package: library(package) for package in PACKAGES}
    print(", ".join(f"{package} {release or 'missing'}" for package, release in libraries.items()), flush=True)
    parts = [part for part in PARTS if part in options.only and (options.photos or part not in PHOTO_PARTS)]
    for part in options.only:
        if part not in parts:
            print(f"{part}: skipped, for it needs --photos FOLDER", flush=True)
    print(header(), flush=True)
    one_thread = {"initializer": threadpool_limits, "initargs": (1,)}
    with ProcessPoolExecutor(machine.cores, mp_context=get_context("spawn"), **one_thread) as pool:
        bench = Bench(options, pool)
        facts: dict[str, Any] = {
            "libraries": libraries,
            "quick": options.quick,
            "seed": SEED,
            "trainings": bench.trainings,
        }
        for part in parts:
            speed(bench) if part == "speed" else restoring(bench, part)
            if options.output:
                draw(bench, options.output)
            facts["figures"] = [{**asdict(figure), "verdict": figure.verdict} for figure in bench.figures]
            write_figures(options.json, machine, facts)


def draw(bench: Bench, folder: Path) -> None:
    for name, pictures in bench.shown.items():
        task = bench.task(name)
        figure = (digit_rows if task.family == "digits" else photograph_panels)(task, pictures)
        with atomic.replacing(folder / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=DPI)


if __name__ == "__main__":
    main()
