"""The interface of the viewer's tabs, and what Gradio needs around them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from narrows.errors import NarrowsError
from narrows.render.blocks import Card, Cards
from narrows.render.html import block_html
from narrows.viewer.session import Session


class Tab(ABC):
    """A tab of the viewer: what one model does with the chosen item.

    A tool names its tab in `narrows.registry.ToolSpec.viewer`. The viewer creates one tab for each model that it
    shows, and then calls `build`.

    Parameters
    ----------
    session : Session
        The items, and how they are drawn.
    model : TrainedModel
        The trained model of the tool.
    """

    title: ClassVar[str]
    """The name of the tab, such as "Denoise"."""

    def __init__(self, session: Session, model: Any) -> None:
        self.session, self.model = session, model

    @abstractmethod
    def build(self, page: "Page") -> None:
        """Add the controls and outputs of the tab to the page.

        Parameters
        ----------
        page : Page
            The page, inside of this tab. `Page.update` connects outputs with the item and the controls.
        """

    def mean_squared_error(self, item: np.ndarray, other: np.ndarray) -> float:
        """Return the mean squared error between two items in scaled units."""
        scaling = self.session.scaling
        error = scaling.forward(other) - scaling.forward(item.astype(other.dtype))
        return float((error.astype(np.float64) ** 2).mean())


@dataclass(frozen=True)
class Page:
    """The page that is being built.

    Parameters
    ----------
    app : gradio.Blocks
        The page.
    item : gradio.State
        The chosen item, an array (*S) or (*S, C).
    note : gradio.HTML
        Where errors are shown.
    """

    app: Any
    item: Any
    note: Any

    def update(self, output: Any, compute: Callable[..., str], controls: list[Any]) -> None:
        """Show what `compute` returns, now and whenever the item or a control changes.

        Parameters
        ----------
        output : gradio.HTML
            Where the result is shown.
        compute : callable
            ``compute(item, *values) -> str``, with a value for each control. A NarrowsError becomes a note.
        controls : list of gradio components
            Such as sliders.
        """
        for event in (self.app.load, self.item.change, *(control.input for control in controls)):
            event(
                self.guarded(lambda *values: [compute(*values)], 1),
                [self.item, *controls],
                [self.note, output],
                show_progress="hidden",
                trigger_mode="always_last" if event != self.app.load else None,
            )

    @staticmethod
    def guarded(compute: Callable[..., list[Any]], n_outputs: int) -> Callable[..., list[Any]]:
        """Return a function with one more output, before the others: a note on what is wrong where `compute` fails."""
        from narrows.viewer.widgets import gr, warning

        def guarded(*values: Any) -> list[Any]:
            try:
                return [gr.skip(), *compute(*values)]
            except (NarrowsError, ValueError) as error:
                return [warning(str(error)), *[gr.skip()] * n_outputs]

        return guarded


def card_html(card: Card) -> str:
    """Return the HTML of a card."""
    return str(block_html(Cards([card])))
