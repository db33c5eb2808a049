"""Rows of figures and their targets."""

from dataclasses import dataclass
from typing import Any, Literal

Unit = Literal["MSE", "dB", "MP/s"]


@dataclass(frozen=True)
class Figure:
    """A figure and what it is to reach: at most that for an MSE, at least that otherwise.

    measured is None where training failed or a package is missing. items: test items it was measured on. details: what
    else there is to say; what has an empty name is printed as it is.
    """

    part: str
    what: str
    unit: Unit
    measured: float | None
    items: int | None
    target: float | None
    details: dict[str, Any]

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        if self.target is None:
            return ""
        if self.unit == "dB":
            return "met" if self.measured >= self.target else f"missed by {self.target - self.measured:.2f} dB"
        short = self.measured / self.target - 1 if self.unit == "MSE" else 1 - self.measured / self.target
        return f"missed by {short:.1%}" if short > 0 else "met"


def header() -> str:
    return "\n".join(
        (
            f"\n| part     | {'what':<32} | unit | measured |  items |   target | {'verdict':<17} | details |",
            f"|----------|{'-' * 34}|------|---------:|-------:|---------:|{'-' * 19}|---------|",
        )
    )


def row(figure: Figure) -> str:
    numbers = ["" if number is None else in_digits(number) for number in (figure.measured, figure.target)]
    items = "" if figure.items is None else f"{figure.items:,}"
    details = ", ".join(
        f"{name} {in_digits(value) if isinstance(value, float) else value}".strip()
        for name, value in figure.details.items()
        if value != ""
    )
    return (
        f"| {figure.part:<8} | {figure.what:<32} | {figure.unit:<4} | {numbers[0]:>8} | {items:>6} | {numbers[1]:>8} "
        f"| {figure.verdict:<17} | {details} |"
    )


def in_digits(number: float) -> str:
    return f"{number:.4g}"
