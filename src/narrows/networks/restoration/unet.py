"""Networks that restore items: encoders and decoders with skip connections, which no code squeezes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from narrows.errors import ParameterError
from narrows.networks.autoencoder.conv import pad_to_multiple, residuals, set_bias, strided
from narrows.networks.autoencoder.network import cut
from narrows.networks.autoencoder.upsampling import AVERAGE_POOL, CONV, LINEAR, MAX_POOL, TransposeUpsample

Preset = Literal["default", "lesson"]
Task = Literal["denoise", "fill", "blind"]
WIDTHS = (32, 64, 128)  # channels of each level that halves, the largest grid first
FULL_SIZE = 16  # channels of one more level before them, for holes: no two positions have the same around them
LEVELS = {1: 3, 2: 3, 3: 2}  # of so many spatial axes: in volumes, the last would see too far to be cut into tiles
BLOCKS = 1  # residual blocks of each level, on the way down and on the way up
LESSON_WIDTHS = (32, 16, 8)
COARSER = 0.05  # in a first guess: the weight of what coarser grids say beside a neighbourhood that is all known
AT_MOST = 0.01  # how near to 0 and 1 a first guess begins
QUICKER = 10.0  # than other weights: how fast the level of noise is found


@dataclass(frozen=True)
class Restoration:
    """What to build for restoring items.

    channels, shape: channels and spatial shape of the items, or of the crops, in training; at use any size will do.
    task: "denoise" sees noisy values; "fill" sees known values, and as so many channels more which are known; so does
        "blind", to which all known values are noisy.
    numbers: how many numbers it gives beside each restored value, to describe what else the value may be.
    ranged: whether values lie in 0..1.
    """

    channels: int
    shape: tuple[int, ...]
    task: Task
    numbers: int
    preset: Preset = "default"
    ranged: bool = True

    def __post_init__(self) -> None:
        for name, options in (("preset", Preset), ("task", Task)):
            if getattr(self, name) not in get_args(options):
                raise ParameterError(
                    f"expected {' or '.join(get_args(options))}", parameter=name, value=getattr(self, name)
                )
        if not 1 <= len(self.shape) <= 3:
            raise ValueError(f"items with {len(self.shape)} spatial axes: those with 1 to 3 can be restored")

    @property
    def values(self) -> int:
        """Values of one training item."""
        return self.channels * math.prod(self.shape)

    def factors(self) -> list[tuple[int, ...]]:
        """By how much each level divides each spatial axis: 2, or 1 where the axis is too short."""
        if self.preset == "lesson":
            return [(2,) * len(self.shape)] * len(LESSON_WIDTHS)
        halvings = [max(1, min(LEVELS[len(self.shape)], size.bit_length() - 2)) for size in self.shape]
        return [tuple(2 if level < n else 1 for n in halvings) for level in range(max(halvings))]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "Restoration":
        return cls(**{**document, "shape": tuple(document["shape"])})


class RestoringNetwork(nn.Module, ABC):
    """x (N, C, *S), and but for denoising 1 for known and 0 for hidden values as C channels more
        -> features (N, W, *S / stride of the first level)
        -> restored (N, C, *S), and with a convolution of their own: numbers (N, C, *S, numbers)

    Items are padded to whole grid cells by repeating their edges.
    """

    restored: nn.Module
    beside: nn.Module

    def __init__(self, architecture: Restoration) -> None:
        super().__init__()
        self.architecture = architecture
        self.factors = architecture.factors()
        self.stride = tuple(math.prod(steps) for steps in zip(*self.factors, strict=True))
        self.inputs = architecture.channels * (1 if architecture.task == "denoise" else 2)
        self.fills = architecture.task == "fill"
        if architecture.task == "blind":
            self.noise = NoiseLevel()

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Those of as many grid cells as hold the items."""

    @property
    @abstractmethod
    def _reach(self) -> tuple[int, ...]:
        """`reach` without the first guess."""

    @property
    def reach(self) -> tuple[int, ...]:
        """How far from a value, along each axis, the last of those may lie on which it depends."""
        guess = [1 if self.fills else 0] * len(self.stride)
        for factor in reversed(self.factors) if self.fills else ():
            guess = [step * (far + 2) for far, step in zip(guess, factor, strict=True)]  # blurred, halved, doubled
        return tuple(own + far for own, far in zip(self._reach, guess, strict=True))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Restored values, and the features from which `describe` gives the numbers."""
        ranged = self.architecture.ranged
        guess = self.guess(x) if self.fills else None
        features = self.features(x if guess is None else torch.cat([guess, x.chunk(2, 1)[1]], 1))
        restored = cut(self.restored(features), tuple(x.shape[2:]))
        if guess is not None:
            restored = restored + (torch.logit(guess, AT_MOST) if ranged else guess)
        return torch.sigmoid(restored) if ranged else restored, features

    def guess(self, x: Tensor) -> Tensor:
        """The known values, and between them what those nearby suggest, (N, C, *S)."""
        values, known = x.chunk(2, 1)
        middle = 0.5 if self.architecture.ranged else 0.0
        return torch.where(known > 0, values, local_mean(values * known, known, self.factors, middle))

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return super().__call__(x)

    def describe(self, features: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The numbers beside each value of items of this spatial shape, (N, C, *S, numbers)."""
        return cut(self.beside(features), shape).unflatten(1, (self.architecture.channels, -1)).movedim(2, -1)

    def start_at(self, mean: Tensor) -> None:
        """Let the untrained network answer with its first guess, or else about `mean` (C,), that of each channel."""
        if self.fills:
            for parameter in self.restored.parameters():
                nn.init.zeros_(parameter)
        else:
            set_bias(self.restored, torch.logit(mean, 1e-3) if self.architecture.ranged else mean)

    def inner_matrices(self) -> list[nn.Parameter]:
        """Those that face no data, for Muon: all kernels but the first and the last of each way out."""
        kernels = [weight for name, weight in self.named_parameters() if weight.ndim > 1 and "restored" not in name]
        return kernels[1:-1]


