"""Show models: the report, the viewer and the demo."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrows.cli import options
from narrows.cli.codec_verbs import opened
from narrows.cli.evaluate_verb import check_corruption, check_evaluate_options, tools_with
from narrows.cli.inputs import choose_model, load_tool, read_items, read_items_for
from narrows.cli.messages import items_bar, note, size
from narrows.cli.outputs import check_file
from narrows.errors import DataError, ParameterError
from narrows.registry import tools

if TYPE_CHECKING:
    from narrows.codec.archive import Archive
    from narrows.data import Items
    from narrows.viewer.session import Session


def report(
    words: options.ModelAndData,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="R.html", show_default=False, help="The page to write.")
    ],
    noise: options.AddedNoise = None,
    target: options.Target = None,
    holes: options.HiddenShare = None,
    labels: options.Labels = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
    force: options.Force = False,
) -> None:
    """Write an HTML page about a model and its results on DATA.

    \b
    The page is one file that loads nothing else: mail it, print it, read it on a
    phone. It shows at most 2,000 items, or 500 for a codec.

    \b
    Examples:
      narrows report m.safetensors mnist:test -o report.html --labels mnist:test
      narrows report den.safetensors mnist:test -o den.html --noise gaussian:0.5
      narrows report photo-codec photos/ -o codec.html
    """
    check_corruption(noise, target, holes)
    check_file(output, (".html", ".htm"), force)
    asked = {"noise": noise, "target": target, "holes": holes, "labels": labels}
    chosen = choose_model(words, axes, strict, *tools_with("report", asked))
    trained = load_tool(chosen.model, "report", *(name for name, spec in tools().items() if spec.report))
    check_evaluate_options(chosen.model, trained.tool, asked)
    from narrows.artifacts import atomic
    from narrows.data.labels import read_labels
    from narrows.evaluation import trained_model
    from narrows.report.report_context import ReportContext
    from narrows.report.report_page import render_report

    items = trained.check(chosen.read(trained, axes, strict))
    clean = None if target is None else trained.check(read_items_for(trained, target, axes, strict))
    classes = None if labels is None else read_labels(labels, len(items))
    if classes is not None and len(classes) != len(items):
        raise DataError(f"{labels}: {len(classes)} labels for {len(items)} items of {chosen.source}")
    trained = trained_model(trained, items if clean is None else clean)
    with items_bar("report") as progress:
        html = render_report(ReportContext(trained, items, classes, noise, clean, holes), progress)
    with atomic.replacing(output) as path:
        path.write_text(html, encoding="utf-8")
    print(f"{output}: {size(len(html))}")


def view(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL]... DATA | FILE.narrow",
            show_default=False,
            help="Models, at most one of each tool, and data to try them on, by default the ready-made models that "
            "suit the data; or a compressed file.",
        ),
    ],
    host: Annotated[str, typer.Option(help="The address to listen on; by default, only this machine can connect.")] = (
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
    """Try models in the browser.

    \b
    Browse, draw and upload items; encode, compress, denoise and fill them.
    The page is served to this machine alone, and sends no data anywhere.

    \b
    Examples:
      narrows view photos/
      narrows view m.safetensors mnist:test
      narrows view m.safetensors den.safetensors fill.safetensors mnist:test
      narrows view photos.narrow
    """
    from narrows.ready import DEFAULT, is_ready_name

    models = [source for source in sources if source.endswith(".safetensors") or is_ready_name(source)]
    others = [source for source in sources if source not in models]
    if len(others) != 1:
        raise ParameterError("expected models and one DATA, or one FILE.narrow; found " + " ".join(sources))
    name = others[0]
    archived = name.endswith(".narrow")
    if archived and models:
        raise ParameterError(
            f"{name}: its model is found automatically; leave out other models, or name its model with --model"
        )
    from narrows.viewer.app import view as serve

    with ExitStack() as stack:
        if archived:
            session = archive_session(stack.enter_context(opened(name, model, None)))
        else:
            session = model_session(models or [DEFAULT], name, axes, strict)
        try:
            serve(session, host, port, browser, note)
        except OSError:
            taken = "7860 to 7959 are taken" if port is None else f"{port} is taken"
            raise DataError(
                f"cannot listen: port {taken}, or the address is not this machine's",
                source=host,
                hint="choose others with --port and --host",
            ) from None


def read_models(paths: list[str]) -> dict[str, Any]:
    """Read the models to view, by the names of their tools."""
    models: dict[str, Any] = {}
    for path in paths:
        model = load_tool(path, "view", *(name for name, spec in tools().items() if spec.viewer))
        if models.setdefault(model.tool, model) is not model:
            raise ParameterError(f"a second model of the tool {model.tool}; one of each can be viewed", source=path)
    return models


def with_ready_models(names: list[str], items: "Items") -> list[str]:
    """Return the paths of models, with the ready-made models that suit the items in place of their names."""
    from narrows.ready import choose_ready_models, is_ready_name

    found = {name: choose_ready_models(items, name) for name in names if is_ready_name(name)}
    note(f"with the ready-made models {', '.join(model.name for models in found.values() for model in models)}")
    return [path for name in names for path in [str(model.path) for model in found.get(name, ())] or [name]]


def model_session(names: list[str], source: str, axes: str | None, strict: bool) -> "Session":
    """Return a session of models and of the items of DATA; DataError where they do not fit."""
    from narrows.data.masks import split_alpha
    from narrows.ready import is_ready_name
    from narrows.viewer.session import Session

    if any(map(is_ready_name, names)):
        items = read_items(source, axes, strict)
        paths = with_ready_models(names, items)
        models = read_models(paths)
    else:
        paths, models = names, read_models(names)
        items = read_items_for(next(iter(models.values())), source, axes, strict)
    if not items.spatial_dims:
        raise DataError("rows of a table cannot be viewed; see narrows report", source=source)
    if items.channels in (2, 4) and all(model.channels == items.channels - 1 for model in models.values()):
        items = replace(split_alpha(items), mask=None)
    for path, model in zip(paths, models.values(), strict=True):
        check_suits(model, path, items)
    return Session(models, len(items), items.select, items.source)


def archive_session(archive: "Archive") -> "Session":
    """Return a session of the items of a compressed file and of its model."""
    from narrows.viewer.session import Session

    if archive.model is None:
        raise DataError(
            "its items are stored without a model, so there is none to show",
            source=archive.name,
            hint="narrows preview shows the items",
        )
    stored = archive.reader.sizes()["total"]
    about = (
        f"The file has {size(stored)}, {size(stored / len(archive))} per item ({archive.mode}); "
        "the decompressed items are shown."
    )
    return Session({archive.model.tool: archive.model}, len(archive), archive.read, archive.name, about)


def check_suits(tool: Any, path: str, items: "Items") -> None:
    """Raise DataError, which names the model, where it does not take such items."""
    try:
        tool.check(items)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder for models, pictures and the page.")
    ] = Path("demo"),
    force: options.Force = False,
) -> None:
    """Train every tool on MNIST, and show the results as a page.

    \b
    Example:
      narrows demo -o demo
    """
    if not force and output.is_dir() and any(output.iterdir()):
        raise DataError("is not empty", source=str(output), hint="to replace files in it, use --force")
    from rich.console import Console

    from narrows.demo import tour

    tour.run(output, Console())
