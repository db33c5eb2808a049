"""Optimizers: Muon for the matrices inside a network, Adam for the other weights."""

from collections import defaultdict

import torch
from torch import Tensor, nn

WIDEST_FOR_MUON = 256
MUON_RATE = 7.0  # times the learning rate of Adam


class Muon(torch.optim.Optimizer):
    """Momentum whose step for each matrix is orthogonalised.

    Kernels of convolutions count as matrices of (outputs, inputs x kernel). It needs far fewer steps than Adam on
    convolutional autoencoders; its cost grows with the cube of a matrix's smaller side, not with the batch size.

    Parameters
    ----------
    parameters : list of Parameter
        The weights, of two or more dimensions.
    lr : float
        The learning rate.
    momentum : float, 0..1
        Weight of earlier gradients.
    weight_decay : float
        Share of a weight, times the learning rate, that each step takes off. All steps are of the same size, so that
        without it weights grow as long as training goes on.

    References
    ----------
    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
    Liu et al., "Muon is scalable for LLM training", 2025, on the decay.
    """

    def __init__(
        self, parameters: list[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the weights."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                average = state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                direction = weight.grad.lerp(average, group["momentum"]).flatten(1)
                by_shape[direction.shape].append((weight, direction))
            for (rows, columns), members in by_shape.items():
                steps = orthogonal(torch.stack([direction for _, direction in members]))
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (weight, _), step in zip(members, steps, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(step.reshape(weight.shape), alpha=-rate)


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Return about the nearest matrices (B, M, N) whose singular values are all 1, by a Newton-Schulz iteration.

    The coefficients of fifth order are those of Jordan et al. 2024, which bring the singular values near 1 fast, but
    not exactly to it. Each iteration multiplies by a polynomial of the square matrix x xᵀ of the shorter side, so all
    products but two are of square matrices.
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
    out: Tensor = x if wide else x.mT
    return out


def build_optimizers(network: nn.Module) -> list[torch.optim.Optimizer]:
    """Return Adam, and Muon where the network has inner matrices that are small enough for it.

    The first and the last matrix stay with Adam: their sides are data, whose directions differ in scale. A network with
    several outputs returns its inner matrices from a method `inner_matrices`, and one that is trained for long has a
    `weight_decay` for them. Each parameter group has the factor by
    which its learning rate differs, "relative".
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
    muon = Muon(inner, lr=1.0, weight_decay=getattr(network, "weight_decay", 0.0))
    muon.param_groups[0]["relative"] = MUON_RATE
    return [adam, muon]
