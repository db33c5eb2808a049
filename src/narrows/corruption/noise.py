"""Noise: its kinds, sums of several, and alternatives."""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from narrows.corruption.specification import (
    Alternatives,
    Part,
    draw_members,
    draw_strength,
    normal,
    parse_alternatives,
    text_of,
    uniform,
)
from narrows.errors import ParameterError
from narrows.registry import load_plugins

NARROWEST_GRAIN, WIDEST_GRAIN = 0.3, 1.0  # standard deviations in pixels of the Gaussians that smooth correlated noise
BLUR_REACH = 4  # standard deviations


@dataclass(frozen=True)
class NoiseKind:
    """A kind of noise. Adding one is a call of `register_noise`.

    Parameters
    ----------
    name : str
        Lower-case letters and hyphens.
    add : callable
        ``add(x, strength, generator) -> Tensor``: items x (N, C, *S), or (N, F) of tables, in scaled units, with a
        strength (N, 1, ...) for each item.
    limits : tuple of float
        The least and the largest strength.
    spatial : bool
        Whether it needs items with spatial axes.
    """

    name: str
    add: Callable[[Tensor, Tensor, Generator], Tensor]
    limits: tuple[float, float]
    spatial: bool = False


_KINDS: dict[str, NoiseKind] = {}


def register_noise(kind: NoiseKind) -> None:
    """Add a kind of noise, or replace one.

    Examples
    --------
    >>> register_noise(NoiseKind("offset", lambda x, strength, generator: x + strength, limits=(0, 1)))
    >>> str(Noise.parse("offset:0.1+blur:1"))
    'offset:0.1+blur:1'
    >>> del _KINDS["offset"]
    """
    _KINDS[kind.name] = kind


def noise_kinds() -> dict[str, NoiseKind]:
    """Return all kinds of noise by name."""
    load_plugins()
    return dict(_KINDS)


@dataclass(frozen=True)
class Noise:
    """Noise of one or more parts, added one after another, in scaled units: 0..1 for data of a known range.

    Of several alternatives, joined by ",", each item draws one, all with the same chance.

    ============= ===============================================================================================
    gaussian:S    with standard deviation S, independent from value to value
    correlated:S  with standard deviation S, after smoothing by a Gaussian of 0.3 to 1 pixels, different in each item
    poisson:P     shot noise, P events at the value 1: Poisson(P max(x, 0)) / P
    salt-pepper:P a share P of the positions turns 0 or 1, half of them each, all channels of a position alike
    speckle:S     x (1 + S n), n with standard deviation 1
    blur:S        a Gaussian with a standard deviation of S pixels along each spatial axis, edges repeated
    jpeg:Q        JPEG compression of the values 0..1 in 8 bits, with quality Q from 1 to 100
    ============= ===============================================================================================

    Examples
    --------
    >>> noise = Noise.parse("gaussian:0.1")
    >>> noise.add(torch.zeros(2, 1, 4, 4), torch.Generator().manual_seed(0), clip=True).shape
    torch.Size([2, 1, 4, 4])
    """

    alternatives: Alternatives

    @staticmethod
    def parse(text: str) -> "Noise":
        """Return the noise that a text describes: "gaussian:0.1-0.5", "blur:1+poisson:30", "gaussian:0.1,poisson:30".

        Raises
        ------
        ParameterError
            If the text describes no noise.
        """
        try:
            return Noise(parse_alternatives(text))
        except ValueError as error:
            *kinds, last = (f"{name}:S" for name in noise_kinds())
            raise ParameterError(
                str(error),
                parameter="noise",
                value=text,
                hint=f"possible are {', '.join(kinds)} and {last}, S a number such as 0.5 or a range such as 0.1-0.5, "
                "and several of them joined by +, or by a comma where each item is to have one of them",
            ) from None

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return text_of(self.alternatives)

    def __post_init__(self) -> None:
        """Check the values."""
        kinds = noise_kinds()
        for part in chain.from_iterable(self.alternatives):
            if part.kind not in kinds:
                raise ValueError(f"there is no noise {part.kind!r}")
            if part.strength is None:
                raise ValueError(f"{part.kind} needs a strength")
            part.check_within(*kinds[part.kind].limits)

    def add(self, x: Tensor, generator: Generator, clip: bool) -> Tensor:
        """Return noisy items.

        Parameters
        ----------
        x : Tensor of shape (N, C, *S) or (N, F)
            Items in scaled units.
        generator : Generator
            The source of randomness, on the device of x.
        clip : bool
            Whether to clip to 0..1, once all parts are added.
        """
        if len(self.alternatives) == 1:
            noisy = add_parts(self.alternatives[0], x, generator)
        else:
            noisy = torch.empty_like(x)
            for choice, members in draw_members(len(self.alternatives), len(x), generator):
                noisy[members] = add_parts(self.alternatives[choice], x[members], generator)
        return noisy.clamp(0, 1) if clip else noisy


