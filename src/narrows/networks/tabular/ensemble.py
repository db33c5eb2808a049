"""Ensembles of small perceptrons that impute tables by correcting the prediction of a factor analysis."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from narrows.artifacts.schema import NonNegativeInt, PositiveInt, from_document
from narrows.networks.restoration.mixture import N_COMPONENTS, N_PARAMETERS, Mixture
from narrows.networks.stored_names import StoredNames
from narrows.networks.tabular.factor_analysis import FactorAnalysis

BLOCKS = 2
MAX_INPUT = 6.0  # standard deviations, to which inputs are clipped
MAX_VALUE = 8.0  # the same for values before the quantile-normal transform
MIN_PROBABILITY = 0.02  # of a category, in the first guess
MIN_SHARE = 1e-6  # of a category, in the data
MIN_GUESS_STD = 0.05  # of a number, in the first guess, in scaled units
INITIAL_RAW_STD = 2.5
QUADRATURE_NODES = 7


@dataclass(frozen=True)
class TableArchitecture:
    """What a network that imputes tables is: enough to build it, without its weights.

    Parameters
    ----------
    sizes : tuple of int
        Features of each column: 1 for numbers, the number of categories for others.
    transformed : tuple of int
        Columns of numbers whose features went through a quantile-normal transform; "bent" in files.
    knots : int
        Knots of each transform, at most.
    factors : int
        Factors of the factor analysis.
    members, width : int
        How many perceptrons, and the units of a layer of each.
    """

    sizes: tuple[PositiveInt, ...]
    transformed: tuple[NonNegativeInt, ...]
    knots: NonNegativeInt
    factors: NonNegativeInt
    members: PositiveInt
    width: PositiveInt
    shape: tuple[PositiveInt, ...] = ()
    ranged: bool = False

    def __post_init__(self) -> None:
        """Check that the transformed columns are there."""
        if any(column >= len(self.sizes) for column in self.transformed):
            raise ValueError(f"transformed columns {self.transformed} of {len(self.sizes)}")

    @property
    def channels(self) -> int:
        """Features of a row, D."""
        return sum(self.sizes)

    values = channels

    def to_dict(self) -> dict[str, Any]:
        """Return the architecture as plain values, for a model file."""
        return {"bent" if name == "transformed" else name: value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> "TableArchitecture":
        """Return the architecture that `to_dict` described."""
        fields = {"transformed" if name == "bent" else name: value for name, value in dict(document).items()}
        return from_document(cls, fields)


@dataclass(frozen=True)
class EnsembleOutput:
    """What M perceptrons predict for B rows.

    Parameters
    ----------
    predictions : Tensor of shape (M, B, D)
        Of numbers the mean, in standard deviations of the values before any transform; of categories logits.
    features : Tensor of shape (M, B, W)
        Hidden units, for `TableNetwork.describe`.
    guess, guess_variance : Tensor of shape (B, D)
        The first guess and its variance, in features.
    """

    predictions: Tensor
    features: Tensor
    guess: Tensor
    guess_variance: Tensor


class TableNetwork(StoredNames):
    """A first guess by factor analysis, and an ensemble of perceptrons that correct it.

        x (B, D), NaN where missing -> factor analysis -> guess (B, D), variance (B, D)
        guess, observed -> perceptron x M -> features (M, B, W) -> correction (M, B, D)
        prediction = prior_weight * guess + correction_weight * correction
        features -> distribution of each number: a mixture, widened by std_scale

    Corrections start at zero. Where both weights of a column are 0, its prediction is the mean, or the shares of its
    categories.
    """

    STORED_NAMES: ClassVar[Mapping[str, str]] = {
        "knot_values": "heights",
        "correction_weight": "trust",
        "prior_weight": "lean",
        "std_scale": "stretch",
        "distribution": "beside",
    }

    mean: Tensor
    loadings: Tensor
    noise: Tensor
    shares: Tensor
    scales: Tensor
    scores: Tensor
    knot_values: Tensor
    correction_weight: Tensor
    prior_weight: Tensor
    std_scale: Tensor

    def __init__(self, architecture: TableArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        a = architecture
        starts = [sum(a.sizes[:column]) for column in range(len(a.sizes))]
        self.numbers = [start for start, size in zip(starts, a.sizes, strict=True) if size == 1]
        self.transformed = [starts[column] for column in a.transformed]
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
            "shares": (d,),  # of categories, whose features are (1 or 0 - share) / scale
            "scales": (d,),
            "scores": (len(a.transformed), a.knots),
            "knot_values": (len(a.transformed), a.knots),
        }.items():
            self.register_buffer(name, torch.ones(shape))
        self.register_buffer("correction_weight", torch.ones(len(a.sizes)))
        self.register_buffer("prior_weight", torch.ones(len(a.sizes)))
        self.register_buffer("std_scale", torch.ones(len(self.numbers)))
        m, w = a.members, a.width
        self.first = EnsembleLinear(m, d + len(a.sizes) + len(a.transformed), w)
        self.inner = nn.ModuleList(EnsembleLinear(m, w, w) for _ in range(BLOCKS))
        self.outer = nn.ModuleList(EnsembleLinear(m, w, w) for _ in range(BLOCKS))
        self.last = EnsembleLinear(m, w, d, zero=True)
        self.distribution = EnsembleLinear(m, w, len(self.numbers) * N_PARAMETERS, zero=True)
        with torch.no_grad():
            # Components start apart from one another, or they would all learn the same.
            raw_std = torch.full((N_COMPONENTS,), INITIAL_RAW_STD)
            start = torch.cat([torch.zeros(N_COMPONENTS), torch.linspace(-1, 1, N_COMPONENTS), raw_std])
            self.distribution.bias.copy_(start.repeat(len(self.numbers)))

    def inner_matrices(self) -> list[nn.Parameter]:
        """Return none: M matrices in one tensor are no matrix for Muon."""
        return []

    def load_statistics(
        self, factors: FactorAnalysis, shares: Tensor, scales: Tensor, transforms: Sequence[tuple[Tensor, Tensor]]
    ) -> None:
        """Set what is learned without gradients.

        Parameters
        ----------
        factors : FactorAnalysis
            Of the features.
        shares, scales : Tensor of shape (D,)
            How categories are scaled to features.
        transforms : sequence of (Tensor, Tensor)
            Normal scores and values at the knots of each transformed column.
        """
        for name, value in (
            ("mean", factors.mean),
            ("loadings", factors.loadings),
            ("noise", factors.noise),
            ("shares", shares),
            ("scales", scales),
        ):
            getattr(self, name).copy_(value)
        for row, (scores, values) in enumerate(transforms):
            more = torch.arange(1, 1 + self.architecture.knots - len(scores))  # knots beyond the last, never reached
            self.scores[row] = torch.cat([scores, scores[-1] + more])
            self.knot_values[row] = torch.cat([values, values[-1] + more])

    def forward(self, x: Tensor) -> EnsembleOutput:
        """Predict rows x (B, D), NaN where missing."""
        guess, variance = FactorAnalysis(self.mean, self.loadings, self.noise).fill(x)
        observed = x[:, self.starts].isfinite().to(x.dtype)
        expected = self.expected(guess, variance.sqrt())
        values = expected[:, self.transformed].clamp(-MAX_VALUE, MAX_VALUE)
        inputs = torch.cat([guess.clamp(-MAX_INPUT, MAX_INPUT), observed, values], 1)
        hidden = self.first(inputs.expand(self.architecture.members, -1, -1))
        for inner, outer in zip(self.inner, self.outer, strict=True):
            hidden = hidden + outer(F.silu(inner(normalise(hidden))))
        features = normalise(hidden)
        prior = expected * self.prior_weight[self.column_of]
        for group, column in zip(self.groups, self.group_columns, strict=True):
            shares = self.shares[group].clamp(min=MIN_SHARE)
            probabilities = (guess[:, group] * self.scales[group] + self.shares[group]).clamp(min=MIN_PROBABILITY)
            prior[:, group] = torch.where(self.prior_weight[column] > 0, probabilities, shares).log()
        correction = self.correction_weight[self.column_of] * self.last(features)
        return EnsembleOutput(prior + correction, features, guess, variance)

    def member_state(self, member: int) -> dict[str, Tensor]:
        """Return the state dictionary of a network of one member alone."""
        shared = {self.STORED_NAMES.get(name, name) for name, _ in self.named_buffers()}
        return {name: each if name in shared else each[member : member + 1] for name, each in self.state_dict().items()}

    def describe(self, outputs: EnsembleOutput) -> Mixture:
        """Return the distribution of each number as each perceptron predicts it: mixtures (M, B, numbers)."""
        raw = torch.unflatten(self.distribution(outputs.features), -1, (len(self.numbers), N_PARAMETERS))
        correction = Mixture.from_parameters(raw)
        mean = outputs.guess[:, self.numbers, None]
        unit = outputs.guess_variance[:, self.numbers, None].sqrt().clamp(min=MIN_GUESS_STD)
        mixture = Mixture(correction.log_weights, mean + unit * correction.means, unit * correction.deviations)
        return mixture.scaled(self.std_scale)

    def expected(self, features: Tensor, deviations: Tensor) -> Tensor:
        """Return the mean of normal features (..., D) in standard deviations of the untransformed values."""
        if not self.transformed:
            return features
        nodes, weights = hermite(features)
        out = features.clone()
        at = features[..., self.transformed, None] + deviations[..., self.transformed, None] * nodes
        out[..., self.transformed] = (self.untransform(at) * weights).sum(-1)
        return out

    def untransform(self, features: Tensor) -> Tensor:
        """Return transformed features (..., n, P) in standard deviations of the untransformed values."""
        return interpolate(features, self.scores, self.knot_values)

    def features_of(self, values: Tensor) -> Tensor:
        """Return values (..., D) in standard deviations as features; categories as they are."""
        if not self.transformed:
            return values
        out = values.clone()
        scores = interpolate(values[..., self.transformed, None], self.knot_values, self.scores)
        out[..., self.transformed] = scores[..., 0]
        return out

    def predictive_std(self, mixture: Mixture) -> Tensor:
        """Return the standard deviation of each number (..., n) of mixtures, in those of the untransformed values."""
        mean, variance = mixture.moments()
        if self.transformed:
            rows = [self.numbers.index(start) for start in self.transformed]
            nodes, weights = hermite(mean)
            part = replace(
                mixture,
                **{name: getattr(mixture, name)[..., rows, :] for name in ("log_weights", "means", "deviations")},
            )
            at = part.means.unsqueeze(-1) + part.deviations.unsqueeze(-1) * nodes
            values = torch.unflatten(self.untransform(at.flatten(-2)), -1, at.shape[-2:])
            probabilities = part.log_weights.exp().unsqueeze(-1) * weights
            middle = (values * probabilities).sum((-2, -1))
            variance[..., rows] = ((values - middle[..., None, None]) ** 2 * probabilities).sum((-2, -1))
        return variance.sqrt()


class EnsembleLinear(nn.Module):
    """A linear layer for each of M members: (M, B, inputs) -> (M, B, outputs)."""

    def __init__(self, members: int, inputs: int, outputs: int, zero: bool = False) -> None:
        super().__init__()
        initial = torch.zeros if zero else torch.randn
        self.weight = nn.Parameter(initial(members, inputs, outputs) / math.sqrt(inputs))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Apply each member's layer to its part of x."""
        return torch.baddbmm(self.bias, x, self.weight)


def normalise(x: Tensor) -> Tensor:
    """Return x after layer normalisation and activation."""
    return F.silu(F.layer_norm(x, x.shape[-1:]))


def hermite(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return nodes and weights (P,) of the mean over a standard normal distribution, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE_NODES)
    return like.new_tensor(nodes), like.new_tensor(weights / weights.sum())


def interpolate(x: Tensor, at: Tensor, values: Tensor) -> Tensor:
    """Return x (..., n, P) mapped by n piecewise linear functions with `values` at the knots `at` (n, K)."""
    rows = x.movedim(-2, 0).flatten(1).contiguous()
    upper = torch.searchsorted(at, rows).clamp(1, at.shape[1] - 1)
    low, high = at.gather(1, upper - 1), at.gather(1, upper)
    share = ((rows - low) / (high - low)).clamp(0, 1)
    found = torch.lerp(values.gather(1, upper - 1), values.gather(1, upper), share)
    return found.view(x.shape[-2], *x.shape[:-2], x.shape[-1]).movedim(0, -2)
