r"""A mixture of Gaussians with full covariances over vectors, in the eigenbasis of each component.

p_0 = sum_k w_k N(m_k, S_k) with S_k = Q_k diag(l_k) Q_k^T. Under noise of level sigma every covariance keeps its
eigenvectors, p_sigma = sum_k w_k N(m_k, Q_k diag(v_k) Q_k^T) with v_k = l_k + sigma^2. With the coordinates
c_k = Q_k^T (x - m_k) and the responsibilities r_k(x) = softmax_k(log w_k - sum (c_k^2 / v_k + log v_k) / 2):

* D(x, sigma) = sum_k r_k (m_k + Q_k (l_k / v_k * c_k))
* score = -sum_k r_k Q_k (c_k / v_k)

So each costs one matrix product into the eigenbases and one back, whatever sigma is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GaussianMixture"]

_SINGULAR = 1e-12  # of the largest eigenvalue: what rounding makes of zero


@dataclass(frozen=True)
class GaussianMixture:
    """sum_k w_k N(m_k, S_k) over R^n. Vectors are (P, n); a noise level is one of all, (1,), or one a vector, (P,).

    Attributes:
        log_weights: (K,).
        means: (K, n).
        eigenvalues: Of the covariances, (K, n), ascending, > 0.
        eigenvectors: Their eigenvectors, the columns of (K, n, n).
    """

    log_weights: Tensor
    means: Tensor
    eigenvalues: Tensor
    eigenvectors: Tensor

    @classmethod
    def of(cls, weights: Tensor, means: Tensor, covariances: Tensor) -> Self:
        """The mixture of weights (K,), means (K, n) and covariances (K, n, n), in float64.

        Raises:
            ValueError: Shapes that do not fit, weights that are not positive, or a covariance that is not symmetric
                positive definite.
        """
        count, n = means.shape
        if weights.shape != (count,) or covariances.shape != (count, n, n):
            raise ValueError(
                f"{count} means of {n} numbers need weights ({count},) and covariances ({count}, {n}, {n}), got "
                f"{tuple(weights.shape)} and {tuple(covariances.shape)}"
            )
        if not bool((weights > 0).all()):
            raise ValueError("weights must be positive, one per component")
        covariances = covariances.double()
        if not torch.allclose(covariances, covariances.mT, atol=1e-8):
            raise ValueError("a covariance is not symmetric")
        eigenvalues, eigenvectors = torch.linalg.eigh(covariances)
        if not bool((eigenvalues[:, 0] > _SINGULAR * eigenvalues[:, -1]).all()):
            raise ValueError(
                f"a covariance is not positive definite: it has the eigenvalue {float(eigenvalues.min()):.3g}"
            )
        weights = weights.double()
        return cls((weights / weights.sum()).log(), means.double(), eigenvalues, eigenvectors)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """A copy on ``device`` in ``dtype``."""
        return type(self)(*(getattr(self, field.name).to(device, dtype) for field in fields(self)))

    @property
    def covariances(self) -> Tensor:
        """S_k, (K, n, n)."""
        return self.eigenvectors * self.eigenvalues[:, None] @ self.eigenvectors.mT

    def denoise(self, x: Tensor, sigma: Tensor) -> Tensor:
        """E[x_0 | x_0 + sigma n = x], (P, n)."""
        coordinates, variances = self._coordinates(x), self._variances(sigma)
        shares = self._log_joint(coordinates, variances).softmax(1)
        return shares @ self.means + self._back(shares, self.eigenvalues / variances * coordinates)

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """grad log p_sigma(x), (P, n)."""
        coordinates, variances = self._coordinates(x), self._variances(sigma)
        shares = self._log_joint(coordinates, variances).softmax(1)
        return -self._back(shares, coordinates / variances)

    def log_density(self, x: Tensor, sigma: Tensor) -> Tensor:
        """log p_sigma(x), (P,)."""
        return self._log_joint(self._coordinates(x), self._variances(sigma)).logsumexp(1)

    def shares(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The responsibilities r_k(x), (P, K)."""
        return self._log_joint(self._coordinates(x), self._variances(sigma)).softmax(1)

    def sample(self, components: Tensor, normal: Tensor) -> Tensor:
        """Exact samples (P, n): of the components int64 (P,), made of standard normal numbers (P, n)."""
        scaled = self.eigenvalues.sqrt()[components] * normal
        chosen = torch.nn.functional.one_hot(components, len(self.means)).to(normal)
        return self.means[components] + self._back(chosen, scaled[:, None])

    def _coordinates(self, x: Tensor) -> Tensor:
        """c_k = Q_k^T (x - m_k), (P, K, n)."""
        count, n = self.means.shape
        centres = (self.means[:, None] @ self.eigenvectors)[:, 0]
        return (x @ self.eigenvectors.transpose(0, 1).reshape(n, -1)).reshape(-1, count, n) - centres

    def _back(self, shares: Tensor, coordinates: Tensor) -> Tensor:
        """sum_k shares_k Q_k c_k, (P, n)."""
        return (shares[..., None] * coordinates).flatten(1) @ self.eigenvectors.mT.flatten(0, 1)

    def _variances(self, sigma: Tensor) -> Tensor:
        """v_k, (1 or P, K, n)."""
        return self.eigenvalues + sigma.square()[:, None, None]

    def _log_joint(self, coordinates: Tensor, variances: Tensor) -> Tensor:
        """log w_k + log N(x; m_k, Q_k diag(v_k) Q_k^T), (P, K)."""
        n = self.means.shape[1]
        constant = self.log_weights - 0.5 * (variances.log().sum(-1) + n * math.log(2 * math.pi))
        return constant - 0.5 * (coordinates.square() / variances).sum(-1)
