"""Restoration objectives: corruption of batches, and the losses of denoising and inpainting."""

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

NLL_WEIGHT = 0.1  # of the negative log-likelihood, relative to the squared error
NOISE_BONUS = 0.01  # nats for e times the variance of the noise
PARTLY_FILLED = 0.25  # share of the items of a batch whose holes are partly filled
SMALLEST_NOISE = 1e-8  # variance that training on other items starts with, at least
NLL_STRIDE = 8  # one in 8 items of a batch trains distributions, which cost as much as values and converge faster


@dataclass(frozen=True)
class Example:
    """The input and the target of a network.

    Parameters
    ----------
    inputs : Tensor of shape (N, C, *S)
        Corrupted values, 0 where missing or hidden.
    observed : Tensor of shape (N, C, *S) or None
        True where `inputs` are observed; None for networks that take no mask.
    target : Tensor of shape (N, C, *S)
        What to predict.
    target_mask : Tensor of shape (N, C, *S) or None
        True where the loss counts; None for everywhere.
    """

    inputs: Tensor
    observed: Tensor | None
    target: Tensor
    target_mask: Tensor | None

    @property
    def x(self) -> Tensor:
        """The network's input."""
        if self.observed is None:
            return self.inputs
        return torch.cat([self.inputs, self.observed.to(self.inputs.dtype)], 1)


class Corruption(Protocol):
    """Makes an example of a batch; the generator is its only source of randomness."""

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example:
        """Return the example."""


@dataclass(frozen=True)
class AddNoise:
    """Adds noise to clean items."""

    noise: Noise
    clip: bool

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example:
        """Return noisy items; the target is clean."""
        return Example(self.noise.add(x, generator, self.clip), None, x, None)


class Pairs:
    """Splits the channels of pairs: noisy items, and their targets, which are clean or have other noise.

    References
    ----------
    Lehtinen et al., "Noise2Noise: Learning image restoration without clean data", 2018.
    """

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example:
        """Return the first half of the channels; the target is the second."""
        inputs, target = x.chunk(2, 1)
        return Example(inputs, None, target, None)


@dataclass(frozen=True)
class HideSome:
    """Hides some observed values, which are the targets."""

    masks: Masks

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example:
        """Return items with more values hidden."""
        observed = x.isfinite()
        hidden = self.masks.draw(tuple(x.shape), generator)
        left = observed & ~hidden
        return Example(torch.where(left, x, 0.0), left, torch.where(observed, x, 0.0), observed & hidden)


class HideOneInTwo:
    """Hides every other position of noisy items along each axis; these are the targets.

    Hidden values can be predicted from their neighbours; their noise cannot.

    References
    ----------
    Krull, Buchholz & Jug, "Noise2Void: Learning denoising from single noisy images", 2019.
    Batson & Royer, "Noise2Self: Blind denoising by self-supervision", 2019.
    """

    def __call__(self, x: Tensor, generator: torch.Generator) -> Example:
        """Return items with a random lattice of positions hidden."""
        starts = torch.randint(2, (x.ndim - 2,), generator=generator, device=x.device).tolist()
        # Along an axis of one position there is only the first.
        return hide_lattice(x, tuple(min(start, size - 1) for start, size in zip(starts, x.shape[2:], strict=True)))


def hide_lattice(x: Tensor, starts: tuple[int, ...]) -> Example:
    """Return items with every other position along each axis hidden, from these first ones (0 or 1) on."""
    hidden = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
    hidden[lattice(starts)] = True
    return Example(x.masked_fill(hidden, 0.0), ~hidden, x, hidden)