class NoiseLevel(nn.Module):
    """The variance of noise that grows with the brightness: that of a constant part, and of events that are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.logarithms = nn.Parameter(torch.log(torch.tensor([0.5, 0.001])) / QUICKER)

    def forward(self, values: Tensor) -> Tensor:
        """The variance at these values, of any shape."""
        constant, slope = (QUICKER * self.logarithms).exp()
        return constant + slope * values.clamp(min=0)


class UNet(RestoringNetwork):
    """A U-Net (Ronneberger, Fischer & Brox 2015) of residual blocks, whose work is done below full size.

    x -> [halve, residual blocks] x levels -> [residual blocks, double, add what the level had] x levels -> features

    To fill holes there is one more level before them, thin and of full size.
    """

    def __init__(self, architecture: Restoration) -> None:
        super().__init__(architecture)
        spatial, channels = len(architecture.shape), architecture.channels
        conv = CONV[spatial]
        widths, self.steps = list(WIDTHS[: len(self.factors)]), self.factors
        if self.fills:
            widths, self.steps = [FULL_SIZE, *widths], [(1,) * spatial, *self.factors]
        levels = list(zip([self.inputs, *widths[:-1]], widths, self.steps, strict=True))
        self.downs = nn.ModuleList([strided(conv, *levels[0])])
        self.downs.extend(conv(a, b, step, stride=step) for a, b, step in levels[1:])
        self.ups = nn.ModuleList(TransposeUpsample(b, a, step, kernel=1) for a, b, step in levels[1:])
        self.before, self.after = (
            nn.ModuleList(residuals(width, BLOCKS, spatial) for width in widths) for _ in range(2)
        )
        self.restored = TransposeUpsample(widths[0], channels, self.steps[0])
        self.beside = nn.Sequential(
            conv(widths[0], widths[0], 3, padding=1),
            nn.ReLU(),
            TransposeUpsample(widths[0], channels * architecture.numbers, self.steps[0]),
        )

    def features(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for level, (down, blocks) in enumerate(zip(self.downs, self.before, strict=True)):
            x = pad_to_multiple(torch.relu(x) if level else x, self.steps[level])
            x = blocks(down(x))
            skips.append(x)
        for level in reversed(range(len(self.downs))):
            x = self.after[level](x)
            if level:
                x = cut(self.ups[level - 1](x.relu_()), tuple(skips[level - 1].shape[2:])) + skips[level - 1]
        return x.relu_()

    @property
    def _reach(self) -> tuple[int, ...]:
        reach, size = [0] * len(self.stride), [1] * len(self.stride)
        for step in self.steps:
            for axis, each in enumerate(step):
                reach[axis] += 2 * size[axis]  # halving and doubling
                size[axis] *= each
                reach[axis] += 4 * BLOCKS * size[axis]  # the blocks both ways
        return tuple(far + 2 * first + 2 for far, first in zip(reach, self.steps[0], strict=True))  # the ways out


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
        self.restored = conv(widths[-1], channels, 3, padding=1)
        self.beside = conv(widths[-1], channels * architecture.numbers, 3, padding=1)

    def features(self, x: Tensor) -> Tensor:
        x = pad_to_multiple(x, self.stride)
        for down, factor in zip(self.downs, self.factors, strict=True):
            x = MAX_POOL[len(factor)](torch.relu(down(x)), factor)
        for up in self.ups:
            x = torch.relu(up(x))
        return x

    @property
    def _reach(self) -> tuple[int, ...]:
        # Three convolutions and three poolings, each of which reaches to the ends of its cells; and the last one.
        return tuple(4 * step for step in self.stride)


def local_mean(totals: Tensor, weights: Tensor, factors: list[tuple[int, ...]], middle: float) -> Tensor:
    """The weighted mean of the values around each position, (N, C, *S). totals: weights times values.

    Where the weights there are small it is more that of coarser and coarser grids, each coarser by one of the factors
    ("pull-push": Gortler et al., "The lumigraph", 1996), and in the end more the middle.
    """
    spatial = totals.ndim - 2
    pool: Callable[..., Tensor] = AVERAGE_POOL[spatial]
    blurred = pool(pool(F.pad(torch.cat([totals, weights], 1), [1, 1] * spatial), 2, stride=1), 2, stride=1)
    totals, weights = blurred.chunk(2, 1)
    if not factors:
        return (totals + COARSER * middle) / (weights + COARSER)
    coarse_totals, coarse_weights = pool(pad_to_multiple(blurred, factors[0]), factors[0]).chunk(2, 1)
    coarse = local_mean(coarse_totals, coarse_weights, factors[1:], middle)
    grown = F.interpolate(coarse, scale_factor=factors[0], mode=LINEAR[spatial])
    return (totals + COARSER * cut(grown, tuple(totals.shape[2:]))) / (weights + COARSER)
