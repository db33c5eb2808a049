"""Encoder, code, decoder: what every network of the package offers to training and to the tools."""

import math
from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn

from narrows.networks.autoencoder.architecture import Architecture, ArchitectureKind, register_architecture

Code = list[Tensor]


class Network(nn.Module, ABC):
    """x (N, C, *S) -> encode -> code -> decode -> reconstruction (N, C, *S), in scaled units.

    A code is a list of tensors: the code proper, (N, K) or (N, channels, *grid), and behind it, for networks that
    upsample by unpooling alone, the positions of the maxima that the encoder's pooling kept, one tensor a pooling.

    Where the code is a grid, `stride` positions of an item along each axis share one of its cells. What an encoder
    says of a cell depends on positions up to `encoder_reach` beyond it, and what a decoder says of the positions of a
    cell on cells that hold positions up to `decoder_reach` beyond it.
    """

    stride: tuple[int, ...]
    encoder_reach: tuple[int, ...]
    decoder_reach: tuple[int, ...]

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    @abstractmethod
    def encode(self, x: Tensor) -> Code:
        """(N, C, *S) -> code."""

    @abstractmethod
    def decode_logits(self, code: Code) -> Tensor:
        """Code -> (N, C, *S), before the output function."""

    @abstractmethod
    def start_at(self, mean: Tensor) -> None:
        """Let the untrained decoder answer with about `mean` (C, *S), the mean item of the data.

        With a sigmoid at the end and dark pictures, gradient descent from anywhere else first drives every output to
        black, where the sigmoid is flat and from where training may never come back.
        """

    @abstractmethod
    def code_shapes(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The shape of each tensor of the code of one item of spatial shape `shape`, channels first."""

    def decode(self, code: Code) -> Tensor:
        logits = self.decode_logits(code)
        return torch.sigmoid(logits) if self.architecture.ranged else logits

    def forward(self, x: Tensor) -> Tensor:
        # A convolutional decoder rebuilds the item as it was padded.
        return cut(self.decode(self.encode(x)), tuple(x.shape[2:]))

    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x)

    def before_output(self, mean: Tensor) -> Tensor:
        """What the output function maps to `mean`."""
        return torch.logit(mean, 1e-3) if self.architecture.ranged else mean


class FlatNetwork(Network):
    """A network that sees an item as one vector of its V values.

    linear   x (N, V) -> linear -> code (N, K) -> linear -> (N, V)
    dense    x (N, V) -> perceptron -> code (N, K) -> perceptron -> (N, V)
    """

    def __init__(self, architecture: Architecture, hidden: list[int]) -> None:
        super().__init__(architecture)
        assert isinstance(architecture.code, int)
        widths = [architecture.values, *hidden, architecture.code]
        self.code_size = architecture.code
        self.encoder = perceptron(widths)
        self.decoder = perceptron(widths[::-1])

    def encode(self, x: Tensor) -> Code:
        return [self.encoder(x.flatten(1))]

    def decode_logits(self, code: Code) -> Tensor:
        return self.decoder(code[0]).unflatten(1, (self.architecture.channels, *self.architecture.shape))

    def code_shapes(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [(self.code_size,)]

    def start_at(self, mean: Tensor) -> None:
        output = self.decoder[-1]
        assert isinstance(output, nn.Linear)
        output.bias.data.copy_(self.before_output(mean).flatten())


def perceptron(widths: list[int]) -> nn.Sequential:
    """x (N, widths[0]) -> [linear, layer norm, silu] x (len(widths) - 2) -> linear -> (N, widths[-1])."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


def cut(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The first values of x (N, C, *S) along each spatial axis, as many as `shape` says."""
    return x[(slice(None), slice(None), *map(slice, shape))]


def flatten_code(code: Code) -> Tensor:
    """A code as one row of numbers an item, (N, K); each of its tensors in the order (*grid, channels)."""
    return torch.cat([part.movedim(1, -1).flatten(1).to(code[0].dtype) for part in code], 1)


def unflatten_code(rows: Tensor, shapes: list[tuple[int, ...]]) -> Code:
    """The way back from `flatten_code`, for the `code_shapes` of the items."""
    sizes = [math.prod(shape) for shape in shapes]
    parts = zip(rows.split(sizes, 1), shapes, strict=True)
    code, *windows = [part.unflatten(1, (*shape[1:], shape[0])).movedim(-1, 1) for part, shape in parts]
    return [code, *(window.long() for window in windows)]


def build_linear(architecture: Architecture) -> Network:
    """Return an untrained network of one layer each way."""
    return FlatNetwork(architecture, [])


def build_dense(architecture: Architecture) -> Network:
    """Return an untrained network of perceptrons: wide for images, and for small tables as wide as they can use."""
    width = max(64, min(1024, 8 * architecture.values))
    return FlatNetwork(architecture, [width, width // 2])


register_architecture(ArchitectureKind("linear", build_linear))
register_architecture(ArchitectureKind("dense", build_dense, presets=("default",)))
