"""Predictive distributions: mixtures of normal distributions, of a value or of a value plus noise."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

N_COMPONENTS = 4
N_PARAMETERS = 3 * N_COMPONENTS  # of one mixture
MIN_STD = 1 / 512  # of a component, in scaled units
MAX_RAW_STD = 8.0
RAW_STD_OFFSET = 2.0  # so that an untrained network predicts a standard deviation of about 0.1


@dataclass(frozen=True)
class Mixture:
    """Mixtures of M normal distributions for values of any shape.

    Parameters
    ----------
    log_weights, means, deviations : Tensor of shape (..., M)
        Logarithms of the weights, means and standard deviations of the components.
    """

    log_weights: Tensor
    means: Tensor
    deviations: Tensor

    @classmethod
    def from_parameters(cls, numbers: Tensor) -> "Mixture":
        """Return the mixtures of a network's unconstrained outputs (..., 3 M)."""
        weights, means, deviations = torch.split(numbers, N_COMPONENTS, -1)
        deviations = MIN_STD + F.softplus(deviations.clamp(max=MAX_RAW_STD) - RAW_STD_OFFSET)
        return cls(F.log_softmax(weights, -1), means, deviations)

    def log_likelihood(self, y: Tensor, noise: Tensor, clipped: bool) -> Tensor:
        """Return the log-likelihood of y = value + noise.

        Parameters
        ----------
        y : Tensor of shape (...)
            Noisy values.
        noise : Tensor of shape (..., M)
            Variance of the noise at the mean of each component.
        clipped : bool
            Whether y was clipped to 0..1 after the noise was added. The likelihood of 0 and 1 is then the probability
            of that end.
        """
        return self._evidence(y, noise, clipped).logsumexp(-1)

    def posterior(self, y: Tensor, noise: Tensor, clipped: bool) -> tuple[Tensor, Tensor]:
        """Return mean and variance (...) of the value given y = value + noise; see `log_likelihood`."""
        weights = self._evidence(y, noise, clipped).softmax(-1)
        y = y.unsqueeze(-1)
        variances = self.deviations**2
        spread = (variances + noise).sqrt()
        gain = variances / spread
        shift, shrink = (y - self.means) / spread, torch.ones_like(spread)
        if clipped:
            for end, side in ((0.0, 1.0), (1.0, -1.0)):
                # At an end, the value is a truncated normal: these are its moments.
                at = side * (end - self.means) / spread
                ratio = math.sqrt(2 / math.pi) / torch.special.erfcx(-at / math.sqrt(2))
                at_end = y <= end if side > 0 else y >= end
                shift = torch.where(at_end, -side * ratio, shift)
                # Clamped, because far from the mean the terms cancel.
                shrink = torch.where(at_end, (ratio * (ratio + at)).clamp(0, 1), shrink)
        means = self.means + gain * shift
        rest = variances - gain**2 * shrink
        mean = (weights * means).sum(-1)
        return mean, (weights * (rest + (means - mean.unsqueeze(-1)) ** 2)).sum(-1)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance (...) of the values."""
        weights = self.log_weights.exp()
        mean = (weights * self.means).sum(-1)
        return mean, (weights * (self.deviations**2 + (self.means - mean.unsqueeze(-1)) ** 2)).sum(-1)

    def scaled(self, factor: Tensor) -> "Mixture":
        """Return mixtures of the same means whose standard deviations are multiplied by `factor` (...)."""
        middle, factor = self.moments()[0].unsqueeze(-1), factor.unsqueeze(-1)
        return Mixture(self.log_weights, middle + factor * (self.means - middle), factor * self.deviations)

    def cdf(self, y: Tensor) -> Tensor:
        """Return the cumulative probability at y (...)."""
        below: Tensor = torch.special.ndtr((y.unsqueeze(-1) - self.means) / self.deviations)
        return (self.log_weights.exp() * below).sum(-1)

    def mode(self) -> Tensor:
        """Return the mean of a component at which each mixture is densest, (...)."""
        at = self.means.movedim(-1, 0)
        density = torch.stack([self.log_likelihood(y, torch.zeros_like(self.means), clipped=False) for y in at])
        return at.gather(0, density.argmax(0, keepdim=True))[0]

    def sample(self, generator: torch.Generator) -> Tensor:
        """Return one random value of each mixture (...)."""
        weights = self.log_weights.exp()
        chosen = torch.multinomial(weights.flatten(0, -2), 1, generator=generator).view(*weights.shape[:-1], 1)
        mean, deviation = (each.gather(-1, chosen).squeeze(-1) for each in (self.means, self.deviations))
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + deviation * noise

    def _evidence(self, y: Tensor, noise: Tensor, clipped: bool) -> Tensor:
        """Return the logarithm of each component's weight times its density at y, (..., M)."""
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
