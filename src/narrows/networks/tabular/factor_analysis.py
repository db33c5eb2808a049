"""Factor analysis of rows with holes: a linear autoencoder that knows how noisy each feature is."""

from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDS = 60
ENOUGH = 1e-3  # change of a correlation in a round
RIDGE = 1.0  # rows, as which the prior of a loading weighs
LEAST_NOISE = 0.0002  # share of a feature's variance


@dataclass(frozen=True)
class Factors:
    """x = mean + loadings @ z + noise, with z standard normal: mean (D,), loadings (D, K), noise variances (D,)."""

    mean: Tensor
    loadings: Tensor
    noise: Tensor

    @classmethod
    def learn(cls, x: Tensor, factors: int) -> "Factors":
        """From rows x (N, D), NaN where not known, with at most so many factors.

        Expectation and maximisation with missing values (Rubin & Thayer, "EM algorithms for ML factor analysis", 1982);
        a ridge on the loadings, and a floor for the noise, keep small tables from being learnt by heart.
        """
        known = x.isfinite().to(x.dtype)
        x, count = x.nan_to_num(), known.sum(0).clamp(min=1)
        mean = x.sum(0) / count
        centred = (x - mean) * known
        variance = ((centred**2).sum(0) / count).clamp(min=1e-6)
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
        values, vectors = values[-factors:], vectors[:, -factors:]
        loadings = vectors * values.clamp(min=1e-4).sqrt()
        noise = (variance - (loadings**2).sum(1)).clamp(min=0.1 * variance)
        found, k = cls(mean, loadings, noise), loadings.shape[1]
        prior = RIDGE * torch.eye(k + 1, dtype=x.dtype, device=x.device)
        prior[k, k] = 1e-6  # of the mean, which is learnt as one loading more
        products = known * x
        for _ in range(ROUNDS):
            z, root = found.scores(x, known)
            z = torch.cat([z, torch.ones_like(z[:, :1])], 1)
            moments = z[:, :, None] * z[:, None, :]
            moments[:, :k, :k] += torch.cholesky_inverse(root)
            second = (known.T @ moments.flatten(1)).view(-1, k + 1, k + 1)
            first = products.T @ z
            weights = torch.linalg.solve(second + prior * found.noise[:, None, None], first)
            explained = 2 * (weights * first).sum(1) - torch.einsum("dk,dkl,dl->d", weights, second, weights)
            noise = ((products * x).sum(0) - explained).clamp(min=0) / count + LEAST_NOISE * variance
            before, found = found, cls(weights[:, k], weights[:, :k], noise)
            if (found.loadings @ found.loadings.T - before.loadings @ before.loadings.T).abs().max() < ENOUGH:
                break
        return found

    def scores(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """What the known values (1 in `known`, else 0) of rows (N, D) say of z.

        The means (N, K), and the Cholesky factors (N, K, K) of the inverse of its covariance.
        """
        k = self.loadings.shape[1]
        precision = known / self.noise
        outer = (self.loadings[:, :, None] * self.loadings[:, None, :]).flatten(1)
        inverse = (precision @ outer).view(-1, k, k) + torch.eye(k, dtype=x.dtype, device=x.device)
        root = torch.linalg.cholesky(inverse)
        weighted = (precision * (x - self.mean)) @ self.loadings
        return torch.cholesky_solve(weighted[:, :, None], root)[:, :, 0], root

    def fill(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (N, D) with NaN where not known, filled with what is expected there, and the variance of that, or 0."""
        known = x.isfinite()
        z, root = self.scores(x.nan_to_num(), known.to(x.dtype))
        half = torch.linalg.solve_triangular(root, self.loadings.T.expand(len(x), -1, -1), upper=False)
        doubt = (half**2).sum(1) + self.noise
        return torch.where(known, x, self.mean + z @ self.loadings.T), doubt.masked_fill(known, 0.0)
