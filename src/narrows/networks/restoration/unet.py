"""Restoration networks: encoders and decoders with skip connections, and no bottleneck."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from narrows.artifacts.schema import PositiveInt, from_document
from narrows.errors import ParameterError
from narrows.networks.autoencoder.conv import pad_to_multiple, residuals, set_bias, strided
from narrows.networks.autoencoder.network import cut
from narrows.networks.autoencoder.upsampling import AVERAGE_POOL, CONV, LINEAR, MAX_POOL, TransposeUpsample
from narrows.networks.stored_names import StoredNames

Preset = Literal["default", "lesson"]
Task = Literal["denoise", "fill", "blind"]
WIDTHS = (32, 64, 128)  # channels of each level that halves, the largest grid first
FULL_SIZE_WIDTH = 16  # channels of one more level of full size, for inpainting
LEVELS = {1: 3, 2: 3, 3: 2}  # by spatial axes; in volumes, a third would make the receptive field too large for tiles
GUESS_LEVELS = {1: 6, 2: 5, 3: 2}  # by spatial axes: halvings of the first guess, which reaches into holes of 2**levels
BLOCKS = 1  # residual blocks of each level, on the way down and on the way up
LESSON_WIDTHS = (32, 16, 8)
COARSE_WEIGHT = 0.05  # of coarser grids in the first guess, relative to a neighbourhood that is all observed
GUESS_MARGIN = 0.01  # between first guesses and 0 or 1
WEIGHT_DECAY = 0.3  # of inner layers; without it, features of coarse levels grow and die in long training
NOISE_RATE = 10.0  # learning rate of the noise level, relative to other weights


@dataclass(frozen=True)
class Restoration:
    """What a restoration network is: enough to build it, without its weights.

    Parameters
    ----------
    channels : int
        Channels of the items.
    shape : tuple of int
        Spatial shape of the items, or of the crops, in training; inference takes any size.
    task : {"denoise", "fill", "blind"}
        "denoise" takes noisy values; "fill" takes observed values, and as further channels which ones those are; so
        does "blind", whose observed values are noisy.
    numbers : int
        Parameters of the predictive distribution of each value.
    preset : {"default", "lesson"}
        A U-Net, or the small network of the classic lesson.
    ranged : bool
        Whether the values are in 0..1.
    gain : bool
        Whether a denoised value is a mean, with a weight that the network predicts, of its prediction and the noisy
        value. Otherwise the noisy value reaches the output through the layers alone.
    bfloat16 : bool
        Whether convolutions take bfloat16 numbers, where the processor multiplies these faster.
    guess_levels : int, optional
        How often the first guess at missing values halves the grid, at most; None for the default.
    """

    channels: PositiveInt
    shape: tuple[PositiveInt, ...]
    task: Task
    numbers: PositiveInt
    preset: Preset = "default"
    ranged: bool = True
    gain: bool = False
    bfloat16: bool = False
    guess_levels: PositiveInt | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name, options in (("preset", Preset), ("task", Task)):
            if getattr(self, name) not in get_args(options):
                raise ParameterError(
                    f"expected {' or '.join(get_args(options))}", parameter=name, value=getattr(self, name)
                )
        if self.gain and self.task != "denoise":
            raise ValueError(f"a gain of the noisy values, in a network to {self.task}")
        if not 1 <= len(self.shape) <= 3:
            raise ValueError(f"items with {len(self.shape)} spatial axes: those with 1 to 3 can be restored")
        if self.guess_levels is None:
            object.__setattr__(self, "guess_levels", GUESS_LEVELS[len(self.shape)])

    @property
    def values(self) -> int:
        """Number of values of a training item."""
        return self.channels * math.prod(self.shape)

    def factors(self) -> list[tuple[int, ...]]:
        """Return by how much each level divides each spatial axis: 2, or 1 where the axis is too short."""
        if self.preset == "lesson":
            return [(2,) * len(self.shape)] * len(LESSON_WIDTHS)
        return self._halvings(LEVELS[len(self.shape)])

    def guess_factors(self) -> list[tuple[int, ...]]:
        """Return the same for the first guess at missing values."""
        assert self.guess_levels is not None
        return self.factors() if self.preset == "lesson" else self._halvings(self.guess_levels)

    def _halvings(self, levels: int) -> list[tuple[int, ...]]:
        halvings = [max(1, min(levels, size.bit_length() - 2)) for size in self.shape]
        return [tuple(2 if level < n else 1 for n in halvings) for level in range(max(halvings))]

    def to_dict(self) -> dict[str, Any]:
        """Return the architecture as plain values, for a model file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Restoration":
        """Return the architecture that `to_dict` described."""
        old = {"gain": False, "bfloat16": False, "guess_levels": LEVELS.get(len(document["shape"]))}  # of 0.1.0
        return from_document(cls, {**old, **document})


