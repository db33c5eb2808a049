"""The items and models that the viewer shows; it knows nothing of web pages."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from narrows.data import Items
from narrows.data.formats import ReadOptions, identify, read_content
from narrows.data.formats.arrays import array_items
from narrows.data.memory import limited
from narrows.errors import DataError
from narrows.evaluation import trained_model
from narrows.render.item_renderer import ItemRenderer, evenly_spaced, item_to_image, reduce_size

SAMPLE_SIZE = 200
LARGEST_UPLOAD = 512  # pixels of a side; larger images are made smaller
MOST_BYTES = 2**28  # that an upload may unpack to


class Session:
    """Models, and items to try them on. An item is an array (*S) or (*S, C), as in `Items`.

    Parameters
    ----------
    models : mapping of str to TrainedModel or fitted estimator
        At most one of each tool, by the name of the tool.
    count : int
        Number of items.
    fetch : callable
        From ascending indices to `Items`.
    name : str
        What the items are called.
    about : str
        Facts about the items, in sentences.
    """

    def __init__(
        self, models: Mapping[str, Any], count: int, fetch: Callable[[Sequence[int]], Items], name: str, about: str = ""
    ) -> None:
        self.sample = fetch(evenly_spaced(count, SAMPLE_SIZE).tolist())
        self.models = {tool: trained_model(model, self.sample) for tool, model in models.items()}
        self.count, self.fetch, self.name = count, fetch, name
        self.about = f"{count:,} item{'s' * (count != 1)}. {about}".strip()
        self.scaling = next(iter(self.models.values())).scaling
        self.axes, self.dtype, self.spatial_dims = self.sample.axes, self.sample.dtype, self.sample.spatial_dims
        self.renderer = ItemRenderer.for_items(self.sample, self.scaling)
        self.shape = tuple(self.sample[0].shape)

    @property
    def has_images(self) -> bool:
        """Whether the items are images."""
        return self.axes.strip("NC") == "YX"

    def items(self, item: np.ndarray) -> Items:
        """Return one item as `Items`."""
        return Items(item[None], self.axes, source="the item")

    def item(self, index: int) -> np.ndarray:
        """Return an item."""
        return self.named_item(index)[1]

    def named_item(self, index: int) -> tuple[str, np.ndarray]:
        """Return the name of an item, and the item."""
        items = self.fetch([index])
        return (items.names or [str(index)])[0], items[0]

    def page(self, first: int, count: int) -> list[tuple[int, str, np.ndarray]]:
        """Return indices, names and images of up to `count` items."""
        indices = list(range(first, min(first + count, self.count)))
        items = self.fetch(indices)
        names = items.names or [str(index) for index in indices]
        return [
            (index, name, self.renderer.image(item)) for index, name, item in zip(indices, names, items, strict=True)
        ]

    def describe(self, item: np.ndarray) -> str:
        """Return the size of an item, and of an image whether it has colours."""
        colours = (", in colour" if self.axes.endswith("C") else ", grey") * self.has_images
        return f"{' x '.join(map(str, item.shape[: self.spatial_dims]))}{colours}"

    def from_drawing(self, strokes: np.ndarray) -> np.ndarray:
        """Return an item from strokes (Y, X) of 0..1: light on dark, over the range of the data."""
        grey = self.renderer.low + strokes * self.renderer.span
        return self._in_type(np.repeat(grey[..., None], self.shape[-1], -1) if self.axes.endswith("C") else grey)

    def from_file(self, path: str) -> np.ndarray:
        """Return the first item of a file, converted to what the models take; DataError if that is impossible."""
        name = Path(path).name
        try:
            with limited(MOST_BYTES):
                items = self._read(path)
            item = items[0]
            if item.dtype.kind == "f" and not np.isfinite(item).all():
                raise DataError(f"{path}: holds NaN or infinity")
            if self._fits(item):
                return item.astype(self.dtype)
            if not self.has_images:
                raise DataError(
                    f"{path}: an item of {item.dtype} and shape {item.shape}; these models take {self.dtype} and "
                    f"shapes like {self.shape}"
                )
            return self._converted(item, items.axes)
        except DataError as error:
            raise DataError(str(error).replace(path, name)) from None

    def _read(self, path: str) -> Items:
        """Return the items in a file, which is decoded once.

        Arrays, which state no axes, have those that are guessed, or those of the models, or without N, C or both.
        """
        format, content = identify(Path(path), path)
        if format.kind != "array":
            items = read_content(content, path, ReadOptions(expected_axes=self.axes, strict=True))
            self._check_axes(items)
            return items
        problems, array, letters = [], format.load().read_array(content, path), self.axes
        for axes in dict.fromkeys(
            (None, letters, letters.replace("N", ""), letters.replace("C", ""), letters.strip("NC"))
        ):
            try:
                items = array_items(array, path, ReadOptions(axes))
                self._check_axes(items)
                return items
            except DataError as error:
                problems.append(error)
        raise problems[0]

    def _check_axes(self, items: Items) -> None:
        if items.axes.strip("NC") != self.axes.strip("NC"):
            raise DataError(f"holds items of the axes {items.axes}; these models take {self.axes}", source=items.source)

    def _fits(self, item: np.ndarray) -> bool:
        """Return whether the models take an item as it is: its shape, its type, and of images the range."""
        spatial = self.spatial_dims
        if item.shape[spatial:] != self.shape[spatial:] or (self._fixed_size and item.shape != self.shape):
            return False
        if self.has_images and (max(item.shape[:2]) > LARGEST_UPLOAD or item.dtype != self.dtype):
            return False
        within = not self.scaling.is_range or (item.min() >= self.scaling.low and item.max() <= self.scaling.high)
        return within and np.can_cast(item.dtype, self.dtype, "same_kind")

    def _converted(self, image: np.ndarray, axes: str) -> np.ndarray:
        """Return an image with the channels, the range and, if models need it, the size of the others."""
        pixels = item_to_image(image, axes)
        height, width = pixels.shape[:2]
        brightest = 255.0 if image.dtype == np.uint8 else max(float(pixels.max()), 1e-9)
        pixels = reduce_size(pixels, 4 * max(LARGEST_UPLOAD, *self.shape[:2]))  # in bounded memory
        if self._fixed_size:
            size = self.shape[1], self.shape[0]
        else:
            times = min(1.0, LARGEST_UPLOAD / max(height, width))
            size = max(1, round(width * times)), max(1, round(height * times))
        bands = (Image.fromarray(band.astype(np.float32)) for band in np.moveaxis(np.atleast_3d(pixels), -1, 0))
        resized = np.stack([np.asarray(band.resize(size, Image.Resampling.BILINEAR)) for band in bands], -1)
        unit = (resized / brightest).clip(0, 1)
        channels = self.shape[-1] if self.axes.endswith("C") else 1
        if channels == 1 and unit.shape[-1] == 3:
            unit = unit @ np.array([[0.299], [0.587], [0.114]])
        elif unit.shape[-1] == 1:
            unit = np.repeat(unit, channels, -1)
        elif unit.shape[-1] != channels:
            raise DataError(f"an image of {unit.shape[-1]} channels; these models take {channels}")
        scaled = self.renderer.low + unit * self.renderer.span
        return self._in_type(scaled if self.axes.endswith("C") else scaled[..., 0])

    def _in_type(self, values: np.ndarray) -> np.ndarray:
        return (values if self.dtype.kind == "f" else np.rint(values)).astype(self.dtype)

    @property
    def _fixed_size(self) -> bool:
        """Whether a model takes items of one size only."""
        return any(model.only_shape is not None for model in self.models.values())
