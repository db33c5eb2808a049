"""Optimizers: Muon for the matrices inside a network, Adam for the other weights."""

from collections import defaultdict

import torch
from torch import Tensor, nn

WIDEST_FOR_MUON = 256
MUON_RATE = 7.0  # times the learning rate of Adam


class Muon(torch.optim.Optimizer):
    """Momentum whose step for each matrix is made orthogonal: all its directions move alike (Jordan et al. 2024).

    Kernels of convolutions count as matrices of (outputs, inputs x kernel). Needs far fewer steps than Adam on
    convolutional autoencoders; its cost grows with the cube of a matrix's smaller side, not with the batch.
    """

    def __init__(self, parameters: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                average = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                direction = weight.grad.lerp(average, group["momentum"]).flatten(1)
                alike[direction.shape].append((weight, direction))
            for (rows, columns), members in alike.items():
                steps = orthogonal(torch.stack([direction for _, direction in members]))
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (weight, _), step in zip(members, steps, strict=True):
                    weight.add_(step.reshape(weight.shape), alpha=-rate)


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """About the nearest matrices (B, M, N) of singular values all 1, by a Newton-Schulz iteration of fifth order.

    The coefficients are those of Jordan et al. 2024, which bring the singular values near 1 fast, not exactly to it.
    What each iteration multiplies by is a polynomial of the square matrix x xᵀ of the shorter side, so all is done with
    that, and the long side is met twice only.
    """
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-9)
    gram = x @ x.mT
    product = torch.eye(x.shape[1], dtype=x.dtype, device=x.device).expand_as(gram)
    for _ in range(iterations):
        factor = torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315)
        factor.diagonal(dim1=1, dim2=2).add_(3.4445)
        product = factor @ product
        gram = factor @ gram @ factor
    x = product @ x
    return x if wide else x.mT


def build_optimizers(network: nn.Module) -> list[torch.optim.Optimizer]:
    """Adam, and Muon where the network has matrices inside that are small enough for it.

    The first and the last matrix face the data, whose directions are not alike, and stay with Adam; a network of
    several parts says itself which of its matrices lie inside, as `inner_matrices`. Each group carries the factor by
    which its learning rate differs: "relative".
    """
    own = getattr(network, "inner_matrices", None)
    inner = own() if own else [weight for weight in network.parameters() if weight.ndim > 1][1:-1]
    inner = [weight for weight in inner if min(len(weight), weight[0].numel()) <= WIDEST_FOR_MUON]
    chosen = {id(weight) for weight in inner}
    others = [weight for weight in network.parameters() if id(weight) not in chosen]
    adam = torch.optim.Adam(others, lr=1.0, betas=(0.9, 0.99), fused=True)
    adam.param_groups[0]["relative"] = 1.0
    if not inner:
        return [adam]
    muon = Muon(inner, lr=1.0)
    muon.param_groups[0]["relative"] = MUON_RATE
    return [adam, muon]
