"""Mean squared error, PSNR, SSIM, and how often a predictive standard deviation covers the error."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.data import Items, Scaling

SSIM_WINDOW = 7


@dataclass(frozen=True)
class Quality:
    """How close values are to the true ones; None where a figure does not apply.

    Parameters
    ----------
    mse : float
        Mean squared error in scaled units.
    psnr : float or None
        Peak signal-to-noise ratio in dB, -10 log10(mse), since the range is 1 wide. None without a range.
    ssim : float or None
        Mean structural similarity; only of images with a range that are at least 7 pixels wide and high.
    """

    mse: float
    psnr: float | None
    ssim: float | None


@dataclass
class QualitySum:
    """A `Quality` in the making, added up part by part."""

    scaling: Scaling
    with_ssim: bool
    squares: float = 0.0
    n_values: int = 0
    similarity: float = 0.0
    n_items: int = 0

    def add(self, output: np.ndarray, target: np.ndarray, chosen: np.ndarray | None = None) -> None:
        """Add items (n, *S) or (n, *S, C) in scaled units; squared errors of the chosen values, or of all."""
        error = (output - target if chosen is None else output[chosen] - target[chosen]).astype(np.float64)
        self.squares += float((error**2).sum())
        self.n_values += error.size
        self.n_items += len(output)
        if self.with_ssim:
            self.similarity += float(ssim(channels_first(output), channels_first(target)).double().sum())

    def quality(self) -> Quality:
        """Return the quality of all that was added."""
        mse = self.squares / self.n_values
        return Quality(mse, psnr(mse, self.scaling), self.similarity / self.n_items if self.with_ssim else None)


@dataclass
class CoverageSum:
    """Shares of values whose error is within one and two predictive standard deviations, added up part by part."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(2))
    n_values: int = 0

    def add(self, output: np.ndarray, target: np.ndarray, std: np.ndarray) -> None:
        """Add values with their predictive standard deviations."""
        error = np.abs(output.astype(np.float64) - target)
        self.counts += [(error <= times * std).sum() for times in (1, 2)]
        self.n_values += error.size

    def shares(self) -> tuple[float, float]:
        """Return the two shares."""
        one, two = (self.counts / self.n_values).tolist()
        return one, two


def psnr(mse: float, scaling: Scaling) -> float | None:
    """Return the PSNR in dB of a mean squared error in scaled units; None without a range or an error."""
    return -10 * math.log10(mse) if scaling.is_range and mse > 0 else None


def psnr_of_range(items: Iterable[np.ndarray], decoded: Iterable[np.ndarray], span: float) -> float | None:
    """Return the PSNR in dB over all values of items whose range is `span` wide; None where nothing is lost."""
    squares, n_values = 0.0, 0
    for item, other in zip(items, decoded, strict=True):
        squares += float(((other.astype(np.float64) - item) ** 2).sum())
        n_values += item.size
    return -10 * math.log10(squares / n_values / span**2) if squares else None


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return the structural similarity of images.

    A uniform window, sample covariance, and the mean over all whole windows and channels, as in scikit-image.

    Parameters
    ----------
    x, y : Tensor of shape (N, C, H, W)
        Images in 0..1.

    Returns
    -------
    Tensor of shape (N,)
        At most 1, which equal images have.

    References
    ----------
    Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility to structural similarity",
    IEEE Transactions on Image Processing, 2004.
    """

    def windows(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, SSIM_WINDOW, stride=1)

    samples = SSIM_WINDOW**2
    unbiased = samples / (samples - 1)
    c1, c2 = 0.01**2, 0.03**2
    mean_x, mean_y = windows(x), windows(y)
    variance_x = unbiased * (windows(x * x) - mean_x**2)
    variance_y = unbiased * (windows(y * y) - mean_y**2)
    covariance = unbiased * (windows(x * y) - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).mean((1, 2, 3))


def has_ssim(items: Items, scaling: Scaling) -> bool:
    """Return whether items are images for which SSIM is defined."""
    if not scaling.is_range or items.spatial_dims != 2:
        return False
    shapes = np.array([items.item_shape]) if items.shapes is None else items.shapes
    return int(shapes[:, :2].min()) >= SSIM_WINDOW


def scaled_unit(scaling: Scaling) -> str:
    """Return what scaled units are."""
    return f"{scaling.low:g}..{scaling.high:g} is 0..1" if scaling.is_range else "the deviation of the data is 1"


def channels_first(images: np.ndarray) -> Tensor:
    """Return images (n, Y, X) or (n, Y, X, C) as (n, C, Y, X)."""
    x = torch.from_numpy(images)
    return x.unsqueeze(1) if x.ndim == 3 else x.movedim(-1, 1)
