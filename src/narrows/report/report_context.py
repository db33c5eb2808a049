"""What the sections of a report are made of: a model and items."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from narrows.data import Items
from narrows.render.blocks import Section
from narrows.render.item_renderer import evenly_spaced

Step = Callable[[], Iterable[Section]]
"""Makes one or more sections; between steps, progress is reported."""


@dataclass(frozen=True)
class ReportContext:
    """A model, the items that it is tried on, and options.

    Parameters
    ----------
    model : TrainedModel
        A model of any tool.
    items : Items
        Items that fit the model.
    labels : ndarray of shape (N,), optional
        For autoencoders: classes of the items.
    noise : str, optional
        For denoisers: the noise to add; by default that of training.
    target : Items, optional
        For denoisers: the clean items.
    holes : str, optional
        For imputers: what to hide; by default as in training.
    """

    model: Any
    items: Items
    labels: np.ndarray | None = None
    noise: str | None = None
    target: Items | None = None
    holes: str | None = None

    def sample(self, max_items: int = 2000, max_values: int = 2**25) -> Self:
        """Return the context with some evenly spaced items, so that a report takes minutes at most."""
        items = self.items
        size = max(1, items.values.size // len(items))
        chosen = evenly_spaced(len(items), max(3, min(max_items, max_values // size)))
        some = items.select(chosen)
        if some.names is None and some.spatial_dims:
            some = replace(some, names=[f"item {index}" for index in chosen])
        return replace(
            self,
            items=some,
            labels=None if self.labels is None else self.labels[chosen],
            target=None if self.target is None else self.target.select(chosen),
        )


@dataclass(frozen=True)
class ToolReport:
    """What a tool adds to a report: the result of the function that `narrows.registry.ToolSpec.report` names.

    Parameters
    ----------
    context : ReportContext
        The sample of items that is looked at.
    steps : sequence of callable
        Make the sections, in their order.

    Examples
    --------
    >>> def sections(context: ReportContext) -> ToolReport:
    ...     sample = context.sample(max_items=10)
    ...     return ToolReport(sample, [lambda: [Section("Items", [f"{len(sample.items)} items"])]])
    >>> from narrows import data
    >>> report = sections(ReportContext(None, data.read("digits")))
    >>> [section.blocks for step in report.steps for section in step()]
    [['10 items']]
    """

    context: ReportContext
    steps: Sequence[Step]
