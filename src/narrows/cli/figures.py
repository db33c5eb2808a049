"""How good a model is: figures, and the tour."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrows.cli import options
from narrows.cli.files import load_tool, read_items_for
from narrows.cli.messages import WrongUsage, aligned
from narrows.cli.restoring import check_corruption
from narrows.errors import NarrowsError

if TYPE_CHECKING:
    from narrows.data import Items
    from narrows.tools.downstream import Downstream
    from narrows.tools.evaluation import Evaluation
    from narrows.tools.restoring_evaluation import Denoising, Filling
    from narrows.tools.table_evaluation import TableFilling


def evaluate(
    model: options.Model,
    source: options.Data,
    noise: Annotated[
        str | None,
        typer.Option(metavar="KIND:S", help="For a denoiser: the noise that is added to DATA; that of its training."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="CLEAN", help="For a denoiser: what the items of DATA, which are noisy, should be."),
    ] = None,
    holes: Annotated[
        str | None,
        typer.Option(metavar="KIND:SHARE", help="For an imputer: what is hidden of DATA; as in its training."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="LABELS",
            help="For an autoencoder: the class of each item, a .npy, IDX or one-column .csv file, or a named set.",
        ),
    ] = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Measure how well items come back, beside simpler ways.

    \b
    For an autoencoder, beside PCA with as many components as the code has numbers.
    Each half of the items is rebuilt by the PCA of the other half: it has not seen
    them either. With --labels, also how well classifiers tell them from the codes,
    beside the data as they are and PCA. For a denoiser, before and after, once noise was added to DATA. For
    an imputer, on values that are hidden from it, beside the mean and the nearest
    of the values that are known.

    \b
    Examples:
      narrows evaluate m.safetensors mnist:test
      narrows evaluate m.safetensors mnist:test --labels mnist:test
      narrows evaluate den.safetensors mnist:test --noise gaussian:0.5
      narrows evaluate fill.safetensors mnist:test --holes pixels:0.75
    """
    check_corruption(noise, target, holes)

    estimator = load_tool(model, "evaluate", "autoencoder", "denoiser", "imputer")
    for option, given, tool in (
        ("noise", noise, "denoiser"),
        ("target", target, "denoiser"),
        ("holes", holes, "imputer"),
        ("labels", labels, "autoencoder"),
    ):
        if given is not None and estimator.tool != tool:
            raise WrongUsage(f"--{option}: is for a model of the tool {tool}, and {model} is one of {estimator.tool}")
    if estimator.tool == "denoiser" and noise is None and target is None and estimator.noise is None:
        raise WrongUsage(
            f"{model}: learnt from data with noise of their own: give --noise to add to clean DATA, "
            "or --target with what is right where DATA is noisy"
        )
    items = read_items_for(estimator, source, axes, strict)
    right = None if target is None else read_items_for(estimator, target, axes, strict)
    task = None if labels is None else tell_labels(estimator, items, labels)
    try:
        found, shown = measure(estimator, items, noise, right, holes)
    except ValueError as error:
        raise error if isinstance(error, NarrowsError) else WrongUsage(str(error)) from None
    document = asdict(found)
    if task is not None:
        document["downstream"] = asdict(task)
        shown += "\n\n" + downstream_table(task)
    print(json.dumps(document) if as_json else shown)


def tell_labels(estimator: Any, items: "Items", source: str) -> "Downstream":
    """How well labels, those in a file or of a named set, are told from codes of the items."""
    from narrows.data.labels import read_labels
    from narrows.tools.downstream import evaluate_downstream

    return evaluate_downstream(estimator, items, read_labels(source, len(items)))


def measure(
    estimator: Any, items: "Items", noise: str | None, target: "Items | None", holes: str | None
) -> "tuple[Evaluation | Denoising | Filling | TableFilling, str]":
    """The figures that a tool has, and how to show them."""
    if estimator.tool == "autoencoder":
        from narrows.tools import evaluation

        evaluated = evaluation.evaluate(estimator, items)
        return evaluated, table(evaluated)
    from narrows.tools import restoring_evaluation

    if estimator.tool == "denoiser":
        denoised = restoring_evaluation.evaluate_denoiser(estimator, items, noise, target)
        return denoised, denoising_table(denoised)
    if not items.spatial:
        from narrows.tools.table_evaluation import evaluate_table

        completed = evaluate_table(estimator, items, holes)
        return completed, completing_table(completed)
    filled = restoring_evaluation.evaluate_imputer(estimator, items, holes)
    return filled, filling_table(filled)


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
    """An evaluation of an autoencoder for reading."""
    positions = f", {found.positions:,.0f} of them positions" if found.positions else ""
    facts = [*data_facts(found), ("code", f"{found.code:,.0f} numbers{positions} for {found.values:,.0f} values")]
    columns: dict[str, Any] = {"model": found}
    if found.pca is None:
        facts.append(("PCA", f"none: {found.no_pca}"))
    else:
        columns[f"PCA-{found.pca.components}"] = found.pca
    return laid_out(facts, columns, found.unit)


