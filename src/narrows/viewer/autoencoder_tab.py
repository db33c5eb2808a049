"""The tab of autoencoders: an item, its code and its reconstruction, with sliders for the code."""

import math
from typing import Any, ClassVar

import numpy as np

from narrows.render.blocks import Card
from narrows.render.item_renderer import ItemRenderer
from narrows.render.style import DIFFERENCE_COLOURS
from narrows.viewer.session import Session
from narrows.viewer.tab import Page, Tab, card_html

MAX_SLIDERS = 12
SLIDER_ENDS = (1, 99)  # percentiles of a number of the code


class AutoencoderTab(Tab):
    """Original, code, reconstruction and error; sliders change the numbers of the code that vary the most.

    Parameters
    ----------
    session : Session
        The items.
    model : AutoencoderModel
        The model.
    """

    title: ClassVar[str] = "Encode"

    def __init__(self, session: Session, model: Any) -> None:
        super().__init__(session, model)
        self.units: list[int] = []
        self.ranges: dict[int, tuple[float, float, float]] = {}
        sample = session.sample
        if sample.uniform:
            codes = np.asarray(model.encode(sample))
            size = math.prod(self._code_shape(sample.item_shape))  # positions of maxima may follow
            self.units = np.argsort(-codes[:, :size].std(axis=0), kind="stable")[:MAX_SLIDERS].tolist()
            low, high = np.percentile(codes, SLIDER_ENDS, axis=0)
            self.ranges = {unit: slider_range(low[unit], high[unit]) for unit in self.units}

    def build(self, page: Page) -> None:
        """Add the controls and outputs of the tab to the page."""
        from narrows.viewer.widgets import gr, slider

        output, code = gr.HTML(elem_id="reconstruction"), gr.State()
        sliders = []
        if not self.units:
            gr.Markdown("Items of different sizes have codes of different sizes: there are no sliders.")
        else:
            gr.Markdown(
                f"The {len(self.units)} numbers of the code that vary the most. Move them to see what they change."
            )
            with gr.Row():
                for unit in self.units:
                    low, high, step = self.ranges[unit]
                    look: dict[str, Any] = {"min_width": 200, "elem_classes": "unit", "buttons": []}
                    sliders.append(slider(low, high, low, step, f"number {unit}", **look))
        reset = gr.Button("Back to the item's own code", size="sm", visible=bool(sliders))

        def encode(item: np.ndarray) -> list[Any]:
            own = self.code(item)
            fits = own.shape == self.code(self.session.item(0)).shape
            values = [slider_value(own[unit], *self.ranges[unit]) if fits else gr.skip() for unit in self.units]
            return [card_html(self.card(item, own)), own, *values]

        def decode(item: np.ndarray, code: np.ndarray, *values: float) -> Any:
            changed = code.copy()
            if len(changed) > max(self.units):
                changed[self.units] = values
            return card_html(self.card(item, changed))

        for event in (page.app.load, page.item.change, reset.click):
            outputs = [page.note, output, code, *sliders]
            event(page.guarded(encode, 2 + len(sliders)), page.item, outputs, show_progress="hidden")
        for each in sliders:
            each.input(
                decode,
                [page.item, code, *sliders],
                output,
                show_progress="hidden",
                trigger_mode="always_last",
                queue=True,
            )

    def code(self, item: np.ndarray) -> np.ndarray:
        """Return the code of an item, (K,)."""
        codes: np.ndarray = np.asarray(self.model.encode(self.session.items(item)))
        return np.asarray(codes[0])

    def card(self, item: np.ndarray, code: np.ndarray | None = None) -> Card:
        """Return an item, its code or another one, what the decoder makes of it, and the error."""
        renderer, scaling = self.session.renderer, self.session.scaling
        code = self.code(item) if code is None else code
        decoded = self.model.decode_scaled(code[None], item.shape[: self.session.spatial_dims])[0]
        error = decoded - scaling.forward(item)
        limit = max(float(np.abs(error).max()), 1e-6)
        reconstruction = decoded * renderer.span + renderer.low if scaling.is_range else scaling.inverse(decoded)
        images = [
            ("original", renderer.image(item)),
            (f"code: {len(code):,} numbers", self.code_image(code, item)),
            ("reconstruction", renderer.image(reconstruction)),
            (f"error, up to {limit:.2g}", renderer.colour_map(error, -limit, limit, DIFFERENCE_COLOURS)),
        ]
        return Card(f"mean squared error {np.mean(error.astype(np.float64) ** 2):.5f}", images)

    def code_image(self, code: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Return the numbers of a code in colours for negative and positive; the channels of a grid side by side."""
        shape = self._code_shape(item.shape)
        numbers = code[: math.prod(shape)]
        limit = max(float(np.abs(numbers).max()), 1e-9)
        if len(shape) == 3:
            channels = numbers.reshape(*shape[1:], shape[0]).transpose(2, 0, 1)
            sheet = tile_images(np.pad(channels, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan))[:-1, :-1]
        else:
            sheet = tile_images(numbers[:, None, None])
        return ItemRenderer("NYX", 0.0, 1.0).colour_map(sheet, -limit, limit, DIFFERENCE_COLOURS)

    def _code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape (channels, *grid) or (K,) of the code of an item of a shape."""
        return tuple(self.model.network.code_shapes(tuple(shape[: self.session.spatial_dims]))[0])


def tile_images(tiles: np.ndarray) -> np.ndarray:
    """Return tiles (n, Y, X) arranged in about a square, filled up with NaN."""
    across = math.ceil(math.sqrt(len(tiles)))
    down = -(-len(tiles) // across)
    height, width = tiles.shape[1:]
    full = np.pad(tiles, ((0, down * across - len(tiles)), (0, 0), (0, 0)), constant_values=np.nan)
    return full.reshape(down, across, height, width).swapaxes(1, 2).reshape(down * height, across * width)


def slider_range(low: float, high: float) -> tuple[float, float, float]:
    """Return round ends just beyond `low` and `high`, and a power of ten as the step, 20 to 200 of them."""
    digits = math.floor(math.log10(max(high - low, 1e-3) / 20))
    step = 10.0**digits
    return round(math.floor(low / step) * step, -digits), round((math.floor(high / step) + 1) * step, -digits), step


def slider_value(value: float, low: float, high: float, step: float) -> float:
    """Return the nearest value that a slider can take."""
    return round(low + round((min(max(value, low), high) - low) / step) * step, 9)
