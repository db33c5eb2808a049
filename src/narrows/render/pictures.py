"""Items as pictures of bytes: what is shown of a signal, of a picture, of a volume."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from narrows.data import Items, Scaling

LARGEST = 256  # pixels of a side: larger pictures are shown smaller
LINES = (288, 96)  # width and height of a signal's picture
INK, LINE_COLOURS = (34, 34, 34), ((0, 114, 178), (213, 94, 0), (0, 158, 115))
HOLE = (242, 196, 141)


@dataclass(frozen=True)
class Pen:
    """Draws items of these axes; values from low to high become black to white, or bottom to top of signals."""

    axes: str
    low: float
    high: float

    @classmethod
    def of(cls, items: Items, scaling: Scaling) -> "Pen":
        """As the model sees the data, or, where they have no range of their own, from the lowest to the highest."""
        if scaling.is_range:
            return cls(items.axes, scaling.low, scaling.high)
        finite = [item[np.isfinite(item)] for item in items]
        low = min((float(values.min()) for values in finite if values.size), default=0.0)
        high = max((float(values.max()) for values in finite if values.size), default=1.0)
        return cls(items.axes, low, high if high > low else low + 1)

    @property
    def draws_lines(self) -> bool:
        return self.axes.strip("NC") == "T"

    @property
    def span(self) -> float:
        return self.high - self.low

    def picture(self, item: np.ndarray) -> np.ndarray:
        """An item (*S) or (*S, C) as (Y, X) or (Y, X, 3) uint8; in another colour where it is NaN."""
        values = (item.astype(np.float32) - self.low) / self.span
        if self.draws_lines:
            return lines(values.reshape(len(values), -1))
        picture = smaller(picture_of(values, self.axes))
        shown = (255 * np.nan_to_num(picture).clip(0, 1)).round().astype(np.uint8)
        hidden = np.isnan(picture).any(axis=2) if picture.ndim == 3 else np.isnan(picture)
        if hidden.any():
            shown = np.where(hidden[..., None], np.array(HOLE, np.uint8), np.atleast_3d(shown))
        return shown

    def mapped(self, values: np.ndarray, low: float, high: float, colours: str) -> np.ndarray:
        """Errors or deviations, as an item, in the colours of a matplotlib map from low to high, (Y, X, 3)."""
        from matplotlib import colormaps

        if self.draws_lines:
            return lines((values.reshape(len(values), -1) - low) / (high - low))
        picture = smaller(picture_of(values.astype(np.float32), self.axes))
        if picture.ndim == 3:
            picture = picture.mean(axis=2)
        scale = colormaps[colours].with_extremes(bad="white")
        return scale(np.ma.masked_invalid((picture - low) / (high - low)), bytes=True)[..., :3]


def picture_of(item: np.ndarray, axes: str) -> np.ndarray:
    """An item as (Y, X), or (Y, X, 3) where it has colours.

    Of volumes the middle slice; signals and rows of tables lie on their side, a line for each channel.
    """
    if axes[-1] != "C":
        item = item[..., None]
    spatial = item.ndim - 1
    if spatial == 3:
        item = item[len(item) // 2]
    if spatial == 1:
        item = item.T[..., None]
    return item[..., :3] if item.shape[-1] >= 3 else item[..., 0]


def smaller(picture: np.ndarray) -> np.ndarray:
    """A picture at most 256 pixels wide and high, by means of whole squares of pixels."""
    step = -(-max(picture.shape[:2]) // LARGEST)
    if step == 1:
        return picture
    height, width = (max(1, side // step) for side in picture.shape[:2])
    cut = picture[: height * step, : width * step]
    rows = min(step, cut.shape[0]), min(step, cut.shape[1])
    return cut.reshape(height, rows[0], width, rows[1], *cut.shape[2:]).mean(axis=(1, 3))


def lines(values: np.ndarray) -> np.ndarray:
    """A signal of 0..1, (T, C), as lines, one for each of up to 3 channels; holes are left out."""
    width, height = LINES
    image = Image.new("RGB", (2 * width, 2 * height), "white")
    draw = ImageDraw.Draw(image)
    across = np.linspace(2, 2 * width - 3, len(values))
    for channel, colour in zip(values.T, LINE_COLOURS, strict=False):
        down = (1 - channel.clip(-0.02, 1.02)) * (2 * height - 12) + 6
        for run in runs(np.isfinite(channel)):
            points = list(zip(across[run].tolist(), down[run].tolist(), strict=True))
            draw.line(points * (2 if len(points) == 1 else 1), fill=colour, width=3)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def runs(known: np.ndarray) -> Iterable[slice]:
    """The longest slices in which all is True, of (T,)."""
    edges = np.flatnonzero(np.diff(np.r_[False, known, False]))
    return [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def spread(count: int, most: int) -> np.ndarray:
    """At most so many indices of `count` items, evenly apart."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def named(items: Items, index: int) -> str:
    """What an item is called."""
    return items.names[index] if items.names is not None else f"item {index}"


def ranked(errors: np.ndarray, each: int = 3) -> Sequence[tuple[str, int]]:
    """The best, the middle and the worst items: (which it is, index), fewer where there are not so many."""
    order = np.argsort(errors, kind="stable")
    each = min(each, -(-len(order) // 3))
    middle = max(0, len(order) // 2 - each // 2)
    groups = (("best", order[:each]), ("median", order[middle : middle + each]), ("worst", order[::-1][:each]))
    shown: dict[int, str] = {}
    for name, indices in groups:
        for index in indices.tolist():
            shown.setdefault(index, name)
    return [(name, index) for index, name in shown.items()]