def downstream_table(found: "Downstream") -> str:
    """How well labels are told, for reading."""
    columns = {"codes": found.codes, f"PCA-{found.components}": found.pca, "raw data": found.raw}
    shown = {name: column for name, column in columns.items() if column is not None}
    rows = [
        ("right labels", *shown, "most frequent"),
        *(
            (name, *(f"{getattr(column, kind):.2%}" for column in shown.values()), f"{found.majority:.2%}")
            for kind, name in (("linear", "linear classifier"), ("neighbours", "5 nearest"))
        ),
    ]
    words = f"{found.classes} labels of {found.items:,} items; each half is told by classifiers of the other half"
    return f"{aligned(rows, right=True)}\n\n{words}"


def denoising_table(found: "Denoising") -> str:
    """An evaluation of a denoiser for reading."""
    noise = ("target", found.target) if found.noise is None else ("noise", f"{found.noise}, added to the data")
    facts = [*data_facts(found), (noise[0], str(noise[1])), ("doubt", shares(found.within))]
    return laid_out(facts, {"before": found.before, "after": found}, found.unit)


def filling_table(found: "Filling") -> str:
    """An evaluation of an imputer for reading; its mse and psnr are those of hidden values."""
    facts = [
        *data_facts(found),
        ("holes", f"{found.holes}; {found.hidden:.1%} of the values hidden"),
        ("doubt", shares(found.within)),
    ]
    columns = {"model": found, "mean": found.mean, "nearest": found.nearest}
    return laid_out(facts, columns, f"{found.unit}; mse and psnr of the hidden values, ssim of whole pictures")


def completing_table(found: "TableFilling") -> str:
    """An evaluation of an imputer of tables for reading."""
    facts = [
        ("data", found.data),
        ("rows", f"{found.items:,} in {found.seconds:.2f} s"),
        ("holes", f"{found.holes}; {found.hidden:.1%} of the cells hidden"),
    ]
    if found.within is not None:
        facts.append(("doubt", shares(found.within)))
    rows = [("column", "kind", "hidden", "model", "mean or most frequent")]
    for each in found.columns:
        rows.append((each.name, each.kind, f"{each.hidden:,}", f"{each.off:.4f}", f"{each.usual:.4f}"))
    for name, kind, off, usual in (
        ("all", "rmse", found.rmse, found.usual_rmse),
        ("all", "wrong", found.wrong, found.usual_wrong),
    ):
        if off is not None and usual is not None:
            rows.append((name, kind, "", f"{off:.4f}", f"{usual:.4f}"))
    unit = "numbers and dates: root mean squared error in deviations of the column; others: the share that is wrong"
    return f"{aligned(facts)}\n\n{aligned(rows, right=True)}\n\n{unit}"


def data_facts(found: "Evaluation | Denoising | Filling") -> list[tuple[str, str]]:
    skipped = f", {found.skipped} skipped" * bool(found.skipped)
    return [("data", found.data), ("items", f"{found.items:,} in {found.seconds:.2f} s{skipped}")]


def shares(within: tuple[float, float]) -> str:
    return f"{within[0]:.1%} of right values within one stated deviation, {within[1]:.1%} within two"


def laid_out(facts: list[tuple[str, str]], columns: dict[str, Any], unit: str) -> str:
    """Facts, and a table of the figures of each column; what has no ssim beside what has one gets a dash."""
    rows = [
        ("", *columns),
        ("mse", *(f"{column.mse:.6f}" for column in columns.values())),
        ("psnr", *(decibels(column.psnr) for column in columns.values())),
    ]
    ssim = [getattr(column, "ssim", None) for column in columns.values()]
    if any(figure is not None for figure in ssim):
        rows.append(("ssim", *("-" if figure is None else f"{figure:.4f}" for figure in ssim)))
    return f"{aligned(facts)}\n\n{aligned(rows, right=True)}\n\nmse in scaled units: {unit}"


def decibels(psnr: float | None) -> str:
    return "-" if psnr is None else f"{psnr:.2f} dB"
