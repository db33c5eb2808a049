"""The tab of codecs: an item compressed at a quality, beside other image codecs."""

import io
from typing import ClassVar

import numpy as np

from narrows.codec.container.mode import Mode
from narrows.evaluation.metrics import psnr_of_range
from narrows.evaluation.peers import ImagePeer, peers
from narrows.render.blocks import Card
from narrows.viewer.tab import Page, Tab, card_html


class CodecTab(Tab):
    """An item compressed at a quality, beside the files of peers of the same size."""

    title: ClassVar[str] = "Compress"

    def build(self, page: Page) -> None:
        """Add the controls and outputs of the tab to the page."""
        from narrows.viewer.widgets import gr, slider

        quality = slider(1, 100, 50, 1, "quality", elem_id="quality")
        output = gr.HTML(elem_id="compressed")
        gr.Markdown(
            "Each item is compressed into a file of its own. WebP and JPEG have the highest quality that takes no more "
            "bytes, or their lowest."
        )
        page.update(output, lambda item, quality: card_html(self.card(item, quality)), [quality])

    def card(self, item: np.ndarray, quality: float) -> Card:
        """Return an item after compression, beside peers with as many bytes if they can hold it."""
        content = io.BytesIO()
        self.model.compress(self.session.items(item), Mode("quality", quality), content)
        size, renderer = len(content.getvalue()), self.session.renderer
        decoded = self.model.decompress(content.getvalue())[0]
        images = [("original", renderer.image(item)), self._labelled("narrows", size, item, decoded)]
        plain = item[..., 0] if self.session.axes.endswith("C") and item.shape[-1] == 1 else item
        if self.session.has_images and item.dtype == np.uint8 and (plain.ndim == 2 or plain.shape[-1] == 3):
            for name, peer in peers(ImagePeer).items():
                if peer.lossy and peer.interactive:
                    file = peer.best_within(plain, size)
                    images.append(self._labelled(name, len(file), plain, peer.decode(file, plain.shape)))
        return Card(f"{size:,} bytes for {item.nbytes:,}", images)

    def _labelled(self, name: str, size: int, item: np.ndarray, decoded: np.ndarray) -> tuple[str, np.ndarray]:
        renderer = self.session.renderer
        psnr = psnr_of_range([item], [decoded], renderer.span)
        fidelity = "lossless" if psnr is None else f"{psnr:.1f} dB"
        return f"{name}: {size:,} bytes, {fidelity}", renderer.image(decoded)
