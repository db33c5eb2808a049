"""Photographs with noise or with missing pixels, and what restores them: ready-made models and classic methods."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from narrows.data import Items
from narrows.models import load_model
from narrows.ready import find_ready_model
from ready import COLOURS, fill_smoothly
from restoring_peers import bm3d, one_by_one

CAMERA = f"poisson:200+correlated:{10 / 255}"
NOISES = {
    **{f"gaussian:{sigma / 255}": (f"Gaussian, σ = {sigma}", sigma) for sigma in (15, 25, 50)},
    CAMERA: ("like a camera's", None),
}
HOLES = {
    "pixels:0.5": "half of the pixels",
    "strokes:0.05": "strokes",
    "text": "text",
    "hole": "a square of 40x40",
}
OURS = "narrows"
HOLE = 40  # pixels of a side, in the middle
TEXT, TEXT_SIZE, LINE_HEIGHT = "Whoever writes on photographs hides a part of them. ", 24, 56
RADIUS = 3  # pixels around a missing one that OpenCV looks at

Restore = Callable[[Items], np.ndarray]


@dataclass(frozen=True, eq=False)
class Task:
    """Photographs to restore.

    given: noisy ones, or those with a mask of what is missing. methods: what restores them, by name.
    """

    what: str
    clean: Items
    given: Items
    methods: dict[str, Restore]

    @property
    def colours(self) -> str:
        return COLOURS[self.clean.channels]


def denoising_task(clean: Items, noise: str) -> Task:
    """Return photographs with noise, which is not clipped; BM3D also knows its standard deviation where it has one."""
    what, sigma = NOISES[noise]
    model = ready_model("denoiser", clean)
    methods: dict[str, Restore] = {"noisy": lambda noisy: noisy.values}
    if sigma is not None:
        methods["BM3D, σ known"] = lambda noisy: one_by_one(denoise_by_bm3d, {"sigma": sigma}, noisy)
    methods["BM3D, σ estimated"] = lambda noisy: one_by_one(denoise_by_bm3d, {"sigma": None}, noisy)
    methods[OURS] = lambda noisy: model.denoise(noisy).values
    return Task(what, clean, model.add_noise(clean, noise), methods)


def filling_task(clean: Items, holes: str) -> Task:
    """Return photographs with missing pixels."""
    model = ready_model("imputer", clean)
    height, width = clean.item_shape[:2]
    match holes:
        case "text":
            given = model.with_mask(clean, text_mask(height, width))
        case "hole":
            given = model.with_mask(clean, hole_mask(height, width))
        case _:
            given = model.hide(clean, holes)

    def each(fill: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Restore:
        return lambda hidden: np.stack(list(map(fill, hidden.values, hidden.mask)))

    methods: dict[str, Restore] = {
        "biharmonic": each(fill_smoothly),
        "Telea": each(lambda picture, mask: fill_by_opencv(picture, mask, "INPAINT_TELEA")),
        "Navier-Stokes": each(lambda picture, mask: fill_by_opencv(picture, mask, "INPAINT_NS")),
        OURS: lambda hidden: model.fill(hidden).values,
    }
    return Task(HOLES[holes], clean, given, methods)


def ready_model(tool: str, clean: Items) -> Any:
    return load_model(find_ready_model(f"photo-{tool}-{COLOURS[clean.channels]}").path)


def denoise_by_bm3d(noisy: np.ndarray, sigma: float | None) -> np.ndarray:
    """Return an image denoised by BM3D, told the standard deviation of the noise or with an estimate of it."""
    from skimage.restoration import estimate_sigma

    if sigma is None:
        sigma = estimate_sigma(noisy, channel_axis=None if noisy.ndim == 2 else -1, average_sigmas=True)
    return 255 * bm3d(noisy / 255, sigma / 255)


def fill_by_opencv(picture: np.ndarray, mask: np.ndarray, method: str) -> np.ndarray:
    import cv2

    missing = mask if mask.ndim == 2 else mask[..., 0]
    return cv2.inpaint(picture, missing.astype(np.uint8), RADIUS, getattr(cv2, method))


def text_mask(height: int, width: int) -> np.ndarray:
    """Return where lines of text hide an image."""
    image = Image.new("1", (width, height))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(TEXT_SIZE)
    for number, top in enumerate(range(LINE_HEIGHT // 4, height, LINE_HEIGHT)):
        draw.text((4, top), (TEXT * (2 + width // 400))[7 * number :], fill=1, font=font)
    return np.asarray(image)


def hole_mask(height: int, width: int) -> np.ndarray:
    """Return where a square hides the middle of an image."""
    mask = np.zeros((height, width), bool)
    top, left = (height - HOLE) // 2, (width - HOLE) // 2
    mask[top : top + HOLE, left : left + HOLE] = True
    return mask
