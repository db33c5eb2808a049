"""How good a model is, in figures."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from narrows.cli import options
from narrows.cli.inputs import load_tool, read_items_for
from narrows.cli.messages import aligned
from narrows.cli.restoration_verbs import check_corruption, check_tool_options
from narrows.errors import ParameterError
from narrows.evaluation.summary import Summary
from narrows.render.summaries import downstream_summary, summarise

if TYPE_CHECKING:
    from narrows.data import Items
    from narrows.evaluation.downstream import Downstream


def evaluate(
    model: options.Model,
    source: options.Data,
    noise: options.NoiseAdded = None,
    target: options.RightItems = None,
    holes: options.HolesMade = None,
    labels: options.Labels = None,
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
    from narrows.evaluation.evaluate import measure
    from narrows.render.terminal import show_glimpse

    check_corruption(noise, target, holes)
    estimator = load_tool(model, "evaluate", "autoencoder", "denoiser", "imputer")
    check_tool_options(model, estimator.tool, noise=noise, target=target, holes=holes, labels=labels)
    if estimator.tool == "denoiser" and noise is None and target is None and estimator.noise is None:
        raise ParameterError(
            f"{model}: learnt from data with noise of their own: give --noise to add to clean DATA, "
            "or --target with what is right where DATA is noisy"
        )
    items = read_items_for(estimator, source, axes, strict)
    right = None if target is None else read_items_for(estimator, target, axes, strict)
    task = None if labels is None else tell_labels(estimator, items, labels)
    found = measure(estimator, items, noise, right, holes)
    if as_json:
        print(json.dumps(asdict(found) | ({} if task is None else {"downstream": asdict(task)})))
        return
    summaries = [summarise(found)] + ([] if task is None else [downstream_summary(task)])
    print("\n\n".join(map(shown, summaries)))
    show_glimpse(estimator, items, noise=noise, target=right, holes=holes)


def tell_labels(estimator: Any, items: "Items", source: str) -> "Downstream":
    """How well labels, those in a file or of a named set, are told from codes of the items."""
    from narrows.data.labels import read_labels
    from narrows.evaluation.downstream import evaluate_downstream

    return evaluate_downstream(estimator, items, read_labels(source, len(items)))


def shown(summary: Summary) -> str:
    """A summary on a terminal."""
    tables = ([aligned(summary.facts)] if summary.facts else []) + [aligned(summary.rows, right=True)]
    return "\n\n".join([*tables, summary.note])