def add_parts(parts: tuple[Part, ...], x: Tensor, generator: Generator) -> Tensor:
    """Return items with all parts of a noise, one after another."""
    for part in parts:
        kind = noise_kinds()[part.kind]
        if kind.spatial and x.ndim == 2:
            raise ParameterError(
                "needs signals, images or volumes: the columns of a table have no neighbours",
                parameter="noise",
                value=kind.name,
            )
        assert part.strength is not None
        x = kind.add(x, draw_strength(part.strength, len(x), x.ndim, generator), generator)
    return x


def add_gaussian(x: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    """Add normal noise."""
    return x + deviation * normal(generator, *x.shape)


def add_correlated(x: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    """Add smoothed normal noise, of the same standard deviation everywhere, in each item as wide as it draws."""
    width = draw_strength((NARROWEST_GRAIN, WIDEST_GRAIN), len(x), x.ndim, generator)
    weights = gaussian_weights(width)
    weights = (weights / weights.square().sum(1, keepdim=True).sqrt()).to(x.dtype)
    beyond = weights.shape[1] - 1
    noise = normal(generator, *x.shape[:2], *(size + beyond for size in x.shape[2:])).to(x.dtype)
    for axis in range(2, x.ndim):
        noise = convolve(noise, weights, axis)
    return x + deviation * noise


def add_poisson(x: Tensor, events: Tensor, generator: Generator) -> Tensor:
    """Replace values by shot noise: counts of events, `events` at the value 1."""
    return torch.poisson(events * x.clamp(min=0), generator) / events


def add_salt_pepper(x: Tensor, share: Tensor, generator: Generator) -> Tensor:
    """Set a share of the positions to 0 or 1, all channels of a position alike."""
    positions = x.shape if x.ndim == 2 else (len(x), 1, *x.shape[2:])
    chance = uniform(generator, *positions)
    return x.masked_fill(chance < share, 1).masked_fill(chance < share / 2, 0)


def add_speckle(x: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    """Multiply by 1 plus normal noise."""
    return x * (1 + deviation * normal(generator, *x.shape))


def blur(x: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    """Blur along each spatial axis, edges repeated."""
    weights = gaussian_weights(deviation).to(x.dtype)
    radius = weights.shape[1] // 2
    for axis in range(2, x.ndim):
        size = x.shape[axis]
        positions = torch.arange(-radius, size + radius, device=x.device).clamp(0, size - 1)
        x = convolve(x.index_select(axis, positions), weights, axis)
    return x


def gaussian_weights(deviation: Tensor) -> Tensor:
    """Return the weights of a Gaussian for each item, (N, 2 radius + 1), whose sum is 1."""
    radius = math.ceil(BLUR_REACH * float(deviation.max()))
    steps = torch.arange(-radius, radius + 1, device=deviation.device)
    weights = torch.exp(-0.5 * (steps / deviation.view(-1, 1).clamp(min=1e-3)) ** 2)
    return weights / weights.sum(1, keepdim=True)


def convolve(x: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Convolve items along an axis with weights (N, K) of their own, only where the weights do not go beyond x."""
    size = x.shape[axis] - weights.shape[1] + 1
    total = torch.zeros_like(x.narrow(axis, 0, size))
    for step, weight in enumerate(weights.view(len(x), -1, *[1] * (x.ndim - 1)).unbind(1)):
        total.addcmul_(x.narrow(axis, step, size), weight)
    return total


def compress_as_jpeg(x: Tensor, quality: Tensor, generator: Generator) -> Tensor:
    """Return images as they are after JPEG compression, in 8 bits."""
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        found = f"have {x.shape[1]} channels" if x.ndim == 4 else f"are {'signals' if x.ndim == 3 else 'volumes'}"
        raise ParameterError(f"needs images of 1 or 3 channels; these {found}", parameter="noise", value="jpeg")
    pixels = (x.clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, 3).cpu().numpy()
    for picture, each in zip(pixels, quality.flatten().tolist(), strict=True):
        file = io.BytesIO()
        Image.fromarray(picture.squeeze(2) if x.shape[1] == 1 else picture).save(file, "JPEG", quality=round(each))
        picture[:] = np.asarray(Image.open(file)).reshape(picture.shape)
    return torch.from_numpy(pixels).movedim(3, 1).to(x) / 255


for _kind in (
    NoiseKind("gaussian", add_gaussian, limits=(0, 10)),
    NoiseKind("correlated", add_correlated, limits=(0, 10), spatial=True),
    NoiseKind("poisson", add_poisson, limits=(0.01, 1e6)),
    NoiseKind("salt-pepper", add_salt_pepper, limits=(0, 1)),
    NoiseKind("speckle", add_speckle, limits=(0, 10)),
    NoiseKind("blur", blur, limits=(0, 100), spatial=True),
    NoiseKind("jpeg", compress_as_jpeg, limits=(1, 100), spatial=True),
):
    register_noise(_kind)
