"""Look at a model: the report, and the tour."""

from pathlib import Path
from typing import Annotated

import typer

from narrows.cli import options
from narrows.cli.files import check_file, load_tool, read_items_for
from narrows.cli.messages import WrongUsage, size
from narrows.cli.restoring import check_corruption, check_tool_options
from narrows.errors import DataError, NarrowsError


def report(
    model: options.Model,
    source: options.Data,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="R.html", show_default=False, help="Where the page goes.")
    ],
    noise: options.NoiseAdded = None,
    target: options.RightItems = None,
    holes: options.HolesMade = None,
    labels: options.Labels = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
) -> None:
    """Write what a model is and what it makes of DATA as one HTML page.

    \b
    The page needs nothing from elsewhere: mail it, print it, read it on a phone.
    Of many items, 2,000 are looked at; for a codec 500.

    \b
    Examples:
      narrows report m.safetensors mnist:test -o report.html --labels mnist:test
      narrows report den.safetensors mnist:test -o den.html --noise gaussian:0.5
    """
    check_corruption(noise, target, holes)
    check_file(output, (".html", ".htm"))
    estimator = load_tool(model, "report", "autoencoder", "codec", "denoiser", "imputer")
    check_tool_options(model, estimator.tool, noise=noise, target=target, holes=holes, labels=labels)
    from narrows import atomic
    from narrows.data.labels import read_labels
    from narrows.progress import items_bar
    from narrows.show.description import read_model_document
    from narrows.show.report import report as page

    items = read_items_for(estimator, source, axes, strict)
    right = None if target is None else read_items_for(estimator, target, axes, strict)
    told = None if labels is None else read_labels(labels, len(items))
    if told is not None and len(told) != len(items):
        raise DataError(f"{labels}: {len(told)} labels for {len(items)} items of {source}")
    try:
        with items_bar("report") as progress:
            html = page(
                estimator,
                read_model_document(model),
                items,
                labels=told,
                noise=noise,
                target=right,
                holes=holes,
                progress=progress,
            )
    except ValueError as error:
        raise error if isinstance(error, NarrowsError) else WrongUsage(str(error)) from None
    with atomic.replacing(output) as path:
        path.write_text(html, encoding="utf-8")
    print(f"{output}: {size(len(html))}")


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
