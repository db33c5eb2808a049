"""What each kind of upsampling does before it has learnt anything, which is where checkerboards come from.

A. Odena, V. Dumoulin, C. Olah 2016: Deconvolution and checkerboard artifacts, Distill, doi:10.23915/distill.00003.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from narrows.networks.autoencoder.upsampling import Upsample, pool, unpool

FACTOR = (2, 2)
FLAT = np.ones((16, 16))
INSIDE = slice(4, 12)  # of what comes of the flat patch, where the padding of the convolutions does not reach


class Unpool(nn.Module):
    """Each value where its maximum stood, zeros elsewhere, then a convolution."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, outputs, 3, padding=1)

    def forward(self, z: Tensor, window: Tensor) -> Tensor:
        return self.conv(unpool(z, window, FACTOR))


KINDS: dict[str, Callable[[int], nn.Module]] = {
    "nearest": lambda outputs: Upsample("nearest", 1, outputs, FACTOR),
    "bilinear": lambda outputs: Upsample("bilinear", 1, outputs, FACTOR),
    "transpose,\nkernel 3": lambda outputs: nn.ConvTranspose2d(1, outputs, 3, stride=2, padding=1, output_padding=1),
    "transpose,\nkernel 4": lambda outputs: Upsample("transpose", 1, outputs, FACTOR),
    "pixel\nshuffle": lambda outputs: Upsample("pixelshuffle", 1, outputs, FACTOR),
    "unpool": Unpool,
}


def overlap(kind: str) -> np.ndarray:
    """How many weights reach each pixel of a flat patch, (4, 4): its output where every weight is 1."""
    layer = untrained(kind, 1)
    for name, parameter in layer.named_parameters():
        if name.endswith("weight"):
            nn.init.ones_(parameter)
    return enlarge(layer, FLAT)[0, INSIDE, INSIDE][:4, :4]


def ripple(kind: str) -> np.ndarray:
    """What one layer makes of a flat patch, (8, 8), less its mean, in units of the usual size of the output."""
    outputs = enlarge(untrained(kind, 256), FLAT)[:, INSIDE, INSIDE]
    return (outputs[0] - outputs[0].mean()) / np.sqrt((outputs**2).mean())


def average(kind: str, picture: np.ndarray) -> np.ndarray:
    """What 256 layers make of a picture (Y, X) after max pooling: the root of their mean square, up to 1."""
    rms = np.sqrt((enlarge(untrained(kind, 256), picture) ** 2).mean(axis=0))
    return rms / rms.max()


def untrained(kind: str, outputs: int) -> nn.Module:
    """A layer from 1 channel to `outputs`, without bias, its weights random but the same at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(list(KINDS).index(kind))
        layer = KINDS[kind](outputs)
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    return layer


@torch.no_grad()
def enlarge(layer: nn.Module, picture: np.ndarray) -> np.ndarray:
    """A picture (Y, X), max-pooled to half its size, through a layer that doubles it: (outputs, Y, X)."""
    z, window = pool(torch.from_numpy(picture)[None, None].float(), FACTOR)
    return (layer(z, window) if isinstance(layer, Unpool) else layer(z))[0].numpy()
