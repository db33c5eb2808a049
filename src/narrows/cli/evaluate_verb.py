"""Measure a model, beside simpler methods."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from narrows.cli import options
from narrows.cli.inputs import choose_cell_text, choose_model, load_tool, read_items_for
from narrows.cli.messages import aligned
from narrows.cli.tool_options import parse_marks
from narrows.errors import ParameterError
from narrows.registry import tools

if TYPE_CHECKING:
    from narrows.evaluation.summary import Summary


def evaluate(
    words: options.ModelAndData,
    noise: options.AddedNoise = None,
    target: options.Target = None,
    holes: options.HiddenShare = None,
    tta: options.Tta = False,
    labels: options.Labels = None,
    missing: options.MissingCells = None,
    keep_na: options.KeepNa = None,
    decimal: options.Decimal = None,
    thousands: options.Thousands = None,
    axes: options.Axes = None,
    strict: options.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Measure a model on DATA, beside simpler methods.

    \b
    An autoencoder is compared with PCA of as many components as the code has
    numbers. The PCA of each half of the items reconstructs the other half, so it
    has not seen them either. With --labels, classifiers on the codes are compared
    with classifiers on the raw data and on PCA. A denoiser is measured before and
    after, on DATA with noise added. An imputer is measured on values that are
    hidden from it, beside the mean and the nearest observed value.

    \b
    Examples:
      narrows evaluate m.safetensors mnist:test
      narrows evaluate m.safetensors mnist:test --labels mnist:test
      narrows evaluate den.safetensors mnist:test --noise gaussian:0.5
      narrows evaluate fill.safetensors mnist:test --holes pixels:0.75
      narrows evaluate photo-denoiser photos/ --noise gaussian:0.1
    """
    check_corruption(noise, target, holes)
    asked = {"noise": noise, "target": target, "holes": holes, "labels": labels, "tta": tta or None}
    chosen = choose_model(words, axes, strict, *tools_with("evaluate", asked))
    trained = load_tool(chosen.model, "evaluate", *(name for name, spec in tools().items() if spec.evaluate))
    trained = trained.with_cell_text(
        choose_cell_text(parse_marks(missing), keep_na, decimal, thousands, trained.cell_text)
    )
    check_evaluate_options(chosen.model, trained.tool, asked)
    from narrows.data.labels import read_labels
    from narrows.evaluation import evaluate as evaluate_model
    from narrows.evaluation import trained_model
    from narrows.render.terminal import show_preview

    items = trained.check(chosen.read(trained, axes, strict))
    clean = None if target is None else read_items_for(trained, target, axes, strict)
    classes = None if labels is None else read_labels(labels, len(items))
    given = {**asked, "target": clean, "labels": classes}
    found = evaluate_model(trained, items, **{name: each for name, each in given.items() if each is not None})
    if as_json:
        print(json.dumps(found.to_dict()))
        return
    print("\n\n".join(map(format_summary, found.summaries())))
    show_preview(trained_model(trained, items), items, noise=noise, target=clean, holes=holes)


def check_corruption(noise: str | None = None, target: str | None = None, holes: str | None = None) -> None:
    """Raise ParameterError for options that suit no data, before any data are read."""
    if noise is not None and target is not None:
        raise ParameterError("pairs of items have noise of their own; give one of --noise and --target")
    if noise is None and holes is None:
        return
    from narrows.corruption import Masks, Noise

    if noise is not None:
        Noise.parse(noise)
    if holes is not None:
        Masks.parse(holes)


def tools_with(part: str, given: Mapping[str, Any]) -> list[str]:
    """Return the tools that have an "evaluate" or a "report", and take the options that are given."""
    names = {name for name, value in given.items() if value is not None}
    return [name for name, spec in tools().items() if getattr(spec, part) and names <= set(spec.evaluate_options)]


def check_evaluate_options(model: str, tool: str, given: Mapping[str, Any]) -> None:
    """Raise ParameterError where an option is for other tools than that of the model."""
    for option, value in given.items():
        takers = [name for name, spec in tools().items() if option in spec.evaluate_options]
        if value is not None and tool not in takers:
            raise ParameterError(f"--{option} is for models of the tool {' or '.join(takers)}; {model} is of {tool}")


def format_summary(summary: "Summary") -> str:
    """Format a summary for a terminal."""
    tables = ([aligned(summary.facts)] if summary.facts else []) + [aligned(summary.rows, right=True)]
    return "\n\n".join([*tables, summary.note])
