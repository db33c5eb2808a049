"""Loss curves and thumbnails on a terminal that can show them; nothing anywhere else."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from narrows.data import Items
from narrows.render.item_renderer import ItemRenderer, evenly_spaced

if TYPE_CHECKING:
    from narrows.models import TrainedModel

PLOT_SIZE = (56, 8)  # characters of the loss curve
THUMBNAIL_SIDE = 20  # pixels, at most; two rows of pixels are one line of text
MAX_THUMBNAILS = 6
MAX_VALUES = 2**18  # of an item of which thumbnails are made
BRAILLE_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille character, row by row


def terminal() -> Console | None:
    """Return the terminal on standard output; None if there is none, or it shows no more than plain text."""
    console = Console()
    if not console.is_terminal or console.is_dumb_terminal or not (console.encoding or "").startswith("utf"):
        return None
    return console


def show_history(history: Mapping[str, Sequence[float]]) -> None:
    """Show the held-out loss over the time of training."""
    console = terminal()
    if console is not None and len(history["seconds"]) > 1:
        console.print()
        console.print(loss_plot(history["seconds"], history["held_out"]), style="cyan", highlight=False)


def show_preview(model: "TrainedModel", items: Items, **options: Any) -> None:
    """Show what a model does with a few items as thumbnails; see `TrainedModel.preview` for the options."""
    console = terminal()
    if console is None or console.color_system is None or items.spatial_dims < 2:
        return
    count = max(1, min(MAX_THUMBNAILS, (console.width - 17) // (THUMBNAIL_SIDE + 1)))
    chosen = evenly_spaced(len(items), count)
    if max(items[index].size for index in chosen) > MAX_VALUES:
        return
    rows = model.preview(
        items.select(chosen),
        **{name: value.select(chosen) if isinstance(value, Items) else value for name, value in options.items()},
    )
    renderer = ItemRenderer.for_items(items.select(chosen), model.scaling)
    console.print()
    for label, row in rows.items():
        console.print(thumbnails(label, [renderer.image(item) for item in with_nan(row)]))


def loss_plot(seconds: Sequence[float], losses: Sequence[float]) -> str:
    """Return losses over time as text, with their range at the left; on a logarithmic axis if all are above 0."""
    width, height = PLOT_SIZE
    values = np.array(losses, float)
    finite = np.isfinite(values)
    if finite.sum() < 2:
        return ""
    scale = np.log if values[finite].min() > 0 else np.asarray
    times = np.linspace(0, seconds[-1], 2 * width)
    levels = np.interp(times, np.array(seconds)[finite], scale(values[finite]))
    low, high = levels.min(), levels.max()
    rows = np.rint((high - levels) / ((high - low) or 1) * (4 * height - 1)).astype(int)
    cells = np.zeros((height, width), int)
    for column, row in enumerate(rows):
        before = rows[max(0, column - 1)]
        for each in range(min(row, before + (row > before)), max(row, before - (row < before)) + 1):
            cells[each // 4, column // 2] |= BRAILLE_DOTS[each % 4][column % 2]
    labels = {0: f"{values[finite].max():.3g}", height - 1: f"{values[finite].min():.3g}", height // 2: "held out"}
    lines = [
        f"{labels.get(row, ''):>9} ┤" + "".join(chr(0x2800 + cell) for cell in line) for row, line in enumerate(cells)
    ]
    end = f"{seconds[-1]:.0f} s"
    return "\n".join([*lines, f"{'':>9} └{'─' * width}", f"{'':>11}0 s{end:>{width - 3}}"])


def thumbnails(label: str, images: Sequence[np.ndarray]) -> Text:
    """Return images side by side, two rows of pixels in a line of text."""
    text = Text()
    small = [shrink(image) for image in images]
    for top in range(0, max(len(image) for image in small), 2):
        text.append(f"{label if top == 0 else '':16} ")
        for image in small:
            for column in range(image.shape[1]):
                pair = [Color.from_rgb(*map(float, pixel)) for pixel in image[top : top + 2, column]]
                upper, lower = [*pair, None, None][:2]
                text.append("▀" if upper else " ", Style(color=upper, bgcolor=lower))
            text.append(" ")
        text.append("\n")
    text.rstrip()
    return text


def shrink(image: np.ndarray) -> np.ndarray:
    """Return an image as at most 20 x 20 pixels, (Y, X, 3); a small one magnified by a whole number."""
    height, width = image.shape[:2]
    factor = THUMBNAIL_SIDE / max(height, width)
    factor = math.floor(factor) if factor > 1 else factor
    size = max(1, math.floor(width * factor)), max(1, math.floor(height * factor))
    return np.asarray(Image.fromarray(image).convert("RGB").resize(size, Image.Resampling.BOX))


def with_nan(items: Items) -> list[np.ndarray]:
    """Return the items with NaN where values are masked."""
    if items.mask is None:
        return list(items)
    pairs = zip(items, items.mask_items(), strict=True)
    return [np.where(mask, np.nan, item.astype(np.float32)) for item, mask in pairs]
