"""What a value may be: a mixture of normal distributions, seen as it is or through noise."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

COMPONENTS = 4
NUMBERS = 3 * COMPONENTS  # that describe one mixture
NARROWEST = 1 / 512  # deviation of a component, in scaled units
WIDEST = 8.0
NARROW = 2.0  # so that an untrained network expects a deviation of about 0.1


@dataclass(frozen=True)
class Mixture:
    """Mixtures for values of any shape (...): log weights, means and deviations of their components, each (..., M)."""

    log_weights: Tensor
    means: Tensor
    deviations: Tensor

    @classmethod
    def of(cls, numbers: Tensor) -> "Mixture":
        """From the 3 M numbers (..., 3 M) of a network, whatever they are."""
        weights, means, deviations = numbers.split(COMPONENTS, -1)
        deviations = NARROWEST + F.softplus(deviations.clamp(max=WIDEST) - NARROW)
        return cls(F.log_softmax(weights, -1), means, deviations)

    def log_likelihood(self, y: Tensor, noise: Tensor, clipped: bool) -> Tensor:
        """The logarithm of the density of y (...), value plus noise.

        noise: variance of the noise at the mean of each component, as the means. clipped: whether y was clipped to
        0..1 after the noise was added; the density of what lies at an end is then the probability to fall there.
        """
        return self._evidence(y, noise, clipped).logsumexp(-1)

    def given(self, y: Tensor, noise: Tensor, clipped: bool) -> tuple[Tensor, Tensor]:
        """Mean and variance of the value where y, the value plus noise, was seen: the posterior (...), (...)."""
        weights = self._evidence(y, noise, clipped).softmax(-1)
        y = y.unsqueeze(-1)
        variances = self.deviations**2
        spread = (variances + noise).sqrt()
        gain = variances / spread
        shift, shrink = (y - self.means) / spread, torch.ones_like(spread)
        if clipped:
            for end, side in ((0.0, 1.0), (1.0, -1.0)):
                # Beyond an end, only that y fell there is known: the moments of a normal cut at it.
                at = side * (end - self.means) / spread
                ratio = math.sqrt(2 / math.pi) / torch.special.erfcx(-at / math.sqrt(2))
                fell = y <= end if side > 0 else y >= end
                shift = torch.where(fell, -side * ratio, shift)
                # Held to its bounds, because far out the sum is one of numbers that cancel.
                shrink = torch.where(fell, (ratio * (ratio + at)).clamp(0, 1), shrink)
        means = self.means + gain * shift
        rest = variances - gain**2 * shrink
        mean = (weights * means).sum(-1)
        return mean, (weights * (rest + (means - mean.unsqueeze(-1)) ** 2)).sum(-1)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of the values (...), (...)."""
        weights = self.log_weights.exp()
        mean = (weights * self.means).sum(-1)
        return mean, (weights * (self.deviations**2 + (self.means - mean.unsqueeze(-1)) ** 2)).sum(-1)

    def stretched(self, factor: Tensor) -> "Mixture":
        """So many times as wide (...), about the same mean."""
        middle, factor = self.moments()[0].unsqueeze(-1), factor.unsqueeze(-1)
        return Mixture(self.log_weights, middle + factor * (self.means - middle), factor * self.deviations)

    def below(self, y: Tensor) -> Tensor:
        """The probability of values below y (...)."""
        return (self.log_weights.exp() * torch.special.ndtr((y.unsqueeze(-1) - self.means) / self.deviations)).sum(-1)

    def mode(self) -> Tensor:
        """Where among the means of its components each mixture is densest, (...)."""
        at = self.means.movedim(-1, 0)
        density = torch.stack([self.log_likelihood(y, torch.zeros_like(self.means), clipped=False) for y in at])
        return at.gather(0, density.argmax(0, keepdim=True))[0]

    def sample(self, generator: torch.Generator) -> Tensor:
        """One value each (...)."""
        weights = self.log_weights.exp()
        chosen = torch.multinomial(weights.flatten(0, -2), 1, generator=generator).view(*weights.shape[:-1], 1)
        mean, deviation = (each.gather(-1, chosen).squeeze(-1) for each in (self.means, self.deviations))
        drawn = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + deviation * drawn

    def _evidence(self, y: Tensor, noise: Tensor, clipped: bool) -> Tensor:
        """The logarithm of each component's weight times its density at y, (..., M)."""
        y = y.unsqueeze(-1)
        spread = (self.deviations**2 + noise).sqrt()
        density = -0.5 * ((y - self.means) / spread) ** 2 - spread.log() - 0.5 * math.log(2 * math.pi)
        if clipped:
            below, above = (
                torch.special.log_ndtr(-self.means / spread),
                torch.special.log_ndtr((self.means - 1) / spread),
            )
            density = torch.where(y <= 0, below, torch.where(y >= 1, above, density))
        return self.log_weights + density
