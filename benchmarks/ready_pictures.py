"""Pictures of docs/comparison.md: pieces of restored photographs at full size, beside those of other methods."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from narrows.artifacts import atomic
from narrows.data import Items
from narrows.render.style import MASK_COLOUR
from ready_tasks import CAMERA, OURS, Task, denoising_task, filling_task

GAP, TITLE, FONT_SIZE = 4, 22, 14  # pixels
QUALITY = 90  # of JPEG, with colours at full size
CLASSIC = ("biharmonic", "Telea", OURS)


@dataclass(frozen=True)
class Figure:
    """A row of pieces for each photograph: as given, restored by some methods, and clean.

    part, case: what is done to the photographs. pieces: of each, the shares of the photographs that come before it, of
    the rows above it and of the columns to the left of it.
    """

    name: str
    part: str
    case: str
    channels: int
    methods: tuple[str, ...]
    side: int
    pieces: tuple[tuple[float, float, float], ...]

    def draw(self, photographs: Items) -> Image.Image:
        places = [round(share * (len(photographs) - 1)) for share, _, _ in self.pieces]
        clean = photographs.select(np.array(places))
        task = (denoising_task if self.part == "denoising" else filling_task)(clean, self.case)
        columns = {
            "noisy" if self.part == "denoising" else "given": as_given(task),
            **{name.partition(",")[0]: task.methods[name](task.given) for name in self.methods},
            "clean" if self.part == "denoising" else "original": clean.values,
        }
        rows = [
            [piece(pictures[number], top, left, self.side) for pictures in columns.values()]
            for number, (_, top, left) in enumerate(self.pieces)
        ]
        return joined(list(columns), rows)


BUTTERFLY, BOAT, LIZARD, TOWERS = 0.28, 0.37, 0.52, 0.73  # shares of the photographs before these
FIGURES = (
    Figure(
        "noise-grey",
        "denoising",
        f"gaussian:{25 / 255}",
        1,
        ("BM3D, σ known", OURS),
        180,
        ((LIZARD, 0.3, 0.5), (TOWERS, 0.4, 0.6)),
    ),
    Figure(
        "noise-colour",
        "denoising",
        CAMERA,
        3,
        ("BM3D, σ estimated", OURS),
        180,
        ((BUTTERFLY, 0.4, 0.5), (TOWERS, 0.4, 0.6)),
    ),
    Figure("strokes", "filling", "strokes:0.05", 3, CLASSIC, 144, ((BOAT, 0.28, 0.96), (TOWERS, 0.23, 0.8))),
    Figure("text", "filling", "text", 3, CLASSIC, 144, ((LIZARD, 0.5, 0.5), (TOWERS, 0.5, 0.5))),
    Figure("hole", "filling", "hole", 3, CLASSIC, 144, ((BOAT, 0.5, 0.5), (TOWERS, 0.5, 0.5))),
)


def as_given(task: Task) -> np.ndarray:
    """Return noisy photographs, or those whose missing pixels have a colour of their own."""
    values, mask = task.given.values, task.given.mask
    if mask is None:
        return values
    colour = ImageColor.getcolor(MASK_COLOUR, "L" if task.clean.channels == 1 else "RGB")
    return np.where(mask, np.asarray(colour, np.uint8), values)


def piece(picture: np.ndarray, top: float, left: float, side: int) -> Image.Image:
    """Return a square piece of a picture, at shares of the room that it has."""
    first, second = (int(share * max(0, size - side)) for share, size in zip((top, left), picture.shape, strict=False))
    values = np.rint(picture[first : first + side, second : second + side]).clip(0, 255).astype(np.uint8)
    return Image.fromarray(values)


def joined(titles: Sequence[str], rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Return pictures of one size in rows, with a title above each column."""
    width, height = (size + GAP for size in rows[0][0].size)
    image = Image.new("RGB", (width * len(titles) - GAP, TITLE + height * len(rows) - GAP), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE)
    for column, title in enumerate(titles):
        draw.text((width * column + (width - GAP) / 2, TITLE / 2), title, fill="black", font=font, anchor="mm")
        for number, row in enumerate(rows):
            image.paste(row[column], (width * column, TITLE + height * number))
    return image


def draw(photographs: Sequence[Items], parts: Sequence[str], folder: Path) -> None:
    """Write the pictures of some parts into a folder."""
    by_channels = {each.channels: each for each in photographs}
    folder.mkdir(parents=True, exist_ok=True)
    for figure in FIGURES:
        if figure.part in parts:
            with atomic.replacing(folder / f"comparison-{figure.name}.jpg") as temporary:
                image = figure.draw(by_channels[figure.channels])
                image.save(temporary, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
