r"""A Gaussian prior N(mu, Sigma): everything in closed form, in the eigenbasis of Sigma.

With Sigma = Q diag(lambda) Q^T, x_bar = Q^T (x - mu):

* D(x, sigma):  x_bar -> lambda / (lambda + sigma^2) x_bar
* C(x, sigma):  x_bar -> sqrt((lambda + sigma_min^2) / (lambda + sigma^2)) x_bar
* p_sigma = N(mu, Sigma + sigma^2 I)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from mapga.card import PriorCard, carded
from mapga.lazy import torch
from mapga.priors.base import Prior, check_contrast, expand_sigma
from mapga.rng import standard_normal
from mapga.schedules.base import SIGMA_MIN

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GaussianPrior"]


class GaussianPrior(Prior):
    """N(mean, covariance) over images.

    Args:
        mean: (C, H, W) in [-1, 1].
        covariance: (n, n), symmetric positive semi-definite, n = C H W; it may be singular.
        sigma_min: Where consistency trajectories end, > 0.

    Raises:
        ValueError: A covariance that is not symmetric positive semi-definite or does not fit the mean.
    """

    card = PriorCard(given=("mean", "covariance"))

    def __init__(self, mean: Tensor, covariance: Tensor, sigma_min: float = SIGMA_MIN) -> None:
        n = mean.numel()
        if covariance.shape != (n, n):
            raise ValueError(f"a mean of {n} pixels needs a covariance of ({n}, {n}), got {tuple(covariance.shape)}")
        covariance = covariance.double()
        if not torch.allclose(covariance, covariance.T, atol=1e-8):
            raise ValueError("the covariance is not symmetric")
        eigenvalues, eigenvectors = torch.linalg.eigh(covariance)
        if float(eigenvalues[0]) < -1e-8 * max(1.0, float(eigenvalues[-1])):
            raise ValueError(f"the covariance has a negative eigenvalue, {float(eigenvalues[0]):.3g}")
        self.image_shape = (int(mean.shape[0]), int(mean.shape[1]), int(mean.shape[2]))
        self.sigma_min = sigma_min
        self.mean = mean.double()
        self.eigenvalues, self.eigenvectors = eigenvalues.clamp(min=0), eigenvectors
        self.least_std = math.sqrt(float(self.eigenvalues[0]))

    @classmethod
    @carded(PriorCard(given=("images",)))
    def from_images(cls, images: Tensor, sigma_min: float = SIGMA_MIN, *, contrast: float = 1.0) -> Self:
        """Mean and full covariance of images (N, C, H, W) in [-1, 1], N >= 2, times ``contrast``.

        With a contrast below 1 draws stay within [-1, 1], so that 8 bits can hold them (``dataset=from_prior``).

        Raises:
            ValueError: A contrast that is not positive.
        """
        check_contrast(contrast)
        flat = contrast * images.double().flatten(1)
        mean = flat.mean(0)
        centred = flat - mean
        return cls(mean.reshape(images.shape[1:]), centred.T @ centred / (len(flat) - 1), sigma_min)

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        level = self._level(sigma, x)
        return self._scaled(x, self.eigenvalues / (self.eigenvalues + level.square()))

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        level = self._level(sigma, x)
        shrunk = (self.eigenvalues + self.sigma_min**2) / (self.eigenvalues + level.square())
        return self._scaled(x, shrunk.sqrt())

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        precision = 1 / (self.eigenvalues + self._level(sigma, x).square())
        return self.mean - self._scaled(x, precision)

    def log_density(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """log p_sigma(x), (B,)."""
        variance = self.eigenvalues + self._level(sigma, x).square()
        x_bar = (x - self.mean).flatten(1) @ self.eigenvectors
        return -0.5 * (x_bar.square() / variance + torch.log(2 * math.pi * variance)).sum(1)

    def sample(self, indices: Sequence[int], *, seed: int) -> Tensor:
        noise = standard_normal(seed, "prior", indices, self.image_shape).to(self.mean)
        return self.mean + (self.eigenvalues.sqrt() * noise.flatten(1) @ self.eigenvectors.T).reshape(noise.shape)

    def _scaled(self, x: Tensor, factor: Tensor) -> Tensor:
        """mean + Q factor Q^T (x - mean), factor (1 or B, n)."""
        x_bar = (x - self.mean).flatten(1) @ self.eigenvectors
        return self.mean + ((factor * x_bar) @ self.eigenvectors.T).reshape(x.shape)

    @staticmethod
    def _level(sigma: float | Tensor, x: Tensor) -> Tensor:
        return expand_sigma(sigma, x).flatten(1)
