"""Look at models: the report, the viewer, and the tour."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrows.cli import options
from narrows.cli.codec_verbs import opened
from narrows.cli.inputs import check_file, load_tool, read_items_for
from narrows.cli.messages import say, size
from narrows.cli.restoration_verbs import check_corruption, check_tool_options
from narrows.errors import DataError, ParameterError

if TYPE_CHECKING:
    from narrows.data import Items


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
    from narrows.artifacts import atomic
    from narrows.data.labels import read_labels
    from narrows.progress import items_bar
    from narrows.render.description import read_model_document
    from narrows.report.build import report as page

    items = read_items_for(estimator, source, axes, strict)
    right = None if target is None else read_items_for(estimator, target, axes, strict)
    told = None if labels is None else read_labels(labels, len(items))
    if told is not None and len(told) != len(items):
        raise DataError(f"{labels}: {len(told)} labels for {len(items)} items of {source}")
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
    with atomic.replacing(output) as path:
        path.write_text(html, encoding="utf-8")
    print(f"{output}: {size(len(html))}")


def view(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="M... DATA | FILE.narrow",
            show_default=False,
            help="Models, at most one of each tool, and data to try them on; or a compressed file.",
        ),
    ],
    host: Annotated[str, typer.Option(help="The address to listen on; the default is for this machine alone.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port; the first free one from 7860 by default.")
    ] = None,
    model: options.ItsModel = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open the browser.")] = True,
    axes: options.Axes = None,
    strict: options.Strict = False,
) -> None:
    """Try models in the browser: browse, draw, upload; squeeze, compress, denoise, fill.

    \b
    The page is served to this machine alone, and sends nothing anywhere.

    \b
    Examples:
      narrows view m.safetensors mnist:test
      narrows view m.safetensors den.safetensors fill.safetensors mnist:test
      narrows view photos.narrow
    """
    models = [source for source in sources if source.endswith(".safetensors")]
    others = [source for source in sources if source not in models]
    if len(others) != 1:
        raise ParameterError("expected models and one DATA, or one FILE.narrow; found " + " ".join(sources))
    name = others[0]
    if name.endswith(".narrow") == bool(models):
        raise ParameterError(
            f"{name}: its model is found by itself; leave the others out, or name it with --model"
            if models
            else f"{name}: say which models to try on it, before it; or give a file that ends in .narrow"
        )
    from narrows.viewer.app import view as serve
    from narrows.viewer.session import Workbench

    with ExitStack() as stack:
        if models:
            tools: dict[str, Any] = {}
            for path in models:
                tool = load_tool(path, "view", "autoencoder", "codec", "denoiser", "imputer")
                if tools.setdefault(tool.tool, tool) is not tool:
                    raise ParameterError(f"{path}: a second model of the tool {tool.tool}; one of each can be viewed")
            items = read_items_for(next(iter(tools.values())), name, axes, strict)
            if not items.spatial_dims:
                raise DataError(f"{name}: rows of a table have no pictures to view; see narrows report")
            for path, tool in zip(models, tools.values(), strict=True):
                check_suits(tool, path, items)
            bench = Workbench(tools, len(items), items.select, items.source)
        else:
            archive = stack.enter_context(opened(name, model, None))
            stored = archive.reader.sizes()["total"]
            about = (
                f"The file has {size(stored)}, {size(stored / len(archive))} for each ({archive.mode}); what is shown "
                "is what comes out of it."
            )
            bench = Workbench({"codec": archive.codec}, len(archive), archive.read, archive.name, about)
        try:
            serve(bench, host, port, browser, say)
        except OSError:
            taken = "7860 to 7959 are taken" if port is None else f"{port} is taken"
            raise DataError(
                f"{host}: cannot be listened on: its port {taken}, or the address is not this machine's; "
                "choose others with --port and --host"
            ) from None


def check_suits(tool: Any, path: str, items: "Items") -> None:
    """DataError, which names the model, where it does not take such items."""
    try:
        tool._items(items)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


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

    from narrows.demo import tour

    tour.run(output, Console())