def lattice(starts: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the index of every other position along each spatial axis of (N, C, *S)."""
    return (slice(None), slice(None), *(slice(start, None, 2) for start in starts))


class RestorationObjective:
    """The mean squared error of restored values, over the targets.

    In training, the negative log-likelihood of the predictive distributions is minimised too. It has no influence on
    the features, nor on the value of the loss.
    """

    def __init__(self, corruption: Corruption, seed: int) -> None:
        self.corruption, self.seed = corruption, seed

    def generator(self, x: Tensor, step: int | None) -> torch.Generator:
        """Return the generator of a step, always the same one."""
        return torch.Generator(device=x.device).manual_seed(self.seed * 1_000_003 + (-1 if step is None else step))

    def example(self, x: Tensor, step: int | None) -> Example:
        """Return the example of a batch, always the same one for the same step."""
        return self.corruption(x, self.generator(x, step))

    def __call__(self, network: RestoringNetwork, x: Tensor, step: int | None) -> Tensor:
        """Return the loss of a batch."""
        example = self.example(x, step)
        restored, features = network(example.x)
        target = select(example.target, example.target_mask)
        error = squared_error(select(restored, example.target_mask), target)
        if step is None:
            return error
        mask = None if example.target_mask is None else example.target_mask[::NLL_STRIDE]
        numbers = network.describe(features[::NLL_STRIDE].detach(), example.target.shape[2:])
        mixture = Mixture.from_parameters(select(numbers, mask))
        target = select(example.target[::NLL_STRIDE], mask)
        nll = -average(mixture.log_likelihood(target, torch.zeros_like(mixture.means), clipped=False))
        # Its gradient counts, its value does not: the loss stays a squared error.
        return error + NLL_WEIGHT * error.detach() * (nll - nll.detach())

    def baseline(self, mean: Tensor, held_out: Iterable[Tensor]) -> float:
        """Return the loss of predicting the mean item (C, *S); DataError where there are no targets."""
        return self.error_of(lambda example: mean.expand_as(example.target), held_out)

    def loss_of_input(self, held_out: Iterable[Tensor]) -> float:
        """Return the loss of predicting the corrupted input."""
        return self.error_of(lambda example: example.inputs, held_out)

    def error_of(self, predict: Callable[[Example], Tensor], held_out: Iterable[Tensor]) -> float:
        """Return the mean squared error of predictions of held-out batches."""
        losses, counts, n_targets = [], [], 0
        for x in held_out:
            example = self.example(x, None)
            target = select(example.target, example.target_mask)
            losses.append(float(squared_error(select(predict(example), example.target_mask), target)))
            counts.append(len(x))
            n_targets += target.numel()
        if not n_targets:
            raise DataError("too few values are observed: none of those that are held out could be hidden")
        return float(np.average(losses, weights=counts))


class FillObjective(RestorationObjective):
    """The loss of inpainting, with holes that are partly filled in some training items, as they are in sampling."""

    def __init__(self, masks: Masks, seed: int) -> None:
        super().__init__(HideSome(masks), seed)

    def example(self, x: Tensor, step: int | None) -> Example:
        """Return the example of a batch."""
        generator = self.generator(x, step)
        example = self.corruption(x, generator)
        return example if step is None else partly_filled(example, generator)


def partly_filled(example: Example, generator: torch.Generator) -> Example:
    """Return the example with a random share of the targets observed in some items."""
    assert example.observed is not None
    assert example.target_mask is not None
    target = example.target

    def random(shape: Iterable[int]) -> Tensor:
        return torch.rand(tuple(shape), generator=generator, device=target.device)

    each = (len(target), *[1] * (target.ndim - 1))
    filled = example.target_mask & (random(each) < PARTLY_FILLED) & (random(target.shape) < random(each))
    inputs = torch.where(filled, target, example.inputs)
    return Example(inputs, example.observed | filled, target, example.target_mask & ~filled)


class BlindObjective(RestorationObjective):
    """The loss of learning from noisy items alone: the negative log-likelihood of hidden values.

    A hidden value is a sample of the mixture that the network predicts, plus noise whose level is learned too, clipped
    to 0..1 where `clipped`.

    References
    ----------
    Laine et al., "High-quality self-supervised deep image denoising", 2019.
    """

    def __init__(self, clipped: bool, seed: int) -> None:
        super().__init__(HideOneInTwo(), seed)
        self.clipped = clipped

    def __call__(self, network: RestoringNetwork, x: Tensor, step: int | None) -> Tensor:
        """Return the loss of a batch."""
        example = self.example(x, step)
        _, features = network(example.x)
        mixture = Mixture.from_parameters(select(network.describe(features, x.shape[2:]), example.target_mask))
        noise = network.noise(mixture.means)
        nll = -average(mixture.log_likelihood(select(x, example.target_mask), noise, self.clipped))
        # Data alone do not distinguish an uncertain value with little noise from a certain one with much noise. Noise
        # is the better explanation, so it starts large, and a bonus keeps it so.
        return nll if step is None else nll - NOISE_BONUS * average(noise.log())

    def reset_noise(self, network: RestoringNetwork, x: Tensor) -> None:
        """Start with noise that explains all that a trained network does not predict of a batch of other items.

        With less than theirs, the network would learn to predict it as uncertainty, which is not removed.
        """
        example = self.example(x, None)
        with torch.no_grad():
            _, features = network(example.x)
            mixture = Mixture.from_parameters(select(network.describe(features, x.shape[2:]), example.target_mask))
            error = select(x, example.target_mask) - mixture.moments()[0]
        network.noise.reset(max(float((error**2).mean()), SMALLEST_NOISE))

    def baseline(self, mean: Tensor, held_out: Iterable[Tensor]) -> float:
        """Return the loss of predicting the same normal distribution everywhere; 0 where nothing varies."""
        x = torch.cat([part.flatten() for part in held_out])
        mean, deviation = x.mean().view(1), x.std(correction=0).view(1)
        if deviation == 0:
            return 0.0
        flat = Mixture(x.new_zeros(1), mean, deviation)
        return float(-flat.log_likelihood(x, x.new_zeros(1), self.clipped).mean())


def select(values: Tensor, mask: Tensor | None) -> Tensor:
    """Return the values (K, ...) where the mask is True; without a mask, all of them."""
    return values if mask is None else values[mask]


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error, 0 without targets."""
    return average((prediction - target) ** 2)


def average(values: Tensor) -> Tensor:
    """Return the mean, 0 without values: all that a batch hides may be missing anyway."""
    return values.sum() / max(1, values.numel())
