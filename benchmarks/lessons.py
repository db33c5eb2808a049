"""The classic lessons on MNIST: figures and their references.

    python benchmarks/lessons.py [--only linear,conv,code30,recipe] [--quick] [--json FILE]

Everything is trained on the 60,000 training digits and reported on the 10,000 test digits. A mean squared error (MSE)
is over all pixels, in 0..1, of the reconstruction before it is rounded. One seed. A row is printed once it is known.
"""

import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA

import course
from command_line import Parser, announce, write_figures
from measuring import Throughput, flops_per_item, product_speed, this_machine
from narrows import Autoencoder, data
from narrows.data import Items
from narrows.errors import TrainingError
from narrows.networks import build

SEED = 0
PARTS = ("linear", "conv", "code30", "recipe")
UPSAMPLINGS = ("nearest", "bilinear", "transpose", "pixelshuffle")
PIXELS = 28 * 28
WARM_UP = 3  # seconds for each of two trainings
SHORTEST = 0.1  # seconds: no training of narrows is tried with less


@dataclass(frozen=True)
class Plan:
    """How much of everything: items to train on and to test on, seconds of training, and a share of the epochs."""

    items: int
    tests: int
    linear: float
    conv: float
    code30: float
    epochs: float


FULL = Plan(60_000, 10_000, linear=20, conv=90, code30=300, epochs=1)
QUICK = Plan(4_000, 1_000, linear=1, conv=6, code30=6, epochs=0.1)


@dataclass(frozen=True)
class Figure:
    """A figure beside its references. measured is None where training failed; target is the most that it may be."""

    part: str
    what: str
    measured: float | None
    target: float | None
    beside: dict[str, float]

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "failed"
        if self.target is None:
            return ""
        over = self.measured / self.target - 1
        return f"missed by {over:.1%}" if over > 0 else "met"


@dataclass(frozen=True)
class Trial:
    """One training of narrows.

    budget: the seconds it was given. seconds: the seconds the whole of `fit` took, preparations included.
    mse: of the test digits, None where training failed.
    """

    model: str
    budget: float
    seconds: float
    mse: float | None

    def reaches(self, mse: float) -> bool:
        return self.mse is not None and self.mse <= mse


