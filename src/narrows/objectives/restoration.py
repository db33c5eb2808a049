"""What training asks of a network that restores: which values it sees, and how well it answers for which."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from narrows.corruption import Masks, Noise
from narrows.errors import DataError
from narrows.networks.restoration.mixture import Mixture
from narrows.networks.restoration.unet import RestoringNetwork

HEAD_WEIGHT = 0.1  # of the likelihood beside the squared error
MORE_NOISE = 0.01  # nats, for e times the variance
PARTLY = 0.25  # share of the items of a batch whose holes are seen partly filled
DESCRIBED = 8  # one item of so many in a batch: describing values costs as much as restoring them, and learns faster


@dataclass(frozen=True)
class Example:
    """What a network sees, (N, C, *S), and what is asked of it.

    seen: 0 where a value is not known. known: 1 or 0, for networks that are told. target: what is right, where
    `asked` says so; everywhere where that is None.
    """

    seen: Tensor
    known: Tensor | None
    target: Tensor
    asked: Tensor | None

    @property
    def x(self) -> Tensor:
        return self.seen if self.known is None else torch.cat([self.seen, self.known.to(self.seen.dtype)], 1)


class Corruption(Protocol):
    """From a batch to an example, with what is random drawn from the generator."""

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example: ...


@dataclass(frozen=True)
class AddNoise:
    """Clean items, and noise."""

    noise: Noise
    clip: bool

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example:
        return Example(self.noise.add(x, generator, self.clip), None, x, None)


class Pairs:
    """Noisy items, and behind them in the channels what they should be: clean, or noisy another time.

    Lehtinen et al., "Noise2Noise: Learning image restoration without clean data", 2018.
    """

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example:
        seen, target = x.chunk(2, 1)
        return Example(seen, None, target, None)


@dataclass(frozen=True)
class HideSome:
    """Items with some of their known values hidden, which are asked for."""

    holes: Masks

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example:
        known = x.isfinite()
        hidden = self.holes.draw(tuple(x.shape), generator)
        left = known & ~hidden
        return Example(torch.where(left, x, 0.0), left, torch.where(known, x, 0.0), known & hidden)


class HideOneInTwo:
    """Noisy items with every other position along each axis hidden, which are asked for.

    What is hidden can be told from its neighbours, its noise cannot: Krull, Buchholz & Jug, "Noise2Void", 2019;
    Batson & Royer, "Noise2Self", 2019.
    """

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example:
        starts = torch.randint(2, (x.ndim - 2,), generator=generator, device=x.device).tolist()
        # Along an axis of one position there is only the first.
        return hide_lattice(x, tuple(min(start, size - 1) for start, size in zip(starts, x.shape[2:], strict=True)))


def hide_lattice(x: Tensor, starts: tuple[int, ...]) -> Example:
    """Every other position along each axis hidden, from these first ones (0 or 1) on."""
    hidden = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
    hidden[lattice(starts)] = True
    return Example(x.masked_fill(hidden, 0.0), ~hidden, x, hidden)


def lattice(starts: tuple[int, ...]) -> tuple[slice, ...]:
    """Every other position along each axis of (N, C, *S)."""
    return (slice(None), slice(None), *(slice(start, None, 2) for start in starts))


class Objective:
    """The loss of a network that restores, over the values that are asked for.

    The mean squared error of the restored values. Beside it the numbers that describe each value learn from features
    that they do not change: as a mixture, under which what is right is likely.
    """

    def __init__(self, corruption: Corruption, seed: int) -> None:
        self.corruption, self.seed = corruption, seed

    def generator(self, x: Tensor, step: int | None) -> torch.Generator:
        """Always the same one for the same step."""
        turn = -1 if step is None else step
        return torch.Generator(device=x.device).manual_seed(self.seed * 1_000_003 + turn)

    def example(self, x: Tensor, step: int | None) -> Example:
        """Of a batch: always the same one for the same step."""
        return self.corruption(x, self.generator(x, step))

    def __call__(self, network: RestoringNetwork, x: Tensor, step: int | None) -> Tensor:
        example = self.example(x, step)
        restored, features = network(example.x)
        right = picked(example.target, example.asked)
        error = squared_error(picked(restored, example.asked), right)
        if step is None:
            return error
        asked = None if example.asked is None else example.asked[::DESCRIBED]
        numbers = network.describe(features[::DESCRIBED].detach(), example.target.shape[2:])
        mixture = Mixture.of(picked(numbers, asked))
        right = picked(example.target[::DESCRIBED], asked)
        surprise = -average(mixture.log_likelihood(right, torch.zeros_like(mixture.means), clipped=False))
        # Learnt from, but no part of the loss that is told.
        return error + HEAD_WEIGHT * error.detach() * (surprise - surprise.detach())

    def baseline(self, mean: Tensor, held_out: Iterable[Tensor]) -> float:
        """The loss of answering with the mean item (C, *S); DataError where nothing is asked for."""
        return self.error_of(lambda example: mean.expand_as(example.target), held_out)

    def untouched(self, held_out: Iterable[Tensor]) -> float:
        """The loss of answering with what is seen."""
        return self.error_of(lambda example: example.seen, held_out)

    def error_of(self, answer: Callable[[Example], Tensor], held_out: Iterable[Tensor]) -> float:
        losses, counts, asked = [], [], 0
        for x in held_out:
            example = self.example(x, None)
            right = picked(example.target, example.asked)
            losses.append(float(squared_error(picked(answer(example), example.asked), right)))
            counts.append(len(x))
            asked += right.numel()
        if not asked:
            raise DataError("too few values are known: none of those that are held out could be hidden")
        return float(np.average(losses, weights=counts))


class FillObjective(Objective):
    """The loss of a network that fills holes, which in training are filled partly in some items.

    So it knows what to do with holes that sampling has filled partly.
    """

    def __init__(self, holes: Masks, seed: int) -> None:
        super().__init__(HideSome(holes), seed)

    def example(self, x: Tensor, step: int | None) -> Example:
        generator = self.generator(x, step)
        example = self.corruption(x, generator)
        return example if step is None else partly_filled(example, generator)


def partly_filled(example: Example, generator: torch.Generator) -> Example:
    """In some items a share of what is asked for, of any size, seen."""
    assert example.known is not None
    assert example.asked is not None
    target = example.target

    def random(shape: Iterable[int]) -> Tensor:
        return torch.rand(tuple(shape), generator=generator, device=target.device)

    each = (len(target), *[1] * (target.ndim - 1))
    filled = example.asked & (random(each) < PARTLY) & (random(target.shape) < random(each))
    seen = torch.where(filled, target, example.seen)
    return Example(seen, example.known | filled, target, example.asked & ~filled)


class BlindObjective(Objective):
    """The loss of a network that learns from noisy items alone: the surprise at what was hidden.

    What was hidden is a draw from the mixture that the network expects there, plus noise whose level is learnt beside
    it (Laine et al., "High-quality self-supervised deep image denoising", 2019), clipped to 0..1 where `clipped`.
    """

    def __init__(self, clipped: bool, seed: int) -> None:
        super().__init__(HideOneInTwo(), seed)
        self.clipped = clipped

    def __call__(self, network: RestoringNetwork, x: Tensor, step: int | None) -> Tensor:
        example = self.example(x, step)
        _, features = network(example.x)
        mixture = Mixture.of(picked(network.describe(features, x.shape[2:]), example.asked))
        noise = network.noise(mixture.means)
        surprise = -average(mixture.log_likelihood(picked(x, example.asked), noise, self.clipped))
        # A value that is doubtful and little noise are as likely as much noise on one that is not. Of what nothing
        # decides, noise is the better guess, so it starts large and is held so.
        return surprise if step is None else surprise - MORE_NOISE * average(noise.log())

    def baseline(self, mean: Tensor, held_out: Iterable[Tensor]) -> float:
        """The surprise of one who expects the same normal distribution everywhere; 0 where nothing varies."""
        x = torch.cat([part.flatten() for part in held_out])
        mean, deviation = x.mean().view(1), x.std(correction=0).view(1)
        if deviation == 0:
            return 0.0
        flat = Mixture(x.new_zeros(1), mean, deviation)
        return float(-flat.log_likelihood(x, x.new_zeros(1), self.clipped).mean())


def picked(values: Tensor, asked: Tensor | None) -> Tensor:
    """The values that are asked for, as (K, ...); all as they are where nothing says which."""
    return values if asked is None else values[asked]


def squared_error(answer: Tensor, right: Tensor) -> Tensor:
    return average((answer - right) ** 2)


def average(values: Tensor) -> Tensor:
    """The mean, 0 of no values at all: what a batch hides may all be unknown."""
    return values.sum() / max(1, values.numel())
