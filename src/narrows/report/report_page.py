"""The report behind `narrows report`: a model and what it does with items, as one HTML file."""

from collections.abc import Callable

from narrows import __version__
from narrows.registry import resolve, tools
from narrows.render.blocks import Facts, Section
from narrows.render.html import environment
from narrows.report.report_context import ReportContext, ToolReport


def render_report(context: ReportContext, progress: Callable[[int, int], None] | None = None) -> str:
    """Return the page. Of many or large items, an evenly spaced sample is looked at.

    Parameters
    ----------
    context : ReportContext
        The model, the items and options.
    progress : callable, optional
        Called with the number of finished steps and of all steps.

    Raises
    ------
    DataError
        If the items do not fit the model.
    """
    model = context.model
    reference = tools()[model.tool].report
    assert reference is not None
    report: ToolReport = resolve(reference)(context)
    sections: list[Section] = []
    for done, step in enumerate(report.steps):
        if progress is not None:
            progress(done, len(report.steps))
        sections += step()
    return (
        environment("narrows.report")
        .get_template("report.html")
        .render(
            title=f"Report: {model.tool} for {model.training.data}",
            lead=" ".join(lead_sentences(context, len(report.context.items))),
            facts=Facts(model.describe()),
            sections=sections,
            version=__version__,
        )
    )


def lead_sentences(context: ReportContext, n_sampled: int) -> list[str]:
    """Return what the page shows, in words."""
    model, items = context.model, context.items
    article, n_items = "An" if model.tool[0] in "aei" else "A", len(items)
    if n_items == 1:
        sample = "one item was looked at"
    elif n_sampled == n_items:
        sample = f"all {n_items:,} items were looked at"
    else:
        sample = f"{n_sampled:,} of {n_items:,} items, evenly spaced, were looked at"
    sentences = [f"{article} {model.tool}, and what it does with {items.source}: {sample}."]
    if items.source == model.training.data:
        sentences.append("The model was trained on these very data: expect it to do worse on others.")
    if items.spatial_dims == 3:
        sentences.append("Of each volume the middle slice is shown.")
    return sentences
