"""Patterns that untrained upsampling layers print on what they enlarge, such as checkerboards.

References
----------
A. Odena, V. Dumoulin, C. Olah, "Deconvolution and checkerboard artifacts", Distill, 2016.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from narrows.networks.autoencoder.upsampling import build_upsampling, pool, unpool
from narrows.render.style import DIFFERENCE_COLOURS, STYLE, Figure, add_title, rc_context

FACTOR = (2, 2)
FLAT = np.ones((16, 16))
INTERIOR = slice(4, 12)  # of the enlarged flat patch, where the padding of the convolutions has no effect
N_LAYERS = 256  # random layers, of which the mean effect is shown


class UnpoolConv(nn.Module):
    """Places each value where its maximum was, zeros elsewhere, and applies a convolution."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, outputs, 3, padding=1)

    def forward(self, z: Tensor, window: Tensor) -> Tensor:
        """(N, 1, Y, X) -> (N, outputs, 2 Y, 2 X); `window` holds the positions of the maxima."""
        enlarged: Tensor = self.conv(unpool(z, window, FACTOR))
        return enlarged


KINDS: dict[str, Callable[[int], nn.Module]] = {
    "nearest": lambda outputs: build_upsampling("nearest", 1, outputs, FACTOR),
    "bilinear": lambda outputs: build_upsampling("bilinear", 1, outputs, FACTOR),
    "transpose,\nkernel 3": lambda outputs: nn.ConvTranspose2d(1, outputs, 3, stride=2, padding=1, output_padding=1),
    "transpose,\nkernel 4": lambda outputs: build_upsampling("transpose", 1, outputs, FACTOR),
    "pixel\nshuffle": lambda outputs: build_upsampling("pixelshuffle", 1, outputs, FACTOR),
    "unpool": UnpoolConv,
}


def weight_counts(kind: str) -> np.ndarray:
    """Return how many weights reach each pixel of a flat patch, (4, 4): the output where every weight is 1."""
    layer = random_layer(kind, 1)
    for name, parameter in layer.named_parameters():
        if name.endswith("weight"):
            nn.init.ones_(parameter)
    return enlarge(layer, FLAT)[0, INTERIOR, INTERIOR][:4, :4]


def ripple(kind: str) -> np.ndarray:
    """Return what one random layer makes of a flat patch, (8, 8), less its mean, in units of the outputs' RMS."""
    outputs = enlarge(random_layer(kind, N_LAYERS), FLAT)[:, INTERIOR, INTERIOR]
    deviation: np.ndarray = (outputs[0] - outputs[0].mean()) / np.sqrt((outputs**2).mean())
    return deviation


def mean_output(kind: str, image: np.ndarray) -> np.ndarray:
    """Return the RMS over many random layers applied to a max-pooled image (Y, X), scaled to a maximum of 1."""
    rms = np.sqrt((enlarge(random_layer(kind, N_LAYERS), image) ** 2).mean(axis=0))
    return np.asarray(rms / rms.max())


def random_layer(kind: str, outputs: int) -> nn.Module:
    """Return an untrained layer from 1 channel to `outputs`, without bias; the same weights at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(list(KINDS).index(kind))
        layer = KINDS[kind](outputs)
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    return layer


@torch.no_grad()
def enlarge(layer: nn.Module, image: np.ndarray) -> np.ndarray:
    """Max-pool an image (Y, X) to half its size and enlarge it by a layer: (outputs, Y, X)."""
    z, window = pool(torch.from_numpy(image)[None, None].float(), FACTOR)
    enlarged: Tensor = layer(z, window) if isinstance(layer, UnpoolConv) else layer(z)
    return enlarged[0].numpy()


@rc_context(STYLE)
def artifact_figure(title: str, image: np.ndarray, kinds: Mapping[str, object] = KINDS) -> Figure:
    """Draw a column for each kind of upsampling: weight counts, a ripple, and an image (Y, X) of 0..1."""
    figure = Figure(figsize=(6.0, 3.3), layout="constrained")
    axes = figure.subplots(3, len(kinds), squeeze=False)
    counts, ripples = [weight_counts(kind) for kind in kinds], [ripple(kind) for kind in kinds]
    most, limit = np.max(counts), np.abs(ripples).max()
    for kind, column, count, deviation in zip(kinds, axes.T, counts, ripples, strict=True):
        top, middle, bottom = column
        top.imshow(count, cmap="Blues", vmin=0, vmax=1.6 * most)
        for (y, x), weights in np.ndenumerate(count):
            top.text(x, y, f"{weights:.0f}", ha="center", va="center", fontsize=9)
        top.set_title(kind)
        middle.imshow(deviation, cmap=DIFFERENCE_COLOURS, vmin=-limit, vmax=limit, interpolation="nearest")
        bottom.imshow(mean_output(kind, image), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set(visible=True, color="#bbbbbb", linewidth=0.6)
    labels = ("weights per pixel\nof a flat patch", "a flat patch\nthrough one\nlayer", "a digit\nthrough many\nlayers")
    for ax, label in zip(axes[:, 0], labels, strict=True):
        ax.set_ylabel(label, rotation=0, ha="right", va="center")
    add_title(figure, title)
    return figure
