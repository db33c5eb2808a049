"""Factor analysis with missing values: a linear autoencoder with a noise variance for each feature."""

from dataclasses import dataclass

import torch
from torch import Tensor

MAX_ITERATIONS = 60
TOLERANCE = 1e-3  # change of a correlation in an iteration
RIDGE = 1.0  # weight of the prior of a loading, in rows
MIN_NOISE = 0.0002  # share of a feature's variance
MOST_COMPARED = 2048  # features whose correlations say whether it has converged


@dataclass(frozen=True)
class FactorAnalysis:
    """The model x = mean + loadings @ z + noise, with z standard normal.

    Parameters
    ----------
    mean : Tensor of shape (D,)
        Mean of each feature.
    loadings : Tensor of shape (D, K)
        Of K factors.
    noise : Tensor of shape (D,)
        Variance of the noise.
    """

    mean: Tensor
    loadings: Tensor
    noise: Tensor

    @classmethod
    def fit(cls, x: Tensor, factors: int) -> "FactorAnalysis":
        """Fit rows x (N, D), NaN where missing, by expectation maximisation.

        A ridge on the loadings and a floor for the noise keep it from overfitting small tables.

        Parameters
        ----------
        x : Tensor of shape (N, D)
            The rows.
        factors : int
            The largest number of factors.

        References
        ----------
        Rubin & Thayer, "EM algorithms for ML factor analysis", 1982.
        """
        observed = x.isfinite().to(x.dtype)
        x, count = x.nan_to_num(), observed.sum(0).clamp(min=1)
        mean = x.sum(0) / count
        centred = (x - mean) * observed
        variance = ((centred**2).sum(0) / count).clamp(min=1e-6)
        values, vectors = _principal_axes(centred, factors)
        loadings = vectors * values.clamp(min=1e-4).sqrt()
        noise = (variance - (loadings**2).sum(1)).clamp(min=0.1 * variance)
        found, k = cls(mean, loadings, noise), loadings.shape[1]
        prior = RIDGE * torch.eye(k + 1, dtype=x.dtype, device=x.device)
        prior[k, k] = 1e-6  # of the mean, which is fitted as one more loading
        products = observed * x
        for _ in range(MAX_ITERATIONS):
            z, root = found.scores(x, observed)
            z = torch.cat([z, torch.ones_like(z[:, :1])], 1)
            moments = z[:, :, None] * z[:, None, :]
            moments[:, :k, :k] += torch.cholesky_inverse(root)
            second = (observed.T @ moments.flatten(1)).view(-1, k + 1, k + 1)
            first = products.T @ z
            weights = torch.linalg.solve(second + prior * found.noise[:, None, None], first)
            explained = 2 * (weights * first).sum(1) - torch.einsum("dk,dkl,dl->d", weights, second, weights)
            noise = ((products * x).sum(0) - explained).clamp(min=0) / count + MIN_NOISE * variance
            before, found = found, cls(weights[:, k], weights[:, :k], noise)
            some = slice(None, None, -(-len(noise) // MOST_COMPARED))
            now, then = found.loadings[some], before.loadings[some]
            if (now @ now.T - then @ then.T).abs().max() < TOLERANCE:
                break
        return found

    def scores(self, x: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the posterior of z given the observed values (1 in `observed`, else 0) of rows (N, D).

        Returns
        -------
        tuple of Tensor
            The means (N, K), and the Cholesky factors (N, K, K) of the inverse covariances.
        """
        k = self.loadings.shape[1]
        precision = observed / self.noise
        outer = (self.loadings[:, :, None] * self.loadings[:, None, :]).flatten(1)
        inverse = (precision @ outer).view(-1, k, k) + torch.eye(k, dtype=x.dtype, device=x.device)
        root = torch.linalg.cholesky(inverse)
        weighted = (precision * (x - self.mean)) @ self.loadings
        return torch.cholesky_solve(weighted[:, :, None], root)[:, :, 0], root

    def fill(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows (N, D) with NaN replaced by its conditional mean, and the conditional variance, 0 if observed."""
        observed = x.isfinite()
        z, root = self.scores(x.nan_to_num(), observed.to(x.dtype))
        half = torch.linalg.solve_triangular(root, self.loadings.T.expand(len(x), -1, -1), upper=False)
        variance = (half**2).sum(1) + self.noise
        return torch.where(observed, x, self.mean + z @ self.loadings.T), variance.masked_fill(observed, 0.0)


def _principal_axes(centred: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the `count` largest variances of rows (N, D), rising, and their directions (D, count)."""
    n, d = centred.shape
    if d <= max(n, MOST_COMPARED):
        values, vectors = torch.linalg.eigh(centred.T @ centred / n)
        return values[-count:], vectors[:, -count:]
    values, vectors = torch.linalg.eigh(centred @ centred.T / n)  # the same variances, from fewer numbers
    values, vectors = values[-count:].clamp(min=1e-12), vectors[:, -count:]
    return values, centred.T @ vectors / (n * values).sqrt()
