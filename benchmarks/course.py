"""The peer: the classic course's own networks and recipe, in plain PyTorch.

The autoencoder lessons of Udacity's "deep-learning-v2-pytorch": mean squared error, Adam at 1e-3, batches of 20 in the
order in which the digits are stored. The digits here lie in memory as float32 and a batch is a slice of them, so that
the recipe pays for no data loader.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

BATCH = 20


def linear() -> nn.Module:
    """x (N, 1, 28, 28) -> [linear, relu] -> code (N, 32) -> [linear, sigmoid] -> (N, 1, 28, 28)"""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28))
    )


def encoder() -> list[nn.Module]:
    """x (N, 1, 28, 28) -> [conv, relu, max pool] x 2 -> code (N, 4, 7, 7)"""
    return [
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    ]


def transpose() -> nn.Module:
    """x -> encoder -> [transposed conv, relu] -> [transposed conv, sigmoid] -> (N, 1, 28, 28)"""
    decoder = nn.ConvTranspose2d(4, 16, 2, stride=2), nn.ReLU(), nn.ConvTranspose2d(16, 1, 2, stride=2), nn.Sigmoid()
    return nn.Sequential(*encoder(), *decoder)


def nearest() -> nn.Module:
    """x -> encoder -> [repeat, conv, relu] -> [repeat, conv, sigmoid] -> (N, 1, 28, 28)"""
    return nn.Sequential(
        *encoder(),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(4, 16, 3, padding=1), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid()),
    )


@dataclass(frozen=True)
class Recipe:
    """One lesson of the course.

    build: its untrained network. upsampling: the kind of narrows that corresponds. code: the size of its code.
    published: the mean squared error that the course printed: on the training digits, during the last epoch.
    target: the share of its time in which narrows is to reach its test MSE.
    """

    name: str
    build: Callable[[], nn.Module]
    code: int | str
    upsampling: str
    epochs: int
    published: float
    target: float


RECIPES = (
    Recipe("linear", linear, 32, "nearest", epochs=20, published=0.0118, target=1 / 10),
    Recipe("conv, transpose", transpose, "4x7x7", "transpose", epochs=30, published=0.0083, target=1 / 5),
    Recipe("conv, nearest", nearest, "4x7x7", "nearest", epochs=30, published=0.0052, target=1 / 5),
)


def train(network: nn.Module, digits: Tensor, epochs: int) -> float:
    """Train by the recipe on digits (N, 1, 28, 28) of 0..1; the seconds that took."""
    began = time.perf_counter()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(epochs):
        for batch in digits.split(BATCH):
            optimiser.zero_grad()
            F.mse_loss(network(batch), batch).backward()
            optimiser.step()
    return time.perf_counter() - began


@torch.no_grad()
def mean_squared_error(network: nn.Module, digits: Tensor) -> float:
    squares = sum(float(((network(batch) - batch) ** 2).sum(dtype=torch.float64)) for batch in digits.split(1000))
    return squares / digits.numel()
