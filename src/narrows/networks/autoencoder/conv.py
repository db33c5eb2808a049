"""Convolutional autoencoders for signals, images and volumes."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from narrows.networks.autoencoder.architecture import Architecture, ArchitectureKind, register_architecture
from narrows.networks.autoencoder.network import Code, Network
from narrows.networks.autoencoder.upsampling import CONV, MAX_POOL, Upsample, build_upsampling, pool, unpool


class ConvNetwork(Network):
    """A stack of levels, each half as large as the one before and wider.

        encoder  x (N, C, *S) -> [halve, residual blocks] x levels -> convolve -> code (N, channels, *grid)
        decoder  code -> convolve -> [residual blocks, double] x levels -> (N, C, *S)

    With a flat code K, there is a linear layer each way between the last level and the code. Items are padded to whole
    grid cells by repeating their edges. Halving is a strided convolution; with unpooling, it is a convolution and max
    pooling, whose positions are part of the code.
    """

    def __init__(self, architecture: Architecture, widths: list[int], blocks: list[int]) -> None:
        """Build a network whose levels have these channels and residual blocks, the largest grid first."""
        super().__init__(architecture)
        spatial = len(architecture.shape)
        conv = CONV[spatial]
        self.factors = architecture.factors()
        self.stride = tuple(math.prod(steps) for steps in zip(*self.factors, strict=True))
        self.unpools = architecture.unpools
        self.widths = widths
        inputs = [architecture.channels, *widths[:-1]]
        levels = list(zip(inputs, widths, self.factors, strict=True))
        self.downs = nn.ModuleList(
            conv(a, b, 3, padding=1) if self.unpools else strided(conv, a, b, factor) for a, b, factor in levels
        )
        self.ups = nn.ModuleList(build_upsampling(architecture.upsampling, b, a, factor) for a, b, factor in levels)
        self.encoder_blocks = nn.ModuleList(residuals(*each, spatial) for each in zip(widths, blocks, strict=True))
        self.decoder_blocks = nn.ModuleList(residuals(*each, spatial) for each in zip(widths, blocks, strict=True))
        if isinstance(architecture.code, int):
            self.to_code, self.from_code = through_vector(
                (widths[-1], *self.grids(architecture.shape)[-1]), architecture.code
            )
        else:
            self.to_code = conv(widths[-1], architecture.code[0], 3, padding=1)
            self.from_code = conv(architecture.code[0], widths[-1], 3, padding=1)
        # In positions of the item: halving adds 2 cells of the larger grid, doubling 2 of the smaller one, each block 2
        # cells of its own grid, and the convolution next to the code 1 of the smallest.
        self.encoder_radius, self.decoder_radius = self.stride, self.stride
        size = (1,) * spatial
        for factor, count in zip(self.factors, blocks, strict=True):
            halved = tuple(each * step for each, step in zip(size, factor, strict=True))
            self.encoder_radius = sums(
                self.encoder_radius, [2 * a + 2 * count * b for a, b in zip(size, halved, strict=True)]
            )
            self.decoder_radius = sums(self.decoder_radius, [(2 + 2 * count) * each for each in halved])
            size = halved

    def encode(self, x: Tensor) -> Code:
        """Return the code of x."""
        x = pad_to_multiple(x, self.stride)
        windows = []
        for level, (down, blocks) in enumerate(zip(self.downs, self.encoder_blocks, strict=True)):
            x = down(torch.relu(x) if level else x)
            if self.unpools:
                x, window = pool(x, self.factors[level])
                windows.append(window)
            x = blocks(x)
        return [self.to_code(torch.relu(x)), *windows]

    def decode_logits(self, code: Code) -> Tensor:
        """Return what the code decodes to, before the output function."""
        first, *windows = code
        x: Tensor = self.from_code(first)
        for level in reversed(range(len(self.ups))):
            x = torch.relu(self.decoder_blocks[level](x))
            if self.unpools:
                x = unpool(x, windows[level], self.factors[level])
            x = self.ups[level](x)
        return x

    def grids(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the grid of each level for items of a spatial shape."""
        grids, grid = [], padded(shape, self.stride)
        for factor in self.factors:
            grid = tuple(size // step for size, step in zip(grid, factor, strict=True))
            grids.append(grid)
        return grids

    def code_shapes(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the shape of each tensor of the code."""
        return code_shapes(self.architecture, self.grids(shape), self.widths)

    def init_output_bias(self, mean: Tensor) -> None:
        """Set the output bias of each channel to its mean."""
        set_bias(self.ups[0], self.before_output(mean.flatten(1).mean(1)))


class LessonNetwork(Network):
    """The classic lesson's convolutional autoencoder, which halves every axis twice.

        encoder  x (N, C, *S) -> [conv to 16, relu, max pool] -> [conv to channels, relu, max pool] -> code
        decoder  code -> [double to 16, relu] -> double to C -> (N, C, *S)

    With a flat code K, there are 4 channels and a linear layer each way between them and the code.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        spatial, code, kind = len(architecture.shape), architecture.code, architecture.upsampling
        conv = CONV[spatial]
        self.factor, self.unpools = (2,) * spatial, architecture.unpools
        self.stride = (4,) * spatial
        # A convolution of the item and one of its half each way; doubling adds up to 2 cells.
        self.encoder_radius, self.decoder_radius = (4,) * spatial, (12,) * spatial
        channels = 4 if isinstance(code, int) else code[0]
        grid = tuple(math.ceil(size / 4) for size in architecture.shape)
        self.widths = [16, channels]
        self.downs = nn.ModuleList(conv(a, b, 3, padding=1) for a, b in ((architecture.channels, 16), (16, channels)))
        self.to_code, self.from_code = (
            through_vector((channels, *grid), code) if isinstance(code, int) else (nn.Identity(), nn.Identity())
        )
        self.ups = nn.ModuleList(
            build_upsampling(kind, a, b, self.factor, kernel=1)
            for a, b in ((channels, 16), (16, architecture.channels))
        )

    def encode(self, x: Tensor) -> Code:
        """Return the code of x."""
        x = pad_to_multiple(x, self.stride)
        windows = []
        for down in self.downs:
            x = torch.relu(down(x))
            if self.unpools:
                x, window = pool(x, self.factor)
                windows.append(window)
            else:
                x = MAX_POOL[len(self.factor)](x, self.factor)
        return [self.to_code(x), *windows]

    def decode_logits(self, code: Code) -> Tensor:
        """Return what the code decodes to, before the output function."""
        first, *windows = code
        x: Tensor = self.from_code(first)
        for level, up in enumerate(self.ups):
            if level:
                x = torch.relu(x)
            x = up(unpool(x, windows[1 - level], self.factor) if windows else x)
        return x

    def code_shapes(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the shape of each tensor of the code."""
        grid = padded(shape, self.stride)
        grids = [tuple(size // step for size in grid) for step in (2, 4)]
        return code_shapes(self.architecture, grids, self.widths)

    def init_output_bias(self, mean: Tensor) -> None:
        """Set the output bias of each channel to its mean."""
        set_bias(self.ups[-1], self.before_output(mean.flatten(1).mean(1)))


def through_vector(shape: tuple[int, ...], size: int) -> tuple[nn.Module, nn.Module]:
    """Return a linear layer from (N, *shape) to (N, size), and one back."""
    values = math.prod(shape)
    return (
        nn.Sequential(nn.Flatten(), nn.Linear(values, size)),
        nn.Sequential(nn.Linear(size, values), nn.Unflatten(1, shape)),
    )


class Residual(nn.Module):
    """x (N, C, *S) -> x + [relu, conv, relu, conv](x); it starts as the identity, because the last weights are zero."""

    def __init__(self, channels: int, spatial: int) -> None:
        super().__init__()
        self.first = CONV[spatial](channels, channels, 3, padding=1)
        self.last = CONV[spatial](channels, channels, 3, padding=1)
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Return x and its residual."""
        out: Tensor = x + self.last(self.first(torch.relu(x)).relu_())
        return out


def residuals(channels: int, count: int, spatial: int) -> nn.Sequential:
    """Return residual blocks in sequence."""
    return nn.Sequential(*(Residual(channels, spatial) for _ in range(count)))


def strided(conv: type[nn.Module], inputs: int, outputs: int, factor: Iterable[int]) -> nn.Module:
    """Return a convolution that halves each axis whose factor is 2."""
    kernel = tuple(4 if step == 2 else 3 for step in factor)
    return conv(inputs, outputs, kernel, stride=tuple(factor), padding=1)


def set_bias(up: nn.Module, channels: Tensor) -> None:
    """Set the bias of each output channel; pixel shuffling has one for each of a channel's new positions."""
    bias = (up.conv if isinstance(up, Upsample) else up).bias
    assert isinstance(bias, nn.Parameter)
    bias.data.view(len(channels), -1).copy_(channels[:, None])


def sums(one: Iterable[int], other: Iterable[int]) -> tuple[int, ...]:
    """Return elementwise sums."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


def padded(shape: Iterable[int], stride: Iterable[int]) -> tuple[int, ...]:
    """Return the smallest multiple of the stride that is not smaller than the shape, along each axis."""
    return tuple((size + step - 1) // step * step for size, step in zip(shape, stride, strict=True))


def pad_to_multiple(x: Tensor, stride: tuple[int, ...]) -> Tensor:
    """Repeat the last values along each spatial axis until its size is a multiple of the stride."""
    size = x.shape[2:]
    missing = [large - small for large, small in zip(padded(size, stride), size, strict=True)]
    if not torch.compiler.is_exporting() and not any(missing):  # an exported graph is for all sizes
        return x
    return F.pad(x, [width for extra in reversed(missing) for width in (0, extra)], mode="replicate")


def code_shapes(architecture: Architecture, grids: list[tuple[int, ...]], pooled: list[int]) -> list[tuple[int, ...]]:
    """Return the code's own shape, and with unpooling that of the positions of each level: its channels and grid."""
    code = (architecture.code,) if isinstance(architecture.code, int) else (architecture.code[0], *grids[-1])
    if not architecture.unpools:
        return [code]
    return [code, *((channels, *grid) for channels, grid in zip(pooled, grids, strict=True))]


def build_conv(architecture: Architecture) -> Network:
    """Return an untrained convolutional network."""
    if architecture.preset == "lesson":
        return LessonNetwork(architecture)
    levels = len(architecture.factors())
    # Few channels where the grid is large and each costs much; residual blocks where it is small.
    widths = [min(128, 16 * 2**level) for level in range(levels)]
    blocks = [int(level > 0 or levels == 1) for level in range(levels)]
    return ConvNetwork(architecture, widths, blocks)


register_architecture(ArchitectureKind("conv", build_conv, spatial=True, learning_rate=3e-3, batch_size=64))
