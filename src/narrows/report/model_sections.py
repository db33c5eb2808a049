"""Sections that reports of all tools have: the network and its training."""

from collections.abc import Sequence

from torch import nn

from narrows.artifacts.manifest import TrainingRecord
from narrows.render import plots
from narrows.render.blocks import Block, Plot, Section
from narrows.render.diagram import stages


def network_section(network: nn.Module, before: Sequence[Block] = ()) -> Section:
    """Return the diagram of a network, below other blocks."""
    shown = stages(network)
    caption = "From top to bottom, the stages of the network; the width is the number of values. "
    if any(stage.is_code for stage in shown):
        caption += "The bottleneck, in orange, is the code: everything that the decoder below it receives."
    elif any(stage.skips_from is not None for stage in shown):
        caption += "The lines at the right are skip connections, so that details need not pass the coarsest stage."
    return Section("The network", [*before, Plot(plots.network_diagram(shown), "network", caption.strip())])


def training_section(
    training: TrainingRecord, loss: str, baseline: str = "mean of the data", note: str = "", with_training: bool = True
) -> Section:
    """Return the loss curves.

    Parameters
    ----------
    training : TrainingRecord
        The history of the training.
    loss : str
        Name and unit of the loss.
    baseline : str
        Name of the baseline.
    note : str
        A sentence of the tool.
    with_training : bool
        Whether to show the loss on training items; not where it is another quantity than that on held-out items.
    """
    history = dict(training.history)
    if not with_training:
        history.pop("loss", None)
    seconds = f"{training.seconds:,.0f}" if training.seconds >= 10 else f"{training.seconds:.1f}"
    advice = "Where the solid line still falls at its end, longer training would help"
    if "loss" in history:
        advice += "; where it rises while the dashed one falls, the network overfits"
    caption = (
        f"The lowest held-out loss within {seconds} seconds was {training.held_out_loss:.4g}; its weights were kept. "
        f"{note} {advice}."
    )
    figure = plots.loss_curves(history, loss, (baseline, training.mean_loss))
    return Section("Training", [Plot(figure, "loss over time", " ".join(caption.split()))])
