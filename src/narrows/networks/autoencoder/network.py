"""The interface of autoencoder networks, and linear and dense ones."""

import math
from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn

from narrows.networks.autoencoder.architecture import Architecture, ArchitectureKind, register_architecture

Code = list[Tensor]


class Network(nn.Module, ABC):
    """An autoencoder network in scaled units.

        x (N, C, *S) -> encode -> code -> decode -> reconstruction (N, C, *S)

    A code is a list of tensors: the code proper, (N, K) or (N, channels, *grid), and for networks that unpool the
    positions of the maxima of each pooling.

    Attributes
    ----------
    architecture : Architecture
        From which the network was built.
    stride : tuple of int
        Where the code is a grid: positions of an item per cell, along each axis.
    encoder_radius, decoder_radius : tuple of int
        Receptive fields: how far beyond a cell, in positions, values influence the cell's code, and cells influence
        the reconstruction of the cell.
    """

    stride: tuple[int, ...]
    encoder_radius: tuple[int, ...]
    decoder_radius: tuple[int, ...]

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    @abstractmethod
    def encode(self, x: Tensor) -> Code:
        """Return the code of x (N, C, *S)."""

    @abstractmethod
    def decode_logits(self, code: Code) -> Tensor:
        """Return what the code decodes to, (N, C, *S), before the output function."""

    @abstractmethod
    def init_output_bias(self, mean: Tensor) -> None:
        """Let the untrained decoder predict about `mean` (C, *S), the mean item of the data.

        With a sigmoid at the end and dark images, training from anywhere else first drives every output to black,
        where the gradient of the sigmoid vanishes.
        """

    @abstractmethod
    def code_shapes(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the shape of each tensor of the code of an item of spatial shape `shape`, channels first."""

    def decode(self, code: Code) -> Tensor:
        """Return the reconstruction of a code, (N, C, *S), of whole grid cells."""
        logits = self.decode_logits(code)
        return torch.sigmoid(logits) if self.architecture.ranged else logits

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction of x."""
        # A convolutional decoder reconstructs the padding too.
        return cut(self.decode(self.encode(x)), tuple(x.shape[2:]))

    def __call__(self, x: Tensor) -> Tensor:
        """Return the reconstruction of x."""
        out: Tensor = super().__call__(x)
        return out

    def before_output(self, mean: Tensor) -> Tensor:
        """Return what the output function maps to `mean`."""
        return torch.logit(mean, 1e-3) if self.architecture.ranged else mean


class FlatNetwork(Network):
    """A network of perceptrons whose input is an item as one vector of its V values.

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
        """Return the code of x."""
        return [self.encoder(x.flatten(1))]

    def decode_logits(self, code: Code) -> Tensor:
        """Return what the code decodes to, before the output function."""
        out: Tensor = self.decoder(code[0]).unflatten(1, (self.architecture.channels, *self.architecture.shape))
        return out

    def code_shapes(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the shape of the code."""
        return [(self.code_size,)]

    def init_output_bias(self, mean: Tensor) -> None:
        """Set the bias of the output layer to the mean item."""
        output = self.decoder[-1]
        assert isinstance(output, nn.Linear)
        output.bias.data.copy_(self.before_output(mean).flatten())


def perceptron(widths: list[int]) -> nn.Sequential:
    """Return x (N, widths[0]) -> [linear, layer norm, silu] x (len(widths) - 2) -> linear -> (N, widths[-1])."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.SiLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


def cut(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the first `shape` values of x (N, C, *S) along the spatial axes."""
    return x[(slice(None), slice(None), *map(slice, shape))]


def flatten_code(code: Code) -> Tensor:
    """Return a code as one row of numbers per item, (N, K); each of its tensors in the order (*grid, channels)."""
    return torch.cat([part.movedim(1, -1).flatten(1).to(code[0].dtype) for part in code], 1)


def unflatten_code(rows: Tensor, shapes: list[tuple[int, ...]]) -> Code:
    """Undo `flatten_code`, given the `code_shapes` of the items."""
    sizes = [math.prod(shape) for shape in shapes]
    parts = zip(torch.split(rows, sizes, 1), shapes, strict=True)
    code, *windows = [torch.unflatten(part, 1, (*shape[1:], shape[0])).movedim(-1, 1) for part, shape in parts]
    return [code, *(window.long() for window in windows)]


def build_linear(architecture: Architecture) -> Network:
    """Return an untrained network of one layer each way."""
    return FlatNetwork(architecture, [])


def build_dense(architecture: Architecture) -> Network:
    """Return an untrained network of perceptrons: wide for images, and for small tables as wide as they can use."""
    width = max(64, min(1024, 8 * architecture.values))
    return FlatNetwork(architecture, [width, width // 2])


register_architecture(ArchitectureKind("linear", build_linear, learning_rate=1e-2))
register_architecture(ArchitectureKind("dense", build_dense, presets=("default",)))
