"""Small plots and pictures on a terminal that can show them; nothing anywhere else."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from narrows.data import Items
from narrows.render.item_renderer import ItemRenderer, evenly_spaced

if TYPE_CHECKING:
    from narrows.estimators.base import Tool

PLOT = (56, 8)  # characters of the loss over time
THUMBNAIL = 20  # characters of a picture's longer side, at most
LARGEST = 2**18  # values of an item of which thumbnails are made
QUALITY = 30  # at which a codec is shown
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille character, row by row


def terminal() -> Console | None:
    """The terminal on standard output; None where there is none, or it shows no more than plain text."""
    console = Console()
    if not console.is_terminal or console.is_dumb_terminal or not (console.encoding or "").startswith("utf"):
        return None
    return console


def show_history(history: Mapping[str, Sequence[float]]) -> None:
    """The held-out loss over the time of training."""
    console = terminal()
    if console is not None and len(history["seconds"]) > 1:
        console.print()
        console.print(loss_plot(history["seconds"], history["held_out"]), style="cyan", highlight=False)


def show_glimpse(model: "Tool", items: Items, **options: Any) -> None:
    """What the model makes of a few items, as thumbnails. options: as of `glimpse`."""
    console = terminal()
    if console is None or console.color_system is None or items.spatial_dims < 2:
        return
    if max(items[index].size for index in evenly_spaced(len(items), 8)) > LARGEST:
        return
    console.print()
    across = max(1, min(6, (console.width - 11) // (THUMBNAIL + 1)))
    for label, pictures in glimpse(model, items, evenly_spaced(len(items), across), **options).items():
        console.print(thumbnails(label, pictures))


def loss_plot(seconds: Sequence[float], losses: Sequence[float]) -> str:
    """Losses over time in braille, with their range at the left; on a logarithmic axis where all are above 0."""
    width, height = PLOT
    values = np.array(losses, float)
    known = np.isfinite(values)
    if known.sum() < 2:
        return ""
    scale = np.log if values[known].min() > 0 else np.asarray
    times = np.linspace(0, seconds[-1], 2 * width)
    levels = np.interp(times, np.array(seconds)[known], scale(values[known]))
    low, high = levels.min(), levels.max()
    rows = np.rint((high - levels) / ((high - low) or 1) * (4 * height - 1)).astype(int)
    cells = np.zeros((height, width), int)
    for column, row in enumerate(rows):
        before = rows[max(0, column - 1)]
        for each in range(min(row, before + (row > before)), max(row, before - (row < before)) + 1):
            cells[each // 4, column // 2] |= DOTS[each % 4][column % 2]
    first, last = (f"{value:.3g}" for value in (values[known].max(), values[known].min()))
    names = {0: first, height - 1: last, height // 2: "held out"}
    lines = [
        f"{names.get(row, ''):>9} ┤" + "".join(chr(0x2800 + cell) for cell in line) for row, line in enumerate(cells)
    ]
    end = f"{seconds[-1]:.0f} s"
    return "\n".join([*lines, f"{'':>9} └{'─' * width}", f"{'':>11}0 s{end:>{width - 3}}"])


def thumbnails(label: str, pictures: Sequence[np.ndarray]) -> Text:
    """Pictures side by side, two rows of pixels in a row of characters."""
    text = Text()
    small = [shrunk(picture) for picture in pictures]
    height = max(picture.shape[0] for picture in small)
    for top in range(0, height, 2):
        text.append(f"{label if top == 0 else '':10} ")
        for picture in small:
            for column in range(picture.shape[1]):
                pair = [picture[row, column] if row < picture.shape[0] else None for row in (top, top + 1)]
                colours = [None if each is None else Color.from_rgb(*map(float, each)) for each in pair]
                text.append("▀" if colours[0] else " ", Style(color=colours[0], bgcolor=colours[1]))
            text.append(" ")
        text.append("\n")
    text.rstrip()
    return text


def shrunk(picture: np.ndarray) -> np.ndarray:
    """A picture of bytes as at most 20 x 20 pixels of colours, (Y, X, 3); a small one with each pixel some times."""
    from PIL import Image

    height, width = picture.shape[:2]
    times = THUMBNAIL / max(height, width)
    times = math.floor(times) if times > 1 else times
    size = max(1, math.floor(width * times)), max(1, math.floor(height * times))
    return np.asarray(Image.fromarray(picture).convert("RGB").resize(size, Image.Resampling.BOX))


def glimpse(
    model: Any,
    items: Items,
    indices: np.ndarray,
    noise: str | None = None,
    target: Items | None = None,
    holes: str | None = None,
) -> dict[str, list[np.ndarray]]:
    """Rows of pictures of some items: what went in, what came out, and what is right."""
    some = items.select(indices)
    if model.tool == "codec":
        rows = {"original": some, f"quality {QUALITY}": model.decompress(model.compress(some, quality=QUALITY))}
        renderer = ItemRenderer.for_items(some, model.coder_.scaling)
    elif model.tool == "autoencoder":
        rows, renderer = (
            {"original": some, "rebuilt": model.reconstruct(some)},
            ItemRenderer.for_items(some, model.scaling_),
        )
    elif model.tool == "denoiser":
        right = target.select(indices) if target is not None else some
        with_noise = target is None and (noise or model.noise) is not None
        noisy = model.with_noise(some, noise) if with_noise else some
        rows, renderer = (
            {"noisy": noisy, "denoised": model.transform(noisy)},
            ItemRenderer.for_items(right, model.scaling_),
        )
        rows |= {"clean": right} if with_noise or target is not None else {}
    else:
        marked = model.with_mask(some)
        hidden = model.with_holes(marked, holes)
        rows, renderer = (
            {"hidden": with_gaps(hidden), "filled": model.transform(hidden), "true": marked},
            ItemRenderer.for_items(some, model.scaling_),
        )
    return {label: [renderer.image(item) for item in row] for label, row in rows.items()}


def with_gaps(items: Items) -> list[np.ndarray]:
    """The items with NaN where a value is not known."""
    holes = items.mask_items()
    return [np.where(gaps, np.nan, item.astype(np.float32)) for item, gaps in zip(items, holes, strict=True)]
