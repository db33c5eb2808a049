"""Latent networks, a transform of few values, in training.

The loss follows Ballé et al., "End-to-end optimized image compression" (2017), and the range of rates Cui et al.,
"Asymmetric gained deep image compression with continuous rate adaptation" (2021), with the step itself as the gain.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from narrows.codec.entropy.design import Design
from narrows.codec.learning.context_model import ContextModel
from narrows.codec.learning.predictor import stored
from narrows.codec.transforms.latent import CHANNELS, FINEST, LARGEST_INDEX, STEPS, LatentArchitecture
from narrows.networks import Architecture, Network, build, cut

LEVELS = 64  # of a network's weights, in a standard deviation: errors at high rates are then no larger
LOGISTIC_SPREAD = 3**0.5 / math.pi  # scale of a logistic distribution in its standard deviation
BITS_BEFORE = 8.0  # assumed cost of a value of the code before training
RATE_WEIGHT = 0.1  # squared steps that a bit is worth: about what the theory of high rates says


class Latent(nn.Module):
    """The networks and the context model of the transform path, in training."""

    def __init__(self, architecture: LatentArchitecture, design: Design, seed: int) -> None:
        super().__init__()
        self.network: Network = build(Architecture.from_dict(architecture.to_dict()), seed)
        self.context = ContextModel(design)
        self.variance = 1.0
        # A logistic density for each channel and step stands in for the context model where gradients are needed.
        self.location = nn.Parameter(torch.zeros(STEPS, CHANNELS))
        self.spread = nn.Parameter(torch.zeros(STEPS, CHANNELS))

    def learn_first(self, batches: list[Tensor], mean: Tensor, seed: int) -> None:
        """Begin with the mean of all items, and measure the variance of some batches."""
        self.network.init_output_bias(mean)
        self.variance = variance_of(batches)

    def load_tensors(self, tensors: Mapping[str, np.ndarray], batches: list[Tensor]) -> None:
        """Take what `tensors` returned, and fit the density that stands in for the context model to some batches."""
        self.network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
        self.variance = variance_of(batches)
        step = (FINEST[self.network.architecture.ranged] * 2 ** (torch.arange(STEPS) / 2))[:, None]
        with torch.no_grad():
            z = torch.cat([self.network.encode(x)[0].transpose(0, 1).flatten(1) for x in batches], 1)
            spread = (z.std(1) * LOGISTIC_SPREAD / step.to(z)).clamp(min=1e-3)
            self.location.copy_(z.mean(1) / step.to(z))
            self.spread.copy_(spread + torch.log(-torch.expm1(-spread)))  # the inverse of softplus

    def kernels(self) -> list[nn.Parameter]:
        """Return the kernels inside the networks."""
        return [weight for weight in self.network.parameters() if weight.ndim > 1][1:-1]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the tensors of `LatentNetwork`."""
        return latent_tensors(self.network)

    def task_loss(self, x: Tensor, entry: Tensor, group: int, generator: torch.Generator | None) -> Tensor:
        """Return the loss of the networks, in equal parts, and that of one group of the context model."""
        loss = self.bits(x, entry, group, generator) / BITS_BEFORE
        return loss + self.loss(x, entry, self.variance, generator) / len(self.context.main.last)

    def loss(self, x: Tensor, entry: Tensor, variance: float, generator: torch.Generator | None) -> Tensor:
        """Return squared error and rate relative to predicting the mean: 1 before training. entry (N,): steps."""
        ranged = self.network.architecture.ranged
        step = (FINEST[ranged] * 2 ** (entry / 2)).view(-1, *(1 for _ in x.shape[1:]))
        z = self.network.encode(x)[0]
        noise = torch.rand(z.shape, generator=generator, device=z.device) - 0.5
        places = (entry.long(), slice(None), *(None for _ in x.shape[2:]))
        centred, spread = z / step + noise - self.location[places], nn.functional.softplus(self.spread[places])
        likely = torch.sigmoid((centred + 0.5) / spread) - torch.sigmoid((centred - 0.5) / spread)
        bits = -torch.log2(likely.clamp(min=1e-6)).flatten(1).sum(1) / x[0].numel()
        rounded = z + (torch.round(z / step) * step - z).detach()
        y = cut(self.network.decode([rounded]), tuple(x.shape[2:]))
        error = ((y - x) ** 2).flatten(1).mean(1)
        step = step.flatten()
        return ((error + RATE_WEIGHT * step**2 * bits) / step).mean() / (variance / step).mean()

    def bits(self, x: Tensor, entry: Tensor, group: int, generator: torch.Generator | None) -> Tensor:
        """Return the cost in bits, per value of the code, of one group of the context model."""
        with torch.no_grad():
            z = self.network.encode(x)[0]
            k = indices(z, FINEST[self.network.architecture.ranged] * 2 ** (entry / 2))
        return self.context.bits(k, entry.long(), torch.ones_like(entry), group, generator)


def variance_of(batches: list[Tensor]) -> float:
    """Return the variance of some batches, 1 where nothing varies."""
    return float(torch.cat(batches).var()) or 1.0


def indices(z: Tensor, step: Tensor) -> Tensor:
    """Return the indices (N, K, *grid) of the code z, within the alphabet of the context model; step (N,)."""
    return torch.round(z / step.view(-1, *(1 for _ in z.shape[1:]))).clamp(-LARGEST_INDEX, LARGEST_INDEX)


def latent_tensors(network: Network) -> dict[str, np.ndarray]:
    """Return the weights by name, in float32, of which few bits are needed."""
    return {name: stored(tensor, LEVELS).astype(np.float32) for name, tensor in network.state_dict().items()}


def latent_network(architecture: LatentArchitecture, tensors: Mapping[str, np.ndarray]) -> Network:
    """Return the trained networks of weights by name."""
    network: Network = build(Architecture.from_dict(architecture.to_dict()))
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    return network.eval().requires_grad_(False)
