"""The tab of imputers: an item with a painted mask, and filled."""

import zlib
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from narrows.errors import DataError
from narrows.evaluation.restoration_evaluation import as_floats
from narrows.render.blocks import Card
from narrows.render.html import png_uri
from narrows.render.item_renderer import MASK_COLOUR
from narrows.render.style import STD_COLOURS
from narrows.viewer.tab import Page, Tab, card_html


class ImputerTab(Tab):
    """An item with values hidden by painting or at random, and filled."""

    title: ClassVar[str] = "Fill"

    def build(self, page: Page) -> None:
        """Add the controls and outputs of the tab to the page."""
        from narrows.viewer.widgets import drawing_pad, gr, read_strokes, slider

        share = slider(0, 0.95, 0, 0.05, "share of the values to hide", elem_id="share")
        controls = [share]
        with gr.Row():
            if self.session.has_images:
                with gr.Column(scale=1, min_width=220):
                    gr.Markdown("Paint over the values to hide.")
                    pad = drawing_pad("hole", self.session.shape, soft=False, brush=0.07, colour=MASK_COLOUR)
                    controls.append(pad)
            with gr.Column(scale=2, min_width=260):
                output = gr.HTML(elem_id="filled")

        def show_below(item: np.ndarray) -> Any:
            over = png_uri(self.session.renderer.image(item))
            return gr.update(width=item.shape[1], height=item.shape[0], over=over, item=checksum(item))

        if self.session.has_images:
            for event in (page.app.load, page.item.change):
                event(show_below, page.item, pad, show_progress="hidden")

        def fill(item: np.ndarray, share: float, text: str = "") -> str:
            strokes = read_strokes(text, checksum(item))
            return card_html(self.card(item, None if strokes is None else strokes >= 0.5, share))

        page.update(output, fill, controls)

    def card(self, item: np.ndarray, painted: np.ndarray | None, share: float) -> Card:
        """Return an item with values hidden where they are painted, (Y, X), and at random, and filled."""
        session, renderer = self.session, self.session.renderer
        original = self.model.check(as_floats(session.items(item)))
        hidden = self.model.hide(original, f"pixels:{share:g}", seed=0) if share > 0 else original
        mask = np.zeros(original.values.shape, bool) if hidden.mask is None else hidden.mask.copy()
        if painted is not None and painted.shape == item.shape[:2]:
            mask[0] |= painted[..., None] if session.axes.endswith("C") else painted
        if not mask.any():
            title = "nothing is hidden yet: paint over values, or hide a share of them"
            return Card(title, [("original", renderer.image(item))])
        if mask.all():
            raise DataError("all values are hidden: leave some of them")
        corrupted = replace(original, mask=mask)
        filled, std = self.model.fill(corrupted)[0], self.model.predictive_std(corrupted)[0] / renderer.span
        highest = max(float(std.max()), 1e-6)
        images = [
            ("hidden", renderer.image(np.where(mask[0], np.nan, original[0]))),
            ("filled", renderer.image(filled)),
            ("original", renderer.image(item)),
            (f"predictive standard deviation, up to {highest:.2g}", renderer.colour_map(std, 0, highest, STD_COLOURS)),
        ]
        error = (session.scaling.forward(filled) - session.scaling.forward(original[0]))[mask[0]].astype(np.float64)
        return Card(f"{mask.mean():.0%} hidden; mean squared error there {(error**2).mean():.5f}", images)


def checksum(item: np.ndarray) -> int:
    """Return a number that identifies an item, so that a mask is not applied to another one."""
    return zlib.crc32(item.tobytes())
