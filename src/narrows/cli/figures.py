"""How good a model is: figures, and the tour."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from narrows.cli import options
from narrows.cli.files import load_autoencoder, read_items_for
from narrows.cli.messages import aligned

if TYPE_CHECKING:
    from narrows.tools.evaluation import Evaluation


def evaluate(
    model: options.Model,
    source: options.Data,
    axes: options.Axes = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Measure how well items come back, beside PCA.

    \b
    PCA has as many components as the code has numbers. Each half of the items is
    rebuilt by the PCA of the other half: it has not seen them either.

    \b
    Example:
      narrows evaluate m.safetensors mnist:test
    """
    from narrows.tools import evaluation

    estimator = load_autoencoder(model)
    found = evaluation.evaluate(estimator, read_items_for(estimator, source, axes, strict))
    print(json.dumps(asdict(found)) if as_json else table(found))


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the pictures go.")] = Path(
        "demo"
    ),
) -> None:
    """Take the tour: train on MNIST, and show what comes of it.

    \b
    Example:
      narrows demo -o tour
    """
    from rich.console import Console

    from narrows.show import tour

    tour.run(output, Console())


def table(found: "Evaluation") -> str:
    """An evaluation for reading."""
    positions = f", {found.positions:,.0f} of them positions" if found.positions else ""
    facts = [
        ("data", found.data),
        ("items", f"{found.items:,} in {found.seconds:.2f} s" + f", {found.skipped} skipped" * bool(found.skipped)),
        ("code", f"{found.code:,.0f} numbers{positions} for {found.values:,.0f} values"),
    ]
    rows: list[tuple[str, ...]] = [("", "model"), ("mse", f"{found.mse:.6f}"), ("psnr", decibels(found.psnr))]
    if found.ssim is not None:
        rows.append(("ssim", f"{found.ssim:.4f}"))
    if found.pca is not None:
        beside = [f"PCA-{found.pca.components}", f"{found.pca.mse:.6f}", decibels(found.pca.psnr), "-"]
        rows = [(*row, cell) for row, cell in zip(rows, beside, strict=False)]
    else:
        facts.append(("PCA", f"none: {found.no_pca}"))
    return f"{aligned(facts)}\n\n{aligned(rows, right=True)}\n\nmse in scaled units: {found.unit}"


def decibels(psnr: float | None) -> str:
    return "-" if psnr is None else f"{psnr:.2f} dB"
