"""The report behind `narrows report`: what a model is, and what it makes of items, as one HTML file."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from narrows import __version__
from narrows.data import Items
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.codec import Codec
from narrows.estimators.denoiser import Denoiser, check_alike
from narrows.estimators.imputer import Imputer
from narrows.render import plots
from narrows.render.blocks import Facts, Plot, Section
from narrows.render.description import describe_model
from narrows.render.diagram import context_stages, stages
from narrows.render.html import environment
from narrows.render.item_renderer import evenly_spaced
from narrows.report import autoencoder_sections as report_autoencoder
from narrows.report import codec_sections as report_codec
from narrows.report import restoration_sections as report_restoring
from narrows.report import table_sections as report_tables

MOST_ITEMS, MOST_VALUES = 2000, 2**25
CODEC_ITEMS, CODEC_VALUES = 500, 2**20  # coded again and again

Tool = Autoencoder | Codec | Denoiser | Imputer
Step = Callable[[], Iterable[Section]]


def report(
    model: Tool,
    document: dict[str, Any],
    items: Items,
    *,
    labels: np.ndarray | None = None,
    noise: str | None = None,
    target: Items | None = None,
    holes: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """The page. Of many or large items, some that are evenly apart are looked at.

    document: of the model's file. labels: for an autoencoder, (N,). noise, target: for a denoiser, and holes: for an
    imputer, as of `narrows evaluate`. progress: called with steps done and steps in all.
    """
    if target is not None:
        check_alike(items, target)
    most = (CODEC_ITEMS, CODEC_VALUES) if isinstance(model, Codec) else (MOST_ITEMS, MOST_VALUES)
    chosen = evenly_spaced(len(items), max(3, min(most[0], most[1] // max(1, items.values.size // len(items)))))
    some = items.select(chosen)
    if some.names is None and some.spatial_dims:
        some = replace(some, names=[f"item {index}" for index in chosen])
    right = None if target is None else target.select(chosen)
    steps: list[Step] = [lambda: [network_section(model)], lambda: [training_section(model, document)]]
    if isinstance(model, Autoencoder):
        steps += report_autoencoder.steps(model, some, None if labels is None else labels[chosen])
    elif isinstance(model, Codec):
        steps += report_codec.steps(model, some)
    elif isinstance(model, Denoiser):
        steps += report_restoring.denoiser_steps(model, some, noise, right)
    elif items.spatial_dims:
        steps += report_restoring.imputer_steps(model, some, holes)
    else:
        steps += report_tables.imputer_steps(model, some, holes)
    sections: list[Section] = []
    for done, step in enumerate(steps):
        if progress is not None:
            progress(done, len(steps))
        sections += step()
    all_of_them = f"all {len(items):,} items were" if len(items) > 1 else "the one item was"
    looked_at = all_of_them if len(some) == len(items) else f"{len(some):,} of {len(items):,} items, evenly apart, were"
    article = "An" if model.tool[0] in "aei" else "A"
    lead = f"{article} {model.tool}, and what it makes of {items.source}: {looked_at} looked at."
    lead += " The model learnt from these very data: of others it may make less." * (
        items.source == document["training"]["data"]
    )
    lead += " Of each volume the middle slice is shown." * (items.spatial_dims == 3)
    return (
        environment("narrows.report")
        .get_template("report.html")
        .render(
            title=f"Report: {model.tool} for {document['training']['data']}",
            lead=lead,
            facts=Facts(describe_model(document)),
            sections=sections,
            version=__version__,
        )
    )


def network_section(model: Tool) -> Section:
    """The diagram of the network, with the shape of each stage."""
    network = model.coder_.network if isinstance(model, Codec) else model.network_
    shown = stages(network)
    says = "From top to bottom, what an item is turned into; the width says how many numbers it is. "
    if isinstance(model, (Autoencoder, Codec)):
        says += "The narrow place, in orange, is the code: all that the decoder below it gets to see."
    elif any(stage.skips_from is not None for stage in shown):
        says += "The lines at the right are skip connections, past the narrow place: nothing needs to be squeezed here."
    blocks: list[Any] = [Plot(plots.network_diagram(shown), "diagram of the network", says)]
    if isinstance(model, Codec):
        blocks[:0] = [
            "A codec has two ways to a file, and takes the smaller one. The pixel path codes the values themselves, "
            "from coarse to fine: a small network says how likely each value is, seen from those already known around "
            "it.",
            Plot(
                plots.network_diagram(context_stages(model.coder_.pixels["lossless"])),
                "diagram of the pixel path",
                "From top to bottom, what the finest and most frequent values are told from. It reckons in whole "
                "numbers, so that all machines agree on what is likely. Likely values take few bits.",
            ),
            "The latent path codes a quantised code of the item instead:",
        ]
    return Section("The network", blocks)


def training_section(model: Tool, document: dict[str, Any]) -> Section:
    """How the loss fell."""
    training = document["training"]
    loss, baseline = loss_in_words(model, training)
    history = training["history"]
    if isinstance(model, Imputer) and model.columns_ is not None:
        # What its training makes small is of another kind than what is measured on held-out rows.
        history = {name: values for name, values in history.items() if name != "loss"}
    held_out, seconds = training["held_out_loss"], training["seconds"]
    took = f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}"
    says = f"In {took} seconds the lowest held-out loss was {held_out:.4g}; the weights that had it were kept. "
    if isinstance(model, Codec):
        says += "Training turns from task to task, each with a loss of its own, so the dashed line may jump. "
    says += "Where the solid line still falls at its end, longer training would help"
    says += "; where it rises while the dashed one falls, the network learns its items by heart." * ("loss" in history)
    says += "." * ("loss" not in history)
    level = training.get("mean_loss")
    line = None if level is None else (baseline, level)
    return Section("Training", [Plot(plots.loss_curves(history, loss, line), "loss over time", says)])


def loss_in_words(model: Tool, training: dict[str, Any]) -> tuple[str, str]:
    """The unit of the loss, and what is as good without learning."""
    names = {"mse": "mean squared error", "mae": "mean absolute error", "bce": "binary cross-entropy"}
    if isinstance(model, Autoencoder):
        return f"{names[training['loss']]} (scaled units)", "mean of the data"
    if isinstance(model, Codec):
        return "loss (bits, and errors for lossy paths)", "before learning"
    if not model.item_axes_.strip("NCF"):
        return "loss (negative log-likelihood of cells)", "mean and most frequent"
    if training.get("within") is None:
        return "surprise of noisy values (nats)", "one distribution for all"
    return "mean squared error (scaled units)", "mean of the data"
