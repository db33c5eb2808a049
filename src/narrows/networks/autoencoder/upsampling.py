"""The ways a decoder makes a grid larger, each the counterpart of a way an encoder made it smaller.

    encoder   x (N, C, *S)          -> Down -> (N, C', *S / factor), and for "unpool" where each maximum stood
    decoder   z (N, C', *S / factor) -> Up  -> (N, C, *S)

`factor` is 1 or 2 for each axis, so that items that are longer one way than the other can be halved one way alone.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from narrows.networks.autoencoder.architecture import Upsampling

CONV: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.Module]] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
MAX_UNPOOL = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Upsample(nn.Module):
    """Enlarges by `factor` with weights that are learnt around a fixed rule, or are the rule.

    nearest       repeats each value, then convolves
    bilinear      interpolates linearly, then convolves
    transpose     a transposed convolution with a kernel of `kernel` times the factor
    pixelshuffle  convolves to a value for each new position, then lays them out (Shi et al. 2016)
    """

    def __init__(self, kind: Upsampling, inputs: int, outputs: int, factor: tuple[int, ...], kernel: int = 2) -> None:
        super().__init__()
        self.kind, self.factor = kind, factor
        spatial = len(factor)
        if kind == "transpose":
            size = tuple(kernel * step if step > 1 else 3 for step in factor)
            padding = tuple((k - step) // 2 for k, step in zip(size, factor, strict=True))
            self.conv = TRANSPOSED[spatial](inputs, outputs, size, stride=factor, padding=padding)
        else:
            copies = math.prod(factor) if kind == "pixelshuffle" else 1
            self.conv = CONV[spatial](inputs, outputs * copies, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        spatial = len(self.factor)
        if self.kind == "nearest":
            kernel, bias = self.conv.parameters()
            return CONV_TRANSPOSE[spatial](z, spread(kernel, self.factor), bias, stride=self.factor, padding=1)
        if self.kind == "bilinear":
            z = F.interpolate(z, scale_factor=self.factor, mode=LINEAR[spatial], align_corners=False)
        z = self.conv(z)
        return shuffle_pixels(z, self.factor) if self.kind == "pixelshuffle" else z


def spread(kernel: Tensor, factor: tuple[int, ...]) -> Tensor:
    """The kernel of the transposed convolution that does the same as repeating each value and convolving with `kernel`.

    (outputs, inputs, 3, ..) -> (inputs, outputs, 2 + factor, ..). The same numbers for less than half of the work,
    because the many equal values are never laid out.
    """
    axes = range(2, kernel.ndim)
    kernel = kernel.transpose(0, 1).flip(*axes)
    for axis, step in zip(axes, factor, strict=True):
        if step == 2:
            edge = torch.zeros_like(kernel.narrow(axis, 0, 1))
            kernel = torch.cat([kernel, edge], axis) + torch.cat([edge, kernel], axis)
    return kernel


def shuffle_pixels(z: Tensor, factor: tuple[int, ...]) -> Tensor:
    """(N, C * prod(factor), *S) -> (N, C, *S * factor), for any number of spatial axes."""
    spatial, size = len(factor), z.shape[2:]
    z = z.reshape(len(z), -1, *factor, *size)
    order = [
        axis for pair in zip(range(2 + spatial, 2 + 2 * spatial), range(2, 2 + spatial), strict=True) for axis in pair
    ]
    return z.permute(0, 1, *order).reshape(len(z), z.shape[1], *(s * f for s, f in zip(size, factor, strict=True)))


def pool(x: Tensor, factor: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Max pooling, and where in its window each maximum stood: a whole number from 0 to prod(factor) - 1."""
    spatial, size = len(factor), x.shape[2:]
    pooled, flat = MAX_POOL[spatial](x, factor, return_indices=True)
    coordinates = torch.unravel_index(flat, size)
    window = torch.zeros_like(flat)
    for coordinate, step in zip(coordinates, factor, strict=True):
        window = window * step + coordinate % step
    return pooled, window


def unpool(z: Tensor, window: Tensor, factor: tuple[int, ...]) -> Tensor:
    """The way back from `pool`: each value where its maximum stood, zero elsewhere (Zeiler & Fergus 2014)."""
    spatial = len(factor)
    size = tuple(s * f for s, f in zip(z.shape[2:], factor, strict=True))
    flat = torch.zeros_like(window)
    for axis, step in enumerate(factor):
        inner = math.prod(factor[axis + 1 :])
        start = torch.arange(z.shape[2 + axis], device=z.device).view(-1, *[1] * (spatial - axis - 1)) * step
        flat = flat * size[axis] + start + window // inner % step
    return MAX_UNPOOL[spatial](z, flat, factor, output_size=size)
