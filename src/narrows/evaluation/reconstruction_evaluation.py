"""How well a model rebuilds items it was not trained on, beside PCA of the same size."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from narrows.data import Items, Scaling
from narrows.estimators.autoencoder import Autoencoder

SSIM_WINDOW = 7
LARGEST_EXACT_PCA = 2_000  # values of an item: above, the components are found by random projection
LARGEST_PCA = 20_000
PCA_VALUES = 2**26  # of all items together


@dataclass(frozen=True)
class Pca:
    """PCA of the same size on the same items: mse and psnr as in `Evaluation`, over `items` of them."""

    components: int
    items: int
    mse: float
    psnr: float | None


@dataclass(frozen=True)
class Evaluation:
    """Figures of a model on items; None where one does not apply.

    data, items, skipped: what was rebuilt, how many items, and how many could not be read.
    seconds: what encoding and decoding took.
    values, code, positions: numbers in an item, in its code, and how many of the code are positions of maxima (of
        unpooling); means over the items where their sizes differ.
    unit: what the scaled units are that `mse` is in.
    mse: mean squared error in scaled units, over all values.
    psnr: in dB, -10 log10(mse): the peak is 1, the width of the range. None where no range is known.
    ssim: mean structural similarity of pictures of a known range, at least 7 pixels wide and high.
    pca, no_pca: the PCA beside it, or the reason why there is none.
    """

    data: str
    items: int
    skipped: int
    seconds: float
    values: float
    code: float
    positions: float
    unit: str
    mse: float
    psnr: float | None
    ssim: float | None
    pca: Pca | None
    no_pca: str | None


def evaluate(model: Autoencoder, items: Items) -> Evaluation:
    """Encode and decode the items, and compare; DataError where they are not such as the model takes."""
    scaling = model.scaling_
    with_ssim = scaling.is_range and items.spatial_dims == 2 and smallest_side(items) >= SSIM_WINDOW
    squares, similarity, count, seconds = 0.0, 0.0, 0, 0.0
    for x, rebuilt, took in rebuild(model, items):
        squares += float(((rebuilt - x).double() ** 2).sum())
        count += x.numel()
        seconds += took
        if with_ssim:
            similarity += float(ssim(x, rebuilt).double().sum())
    code, positions = code_sizes(model, items)
    mse = squares / count
    pca, no_pca = beside_pca(model.seen(items), scaling, round(code))
    return Evaluation(
        data=items.source,
        items=len(items),
        skipped=len(items.skipped),
        seconds=round(seconds, 3),
        values=count / len(items),
        code=code,
        positions=positions,
        unit=unit(scaling),
        mse=mse,
        psnr=decibels(mse, scaling),
        ssim=similarity / len(items) if with_ssim else None,
        pca=pca,
        no_pca=no_pca,
    )


def rebuild(model: Autoencoder, items: Items) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Batches of items and their reconstructions, (N, C, *S) in scaled units, and the seconds each took."""
    began = time.perf_counter()
    for x, rebuilt in model.pairs(items):
        x, rebuilt = x.cpu(), rebuilt.cpu()
        yield x, rebuilt, time.perf_counter() - began
        began = time.perf_counter()


def code_sizes(model: Autoencoder, items: Items) -> tuple[float, float]:
    """Numbers in the code of an item, and how many of them are positions; means over the items."""
    if items.shapes is None:
        shapes, counts = np.array([items.item_shape]), np.array([len(items)])
    else:
        shapes, counts = np.unique(items.shapes, axis=0, return_counts=True)
    parts = [model.network_.code_shapes(tuple(shape.tolist())) for shape in shapes[:, : items.spatial_dims]]
    sizes = np.array([[sum(map(math.prod, part)), sum(map(math.prod, part[1:]))] for part in parts])
    code, positions = (counts @ sizes / counts.sum()).tolist()
    return code, positions


def unit(scaling: Scaling) -> str:
    """What the scaled units are."""
    return f"{scaling.low:g}..{scaling.high:g} is 0..1" if scaling.is_range else "the deviation of the data is 1"


def decibels(mse: float, scaling: Scaling) -> float | None:
    return -10 * math.log10(mse) if scaling.is_range and mse > 0 else None


def smallest_side(items: Items) -> int:
    shapes = np.array([items.item_shape]) if items.shapes is None else items.shapes
    return int(shapes[:, : items.spatial_dims].min())


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity of pictures x and y, (N, C, H, W) in 0..1, as (N,).

    Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility to structural similarity", 2004,
    with scikit-image's defaults: a uniform window, sample covariance, the mean over all whole windows and channels.
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


def beside_pca(items: Items, scaling: Scaling, components: int) -> tuple[Pca | None, str | None]:
    """PCA of so many components, or the reason why there is none.

    Each half of the items is rebuilt by the PCA of the other half, and clipped to the range where there is one: PCA
    at its best, on items that it has not seen either.
    """
    values = math.prod(items.item_shape) if items.uniform else 0
    count = min(len(items), PCA_VALUES // max(1, values))
    reason = why_no_pca(items, components, count)
    if reason is not None:
        return None, reason
    chosen = np.linspace(0, len(items) - 1, count).round().astype(int)
    rows = scaling.forward(items.batch(chosen)).reshape(count, values)
    halves = rows[::2], rows[1::2]
    squares = sum(pca_error(fitted, rebuilt, components, scaling) for fitted, rebuilt in (halves, halves[::-1]))
    mse = squares / rows.size
    return Pca(components, count, mse, decibels(mse, scaling)), None


def why_no_pca(items: Items, components: int, count: int) -> str | None:
    """Why half of `count` of the items have no PCA of so many components; None where they have."""
    if not items.uniform:
        return "the items have different sizes"
    values = math.prod(items.item_shape)
    if values > LARGEST_PCA:
        return f"items of {values} values are too large for it (at most {LARGEST_PCA})"
    if values < components:
        return f"an item has {values} values, fewer than the code's {components}"
    if count // 2 < components:
        return f"half of {count} items are fewer than the code's {components} components"
    return None


def fit_pca(rows: np.ndarray, components: int) -> PCA:
    """The PCA of rows (N, V), exact unless they are long."""
    solver = "covariance_eigh" if rows.shape[1] <= LARGEST_EXACT_PCA else "randomized"
    return PCA(components, svd_solver=solver, random_state=0).fit(rows)


def pca_error(fitted: np.ndarray, rebuilt: np.ndarray, components: int, scaling: Scaling) -> float:
    """Sum of the squared errors of the rows `rebuilt` by the PCA of the rows `fitted`."""
    pca = fit_pca(fitted, components)
    back = pca.inverse_transform(pca.transform(rebuilt))
    if scaling.is_range:
        back = back.clip(0, 1)
    return float(np.square(back - rebuilt, dtype=np.float64).sum())
