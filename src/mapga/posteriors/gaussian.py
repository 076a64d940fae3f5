r"""Gaussians N(m_k, S) of one covariance, k = 1..K, given y = A x + sigma_y n.

In the coordinates of ``coordinates`` every v_i has a measurement of its own, or none:

    gain g = b / (b^2 + sigma_y^2),    variance c = sigma_y^2 / (b^2 + sigma_y^2)    (b = 0: g = 0, c = 1)
    x | k, y ~ N(m_k + T g U^T (y - A m_k), T diag(c) T^T)
    log p(y | k) = log N(U^T (y - A m_k); 0, b^2 + sigma_y^2)

Without noise c = 0 where b > 0: x lies on the affine set {A x = y}. Densities are then those on that set, of x
projected on it: how far off it x is does not count. A y that no x explains is explained in the sense of least squares.

Weighted by shares that sum to one the mean is affine, so a weighted mean of K means costs one change of coordinates.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mapga.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.posteriors.coordinates import Coordinates

__all__ = ["Gaussians"]

_EXACT = "donot_use_mm_for_euclid_dist"  # differences, not squares that cancel


class Gaussians:
    """What of them does not depend on y.

    Args:
        means: (K, n), flat images.
        log_weights: (K,), of the components in the prior.
        coordinates: Of their covariance and the operator.
        sigma_y: Standard deviation of the noise, >= 0.
    """

    def __init__(self, means: Tensor, log_weights: Tensor, coordinates: Coordinates, sigma_y: float) -> None:
        self.log_weights, self._coordinates = log_weights, coordinates
        b = coordinates.gains
        total = b.square() + sigma_y**2
        tied = b > 0
        self._gain = torch.where(tied, b / total, 0.0)
        self._variance = torch.where(tied, sigma_y**2 / total, 1.0)
        self._told = coordinates.measured & (total > 0)
        self._free = coordinates.inside & (self._variance > 0)
        self._noise, self._width = total[self._told].sqrt(), self._variance[self._free].sqrt()
        half_log = 0.5 * math.log(2 * math.pi)
        self._log_evidence_at_0 = -float((self._noise.log() + half_log).sum())
        self._log_density_at_0 = -float((self._width.log() + half_log).sum()) - coordinates.log_volume(self._free)
        seen = coordinates.measure(means)
        self._seen = seen[:, self._told] / self._noise
        self._centres = self._scaled(coordinates.whiten(means) - self._gain * seen)
        self._shrunk = means - coordinates.spread(self._gain * seen)

    def __len__(self) -> int:
        return len(self.log_weights)

    @property
    def dimensions(self) -> int:
        """Of the set that x lies on."""
        return int(self._free.sum())

    @property
    def variance(self) -> float:
        """Sum over pixels of one component's posterior variance."""
        return float((self._variance * self._coordinates.powers).sum())

    @property
    def squared_distances(self) -> Tensor:
        """(K, K), of the posterior means, in units of the posterior standard deviation; the same for every y."""
        return torch.cdist(self._centres, self._centres, compute_mode=_EXACT).square()

    @property
    def peak(self) -> float:
        """log density of a component at its mean."""
        return self._log_density_at_0

    def log_evidence(self, y: Tensor) -> Tensor:
        """log p(y | k), (B, K)."""
        told = self._coordinates.project(y)[:, self._told] / self._noise
        return self._log_evidence_at_0 - _squares(told, self._seen) / 2

    def mean(self, y: Tensor, shares: Tensor) -> Tensor:
        """sum_k shares_k E[x | k, y], (B, n), of shares (B, K) that sum to one."""
        return shares @ self._shrunk + self._shift(y)

    def scatter(self, y: Tensor, shares: Tensor, about: Tensor) -> Tensor:
        """sum_k shares_k |E[x | k, y] - about|^2, (B,), of flat images (B, n)."""
        return (shares * _squares(about - self._shift(y), self._shrunk)).sum(1)

    def between(self, y: Tensor, shares: Tensor, about: Tensor, v: Tensor) -> Tensor:
        """sum_k shares_k (E[x | k, y] - about) <E[x | k, y] - about, v>, (B, n)."""
        centre = about - self._shift(y)
        along = shares * (v @ self._shrunk.T - (v * centre).sum(1, keepdim=True))
        return along @ self._shrunk - along.sum(1, keepdim=True) * centre

    def covariance(self, v: Tensor) -> Tensor:
        """T diag(c) T^T v, (B, n): a component's posterior covariance times flat images."""
        return self._coordinates.spread(self._variance * self._coordinates.gather(v))

    def deviation(self, normal: Tensor) -> Tensor:
        """A draw from N(0, T diag(c) T^T), (B, n), of standard normal numbers (B, n)."""
        noise = torch.zeros(len(normal), len(self._variance), dtype=normal.dtype, device=normal.device)
        noise[:, self._free] = self._width * normal[:, : self.dimensions]
        return self._coordinates.spread(noise)

    def log_density(self, y: Tensor, x: Tensor) -> Tensor:
        """log p(x | k, y), (B, K), of flat images (B, n)."""
        shifted = self._coordinates.whiten(x) - self._gain * self._coordinates.project(y)
        return self._log_density_at_0 - _squares(self._scaled(shifted), self._centres) / 2

    def _shift(self, y: Tensor) -> Tensor:
        """What y adds to every mean, (B, n)."""
        return self._coordinates.spread(self._gain * self._coordinates.project(y))

    def _scaled(self, v: Tensor) -> Tensor:
        return v[:, self._free] / self._width


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """|a_i - b_k|^2, (B, K)."""
    return torch.cdist(a, b, compute_mode=_EXACT).square()
