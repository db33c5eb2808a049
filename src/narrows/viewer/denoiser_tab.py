"""The tab of denoisers: an item with noise, and denoised."""

from typing import ClassVar

import numpy as np

from narrows.evaluation.restoration_evaluation import as_floats
from narrows.render.blocks import Card
from narrows.render.style import STD_COLOURS
from narrows.viewer.tab import Page, Tab, card_html


class DenoiserTab(Tab):
    """An item with Gaussian noise, and denoised."""

    title: ClassVar[str] = "Denoise"

    def build(self, page: Page) -> None:
        """Add the controls and outputs of the tab to the page."""
        from narrows.viewer.widgets import gr, slider

        strength = slider(0, 1, 0.5, 0.05, "noise to add (1 is the whole range)", elem_id="strength")
        output = gr.HTML(elem_id="denoised")
        page.update(output, lambda item, strength: card_html(self.card(item, strength)), [strength])

    def card(self, item: np.ndarray, strength: float) -> Card:
        """Return an item with Gaussian noise of a standard deviation, and denoised."""
        clean, renderer = as_floats(self.session.items(item)), self.session.renderer
        noisy = self.model.add_noise(clean, f"gaussian:{strength:g}", seed=0) if strength > 0 else clean
        denoised, std = self.model.denoise(noisy)[0], self.model.predictive_std(noisy)[0] / renderer.span
        highest = max(float(std.max()), 1e-6)
        images = [
            ("original", renderer.image(item)),
            ("with noise", renderer.image(noisy[0])),
            ("denoised", renderer.image(denoised)),
            (f"predictive standard deviation, up to {highest:.2g}", renderer.colour_map(std, 0, highest, STD_COLOURS)),
        ]
        before, after = (self.mean_squared_error(item, other) for other in (noisy[0], denoised))
        return Card(f"mean squared error {before:.5f} before, {after:.5f} after", images)
