"""Predict MNIST's labels from codes of 30 numbers, from PCA and from raw pixels.

    python benchmarks/features.py [--quick] [--json FILE]

The autoencoder is trained on the 60,000 training digits without labels. Two classifiers are fitted to features of the
training digits and tested on the 10,000 test digits: logistic regression and the 5 nearest neighbours. One seed.
"""

from dataclasses import asdict, dataclass

import numpy as np

from command_line import Parser, announce, write_figures
from measuring import this_machine
from narrows import Autoencoder, data
from narrows.evaluation.downstream import Accuracy, accuracy
from narrows.evaluation.peers import fit_pca

SEED = 0
CODE = 30
PIXELS = 28 * 28


@dataclass(frozen=True)
class Plan:
    """Items to train on and to test on, and minutes of training."""

    items: int
    tests: int
    minutes: float


FULL = Plan(60_000, 10_000, minutes=5)
QUICK = Plan(4_000, 1_000, minutes=0.1)


@dataclass(frozen=True)
class Row:
    """Features, their number, and the accuracy of classifiers on the test digits."""

    features: str
    numbers: int
    accuracy: Accuracy

    def __str__(self) -> str:
        shares = f"{self.accuracy.linear:>17.2%} | {self.accuracy.neighbours:>9.2%}"
        return f"| {self.features:<36} | {self.numbers:>7} | {shares} |"


def measure(plan: Plan) -> list[Row]:
    """Return a row for each kind of features, codes first; each is printed once it is known."""
    digits, tests = (
        data.read(name).select(np.arange(count)) for name, count in (("mnist", plan.items), ("mnist:test", plan.tests))
    )
    rows: list[Row] = []

    def add(name: str, fit: np.ndarray, test: np.ndarray) -> None:
        rows.append(Row(name, fit.shape[1], accuracy(fit, test, digits.labels, tests.labels)))
        print(rows[-1], flush=True)

    print(f"| {'features':<36} | numbers | linear classifier | 5 nearest |")
    print(f"|{'-' * 38}|--------:|------------------:|----------:|", flush=True)
    model = Autoencoder("conv", CODE, minutes=plan.minutes, random_state=SEED, device="cpu").fit(digits)
    name = f"codes, {plan.minutes:g} min, test MSE {-model.score(tests):.4f}"
    add(name, model.transform(digits), model.transform(tests))
    pixels, test_pixels = (items.values.reshape(-1, PIXELS).astype(np.float32) / 255 for items in (digits, tests))
    pca = fit_pca(pixels, CODE)
    add(f"PCA-{CODE}", pca.transform(pixels), pca.transform(test_pixels))
    add("raw pixels", pixels, test_pixels)
    return rows


def verdict(codes: Accuracy, pca: Accuracy) -> str:
    above = codes.linear > pca.linear and codes.neighbours > pca.neighbours
    gains = f"{codes.linear - pca.linear:+.2%} and {codes.neighbours - pca.neighbours:+.2%}"
    return f"reach: codes above PCA-{CODE} by both classifiers: {'met' if above else 'missed'}, {gains} of the digits"


def main() -> None:
    given = Parser("Labels of MNIST told from codes, beside PCA and raw pixels.").parse()
    machine = this_machine()
    announce(machine, given.quick)
    print()
    rows = measure(QUICK if given.quick else FULL)
    print(f"\n{verdict(rows[0].accuracy, rows[1].accuracy)}")
    figures = {"quick": given.quick, "seed": SEED, "rows": [asdict(row) for row in rows]}
    write_figures(given.json, machine, figures)


if __name__ == "__main__":
    main()
