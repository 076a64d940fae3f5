r"""Gaussians N(m_k, S_k) of different covariances, k = 1..K, given y = A x + sigma_y n: dense, for small vectors.

With the thin decomposition A = U diag(s) V^T and B = diag(s) V^T, z = U^T y tells all that y tells of x:

    log p(y | k) = log N(z; B m_k, E_k) + constant,    E_k = B S_k B^T + sigma_y^2 I
    x | k, y ~ N(m_k + G_k (z - B m_k), F P_k^{-1} F^T),    G_k = S_k B^T E_k^{-1}

where F spans what is free once y is known: everything with noise, P_k = S_k^{-1} + B^T B / sigma_y^2; the null space of
A without, P_k = F^T S_k^{-1} F, and then densities are those on the affine set {A x = y}.

All is prepared in float64 and kept in the dtype of the measurements: K (2 n + m) n numbers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.priors.mixtures.gaussians import GaussianMixture

__all__ = ["Conditioned"]

_MOST = 500  # steps of an ascent
_STILL = 8  # units in the last place of a log density that a step gains at rest
_PROVED = 1e-6  # nats that a mode which is called certified may be below the highest point


class Conditioned:
    """What of them does not depend on y. Vectors x are (P, n), measurements y (P, m).

    Args:
        mixture: The components.
        matrix: A (m, n).
        sigma_y: Standard deviation of the noise, >= 0.
        like: A tensor of the dtype and on the device of the measurements to come.
    """

    def __init__(self, mixture: GaussianMixture, matrix: Tensor, sigma_y: float, like: Tensor) -> None:
        mixture = mixture.to("cpu", torch.float64)
        u, s, vt = torch.linalg.svd(matrix)
        rank = int((s > max(matrix.shape, default=0) * torch.finfo(s.dtype).eps * s.max()).sum()) if len(s) else 0
        seen, free = s[:rank, None] * vt[:rank], (torch.eye(len(vt)).to(vt) if sigma_y > 0 else vt[rank:].T)
        covariances = mixture.covariances
        evidence = torch.linalg.cholesky(seen @ covariances @ seen.T + sigma_y**2 * torch.eye(rank).to(seen))
        gains = torch.cholesky_solve(seen @ covariances, evidence).mT
        inverses = mixture.eigenvectors / mixture.eigenvalues[:, None] @ mixture.eigenvectors.mT
        told = seen.T @ seen / sigma_y**2 if sigma_y > 0 else 0.0
        factor = torch.linalg.cholesky(free.T @ (inverses + told) @ free)
        whiten = factor.mT @ free.T
        unwhiten = torch.linalg.solve_triangular(evidence, torch.eye(rank).to(seen).expand_as(evidence), upper=False)
        spread = free @ torch.linalg.solve_triangular(factor.mT, torch.eye(free.shape[1]).to(free), upper=True)
        centres = mixture.means @ seen.T
        self._project = u[:, :rank].to(like)
        self._gains, self._base = gains.to(like), (mixture.means - (gains @ centres[..., None])[..., 0]).to(like)
        self._evidence, self._centres = unwhiten.to(like), (unwhiten @ centres[..., None])[..., 0].to(like)
        self._log_prior = (mixture.log_weights + unwhiten.diagonal(dim1=-2, dim2=-1).log().sum(-1)).to(like)
        self._whiten, self._spread = whiten.to(like), spread.to(like)
        half_log = 0.5 * math.log(2 * math.pi) * free.shape[1]
        self._peaks = (factor.diagonal(dim1=-2, dim2=-1).log().sum(-1) - half_log).to(like)
        self.variances = spread.square().sum((1, 2)).to(like)

    def log_weights(self, y: Tensor) -> Tensor:
        """log p(k | y), (P, K)."""
        white = torch.einsum("kij,pj->pki", self._evidence, y @ self._project) - self._centres
        return torch.log_softmax(self._log_prior - white.square().sum(-1) / 2, 1)

    def means(self, y: Tensor) -> Tensor:
        """E[x | k, y], (P, K, n)."""
        return self._base + torch.einsum("kij,pj->pki", self._gains, y @ self._project)

    def covariance(self, shares: Tensor, v: Tensor) -> Tensor:
        """sum_k shares_k Cov[x | k, y] v, (P, n)."""
        along = torch.einsum("kij,pi->pkj", self._spread, v)
        return torch.einsum("kij,pkj->pi", self._spread, shares[..., None] * along)

    def deviation(self, components: Tensor, normal: Tensor) -> Tensor:
        """Draws from N(0, Cov[x | k, y]) of the components (P,), made of standard normal numbers (P, n)."""
        one = torch.nn.functional.one_hot(components, len(self._spread)).to(normal)
        free = normal[:, : self._spread.shape[2]]
        return torch.einsum("kij,pkj->pi", self._spread, one[..., None] * free[:, None])

    def log_densities(self, x: Tensor, means: Tensor) -> Tensor:
        """log p(x | k, y), (P, K)."""
        white = torch.einsum("kij,pkj->pki", self._whiten, x[:, None] - means)
        return self._peaks - white.square().sum(-1) / 2

    def mode(self, log_weights: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
        """The highest point (n,) found for one y, by ascent from the means; whether nothing is higher, bool ().

        EM's ascent: x <- the point where sum_k r_k log p(x | k, y) is highest, r_k the responsibilities at x, from the
        mean of every component that can contribute most at the highest point: K times its peak is above the best mean's
        density. What was found is proved highest where it is as high as sum_k w_k times each component's peak.

        Args:
            log_weights: log p(k | y), (K,).
            means: E[x | k, y], (K, n).
        """

        def joint(points: Tensor) -> Tensor:
            return log_weights + self.log_densities(points, means[None])

        peaks = log_weights + self._peaks
        x, heights = means, joint(means).logsumexp(1)
        x = x[peaks + math.log(len(peaks)) >= heights.max()]
        heights = joint(x).logsumexp(1)
        free, precisions = self._spread[0], self._whiten.mT @ self._whiten
        for _ in range(_MOST):
            shares = joint(x).softmax(1)
            toward = torch.einsum("pk,kij,pkj->pi", shares, precisions, means - x[:, None]) @ free
            curvatures = free.T @ torch.einsum("pk,kij->pij", shares, precisions) @ free
            x = x + torch.linalg.solve(curvatures, toward) @ free.T
            before, heights = heights, joint(x).logsumexp(1)
            if bool((heights - before <= _STILL * torch.finfo(x.dtype).eps * heights.abs()).all()):
                break
        best = heights.argmax()
        return x[best], heights[best] >= peaks.logsumexp(0) - _PROVED
