"""Latent networks of the transform path in NumPy: those of `narrows.networks.ConvNetwork`, which learns them."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from narrows.codec.transforms.latent import LatentArchitecture

_KERNEL = 3


class LatentNetwork:
    """The networks of the transform path.

    Parameters
    ----------
    architecture : LatentArchitecture
        Their architecture.
    tensors : mapping of str to ndarray
        Their weights, by the names that the trained networks have.

    Raises
    ------
    ValueError
        If the weights do not fit the architecture.
    """

    def __init__(self, architecture: LatentArchitecture, tensors: Mapping[str, np.ndarray]) -> None:
        self.architecture, self.factors = architecture, architecture.factors()
        self.widths = [min(128, 16 * 2**level) for level in range(len(self.factors))]
        self.blocks = [int(level > 0 or len(self.factors) == 1) for level in range(len(self.factors))]
        self.tensors = dict(tensors)
        if {name: tensor.shape for name, tensor in tensors.items()} != self._shapes():
            raise ValueError("networks of other shapes than the architecture says")
        if any(tensor.dtype != np.float32 for tensor in tensors.values()):
            raise ValueError("networks of weights that are not float32")

    def grid(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the grid of the code of an item of a spatial shape."""
        return tuple(size // step for size, step in zip(self._padded(shape), self._stride(), strict=True))

    @np.errstate(all="ignore")
    def encode(self, x: np.ndarray) -> np.ndarray:
        """Return the code (N, K, *grid) of items (N, C, *S) in scaled units."""
        missing = [large - small for large, small in zip(self._padded(x.shape[2:]), x.shape[2:], strict=True)]
        x = np.pad(x, [(0, 0), (0, 0), *((0, extra) for extra in missing)], mode="edge")
        for level, factor in enumerate(self.factors):
            x = convolve(relu(x) if level else x, *self._layer(f"downs.{level}"), factor)
            x = self._residuals(x, f"encoder_blocks.{level}", level)
        return convolve(relu(x), *self._layer("to_code"))

    @np.errstate(all="ignore")  # a sigmoid of -100 is 0, though its exponential overflows
    def decode(self, z: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Return items (N, C, *shape) in scaled units from their code."""
        x = convolve(z, *self._layer("from_code"))
        for level in reversed(range(len(self.factors))):
            x = relu(self._residuals(x, f"decoder_blocks.{level}", level))
            x = enlarge_and_convolve(x, *self._layer(f"ups.{level}.conv"), self.factors[level])
        x = x[(slice(None), slice(None), *map(slice, shape))]
        return 1 / (1 + np.exp(-x)) if self.architecture.ranged else x

    def _residuals(self, x: np.ndarray, name: str, level: int) -> np.ndarray:
        for block in range(self.blocks[level]):
            inner = relu(convolve(relu(x), *self._layer(f"{name}.{block}.first")))
            x = x + convolve(inner, *self._layer(f"{name}.{block}.last"))
        return x

    def _layer(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]

    def _stride(self) -> tuple[int, ...]:
        return tuple(math.prod(steps) for steps in zip(*self.factors, strict=True))

    def _padded(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(-(-size // step) * step for size, step in zip(shape, self._stride(), strict=True))

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each tensor by its name."""
        channels, (code, *grid) = self.architecture.channels, self.architecture.code
        kernel, found = (_KERNEL,) * len(grid), {}

        def add(name: str, outputs: int, inputs: int, kernel: tuple[int, ...] = kernel) -> None:
            found[f"{name}.weight"], found[f"{name}.bias"] = (outputs, inputs, *kernel), (outputs,)

        for level, (before, width, factor) in enumerate(
            zip([channels, *self.widths[:-1]], self.widths, self.factors, strict=True)
        ):
            add(f"downs.{level}", width, before, tuple(_KERNEL + step - 1 for step in factor))
            add(f"ups.{level}.conv", before, width)
            for block, part in itertools.product(range(self.blocks[level]), ("first", "last")):
                add(f"encoder_blocks.{level}.{block}.{part}", width, width)
                add(f"decoder_blocks.{level}.{block}.{part}", width, width)
        add("to_code", code, self.widths[-1])
        add("from_code", self.widths[-1], code)
        return found


def relu(x: np.ndarray) -> np.ndarray:
    """Return values with 0 for negative ones."""
    return np.asarray(np.maximum(x, 0))


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: tuple[int, ...] | None = None) -> np.ndarray:
    """Return the convolution of x (N, C, *S), padded by one zero at each end, with a kernel (C', C, *K)."""
    kernel, stride = weight.shape[2:], stride or (1,) * (x.ndim - 2)
    padded = np.pad(x, [(0, 0), (0, 0), *[(1, 1)] * len(kernel)])
    sizes = [(size - width) // step + 1 for size, width, step in zip(padded.shape[2:], kernel, stride, strict=True)]
    out = np.zeros((len(x), len(weight), math.prod(sizes)), np.float32)
    for tap in np.ndindex(*kernel):
        places = [slice(at, at + step * size, step) for at, step, size in zip(tap, stride, sizes, strict=True)]
        seen = padded[(slice(None), slice(None), *places)].reshape(len(x), x.shape[1], -1)
        out += weight[(slice(None), slice(None), *tap)] @ seen
    out += bias[:, None]
    return out.reshape(len(x), len(weight), *sizes)


def enlarge_and_convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, factor: tuple[int, ...]) -> np.ndarray:
    """Return x (N, C, *S), each value repeated `factor` times along each axis, convolved with a kernel (C', C, 3, ..).

    It is computed as one transposed convolution, for which the repeated values are not stored.
    """
    kernel, shape = np.flip(weight, tuple(range(2, weight.ndim))), x.shape[2:]
    for axis, step in enumerate(factor, start=2):
        if step == 2:
            edge = np.zeros_like(kernel.take([0], axis))
            kernel = np.concatenate([kernel, edge], axis) + np.concatenate([edge, kernel], axis)
    sizes = [(size - 1) * step + width for size, step, width in zip(shape, factor, kernel.shape[2:], strict=True)]
    out = np.zeros((len(x), len(weight), *sizes), np.float32)
    flat = x.reshape(*x.shape[:2], -1)
    for tap in np.ndindex(*kernel.shape[2:]):
        places = [slice(at, at + step * size, step) for at, step, size in zip(tap, factor, shape, strict=True)]
        part = kernel[(slice(None), slice(None), *tap)] @ flat
        out[(slice(None), slice(None), *places)] += part.reshape(len(x), -1, *shape)
    out += bias.reshape(-1, *[1] * len(shape))
    return out[(slice(None), slice(None), *[slice(1, -1)] * len(shape))]
