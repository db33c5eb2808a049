"""Items as 8-bit images: signals as line plots, images as they are, volumes by their middle slice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image, ImageDraw

from narrows.data import Items, Scaling

MAX_SIDE = 256  # pixels: larger images are reduced
SIGNAL_SIZE = (288, 96)  # width and height of a signal's plot
LINE_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115))
MASK_COLOUR = (242, 196, 141)


@dataclass(frozen=True)
class ItemRenderer:
    """Renders items of one kind as images.

    Parameters
    ----------
    axes : str
        Axes of the items, such as ``"NYX"``.
    low, high : float
        Values that become black and white, or the bottom and the top of a signal's plot.

    Examples
    --------
    >>> import numpy as np
    >>> ItemRenderer("NYX", 0.0, 1.0).image(np.array([[0.0, 0.5, 1.0]]))
    array([[  0, 128, 255]], dtype=uint8)
    """

    axes: str
    low: float
    high: float

    @classmethod
    def for_items(cls, items: Items, scaling: Scaling) -> Self:
        """Return a renderer for the range of the scaling, or, where that has none, of the items."""
        if scaling.is_range:
            return cls(items.axes, scaling.low, scaling.high)
        low, high = value_range(items)
        return cls(items.axes, low, high if high > low else low + 1)

    @property
    def is_signal(self) -> bool:
        """Whether items are rendered as line plots."""
        return self.axes.strip("NC") == "T"

    @property
    def span(self) -> float:
        """Width of the range of values."""
        return self.high - self.low

    def image(self, item: np.ndarray) -> np.ndarray:
        """Return an item (*S) or (*S, C) as an image (Y, X) or (Y, X, 3) uint8; NaN is `MASK_COLOUR`."""
        values = (item.astype(np.float32) - self.low) / self.span
        if self.is_signal:
            return draw_lines(values.reshape(len(values), -1))
        image = reduce_size(item_to_image(values, self.axes))
        grey = (255 * np.nan_to_num(image).clip(0, 1)).round().astype(np.uint8)
        missing = np.isnan(image).any(axis=2) if image.ndim == 3 else np.isnan(image)
        if missing.any():
            grey = np.where(missing[..., None], np.array(MASK_COLOUR, np.uint8), np.atleast_3d(grey))
        return np.asarray(grey)

    def colour_map(self, values: np.ndarray, low: float, high: float, colours: str) -> np.ndarray:
        """Return errors or standard deviations, shaped as an item, in a matplotlib colour map as (Y, X, 3) uint8."""
        from matplotlib import colormaps

        if self.is_signal:
            return draw_lines((values.reshape(len(values), -1) - low) / (high - low))
        image = reduce_size(item_to_image(values.astype(np.float32), self.axes))
        if image.ndim == 3:
            image = image.mean(axis=2)
        mapped: np.ndarray = colormaps[colours].with_extremes(bad="white")(
            np.ma.masked_invalid((image - low) / (high - low)), bytes=True
        )
        return mapped[..., :3]


def value_range(items: Items) -> tuple[float, float]:
    """Return the lowest and the highest finite value; 0 and 0 where there is none."""
    finite = [item[np.isfinite(item)] for item in items]
    low = min((float(values.min()) for values in finite if values.size), default=0.0)
    high = max((float(values.max()) for values in finite if values.size), default=0.0)
    return low, high


def item_to_image(item: np.ndarray, axes: str) -> np.ndarray:
    """Return an item as (Y, X), or (Y, X, 3) where it has colours.

    Of volumes it is the middle slice; signals and table rows become one row of pixels per channel.
    """
    if axes[-1] != "C":
        item = item[..., None]
    spatial = item.ndim - 1
    if spatial == 3:
        item = item[len(item) // 2]
    if spatial == 1:
        item = item.T[..., None]
    return item[..., :3] if item.shape[-1] >= 3 else item[..., 0]


def reduce_size(image: np.ndarray, side: int = MAX_SIDE) -> np.ndarray:
    """Return an image at most `side` pixels wide and high, by averaging squares of pixels."""
    step = -(-max(image.shape[:2]) // side)
    if step == 1:
        return image
    height, width = (max(1, size // step) for size in image.shape[:2])
    cropped = image[: height * step, : width * step]
    block = min(step, cropped.shape[0]), min(step, cropped.shape[1])
    reduced: np.ndarray = cropped.reshape(height, block[0], width, block[1], *cropped.shape[2:]).mean(axis=(1, 3))
    return reduced


def draw_lines(values: np.ndarray) -> np.ndarray:
    """Return a signal (T, C) of 0..1 as a line plot of up to 3 channels, with gaps where it is NaN."""
    width, height = SIGNAL_SIZE
    image = Image.new("RGB", (2 * width, 2 * height), "white")
    draw = ImageDraw.Draw(image)
    across = np.linspace(2, 2 * width - 3, len(values))
    for channel, colour in zip(values.T, LINE_COLOURS, strict=False):
        down = (1 - channel.clip(-0.02, 1.02)) * (2 * height - 12) + 6
        for run in true_runs(np.isfinite(channel)):
            points = list(zip(across[run].tolist(), down[run].tolist(), strict=True))
            draw.line(points * (2 if len(points) == 1 else 1), fill=colour, width=3)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def true_runs(values: np.ndarray) -> Iterable[slice]:
    """Return the maximal slices of (T,) in which all values are True."""
    edges = np.flatnonzero(np.diff(np.r_[False, values, False]))
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def evenly_spaced(count: int, most: int) -> np.ndarray:
    """Return at most `most` of `count` indices, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def item_name(items: Items, index: int) -> str:
    """Return the name of an item, or its index in words."""
    return items.names[index] if items.names is not None else f"item {index}"


def best_median_worst(errors: np.ndarray, each: int = 3) -> Sequence[tuple[str, int]]:
    """Return (which, index) of the best, median and worst items by error, up to `each` of them."""
    order = np.argsort(errors, kind="stable")
    each = min(each, -(-len(order) // 3))
    middle = max(0, len(order) // 2 - each // 2)
    groups = (("best", order[:each]), ("median", order[middle : middle + each]), ("worst", order[::-1][:each]))
    chosen: dict[int, str] = {}
    for which, indices in groups:
        for index in indices.tolist():
            chosen.setdefault(index, which)
    return [(which, index) for index, which in chosen.items()]
