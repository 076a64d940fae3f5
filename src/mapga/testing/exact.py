"""Small exact priors, formulas for them in plain matrices, and a prior that counts its calls."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mapga.priors import GaussianPrior, MixturePrior, PatchesPrior, Prior

__all__ = ["CountingPrior", "gaussian", "gaussian_posterior", "mixture", "patches", "random_covariance", "standard"]


def random_covariance(n: int, seed: int = 0, low: float = 0.2, high: float = 2.0) -> Tensor:
    """A covariance with eigenvalues from ``low`` to ``high`` in a random basis."""
    basis, _ = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=torch.manual_seed(seed)))
    return basis @ torch.diag(torch.linspace(low, high, n, dtype=torch.float64)) @ basis.T


def gaussian(
    shape: tuple[int, int, int] = (1, 4, 4), seed: int = 0, low: float = 0.2, high: float = 2.0
) -> tuple[GaussianPrior, Tensor, Tensor]:
    """A Gaussian prior with its flat mean (n,) and covariance (n, n)."""
    n = shape[0] * shape[1] * shape[2]
    covariance = random_covariance(n, seed, low, high)
    covariance = (covariance + covariance.T) / 2
    mean = torch.randn(n, dtype=torch.float64, generator=torch.manual_seed(seed + 100)) / 2
    return GaussianPrior(mean.reshape(shape), covariance), mean, covariance


def standard(shape: tuple[int, int, int]) -> GaussianPrior:
    """N(0, I)."""
    zero = torch.zeros(shape, dtype=torch.float64)
    return GaussianPrior(zero, torch.eye(zero.numel(), dtype=torch.float64))


def mixture(
    shape: tuple[int, int, int] = (1, 4, 4), components: int = 5, std: float = 0.4, seed: int = 0, **options: Any
) -> MixturePrior:
    """A mixture whose components overlap enough for several of them to matter."""
    generator = torch.manual_seed(seed)
    means = 0.5 * torch.randn(components, *shape, dtype=torch.float64, generator=generator)
    weights = torch.rand(components, dtype=torch.float64, generator=generator) + 0.2
    return MixturePrior(means, std, weights, **options)


def patches(
    shape: tuple[int, int, int] = (1, 4, 6), side: int = 2, components: int = 3, seed: int = 0, **options: Any
) -> PatchesPrior:
    """Patches of a mixture whose components overlap and lie in different directions."""
    n = shape[0] * side**2
    generator = torch.manual_seed(seed)
    means = 0.4 * torch.randn(components, shape[0], side, side, dtype=torch.float64, generator=generator)
    weights = torch.rand(components, dtype=torch.float64, generator=generator) + 0.2
    covariances = torch.stack([random_covariance(n, seed + k, 0.01, 0.5) for k in range(components)])
    return PatchesPrior(weights, means, (covariances + covariances.mT) / 2, shape, **options)


def gaussian_posterior(
    mean: Tensor, covariance: Tensor, matrix: Tensor, y: Tensor, noise_covariance: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean (B, n) and covariance of x | y, x ~ N(mean, covariance), y = matrix x + noise, y (B, m)."""
    evidence = matrix @ covariance @ matrix.T + noise_covariance
    gain = torch.linalg.solve(evidence, matrix @ covariance).T
    return mean + (y - mean @ matrix.T) @ gain.T, covariance - gain @ matrix @ covariance


class _Counted(torch.autograd.Function):
    """x times a factor, counting what runs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float, counts: dict[str, int], name: str) -> Tensor:
        ctx.factor, ctx.counts = factor, counts
        counts[name] += 1
        return factor * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        ctx.counts["vjp"] += 1
        return ctx.factor * grad, None, None, None


class CountingPrior(Prior):
    """N(0, I) that counts calls of D and C and vector-Jacobian products through either."""

    def __init__(self, image_shape: tuple[int, int, int]) -> None:
        self.image_shape = image_shape
        self.counts = {"denoise": 0, "consistency": 0, "vjp": 0}

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return _Counted.apply(x, 1 / (1 + float(sigma) ** 2), self.counts, "denoise")

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        factor = ((1 + self.sigma_min**2) / (1 + float(sigma) ** 2)) ** 0.5
        return _Counted.apply(x, factor, self.counts, "consistency")
