"""Networks that fill the holes of tables: small perceptrons side by side, each correcting the same first guess."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from narrows.networks.restoration.mixture import COMPONENTS, NUMBERS, Mixture
from narrows.networks.tabular.factor_analysis import Factors

BLOCKS = 2
WIDEST_SEEN = 6.0  # deviations, to which inputs are cut
LEAST_CHANCE = 0.02  # of a category, in a first guess
LEAST_DOUBT = 0.05  # deviation of a number, in a first guess, in scaled units
NODES = 7  # at which the expectation of a bent number is taken


@dataclass(frozen=True)
class TableArchitecture:
    """What to build for filling tables.

    sizes: features of each column: 1 of numbers, as many as there are categories of others.
    bent: columns of numbers whose features are bent, so that what is asked for is not the feature itself.
    knots: of each bend. factors: of the first guess. members: perceptrons. width: of each.
    """

    sizes: tuple[int, ...]
    bent: tuple[int, ...]
    knots: int
    factors: int
    members: int
    width: int
    shape: tuple[int, ...] = ()
    ranged: bool = False

    @property
    def channels(self) -> int:
        """Features of a row, D."""
        return sum(self.sizes)

    values = channels

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "TableArchitecture":
        tuples = {name: tuple(document[name]) for name in ("sizes", "bent", "shape")}
        return cls(**{**document, **tuples})


@dataclass(frozen=True)
class Told:
    """What M perceptrons say of B rows.

    answers: (M, B, D), of numbers what to expect, in deviations of the straight values; of categories logits.
    features: (M, B, W), for `describe`. guess, doubt: (B, D), the first guess and its variance, in features.
    """

    answers: Tensor
    features: Tensor
    guess: Tensor
    doubt: Tensor


class TableNetwork(nn.Module):
    """x (N, D), NaN where not known
        -> factor analysis -> guess, doubt (N, D)
        guess, known -> perceptron x M -> corrections of the guess (M, N, D), and numbers that describe each value

    Corrections start at zero. Of each column, they count by `trust`, and the guess by `lean`; what is left is the mean.
    What describes numbers is widened by `stretch`.
    """

    mean: Tensor
    loadings: Tensor
    noise: Tensor
    shares: Tensor
    scales: Tensor
    scores: Tensor
    heights: Tensor
    trust: Tensor
    lean: Tensor
    stretch: Tensor

    def __init__(self, architecture: TableArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        a = architecture
        starts = [sum(a.sizes[:column]) for column in range(len(a.sizes))]
        self.numbers = [start for start, size in zip(starts, a.sizes, strict=True) if size == 1]
        self.bent = [starts[column] for column in a.bent]
        self.groups = [slice(start, start + size) for start, size in zip(starts, a.sizes, strict=True) if size > 1]
        self.number_columns = [column for column, size in enumerate(a.sizes) if size == 1]
        self.group_columns = [column for column, size in enumerate(a.sizes) if size > 1]
        self.starts = starts
        self.column_of = [column for column, size in enumerate(a.sizes) for _ in range(size)]
        d, k = a.channels, a.factors
        for name, shape in {
            "mean": (d,),
            "loadings": (d, k),
            "noise": (d,),
            "shares": (d,),  # of categories: what is scaled to features is 1 or 0 less this,
            "scales": (d,),  # over this
            "scores": (len(a.bent), a.knots),
            "heights": (len(a.bent), a.knots),
        }.items():
            self.register_buffer(name, torch.ones(shape))
        self.register_buffer("trust", torch.ones(len(a.sizes)))
        self.register_buffer("lean", torch.ones(len(a.sizes)))
        self.register_buffer("stretch", torch.ones(len(self.numbers)))
        m, w = a.members, a.width
        self.first = Side(m, d + len(a.sizes) + len(a.bent), w)
        self.inner = nn.ModuleList(Side(m, w, w) for _ in range(BLOCKS))
        self.outer = nn.ModuleList(Side(m, w, w) for _ in range(BLOCKS))
        self.last = Side(m, w, d, zero=True)
        self.beside = Side(m, w, len(self.numbers) * NUMBERS, zero=True)
        with torch.no_grad():
            # Apart from one another, or they would all learn the same.
            start = torch.cat(
                [torch.zeros(COMPONENTS), torch.linspace(-1, 1, COMPONENTS), torch.full((COMPONENTS,), 2.5)]
            )
            self.beside.bias.copy_(start.repeat(len(self.numbers)))

    def inner_matrices(self) -> list[nn.Parameter]:
        """None: M matrices in one tensor are no matrix for Muon."""
        return []

    def know(self, factors: Factors, shares: Tensor, scales: Tensor, bends: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Take on what is learnt without gradients. bends: scores and heights of the knots of each bent feature."""
        for name, value in (
            ("mean", factors.mean),
            ("loadings", factors.loadings),
            ("noise", factors.noise),
            ("shares", shares),
            ("scales", scales),
        ):
            getattr(self, name).copy_(value)
        for row, (scores, heights) in enumerate(bends):
            more = torch.arange(1, 1 + self.architecture.knots - len(scores))  # knots beyond the last, never reached
            self.scores[row] = torch.cat([scores, scores[-1] + more])
            self.heights[row] = torch.cat([heights, heights[-1] + more])

    def forward(self, x: Tensor) -> Told:
        guess, doubt = Factors(self.mean, self.loadings, self.noise).fill(x)
        known = x[:, self.starts].isfinite().to(x.dtype)
        expected = self.expected(guess, doubt.sqrt())
        seen = torch.cat([guess.clamp(-WIDEST_SEEN, WIDEST_SEEN), known, expected[:, self.bent].clamp(-8, 8)], 1)
        hidden = self.first(seen.expand(self.architecture.members, -1, -1))
        for inner, outer in zip(self.inner, self.outer, strict=True):
            hidden = hidden + outer(F.silu(inner(normal(hidden))))
        features = normal(hidden)
        start = expected * self.lean[self.column_of]
        for group, column in zip(self.groups, self.group_columns, strict=True):
            usual = self.shares[group].clamp(min=1e-6)
            chances = (guess[:, group] * self.scales[group] + self.shares[group]).clamp(min=LEAST_CHANCE)
            start[:, group] = torch.where(self.lean[column] > 0, chances, usual).log()
        return Told(start + self.trust[self.column_of] * self.last(features), features, guess, doubt)

    def describe(self, told: Told) -> Mixture:
        """What each number of each row may be, as each perceptron sees it: mixtures (M, B, numbers) of features."""
        given = self.beside(told.features).unflatten(-1, (len(self.numbers), NUMBERS))
        off = Mixture.of(given)
        at = told.guess[:, self.numbers, None]
        unit = told.doubt[:, self.numbers, None].sqrt().clamp(min=LEAST_DOUBT)
        return Mixture(off.log_weights, at + unit * off.means, unit * off.deviations).stretched(self.stretch)

    def expected(self, features: Tensor, deviations: Tensor) -> Tensor:
        """The mean of normal features (..., D) in deviations of the straight values, which all but bent ones are."""
        if not self.bent:
            return features
        nodes, weights = hermite(features)
        out = features.clone()
        at = features[..., self.bent, None] + deviations[..., self.bent, None] * nodes
        out[..., self.bent] = (self.straight(at) * weights).sum(-1)
        return out

    def straight(self, bent: Tensor) -> Tensor:
        """Bent features (..., n, P) in deviations of the straight values."""
        return interpolate(bent, self.scores, self.heights)

    def features_of(self, values: Tensor) -> Tensor:
        """Back from deviations of the straight values to features: (..., D), categories as they are."""
        if not self.bent:
            return values
        out = values.clone()
        out[..., self.bent] = interpolate(values[..., self.bent, None], self.heights, self.scores)[..., 0]
        return out

    def spread(self, mixture: Mixture) -> Tensor:
        """The deviation of each number (..., n) of mixtures of features, in deviations of the straight values."""
        mean, variance = mixture.moments()
        if self.bent:
            rows = [self.numbers.index(start) for start in self.bent]
            nodes, weights = hermite(mean)
            part = replace(
                mixture,
                **{name: getattr(mixture, name)[..., rows, :] for name in ("log_weights", "means", "deviations")},
            )
            at = part.means.unsqueeze(-1) + part.deviations.unsqueeze(-1) * nodes
            heights = self.straight(at.flatten(-2)).unflatten(-1, at.shape[-2:])
            chances = part.log_weights.exp().unsqueeze(-1) * weights
            middle = (heights * chances).sum((-2, -1))
            variance[..., rows] = ((heights - middle[..., None, None]) ** 2 * chances).sum((-2, -1))
        return variance.sqrt()


class Side(nn.Module):
    """As many linear layers side by side as there are members: (M, B, inputs) -> (M, B, outputs)."""

    def __init__(self, members: int, inputs: int, outputs: int, zero: bool = False) -> None:
        super().__init__()
        drawn = torch.zeros if zero else torch.randn
        self.weight = nn.Parameter(drawn(members, inputs, outputs) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


def normal(x: Tensor) -> Tensor:
    return F.silu(F.layer_norm(x, x.shape[-1:]))


def hermite(like: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and weights (P,) of the mean over a standard normal distribution."""
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return like.new_tensor(nodes), like.new_tensor(weights / weights.sum())


def interpolate(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """x (..., n, P) through n maps, linear between their knots `at` (n, K) with `values` there, and flat beyond."""
    rows = x.movedim(-2, 0).flatten(1).contiguous()
    right = torch.searchsorted(at, rows).clamp(1, at.shape[1] - 1)
    low, high = at.gather(1, right - 1), at.gather(1, right)
    share = ((rows - low) / (high - low)).clamp(0, 1)
    found = torch.lerp(values.gather(1, right - 1), values.gather(1, right), share)
    return found.view(x.shape[-2], *x.shape[:-2], x.shape[-1]).movedim(0, -2)