class Bench:
    """The digits, and the rows so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.training = data.read("mnist").select(np.arange(plan.items))
        self.test = data.read("mnist:test").select(np.arange(plan.tests))
        self.figures: list[Figure] = []
        self.throughputs: list[Throughput] = []
        self.trials: list[Trial] = []
        self._pca: PCA | None = None

    def train(self, model: str, seconds: float, timed: bool = True, **options: Any) -> Trial:
        """Train narrows for so long; with `timed`, its throughput becomes a row as well."""
        say(f"training {model} for {seconds:.3g} s")
        speed = product_speed() if timed else None
        network = Autoencoder(minutes=seconds / 60, random_state=SEED, device="cpu", **options)
        began, mse = time.perf_counter(), None
        try:
            network.fit(self.training)
        except TrainingError as error:
            say(f"{model}: {error}")
        took = time.perf_counter() - began
        if hasattr(network, "network_"):
            mse = -network.score(self.test)
            if speed is not None:
                facts = network.training_
                self.add_throughput(
                    model,
                    facts["batch_size"],
                    facts["steps"] * facts["batch_size"] / facts["seconds"],
                    flops_per_item(build(network.network_.architecture), facts["batch_size"]),
                    speed,
                )
        self.trials.append(Trial(model, seconds, took, mse))
        return self.trials[-1]

    def add_throughput(self, model: str, batch: int, items_per_second: float, flops: float, speed: float) -> None:
        self.throughputs.append(Throughput(model, batch, items_per_second, flops, speed))
        say(f"{model}: {items_per_second:,.0f} items/s, {self.throughputs[-1].share:.1%} of matrix products")

    def add(self, part: str, what: str, measured: float | None, target: float | None, **beside: float) -> None:
        self.figures.append(Figure(part, what, measured, target, beside))
        print(row(self.figures[-1]), flush=True)

    def pca(self, components: int) -> dict[str, float]:
        """Test MSE of PCA, as it is and with its values clipped to 0..1."""
        if self._pca is None:
            # The components of a smaller PCA are the first of a larger one.
            say("fitting PCA")
            self._pca = PCA(196, svd_solver="covariance_eigh").fit(pixels(self.training).reshape(-1, PIXELS))
        x, mean, axes = pixels(self.test).reshape(-1, PIXELS), self._pca.mean_, self._pca.components_[:components]
        rebuilt = (x - mean) @ axes.T @ axes + mean
        errors = {"": rebuilt - x, " clipped": rebuilt.clip(0, 1) - x}
        return {
            f"PCA-{components}{name}": float(np.square(error, dtype=float).mean()) for name, error in errors.items()
        }


def linear(bench: Bench) -> None:
    beside = bench.pca(32)
    trial = bench.train("linear, code 32", bench.plan.linear, architecture="linear", code=32)
    bench.add("linear", described(trial, "test MSE"), trial.mse, 0.0093, **beside, course=0.0118)


def conv(bench: Bench) -> None:
    beside = bench.pca(196)
    published = {recipe.upsampling: {"course": recipe.published} for recipe in course.RECIPES if recipe.code != 32}
    results = {}
    for kind in UPSAMPLINGS:
        name = f"conv, code 4x7x7, {kind}"
        trial = bench.train(name, bench.plan.conv, architecture="conv", code="4x7x7", upsampling=kind)
        bench.add("conv", described(trial, "test MSE"), trial.mse, 0.0018, **beside, **published.get(kind, {}))
        if trial.mse is not None:
            results[kind] = trial.mse
    if results:
        best = min(results, key=results.__getitem__)
        bench.add("conv", f"best of the {len(results)} kinds, by one seed each: {best}", results[best], None, **results)


def code30(bench: Bench) -> None:
    beside = bench.pca(30)
    trial = bench.train("conv, code 30", bench.plan.code30, architecture="conv", code=30)
    published = {"Hinton & Salakhutdinov 2006": 0.00383, "their PCA-30": 0.0177}
    bench.add("code30", described(trial, "test MSE"), trial.mse, 0.0034, **beside, **published)
    a_digit = {name: PIXELS * mse for name, mse in beside.items()}
    published = {"Hinton & Salakhutdinov 2006": 3.00, "their PCA-30": 13.87}
    squares = None if trial.mse is None else PIXELS * trial.mse
    bench.add("code30", described(trial, "squared error a digit"), squares, None, **a_digit, **published)


def recipe(bench: Bench) -> None:
    """Measure how soon narrows reaches the final test MSE of the course's recipe.

    The clock of the recipe covers its steps alone; the clock of narrows covers the whole of `fit`, its tests on
    held-out digits included. Each budget is a training of its own, since the learning rate follows the budget.
    """
    digits, tests = (torch.from_numpy(pixels(items)) for items in (bench.training, bench.test))
    for lesson in course.RECIPES:
        epochs = max(1, round(bench.plan.epochs * lesson.epochs))
        say(f"training the course's {lesson.name} for {epochs} epochs")
        speed = product_speed()
        torch.manual_seed(SEED)
        network = lesson.build()
        seconds = course.train(network, digits, epochs)
        goal = course.mean_squared_error(network, tests)
        flops = flops_per_item(lesson.build(), course.BATCH)
        bench.add_throughput(f"the course's {lesson.name}", course.BATCH, epochs * len(digits) / seconds, flops, speed)
        what = f"the course's {lesson.name}, {epochs} epochs, {seconds:.1f} s: test MSE"
        bench.add("recipe", what, goal, None, published=lesson.published)
        trials = trials_until(bench, lesson, seconds, goal)
        first = trials[0]
        what = f"narrows, {lesson.name}, {Fraction(lesson.target).limit_denominator(100)} of that time: test MSE"
        bench.add("recipe", what, first.mse, goal, seconds=first.seconds)
        add_shortest(bench, lesson, [trial for trial in trials if trial.reaches(goal)], seconds, goal)


def trials_until(bench: Bench, lesson: course.Recipe, seconds: float, goal: float) -> list[Trial]:
    """Trials at the target share of the recipe's seconds, then at halves of it for as long as they reach the goal.

    Where the first does not reach it, at doubles of it until one does, at most at the recipe's own time.
    """
    kind = lesson.name.partition(",")[0]

    def attempt(budget: float) -> Trial:
        options = {"architecture": kind, "code": lesson.code, "upsampling": lesson.upsampling}
        trial = bench.train(f"narrows, {lesson.name}", budget, timed=False, **options)
        say(f"test MSE {trial.mse} in {trial.seconds:.2f} s: {'' if trial.reaches(goal) else 'not '}reached")
        return trial

    trials = [attempt(lesson.target * seconds)]
    if trials[0].reaches(goal):
        while trials[-1].reaches(goal) and trials[-1].budget / 2 >= SHORTEST:
            trials.append(attempt(trials[-1].budget / 2))
    else:
        while not trials[-1].reaches(goal) and trials[-1].budget * 2 <= seconds:
            trials.append(attempt(trials[-1].budget * 2))
    return trials


def add_shortest(bench: Bench, lesson: course.Recipe, reached: list[Trial], seconds: float, goal: float) -> None:
    what = f"narrows, {lesson.name}: least share of that time to reach its test MSE"
    if not reached:
        bench.add("recipe", what, None, lesson.target)
        return
    shortest = min(reached, key=lambda trial: trial.seconds)
    assert shortest.mse is not None
    course_took = {"the course's seconds": seconds, "the course's test MSE": goal}
    beside = {"seconds": shortest.seconds, "test MSE": shortest.mse, **course_took}
    bench.add("recipe", what, shortest.seconds / seconds, lesson.target, **beside)


def pixels(items: Items) -> np.ndarray:
    """Digits of 0..1, (N, 1, 28, 28) float32."""
    return items.values[:, None].astype(np.float32) / 255


def described(trial: Trial, what: str) -> str:
    return f"{trial.model}, {trial.seconds:.0f} s: {what}"


def warm_up(bench: Bench) -> None:
    """Do everything that is done only once, so that it is not timed."""
    say("warming up")
    digits = bench.training.select(np.arange(2000))
    for kind, code in (("linear", 32), ("conv", "4x7x7")):
        with suppress(TrainingError):
            Autoencoder(kind, code, minutes=WARM_UP / 60, random_state=SEED, device="cpu").fit(digits)
    product_speed()


def row(figure: Figure) -> str:
    numbers = ["" if number is None else f"{number:.4g}" for number in (figure.measured, figure.target)]
    beside = ", ".join(f"{name} {value:.4g}" for name, value in figure.beside.items())
    return f"| {figure.what:<74} | {numbers[0]:>8} | {numbers[1]:>8} | {figure.verdict:<17} | {beside} |"


def throughput_row(speed: Throughput) -> str:
    megaflops, gigaflops = speed.flops_per_item / 1e6, speed.product_speed / 1e9
    return (
        f"| {speed.model:<30} | {speed.batch:>5} | {speed.items_per_second:>9,.0f} | {megaflops:>14.2f} "
        f"| {gigaflops:>23.0f} | {speed.share:>6.1%} |"
    )


def say(words: str) -> None:
    print(f"... {words}", file=sys.stderr, flush=True)


def print_throughputs(throughputs: list[Throughput]) -> None:
    print("\nTraining throughput, and the share of the speed of float32 matrix products that it attains")
    print("(operations: forward and backward pass, without the optimiser)\n")
    print(f"| {'model':<30} | batch | {'items/s':>9} | {'Mflop an item':>14} | matrix products Gflop/s |  share |")
    print(f"|{'-' * 32}|------:|{'-' * 10}:|{'-' * 15}:|{'-' * 24}:|-------:|")
    for speed in throughputs:
        print(throughput_row(speed))


def figures(bench: Bench, quick: bool) -> dict[str, Any]:
    return {
        "quick": quick,
        "seed": SEED,
        "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in bench.figures],
        "throughput": [{**asdict(speed), "share": speed.share} for speed in bench.throughputs],
        "trainings": [asdict(trial) for trial in bench.trials],
    }


def main() -> None:
    given = Parser("The classic lessons on MNIST, each figure beside its reference.", PARTS).parse()
    machine = this_machine()
    bench = Bench(QUICK if given.quick else FULL)
    announce(machine, given.quick)
    warm_up(bench)
    print(f"\n| {'figure':<74} | measured | at most  | {'verdict':<17} | beside it |")
    print(f"|{'-' * 76}|---------:|---------:|{'-' * 19}|-----------|", flush=True)
    for part in (linear, conv, code30, recipe):
        if part.__name__ in given.only:
            part(bench)
    print_throughputs(bench.throughputs)
    write_figures(given.json, machine, figures(bench, given.quick))


if __name__ == "__main__":
    main()
