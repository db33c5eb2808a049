"""The tab of `narrows view`."""

from typing import ClassVar

import gradio
import numpy as np

from narrows.viewer.tab import Page, Tab


class AnomalyTab(Tab):
    """The reconstruction error of the chosen item."""

    title: ClassVar[str] = "Anomaly"

    def build(self, page: Page) -> None:
        """Add the output, which follows the chosen item."""
        output = gradio.HTML()

        def describe(item: np.ndarray) -> str:
            error = float(self.model.score(self.session.items(item))[0])
            return f"<p>error {error:.4f}, anomalies from {self.model.manifest.threshold:.4f}</p>"

        page.update(output, describe, [])
