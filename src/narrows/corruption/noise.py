"""Noise: its kinds, and the sum of several."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from narrows.corruption.specification import Part, draw_strength, normal, parse_parts, uniform
from narrows.errors import ParameterError
from narrows.registry import load_plugins


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

    ============= ===============================================================================================
    gaussian:S    with standard deviation S
    poisson:P     shot noise, P events at the value 1: Poisson(P max(x, 0)) / P
    salt-pepper:P a share P of the positions turns 0 or 1, half of them each, all channels of a position alike
    speckle:S     x (1 + S n), n with standard deviation 1
    blur:S        a Gaussian with a standard deviation of S pixels along each spatial axis, edges repeated
    ============= ===============================================================================================

    Examples
    --------
    >>> noise = Noise.parse("gaussian:0.1")
    >>> noise.add(torch.zeros(2, 1, 4, 4), torch.Generator().manual_seed(0), clip=True).shape
    torch.Size([2, 1, 4, 4])
    """

    parts: tuple[Part, ...]

    @staticmethod
    def parse(text: str) -> "Noise":
        """Return the noise that a text describes, such as "gaussian:0.1-0.5" or "blur:1+poisson:30".

        Raises
        ------
        ParameterError
            If the text describes no noise.
        """
        try:
            return Noise(parse_parts(text))
        except ValueError as error:
            *kinds, last = (f"{name}:S" for name in noise_kinds())
            raise ParameterError(
                str(error),
                parameter="noise",
                value=text,
                hint=f"possible are {', '.join(kinds)} and {last}, S a number such as 0.5 or a range such as 0.1-0.5, "
                "and several of them joined by +",
            ) from None

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return "+".join(map(str, self.parts))

    def __post_init__(self) -> None:
        """Check the values."""
        kinds = noise_kinds()
        for part in self.parts:
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
        kinds = noise_kinds()
        for part in self.parts:
            kind = kinds[part.kind]
            if kind.spatial and x.ndim == 2:
                raise ParameterError(
                    "needs signals, images or volumes: the columns of a table have no neighbours",
                    parameter="noise",
                    value=kind.name,
                )
            assert part.strength is not None
            x = kind.add(x, draw_strength(part.strength, len(x), x.ndim, generator), generator)
        return x.clamp(0, 1) if clip else x


def add_gaussian(x: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    """Add normal noise."""
    return x + deviation * normal(generator, *x.shape)


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
    radius = math.ceil(4 * float(deviation.max()))
    steps = torch.arange(-radius, radius + 1, device=x.device)
    weights = torch.exp(-0.5 * (steps / deviation.view(-1, 1).clamp(min=1e-3)) ** 2)
    weights = (weights / weights.sum(1, keepdim=True)).to(x.dtype).view(len(x), -1, *[1] * (x.ndim - 1))
    for axis in range(2, x.ndim):
        size = x.shape[axis]
        positions = torch.arange(-radius, size + radius, device=x.device).clamp(0, size - 1)
        enlarged = x.index_select(axis, positions)
        x = torch.zeros_like(x)
        for step in range(len(steps)):
            x.addcmul_(enlarged.narrow(axis, step, size), weights[:, step])
    return x


for _kind in (
    NoiseKind("gaussian", add_gaussian, limits=(0, 10)),
    NoiseKind("poisson", add_poisson, limits=(0.01, 1e6)),
    NoiseKind("salt-pepper", add_salt_pepper, limits=(0, 1)),
    NoiseKind("speckle", add_speckle, limits=(0, 10)),
    NoiseKind("blur", blur, limits=(0, 100), spatial=True),
):
    register_noise(_kind)
