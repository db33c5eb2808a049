"""Upsampling in decoders, and pooling with positions in encoders.

    encoder   x (N, C, *S)           -> downsample -> (N, C', *S / factor), and for "unpool" the positions of maxima
    decoder   z (N, C', *S / factor) -> upsample   -> (N, C, *S)

`factor` is 1 or 2 for each axis, so that items that are longer along one axis can be halved along that axis alone.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from narrows.registry import load_plugins

CONV: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.Module]] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
MAX_POOL = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
AVERAGE_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
MAX_UNPOOL = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Upsample(nn.Module):
    """A layer z (N, C', *S) -> (N, C, *S * factor) around one convolution, `conv`; a subclass for each kind.

    Parameters
    ----------
    inputs, outputs : int
        Channels C' and C.
    factor : tuple of int
        By how much to enlarge each spatial axis: 1 or 2.
    kernel : int
        Size of the kernel of a transposed convolution, in multiples of the factor.
    """

    kind: str

    def __init__(self, inputs: int, outputs: int, factor: tuple[int, ...], kernel: int = 2) -> None:
        super().__init__()
        self.factor = factor
        self.conv = self.make_conv(inputs, outputs, kernel)

    def make_conv(self, inputs: int, outputs: int, kernel: int) -> nn.Module:
        """Return the convolution."""
        return CONV[len(self.factor)](inputs, outputs, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Enlarge z."""
        x: Tensor = self.conv(z)
        return x


class NearestUpsample(Upsample):
    """z -> repeat each value -> convolve: as one transposed convolution, which gives the same numbers."""

    kind = "nearest"

    def forward(self, z: Tensor) -> Tensor:
        """Enlarge z."""
        kernel, bias = self.conv.parameters()
        return CONV_TRANSPOSE[len(self.factor)](z, spread(kernel, self.factor), bias, stride=self.factor, padding=1)


class BilinearUpsample(Upsample):
    """z -> interpolate linearly -> convolve."""

    kind = "bilinear"

    def forward(self, z: Tensor) -> Tensor:
        """Enlarge z."""
        mode = LINEAR[len(self.factor)]
        return super().forward(F.interpolate(z, scale_factor=self.factor, mode=mode, align_corners=False))


class TransposeUpsample(Upsample):
    """z -> transposed convolution."""

    kind = "transpose"

    def make_conv(self, inputs: int, outputs: int, kernel: int) -> nn.Module:
        """Return the transposed convolution."""
        size = tuple(kernel * step if step > 1 else 3 for step in self.factor)
        padding = tuple((k - step) // 2 for k, step in zip(size, self.factor, strict=True))
        return TRANSPOSED[len(self.factor)](inputs, outputs, size, stride=self.factor, padding=padding)


class PixelShuffleUpsample(Upsample):
    """z -> convolve to a channel for each new position -> rearrange them (Shi et al. 2016)."""

    kind = "pixelshuffle"

    def make_conv(self, inputs: int, outputs: int, kernel: int) -> nn.Module:
        """Return the convolution to prod(factor) times as many channels."""
        return super().make_conv(inputs, outputs * math.prod(self.factor), kernel)

    def forward(self, z: Tensor) -> Tensor:
        """Enlarge z."""
        return shuffle_pixels(super().forward(z), self.factor)


@dataclass(frozen=True)
class UpsamplingKind:
    """A way of enlarging a grid in decoders. Adding one is a call of `register_upsampling`.

    Parameters
    ----------
    name : str
        The value of the parameter ``upsampling``.
    layer : callable
        ``layer(inputs, outputs, factor, kernel) -> Module``: an `Upsample`; where it `unpools`, the convolution after
        unpooling.
    unpools : bool
        Whether the encoder pools, and the decoder puts values where the maxima were.
    """

    name: str
    layer: Callable[[int, int, tuple[int, ...], int], nn.Module]
    unpools: bool = False


_KINDS: dict[str, UpsamplingKind] = {}


def register_upsampling(kind: UpsamplingKind) -> None:
    """Add a kind of upsampling, or replace one.

    Examples
    --------
    >>> class RepeatUpsample(Upsample):
    ...     kind = "repeat"
    ...     def forward(self, z):
    ...         return super().forward(F.interpolate(z, scale_factor=self.factor))
    >>> register_upsampling(UpsamplingKind("repeat", RepeatUpsample))
    >>> build_upsampling("repeat", 4, 2, factor=(2, 2))(torch.zeros(1, 4, 7, 7)).shape
    torch.Size([1, 2, 14, 14])
    >>> del _KINDS["repeat"]
    """
    _KINDS[kind.name] = kind


def upsampling_kinds() -> dict[str, UpsamplingKind]:
    """Return all kinds of upsampling by name."""
    load_plugins()
    return dict(_KINDS)


def build_upsampling(kind: str, inputs: int, outputs: int, factor: tuple[int, ...], kernel: int = 2) -> nn.Module:
    """Return an untrained layer of a kind; see `Upsample`."""
    return upsampling_kinds()[kind].layer(inputs, outputs, factor, kernel)


def spread(kernel: Tensor, factor: tuple[int, ...]) -> Tensor:
    """Return the kernel of the transposed convolution that equals repeating each value and convolving with `kernel`.

    (outputs, inputs, 3, ..) -> (inputs, outputs, 2 + factor, ..). It needs less than half of the operations, because
    the repeated values are never stored.
    """
    axes = range(2, kernel.ndim)
    kernel = kernel.transpose(0, 1).flip(*axes)
    for axis, step in zip(axes, factor, strict=True):
        if step == 2:
            edge = torch.zeros_like(kernel.narrow(axis, 0, 1))
            kernel = torch.cat([kernel, edge], axis) + torch.cat([edge, kernel], axis)
    return kernel


def shuffle_pixels(z: Tensor, factor: tuple[int, ...]) -> Tensor:
    """Rearrange (N, C * prod(factor), *S) to (N, C, *S * factor), for any number of spatial axes."""
    spatial, size = len(factor), z.shape[2:]
    z = z.reshape(len(z), -1, *factor, *size)
    order = [
        axis for pair in zip(range(2 + spatial, 2 + 2 * spatial), range(2, 2 + spatial), strict=True) for axis in pair
    ]
    return z.permute(0, 1, *order).reshape(len(z), z.shape[1], *(s * f for s, f in zip(size, factor, strict=True)))


def pool(x: Tensor, factor: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return maxima, and the position of each in its window: an integer from 0 to prod(factor) - 1."""
    spatial, size = len(factor), x.shape[2:]
    pooled, flat = MAX_POOL[spatial](x, factor, return_indices=True)
    coordinates = torch.unravel_index(flat, size)
    window = torch.zeros_like(flat)
    for coordinate, step in zip(coordinates, factor, strict=True):
        window = window * step + coordinate % step
    return pooled, window


def unpool(z: Tensor, window: Tensor, factor: tuple[int, ...]) -> Tensor:
    """Undo `pool`: put each value where its maximum was, and zero elsewhere (Zeiler & Fergus 2014)."""
    spatial = len(factor)
    size = tuple(s * f for s, f in zip(z.shape[2:], factor, strict=True))
    flat = torch.zeros_like(window)
    for axis, step in enumerate(factor):
        inner = math.prod(factor[axis + 1 :])
        start = torch.arange(z.shape[2 + axis], device=z.device).view(-1, *[1] * (spatial - axis - 1)) * step
        flat = flat * size[axis] + start + window // inner % step
    return MAX_UNPOOL[spatial](z, flat, factor, output_size=size)


def conv_after_unpooling(inputs: int, outputs: int, factor: tuple[int, ...], kernel: int) -> nn.Module:
    """Return the convolution of a decoder that unpools."""
    return CONV[len(factor)](inputs, outputs, 3, padding=1)


for _kind in (
    UpsamplingKind("nearest", NearestUpsample),
    UpsamplingKind("bilinear", BilinearUpsample),
    UpsamplingKind("transpose", TransposeUpsample),
    UpsamplingKind("pixelshuffle", PixelShuffleUpsample),
    UpsamplingKind("unpool", conv_after_unpooling, unpools=True),
):
    register_upsampling(_kind)