class RestoringNetwork(StoredNames, ABC):
    """A network that predicts values and their distributions.

        x (N, C, *S) for denoising, else (N, 2 C, *S): values, and 1 where observed -> features (N, W, *S / stride)
        features -> output -> restored values (N, C, *S)
        features -> distribution -> parameters of each value's distribution (N, C, *S, numbers)

    Items are padded to whole grid cells by repeating their edges.
    """

    STORED_NAMES: ClassVar[Mapping[str, str]] = {
        "output": "restored",
        "distribution": "beside",
        "encoder_blocks": "before",
        "decoder_blocks": "after",
    }

    weight_decay = WEIGHT_DECAY
    output: nn.Module
    distribution: nn.Module

    def __init__(self, architecture: Restoration) -> None:
        super().__init__()
        self.architecture = architecture
        self.fills = architecture.task == "fill"
        self.factors = architecture.factors()
        self.guess_factors = architecture.guess_factors() if self.fills else []
        longest = max(self.factors, self.guess_factors, key=len)
        self.stride = tuple(math.prod(steps) for steps in zip(*longest, strict=True))
        self.inputs = architecture.channels * (1 if architecture.task == "denoise" else 2)
        self.outputs = architecture.channels * (2 if architecture.gain else 1)
        if architecture.task == "blind":
            self.noise = NoiseLevel()

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Return features of whole grid cells."""

    @property
    @abstractmethod
    def _network_radius(self) -> tuple[int, ...]:
        """`receptive_radius` without the first guess."""

    def reduced_precision(self, device: torch.device) -> AbstractContextManager[Any]:
        """Return a context in which convolutions take bfloat16 numbers, where that is wanted and faster."""
        faster = device.type == "cpu" and multiplies_bfloat16() and not torch.compiler.is_exporting()
        # torch 2.13 leaves weight gradients of such convolutions undefined where a stack has two sections.
        wrong = self.training and len(self.stride) == 3
        enabled = self.architecture.bfloat16 and faster and not wrong
        # Within another such context, cached weights would outlive a step of training.
        return torch.autocast(device.type, torch.bfloat16, enabled=enabled, cache_enabled=False)

    @property
    def receptive_radius(self) -> tuple[int, ...]:
        """Radius of the receptive field along each spatial axis, in positions."""
        guess = [1 if self.fills else 0] * len(self.stride)
        for factor in reversed(self.guess_factors):
            guess = [step * (far + 2) for far, step in zip(guess, factor, strict=True)]  # blur, halving, doubling
        return tuple(own + far for own, far in zip(self._network_radius, guess, strict=True))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return restored values, and the features from which `describe` predicts distributions."""
        ranged = self.architecture.ranged
        guess = self.guess(x) if self.fills else None
        with self.reduced_precision(x.device):
            features = self.features(x if guess is None else torch.cat([guess, x.chunk(2, 1)[1]], 1))
            restored = full_precision(cut(self.output(features), tuple(x.shape[2:])))
        if guess is not None:
            restored = restored + (torch.logit(guess, GUESS_MARGIN) if ranged else guess)
        gain = None
        if self.architecture.gain:
            restored, gain = restored.chunk(2, 1)
        restored = torch.sigmoid(restored) if ranged else restored
        return restored if gain is None else restored + torch.sigmoid(gain) * (x - restored), features

    def guess(self, x: Tensor) -> Tensor:
        """Return the first guess (N, C, *S): observed values, interpolated between them."""
        values, observed = x.chunk(2, 1)
        middle = 0.5 if self.architecture.ranged else 0.0
        return torch.where(observed > 0, values, local_mean(values * observed, observed, self.guess_factors, middle))

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return restored values and features."""
        out: tuple[Tensor, Tensor] = super().__call__(x)
        return out

    def describe(self, features: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return the parameters of each value's distribution for items of a spatial shape, (N, C, *S, numbers)."""
        numbers = cut(self.distribution(full_precision(features)), shape)
        return torch.unflatten(numbers, 1, (self.architecture.channels, -1)).movedim(2, -1)

    def init_output_bias(self, mean: Tensor) -> None:
        """Let the untrained network predict its first guess, or else about `mean` (C,), that of each channel."""
        if self.fills or self.architecture.gain:
            for parameter in self.output.parameters():
                nn.init.zeros_(parameter)
        if not self.fills:
            mean = torch.logit(mean, 1e-3) if self.architecture.ranged else mean
            set_bias(self.output, torch.cat([mean, torch.zeros_like(mean)]) if self.architecture.gain else mean)

    def inner_matrices(self) -> list[nn.Parameter]:
        """Return the kernels for Muon: all but the first and the last ones, whose sides are data."""
        kernels = [
            weight for name, weight in self.named_parameters() if weight.ndim > 1 and not name.startswith("output.")
        ]
        return kernels[1:-1]


