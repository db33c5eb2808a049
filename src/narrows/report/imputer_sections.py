"""Report sections of imputers, for tables and for other items."""

from dataclasses import replace

import numpy as np

from narrows.data import Items
from narrows.evaluation import evaluate
from narrows.evaluation.restoration_evaluation import as_floats
from narrows.models.imputer_model import ImputerModel
from narrows.models.item_checks import missing_mask
from narrows.render.blocks import Section
from narrows.report.model_sections import network_section, training_section
from narrows.report.report_context import ReportContext, ToolReport
from narrows.report.restoration_section import RestoredItems, restoration_section
from narrows.report.table_sections import filled_cells_sections, table_metrics_section


def sections(context: ReportContext) -> ToolReport:
    """Return the sections of an imputer's report."""
    context = context.sample()
    model, items, holes = context.model, context.items, context.holes
    if model.is_table:
        loss = "loss (negative log-likelihood of cells)"
        return ToolReport(
            context,
            [
                lambda: [network_section(model.network)],
                # The training loss of tables is another quantity than what is measured on held-out rows.
                lambda: [training_section(model.training, loss, "mean and most frequent", with_training=False)],
                lambda: [table_metrics_section(model, items, holes)],
                lambda: filled_cells_sections(model, items, holes),
            ],
        )
    return ToolReport(
        context,
        [
            lambda: [network_section(model.network)],
            lambda: [training_section(model.training, "mean squared error (scaled units)")],
            lambda: [Section("Metrics", evaluate(model, items, holes=holes).summaries())],
            lambda: [filled_section(model, items, holes)],
        ],
    )


def filled_section(model: ImputerModel, items: Items, holes: str | None) -> Section:
    """Return items with hidden values, filled, and as they were."""
    original = as_floats(model.check(items))
    hidden = model.hide(original, holes)
    mask = missing_mask(hidden)
    corrupted = replace(hidden, values=np.where(mask, np.nan, hidden.values.astype(np.float32)), mask=None)
    restored = RestoredItems(
        corrupted=corrupted,
        restored=model.fill(hidden),
        true=original,
        deviations=model.predictive_std(hidden),
        chosen=replace(hidden, values=mask, mask=None),
        labels=("hidden", "filled", "original"),
    )
    return restoration_section(restored, model.scaling)
