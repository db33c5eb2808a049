"""What training hides from the encoder: noise that is added, holes that are torn. Torch only, on batches.

Both are made of parts that are written as text, `KIND:STRENGTH` or `KIND:LOW-HIGH` joined by "+", and come back as
the same text from `str`. A range means that each item draws its own strength from it, each as likely as the other.
All randomness comes from the generator of the caller, which is on the device of the data.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from narrows.errors import ParameterError

MOST_BLOCKS, WIDEST_LINE = 4, 3
THINNEST_PEN, THICKEST_PEN = 0.05, 0.1  # radius as a share of an item's size, and of at least one position
LARGEST_FOR_PEN = 128  # items larger than this have the pens of this size
STEPS = 16  # of a stroke, each as long as the pen's radius
POSITIONS_PER_PEN = 2**14  # how many for each stroke that is drawn at once

NUMBER = r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
PART = re.compile(rf"([a-z-]+)(?::{NUMBER}(?:-{NUMBER})?)?")


@dataclass(frozen=True)
class Part:
    """One kind of corruption and the range of its strength; None where the kind has none or keeps its own."""

    kind: str
    strength: tuple[float, float] | None = None

    @staticmethod
    def parse(text: str) -> "Part":
        found = PART.fullmatch(text)
        if found is None:
            raise ValueError("it is not of the form KIND, KIND:STRENGTH or KIND:LOW-HIGH")
        kind, low, high = found.groups()
        return Part(kind, None if low is None else (float(low), float(high or low)))

    def __str__(self) -> str:
        if self.strength is None:
            return self.kind
        low, high = (np.format_float_positional(float(value), trim="-") for value in self.strength)
        return f"{self.kind}:{low}" if low == high else f"{self.kind}:{low}-{high}"

    def check_within(self, least: float, most: float) -> None:
        assert self.strength is not None
        low, high = self.strength
        if not least <= low <= high <= most or high == 0:
            bounds = " to ".join(np.format_float_positional(value, trim="-") for value in (least, most))
            raise ValueError(f"{self.kind} takes a strength of {bounds}, not 0 alone, or a range from low to high")

    def draw(self, count: int, dims: int, generator: Generator) -> Tensor:
        """A strength for each of `count` items, (count, 1, ...) of `dims` dimensions."""
        assert self.strength is not None
        low, high = self.strength
        return low + (high - low) * _rand(generator, count, *[1] * (dims - 1))


@dataclass(frozen=True)
class Noise:
    """Noise of one or more parts, added one after another, in scaled units: 0..1 for data of a known range.

    gaussian:S     of standard deviation S
    poisson:P      shot noise, P events at the value 1: Poisson(P max(x, 0)) / P
    salt-pepper:P  a share P of the positions turns 0 or 1, half of them each, all channels of a position alike
    speckle:S      x (1 + S n), n of standard deviation 1
    blur:S         a Gaussian of a standard deviation of S pixels along each spatial axis, edges repeated
    """

    parts: tuple[Part, ...]

    @staticmethod
    def parse(text: str) -> "Noise":
        """The noise that `text` says, such as "gaussian:0.1-0.5" or "blur:1+poisson:30"; ValueError otherwise."""
        try:
            return Noise(tuple(Part.parse(part) for part in text.split("+")))
        except ValueError as error:
            raise ParameterError(
                str(error),
                parameter="noise",
                value=text,
                hint="possible are gaussian:S, poisson:P, salt-pepper:P, speckle:S and blur:S, S a number such as 0.5 "
                "or a range such as 0.1-0.5, and several of them joined by +",
            ) from None

    def __str__(self) -> str:
        return "+".join(map(str, self.parts))

    def __post_init__(self) -> None:
        for part in self.parts:
            if part.kind not in NOISES:
                raise ValueError(f"there is no noise {part.kind!r}")
            if part.strength is None:
                raise ValueError(f"{part.kind} needs a strength")
            part.check_within(*NOISES[part.kind][1:])

    def add(self, x: Tensor, generator: Generator, clip: bool) -> Tensor:
        """Noisy x, for items (N, C, *S), or (N, F) where there is no blur; `clip`: to 0..1, once, at the end."""
        for part in self.parts:
            if part.kind == "blur" and x.ndim == 2:
                raise ParameterError(
                    "needs signals, images or volumes: the columns of a table have no neighbours",
                    parameter="noise",
                    value="blur",
                )
            x = NOISES[part.kind][0](x, part.draw(len(x), x.ndim, generator), generator)
        return x.clamp(0, 1) if clip else x


def _gaussian(x: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    return x + deviation * _randn(generator, *x.shape)


def _poisson(x: Tensor, events: Tensor, generator: Generator) -> Tensor:
    return torch.poisson(events * x.clamp(min=0), generator) / events


def _salt_pepper(x: Tensor, share: Tensor, generator: Generator) -> Tensor:
    positions = x.shape if x.ndim == 2 else (len(x), 1, *x.shape[2:])
    chance = _rand(generator, *positions)
    return x.masked_fill(chance < share, 1).masked_fill(chance < share / 2, 0)


def _speckle(x: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    return x * (1 + deviation * _randn(generator, *x.shape))


def _blur(x: Tensor, deviation: Tensor, generator: Generator) -> Tensor:
    reach = math.ceil(4 * float(deviation.max()))
    steps = torch.arange(-reach, reach + 1, device=x.device)
    weights = torch.exp(-0.5 * (steps / deviation.view(-1, 1).clamp(min=1e-3)) ** 2)
    weights = (weights / weights.sum(1, keepdim=True)).to(x.dtype).view(len(x), -1, *[1] * (x.ndim - 1))
    for axis in range(2, x.ndim):
        size = x.shape[axis]
        places = torch.arange(-reach, size + reach, device=x.device).clamp(0, size - 1)
        enlarged = x.index_select(axis, places)
        x = torch.zeros_like(x)
        for step in range(len(steps)):
            x.addcmul_(enlarged.narrow(axis, step, size), weights[:, step])
    return x


# How each is added, and the limits of its strength.
NOISES: dict[str, tuple[Callable[[Tensor, Tensor, Generator], Tensor], float, float]] = {
    "gaussian": (_gaussian, 0, 10),
    "poisson": (_poisson, 0.01, 1e6),
    "salt-pepper": (_salt_pepper, 0, 1),
    "speckle": (_speckle, 0, 10),
    "blur": (_blur, 0, 100),
}


@dataclass(frozen=True)
class Holes:
    """Holes of one or more parts, all of them torn into each item. Strengths are shares of an item's positions.

    pixels:P   single positions, 0.1-0.9 of them if it is not said
    blocks:P   one to four rectangles (intervals, cuboids), 0.05-0.4
    lines:P    whole rows or columns (of volumes: slices; of signals: runs) of one to three together, 0.1-0.5
    strokes:P  strokes of thick pens, drawn by a free hand, 0.05-0.3
    channels   whole channels, at least one and never all
    mixed      for each item one of these; channels where there are several
    """

    parts: tuple[Part, ...]

    @staticmethod
    def parse(text: str) -> "Holes":
        """The holes that `text` says, such as "mixed", "blocks:0.25" or "pixels:0.2+lines"; ValueError otherwise."""
        try:
            return Holes(tuple(Part.parse(part) for part in text.split("+")))
        except ValueError as error:
            raise ParameterError(
                str(error),
                parameter="holes",
                value=text,
                hint="possible are pixels, blocks, lines, strokes, channels and mixed, the first four with a share "
                "such as :0.5 or a range such as :0.2-0.8, and several of them joined by +",
            ) from None

    def __str__(self) -> str:
        return "+".join(map(str, self.parts))

    def __post_init__(self) -> None:
        for part in self.parts:
            if part.kind in HOLES:
                (part if part.strength else HOLES[part.kind][1]).check_within(0, 0.99)
            elif part.kind not in ("channels", "mixed"):
                raise ValueError(f"there are no holes {part.kind!r}")
            elif part.strength is not None:
                raise ValueError(f"{part.kind} has no strength")

    def draw(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """True where hidden, for items of `shape` (N, C, *S); of each item something is hidden, and never all.

        An item of one single value has nothing to hide. ValueError for "channels" where there is only one.
        """
        count, _, *sizes = shape
        hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
        for part in self.parts:
            hidden |= _mixed(shape, generator) if part.kind == "mixed" else _torn(part, shape, generator)
        hidden = hidden.flatten(2)
        chosen = torch.randint(math.prod(sizes), (count, 1, 1), generator=generator, device=generator.device)
        spot = torch.arange(math.prod(sizes), device=generator.device) == chosen
        hidden |= spot & ~hidden.any((1, 2), keepdim=True)
        hidden &= ~(spot & hidden.all((1, 2), keepdim=True))
        return hidden.view(shape)


def _torn(part: Part, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """The holes of one kind, of a shape that spreads to `shape`: (N, 1, *S), or (N, C, 1, ...) for channels."""
    if part.kind == "channels":
        return _channels(shape, generator)
    tear, default = HOLES[part.kind]
    strength = (part if part.strength else default).draw(shape[0], 2, generator)
    return tear((shape[0], *shape[2:]), strength, generator).unsqueeze(1)


def _mixed(shape: tuple[int, ...], generator: Generator) -> Tensor:
    kinds = [*HOLES] if shape[1] == 1 else [*HOLES, "channels"]
    kind_of = torch.randint(len(kinds), shape[:1], generator=generator, device=generator.device)
    hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    for number, kind in enumerate(kinds):
        members = (kind_of == number).nonzero()[:, 0]
        if len(members):
            hidden[members] = _torn(Part(kind), (len(members), *shape[1:]), generator)
    return hidden


def _channels(shape: tuple[int, ...], generator: Generator) -> Tensor:
    count, channels, *sizes = shape
    if channels == 1:
        raise ParameterError("needs items with several channels; these have one", parameter="holes", value="channels")
    number = torch.randint(1, channels, (count, 1), generator=generator, device=generator.device)
    rank = _rand(generator, count, channels).argsort(1).argsort(1)
    return (rank < number).view(count, channels, *[1] * len(sizes))


def _pixels(shape: tuple[int, ...], share: Tensor, generator: Generator) -> Tensor:
    return _rand(generator, *shape) < _facing(share, 0, len(shape) - 1)


def _blocks(shape: tuple[int, ...], share: Tensor, generator: Generator) -> Tensor:
    """Boxes at random places; their volumes v leave prod(1 - v) = 1 - share, because they may overlap."""
    count, *sizes = shape
    size = torch.tensor(sizes, device=generator.device)
    number = torch.randint(1, MOST_BLOCKS + 1, (count, 1), generator=generator, device=generator.device)
    weights = (0.5 + _rand(generator, count, MOST_BLOCKS)) * (torch.arange(MOST_BLOCKS, device=size.device) < number)
    volumes = 1 - (1 - share) ** (weights / weights.sum(1, keepdim=True))
    hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    for volume in volumes.split(1, dim=1):
        proportions = 1 + _rand(generator, count, len(sizes))
        sides = size * volume ** (proportions / proportions.sum(1, keepdim=True))
        sides = (sides + _rand(generator, count, len(sizes))).floor()
        corners = (_rand(generator, count, len(sizes)) * (size - sides + 1)).floor()
        box = torch.ones_like(hidden)
        for axis, length in enumerate(sizes):
            from_corner = torch.arange(length, device=generator.device) - corners[:, axis, None]
            box &= _facing((from_corner >= 0) & (from_corner < sides[:, axis, None]), axis, len(sizes))
        hidden |= box
    return hidden


def _lines(shape: tuple[int, ...], share: Tensor, generator: Generator) -> Tensor:
    """Lines of one width an item and across one of its axes, one after another until their share is covered."""
    count, *sizes = shape
    across = torch.randint(len(sizes), (count, 1), generator=generator, device=generator.device)
    width = torch.randint(1, WIDEST_LINE + 1, (count, 1), generator=generator, device=generator.device)
    hidden = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    for axis, length in enumerate(sizes):
        drawn = _rand(generator, count, length + WIDEST_LINE - 1)  # when a line is drawn that begins here
        first = torch.full((count, length), math.inf, device=generator.device)
        for ago in range(WIDEST_LINE):
            begun = drawn[:, WIDEST_LINE - 1 - ago :][:, :length]
            first = torch.where(ago < width.minimum(_wanted(share, length)), first.minimum(begun), first)
        hidden |= _facing(_covered(first, share) & (across == axis), axis, len(sizes))
    return hidden


def _strokes(shape: tuple[int, ...], share: Tensor, generator: Generator) -> Tensor:
    """Random walks of round pens that turn back at the edges, one after another until their share is covered."""
    count, *sizes = shape
    size = torch.tensor(sizes, dtype=torch.float32, device=generator.device)
    positions, axes = math.prod(sizes), len(sizes)
    span = min(positions ** (1 / axes), LARGEST_FOR_PEN)
    radius = (span * (THINNEST_PEN + (THICKEST_PEN - THINNEST_PEN) * _rand(generator, count, 1, 1))).clamp(min=1)
    reach = math.ceil(float(radius.max()))
    around = torch.arange(-reach, reach + 1, device=generator.device)
    pens = 1 + positions // POSITIONS_PER_PEN
    times = torch.arange(pens * STEPS, dtype=torch.float32, device=generator.device)
    first = torch.full((count, positions), math.inf, device=generator.device)
    while bool((first.isfinite().sum(1, keepdim=True) < _wanted(share, positions)).any()):
        turns = _randn(generator, count, pens, STEPS, axes).cumsum(2)
        direction = torch.nn.functional.normalize(turns + 2 * _randn(generator, count, pens, 1, axes), dim=3)
        walk = _rand(generator, count, pens, 1, axes) * size + radius.unsqueeze(3) * direction.cumsum(2)
        points = (size - (walk % (2 * size) - size).abs()).view(count, -1, 1, axes)
        distance = torch.zeros(count, len(times), device=generator.device)  # squared, of the positions around a point
        places = torch.zeros(count, len(times), dtype=torch.int64, device=generator.device)
        for axis, length in enumerate(sizes):
            facing = (count, -1, *[1] * axis, len(around))
            cells = points[..., axis].floor().long() + around
            apart = (cells + 0.5 - points[..., axis]) ** 2
            apart = apart.masked_fill((cells < 0) | (cells >= length), math.inf)
            distance = distance.unsqueeze(-1) + apart.view(facing)
            places = places.unsqueeze(-1) * length + cells.clamp(0, length - 1).view(facing)
        reached = torch.where(distance.flatten(2) <= radius**2, times.view(-1, 1), math.inf)
        first.scatter_reduce_(1, places.flatten(1), reached.flatten(1), "amin")
        times += len(times)
    return _covered(first, share).view(shape)


def _covered(first: Tensor, share: Tensor) -> Tensor:
    """What is covered by the time that a share of each row is; `first`: when each position is, (N, P)."""
    return first <= first.sort(1).values.gather(1, _wanted(share, first.shape[1]) - 1)


def _wanted(share: Tensor, positions: int) -> Tensor:
    """How many positions are to be covered, at least one."""
    return (share * positions).long().clamp(min=1)


def _facing(mask: Tensor, axis: int, axes: int) -> Tensor:
    """(N, L) as (N, 1, .., L, .., 1), with L at spatial axis `axis` of `axes`."""
    return mask.view(len(mask), *[1] * axis, -1, *[1] * (axes - 1 - axis))


def _rand(generator: Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _randn(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)


# How each is torn from items (N, *S), and its share if none is said.
HOLES: dict[str, tuple[Callable[[tuple[int, ...], Tensor, Generator], Tensor], Part]] = {
    "pixels": (_pixels, Part("pixels", (0.1, 0.9))),
    "blocks": (_blocks, Part("blocks", (0.05, 0.4))),
    "lines": (_lines, Part("lines", (0.1, 0.5))),
    "strokes": (_strokes, Part("strokes", (0.05, 0.3))),
}