class NoiseLevel(nn.Module):
    """Variance of noise that grows with the value: of constant noise plus shot noise."""

    def __init__(self) -> None:
        super().__init__()
        self.logarithms = nn.Parameter(torch.zeros(2))
        self.reset(0.5)

    def reset(self, variance: float) -> None:
        """Start with a variance that hardly depends on the value."""
        self.logarithms.data.copy_(torch.log(torch.tensor([variance, 0.001])) / NOISE_RATE)

    def forward(self, values: Tensor) -> Tensor:
        """Return the variance at values of any shape."""
        constant, slope = (NOISE_RATE * self.logarithms).exp()
        out: Tensor = constant + slope * values.clamp(min=0)
        return out


class UNet(RestoringNetwork):
    """A U-Net of residual blocks, most of whose operations are on halved grids.

        x -> [halve, residual blocks] x levels -> [residual blocks, double, add skip connection] x levels -> features

    For inpainting there is one more level before the others, narrow and of full size.

    References
    ----------
    Ronneberger, Fischer & Brox, "U-Net: Convolutional networks for biomedical image segmentation", 2015.
    """

    def __init__(self, architecture: Restoration) -> None:
        super().__init__(architecture)
        spatial, channels = len(architecture.shape), architecture.channels
        conv = CONV[spatial]
        widths, self.steps = list(WIDTHS[: len(self.factors)]), self.factors
        if self.fills:
            widths, self.steps = [FULL_SIZE_WIDTH, *widths], [(1,) * spatial, *self.factors]
        levels = list(zip([self.inputs, *widths[:-1]], widths, self.steps, strict=True))
        self.downs = nn.ModuleList([strided(conv, *levels[0])])
        self.downs.extend(conv(a, b, step, stride=step) for a, b, step in levels[1:])
        self.ups = nn.ModuleList(TransposeUpsample(b, a, step, kernel=1) for a, b, step in levels[1:])
        self.encoder_blocks, self.decoder_blocks = (
            nn.ModuleList(residuals(width, BLOCKS, spatial) for width in widths) for _ in range(2)
        )
        self.output = TransposeUpsample(widths[0], self.outputs, self.steps[0])
        self.distribution = nn.Sequential(
            conv(widths[0], widths[0], 3, padding=1),
            nn.ReLU(),
            TransposeUpsample(widths[0], channels * architecture.numbers, self.steps[0]),
        )

    def features(self, x: Tensor) -> Tensor:
        """Return features of whole grid cells."""
        skips: list[Tensor] = []
        for level, (down, blocks) in enumerate(zip(self.downs, self.encoder_blocks, strict=True)):
            x = pad_to_multiple(torch.relu(x) if level else x, self.steps[level])
            x = blocks(down(x))
            skips.append(x)
        for level in reversed(range(len(self.downs))):
            x = self.decoder_blocks[level](x)
            if level:
                x = cut(self.ups[level - 1](x.relu_()), tuple(skips[level - 1].shape[2:])) + skips[level - 1]
        return x.relu_()

    @property
    def _network_radius(self) -> tuple[int, ...]:
        radius, size = [0] * len(self.stride), [1] * len(self.stride)
        for step in self.steps:
            for axis, each in enumerate(step):
                radius[axis] += 2 * size[axis]  # halving and doubling
                size[axis] *= each
                radius[axis] += 4 * BLOCKS * size[axis]  # blocks of encoder and decoder
        return tuple(far + 2 * first + 2 for far, first in zip(radius, self.steps[0], strict=True))  # output layers


