"""What the viewer does with one item at a time; no web page in it."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from narrows import data
from narrows.data import Items
from narrows.errors import DataError
from narrows.estimators.autoencoder import Autoencoder
from narrows.estimators.codec import Codec
from narrows.estimators.denoiser import Denoiser
from narrows.estimators.imputer import Imputer
from narrows.evaluation.rate_distortion import decompress_items, encode_image, peak_signal_to_noise
from narrows.evaluation.restoration_evaluation import as_floats
from narrows.render.blocks import Card
from narrows.render.item_renderer import ItemRenderer, evenly_spaced, item_to_image
from narrows.render.style import DIFFERENCE_COLOURS, STD_COLOURS

LOOKED_AT = 200  # items from which the ranges of sliders are learnt
MOST_SLIDERS = 12
ENDS = (1, 99)  # percentiles of a number of the code: the ends of its slider
LARGEST_UPLOAD = 512  # pixels of a side; larger pictures are made smaller

Tool = Autoencoder | Codec | Denoiser | Imputer


class Workbench:
    """Tools and items to try them on.

    tools: at most one of each kind, {"autoencoder", "codec", "denoiser", "imputer"}. count: items there are.
    fetch: from their indices, ascending, to `Items`. An item is an array, (*S) or (*S, C) as in `Items`.
    about: what is known of the items beside their number, in sentences.
    """

    def __init__(
        self, tools: Mapping[str, Any], count: int, fetch: Callable[[Sequence[int]], Items], name: str, about: str = ""
    ) -> None:
        self.autoencoder: Autoencoder | None = tools.get("autoencoder")
        self.codec: Codec | None = tools.get("codec")
        self.denoiser: Denoiser | None = tools.get("denoiser")
        self.imputer: Imputer | None = tools.get("imputer")
        self.count, self.fetch, self.name = count, fetch, name
        self.about = f"{count:,} item{'s' * (count != 1)}. {about}".strip()
        self.tool: Tool = next(iter(tools.values()))
        self.scaling = self.codec.coder_.scaling if self.tool is self.codec else self.tool.scaling_  # type: ignore[union-attr]
        sample = fetch(evenly_spaced(count, LOOKED_AT).tolist())
        self.axes, self.dtype = sample.axes, sample.dtype
        self.renderer = ItemRenderer.for_items(sample, self.scaling)
        self.shape = tuple(sample[0].shape)
        self.units: list[int] = []
        self.ranges: dict[int, tuple[float, float, float]] = {}
        if self.autoencoder is not None and sample.uniform:
            self._choose_units(sample)

    @property
    def has_pictures(self) -> bool:
        return self.axes.strip("NC") == "YX"

    def _choose_units(self, sample: Items) -> None:
        """The numbers of the code that vary the most, and their ranges."""
        assert self.autoencoder is not None
        codes = np.asarray(self.autoencoder.transform(sample))
        proper = int(np.prod(self.autoencoder.network_.code_shapes(self.shape[: sample.spatial_dims])[0]))
        self.units = np.argsort(-codes[:, :proper].std(axis=0), kind="stable")[:MOST_SLIDERS].tolist()
        low, high = np.percentile(codes, ENDS, axis=0)
        self.ranges = {unit: slider_range(low[unit], high[unit]) for unit in self.units}

    def items(self, item: np.ndarray) -> Items:
        return Items(item[None], self.axes, source="the item")

    def item(self, index: int) -> np.ndarray:
        return self.named_item(index)[1]

    def named_item(self, index: int) -> tuple[str, np.ndarray]:
        items = self.fetch([index])
        return (items.names or [str(index)])[0], items[0]

    def page(self, first: int, count: int) -> list[tuple[int, str, np.ndarray]]:
        """Indices, names and pictures of so many items."""
        indices = list(range(first, min(first + count, self.count)))
        items = self.fetch(indices)
        names = items.names or [str(index) for index in indices]
        return [
            (index, name, self.renderer.image(item)) for index, name, item in zip(indices, names, items, strict=True)
        ]

    def in_words(self, item: np.ndarray) -> str:
        """The size of an item, and for pictures what colours it has."""
        spatial = len(self.axes.strip("NC"))
        colours = (", in colour" if self.axes.endswith("C") else ", grey") * self.has_pictures
        return f"{' x '.join(map(str, item.shape[:spatial]))}{colours}"

    def from_drawing(self, strokes: np.ndarray) -> np.ndarray:
        """An item from strokes (Y, X) of 0..1: light on dark, over the range of the data."""
        grey = self.renderer.low + strokes * self.renderer.span
        return self._in_type(np.repeat(grey[..., None], self.shape[-1], -1) if self.axes.endswith("C") else grey)

    def from_file(self, path: str) -> np.ndarray:
        """The first item of a file, made such as the tools take; DataError where it has none."""
        name = Path(path).name
        try:
            items = self._read(path)
            item = items[0]
            if not np.isfinite(item).all():
                raise DataError(f"{path}: holds values that are no numbers")
            if self._suits(item):
                return item.astype(self.dtype)
            if not self.has_pictures:
                raise DataError(
                    f"{path}: an item of {item.dtype} and shape {item.shape}; these tools take {self.dtype} and "
                    f"shapes like {self.shape}"
                )
            return self._fitted(item, items.axes)
        except DataError as error:
            raise DataError(str(error).replace(path, name)) from None

    def _read(self, path: str) -> Items:
        """The items in a file, where it has no axes of its own with those of the tools, or without N, C or both."""
        problems = []
        letters = self.axes
        for axes in dict.fromkeys(
            (None, letters, letters.replace("N", ""), letters.replace("C", ""), letters.strip("NC"))
        ):
            try:
                items = data.read(path, axes=axes, strict=True)
            except DataError as error:
                problems.append(str(error))
                continue
            if items.axes.strip("NC") == self.axes.strip("NC"):
                return items
            problems.append(f"{path}: holds items of the axes {items.axes}; these tools take {self.axes}")
        raise DataError(problems[0])

    def _suits(self, item: np.ndarray) -> bool:
        """Whether an item is like those of the tools as it is: its shape, its type, and for pictures its range."""
        spatial = len(self.axes.strip("NC"))
        if item.shape[spatial:] != self.shape[spatial:] or (self._fixed_size and item.shape != self.shape):
            return False
        if self.has_pictures and (max(item.shape[:2]) > LARGEST_UPLOAD or item.dtype != self.dtype):
            return False
        within = not self.scaling.is_range or (item.min() >= self.scaling.low and item.max() <= self.scaling.high)
        return within and np.can_cast(item.dtype, self.dtype, "same_kind")

    def _fitted(self, picture: np.ndarray, axes: str) -> np.ndarray:
        """A picture with the channels, the range and, where it has to be, the size of the others."""
        seen = item_to_image(picture, axes)
        height, width = seen.shape[:2]
        if self._fixed_size:
            size = self.shape[1], self.shape[0]
        else:
            times = min(1.0, LARGEST_UPLOAD / max(height, width))
            size = max(1, round(width * times)), max(1, round(height * times))
        bands = (Image.fromarray(band.astype(np.float32)) for band in np.moveaxis(np.atleast_3d(seen), -1, 0))
        resized = np.stack([np.asarray(band.resize(size, Image.Resampling.BILINEAR)) for band in bands], -1)
        unit = (resized / (255.0 if picture.dtype == np.uint8 else max(float(seen.max()), 1e-9))).clip(0, 1)
        channels = self.shape[-1] if self.axes.endswith("C") else 1
        if channels == 1 and unit.shape[-1] == 3:
            unit = unit @ np.array([[0.299], [0.587], [0.114]])
        elif unit.shape[-1] == 1:
            unit = np.repeat(unit, channels, -1)
        elif unit.shape[-1] != channels:
            raise DataError(f"a picture of {unit.shape[-1]} channels; these tools take {channels}")
        scaled = self.renderer.low + unit * self.renderer.span
        return self._in_type(scaled if self.axes.endswith("C") else scaled[..., 0])

    def _in_type(self, values: np.ndarray) -> np.ndarray:
        return (values if self.dtype.kind == "f" else np.rint(values)).astype(self.dtype)

    @property
    def _fixed_size(self) -> bool:
        """Whether a tool takes items of one size alone; then all of them get such."""
        return self.autoencoder is not None and self.autoencoder.only_shape_ is not None

    def code(self, item: np.ndarray) -> np.ndarray:
        """The code of an item, (K,)."""
        assert self.autoencoder is not None
        return np.asarray(self.autoencoder.transform(self.items(item)))[0]

    def squeezed(self, item: np.ndarray, code: np.ndarray | None = None) -> Card:
        """An item, its code, and what the decoder makes of that code or of another."""
        assert self.autoencoder is not None
        code = self.code(item) if code is None else code
        rebuilt = self.autoencoder.decoded(code[None], item.shape[: len(self.axes.strip("NC"))])[0]
        off = rebuilt - self.scaling.forward(item)
        limit = max(float(np.abs(off).max()), 1e-6)
        own = (
            rebuilt * self.renderer.span + self.renderer.low if self.scaling.is_range else self.scaling.inverse(rebuilt)
        )
        pictures = [
            ("original", self.renderer.image(item)),
            (f"code: {len(code):,} numbers", self.code_picture(code, item)),
            ("rebuilt", self.renderer.image(own)),
            (f"error, up to {limit:.2g}", self.renderer.colour_map(off, -limit, limit, DIFFERENCE_COLOURS)),
        ]
        return Card(f"mean squared error {np.mean(off.astype(np.float64) ** 2):.5f}", pictures)

    def code_picture(self, code: np.ndarray, item: np.ndarray) -> np.ndarray:
        """The numbers of a code, purple below 0, orange above: a grid channel beside channel, a flat one in rows."""
        assert self.autoencoder is not None
        spatial = len(self.axes.strip("NC"))
        shape = self.autoencoder.network_.code_shapes(tuple(item.shape[:spatial]))[0]
        numbers = code[: int(np.prod(shape))]
        limit = max(float(np.abs(numbers).max()), 1e-9)
        if len(shape) == 3:
            channels = numbers.reshape(*shape[1:], shape[0]).transpose(2, 0, 1)
            sheet = tiled(np.pad(channels, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan))[:-1, :-1]
        else:
            sheet = tiled(numbers[:, None, None])
        return ItemRenderer("NYX", 0.0, 1.0).colour_map(sheet, -limit, limit, DIFFERENCE_COLOURS)

    def compressed(self, item: np.ndarray, quality: float) -> Card:
        """An item in a file of its own, beside WebP and JPEG of as many bytes where these can hold it."""
        assert self.codec is not None
        blob = self.codec.compress(self.items(item), quality=quality)
        back = decompress_items(self.codec, blob)[0]

        def told(name: str, size: int, one: np.ndarray, other: np.ndarray) -> tuple[str, np.ndarray]:
            fidelity = in_decibels(peak_signal_to_noise([one], [other], self.renderer.span))
            return f"{name}: {size:,} bytes, {fidelity}", self.renderer.image(other)

        pictures = [("original", self.renderer.image(item)), told("narrows", len(blob), item, back)]
        plain = item[..., 0] if self.axes.endswith("C") and item.shape[-1] == 1 else item
        if self.has_pictures and item.dtype == np.uint8 and (plain.ndim == 2 or plain.shape[-1] == 3):
            for name in ("WebP", "JPEG"):
                if name == "JPEG" or features.check("webp"):
                    content = largest_within(plain, name, len(blob))
                    with Image.open(io.BytesIO(content)) as image:
                        seen = np.asarray(image.convert("L" if plain.ndim == 2 else "RGB"))
                    pictures.append(told(name, len(content), plain, seen))
        return Card(f"{len(blob):,} bytes for {item.nbytes:,}", pictures)

    def denoised(self, item: np.ndarray, strength: float) -> Card:
        """An item, with Gaussian noise of this strength, and without noise again."""
        assert self.denoiser is not None
        clean = as_floats(self.items(item))
        noisy = self.denoiser.with_noise(clean, f"gaussian:{strength:g}", seed=0) if strength > 0 else clean
        after, doubt = self.denoiser.transform(noisy)[0], self.denoiser.uncertainty(noisy)[0] / self.renderer.span
        most = max(float(doubt.max()), 1e-6)
        pictures = [
            ("original", self.renderer.image(item)),
            ("with noise", self.renderer.image(noisy[0])),
            ("denoised", self.renderer.image(after)),
            (f"doubt, up to {most:.2g}", self.renderer.colour_map(doubt, 0, most, STD_COLOURS)),
        ]
        errors = [self._error(item, noisy[0]), self._error(item, after)]
        return Card(f"mean squared error {errors[0]:.5f} before, {errors[1]:.5f} after", pictures)

    def filled(self, item: np.ndarray, painted: np.ndarray | None, share: float) -> Card:
        """An item with holes where they are painted, (Y, X), and at a share of all values, filled."""
        assert self.imputer is not None
        right = as_floats(self.items(item))
        hidden = (
            self.imputer.with_holes(right, f"pixels:{share:g}", seed=0) if share > 0 else self.imputer.with_mask(right)
        )
        holes = np.zeros(right.values.shape, bool) if hidden.mask is None else hidden.mask.copy()
        if painted is not None and painted.shape == item.shape[:2]:
            holes[0] |= painted[..., None] if self.axes.endswith("C") else painted
        if not holes.any():
            return Card(
                "nothing is hidden yet: paint a hole, or hide a share of the values",
                [("original", self.renderer.image(item))],
            )
        if holes.all():
            raise DataError("all of it is hidden: leave something to go by")
        hidden = Items(right.values, self.axes, mask=holes, source="the item")
        after, doubt = self.imputer.transform(hidden)[0], self.imputer.uncertainty(hidden)[0] / self.renderer.span
        most = max(float(doubt.max()), 1e-6)
        pictures = [
            ("hidden", self.renderer.image(np.where(holes[0], np.nan, right[0]))),
            ("filled", self.renderer.image(after)),
            ("original", self.renderer.image(item)),
            (f"doubt, up to {most:.2g}", self.renderer.colour_map(doubt, 0, most, STD_COLOURS)),
        ]
        off = self.scaling.forward(after[holes[0]]) - self.scaling.forward(right[0][holes[0]])
        return Card(f"{holes.mean():.0%} hidden; mean squared error there {float((off**2).mean()):.5f}", pictures)

    def _error(self, item: np.ndarray, other: np.ndarray) -> float:
        off = self.scaling.forward(other) - self.scaling.forward(item.astype(other.dtype))
        return float((off.astype(np.float64) ** 2).mean())


def tiled(tiles: np.ndarray) -> np.ndarray:
    """Tiles (n, Y, X) in rows, about as many as are beside each other; NaN where there are none."""
    across = math.ceil(math.sqrt(len(tiles)))
    down = -(-len(tiles) // across)
    height, width = tiles.shape[1:]
    full = np.pad(tiles, ((0, down * across - len(tiles)), (0, 0), (0, 0)), constant_values=np.nan)
    return full.reshape(down, across, height, width).swapaxes(1, 2).reshape(down * height, across * width)


def slider_range(low: float, high: float) -> tuple[float, float, float]:
    """Round numbers for a slider: its ends, just beyond low and high, and a power of ten that is 20 to 200 steps."""
    digits = math.floor(math.log10(max(high - low, 1e-3) / 20))
    step = 10.0**digits
    return round(math.floor(low / step) * step, -digits), round((math.floor(high / step) + 1) * step, -digits), step


def largest_within(picture: np.ndarray, form: str, size: int) -> bytes:
    """The best quality of JPEG or WebP that takes at most so many bytes, or its worst where none does."""
    low, high = 1, 101
    best = encode_image(picture, form, quality=low)
    while high - low > 1:
        middle = (low + high) // 2
        content = encode_image(picture, form, quality=middle)
        if len(content) <= size:
            best, low = content, middle
        else:
            high = middle
    return best


def in_decibels(psnr: float | None) -> str:
    return "kept exactly" if psnr is None else f"{psnr:.1f} dB"
