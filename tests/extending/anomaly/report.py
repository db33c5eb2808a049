"""The sections of `narrows report`."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from anomaly.evaluation import evaluate
from narrows.render.blocks import Plot, Section
from narrows.report.model_sections import training_section
from narrows.report.report_context import ReportContext, ToolReport


def sections(context: ReportContext) -> ToolReport:
    """Return the steps of the report; each makes one or more sections."""
    sample = context.sample()

    def errors() -> Iterator[Section]:
        figure = Figure(figsize=(5, 3))
        axes = figure.subplots()
        axes.hist(sample.model.score(sample.items), bins=30)
        axes.axvline(sample.model.manifest.threshold, color="C1")
        caption = "Items right of the line are anomalies."
        figures = evaluate(sample.model, sample.items).summary()
        yield Section("Anomalies", [figures, Plot(figure, "histogram of reconstruction errors", caption)])

    return ToolReport(sample, [errors, lambda: [training_section(sample.model.training, "mean squared error")]])