class LessonDenoiser(RestoringNetwork):
    """The classic lesson's denoiser, which has no skip connections.

    x -> [conv, relu, max pool] to 32, 16, 8 channels -> [transposed conv, relu] to 8, 16, 32 -> features
    """

    def __init__(self, architecture: Restoration) -> None:
        super().__init__(architecture)
        spatial, channels = len(architecture.shape), architecture.channels
        conv = CONV[spatial]
        widths = [self.inputs, *LESSON_WIDTHS]
        self.downs = nn.ModuleList(conv(a, b, 3, padding=1) for a, b in zip(widths, LESSON_WIDTHS, strict=False))
        widths = [LESSON_WIDTHS[-1], *reversed(LESSON_WIDTHS)]
        self.ups = nn.ModuleList(
            TransposeUpsample(a, b, factor, kernel=1)
            for (a, b), factor in zip(pairwise(widths), self.factors, strict=True)
        )
        self.output = conv(widths[-1], self.outputs, 3, padding=1)
        self.distribution = conv(widths[-1], channels * architecture.numbers, 3, padding=1)

    def features(self, x: Tensor) -> Tensor:
        """Return features of whole grid cells."""
        x = pad_to_multiple(x, self.stride)
        for down, factor in zip(self.downs, self.factors, strict=True):
            x = MAX_POOL[len(factor)](torch.relu(down(x)), factor)
        for up in self.ups:
            x = torch.relu(up(x))
        return x

    @property
    def _network_radius(self) -> tuple[int, ...]:
        # Three convolutions and three poolings, each to the edges of its cells; and the last convolution.
        return tuple(4 * step for step in self.stride)


def full_precision(values: Tensor) -> Tensor:
    """Return bfloat16 numbers as float32, and others as they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


@cache
def multiplies_bfloat16() -> bool:
    """Return whether the processor has instructions for products of bfloat16."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def local_mean(totals: Tensor, weights: Tensor, factors: list[tuple[int, ...]], middle: float) -> Tensor:
    """Return the weighted mean of the values around each position, (N, C, *S), by the pull-push method.

    Where the weights are small, coarser grids count more, and in the end the middle.

    Parameters
    ----------
    totals, weights : Tensor of shape (N, C, *S)
        Weights times values, and weights.
    factors : list of tuple of int
        By how much each grid is coarser than the one before.
    middle : float
        The value where there are no weights.

    References
    ----------
    Gortler et al., "The lumigraph", 1996.
    """
    spatial = totals.ndim - 2
    pool: Callable[..., Tensor] = AVERAGE_POOL[spatial]
    blurred = pool(pool(F.pad(torch.cat([totals, weights], 1), [1, 1] * spatial), 2, stride=1), 2, stride=1)
    totals, weights = blurred.chunk(2, 1)
    if not factors:
        return (totals + COARSE_WEIGHT * middle) / (weights + COARSE_WEIGHT)
    coarse_totals, coarse_weights = pool(pad_to_multiple(blurred, factors[0]), factors[0]).chunk(2, 1)
    coarse = local_mean(coarse_totals, coarse_weights, factors[1:], middle)
    grown = F.interpolate(coarse, scale_factor=factors[0], mode=LINEAR[spatial])
    return (totals + COARSE_WEIGHT * cut(grown, tuple(totals.shape[2:]))) / (weights + COARSE_WEIGHT)
