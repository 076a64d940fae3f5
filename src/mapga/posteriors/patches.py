r"""p(x | y) of independent patches seen through an operator that acts within them: a product over patches.

Each patch has the posterior of its own mixture, sum_k pi_k(y_g) N(x_g; mu_k(y_g), C_k), so that all that
``mapga.posteriors.mixture.Posterior`` answers of an image is a sum or a picture of what is answered of patches. The
weights are those of each patch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from mapga.lazy import torch
from mapga.operators.base import LinearOperator
from mapga.posteriors.conditioned import Conditioned
from mapga.posteriors.factors import Factor, factors
from mapga.posteriors.mixture import Mode
from mapga.priors.patches import PatchesPrior
from mapga.rng import generator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PatchGaussians", "PatchesPosterior"]


@dataclass(frozen=True)
class PatchGaussians:
    """What of the posterior does not depend on y.

    Attributes:
        prior: Of the patches.
        groups: Patches that are measured alike, and their components given that measurement.
    """

    prior: PatchesPrior
    groups: Sequence[tuple[Factor, Conditioned]]

    @classmethod
    def of(cls, prior: PatchesPrior, operator: LinearOperator, sigma_y: float, like: Tensor) -> Self:
        """Of an operator that acts within patches; for measurements of the dtype and on the device of ``like``.

        Raises:
            ValueError: A value of the measurement that depends on two patches.
        """
        found = factors(operator, prior)
        return cls(prior, [(factor, Conditioned(prior.mixture, factor.matrix, sigma_y, like)) for factor in found])


class PatchesPosterior:
    """The posterior of a batch of measurements, in their dtype and on their device.

    Args:
        gaussians: The prior's components, as the measurement tells of them.
        y: (B, ...).

    Attributes:
        weights: pi (B, K, G), posterior probabilities of the components of each of G patches, row by row.
    """

    def __init__(self, gaussians: PatchGaussians, y: Tensor) -> None:
        self._prior, self._size = gaussians.prior, len(y)
        self.image_shape = gaussians.prior.image_shape
        self._groups = []
        for factor, conditioned in gaussians.groups:
            own = y.flatten(1)[:, factor.values.to(y.device)].flatten(0, 1)
            self._groups.append((factor.patches.to(y.device), conditioned, own, conditioned.log_weights(own)))
        self.weights = self._gathered(lambda one, y, logs: logs.exp()).mT

    def __len__(self) -> int:
        return self._size

    def mean(self) -> Tensor:
        """E[x | y], (B, C, H, W): the estimate of least squared error."""
        return self._images(lambda one, y, logs: torch.einsum("pk,pki->pi", logs.exp(), one.means(y)))

    def mmse(self) -> Tensor:
        """E |x - E[x | y]|^2 a pixel, (B,): what the mean's squared error is on average, half of what a sample's is."""

        def total(one: Conditioned, y: Tensor, logs: Tensor) -> Tensor:
            means, shares = one.means(y), logs.exp()
            mean = torch.einsum("pk,pki->pi", shares, means)
            return (shares * (one.variances + (means - mean[:, None]).square().sum(-1))).sum(1)

        return self._gathered(total).sum(1) / self.mean()[0].numel()

    def covariance(self, v: Tensor) -> Tensor:
        """Cov[x | y] v, images (B, C, H, W)."""

        def times(one: Conditioned, y: Tensor, logs: Tensor, part: Tensor) -> Tensor:
            means, shares = one.means(y), logs.exp()
            apart = means - torch.einsum("pk,pki->pi", shares, means)[:, None]
            along = shares * torch.einsum("pki,pi->pk", apart, part)
            return one.covariance(shares, part) + torch.einsum("pk,pki->pi", along, apart)

        return self._images(times, v)

    def entropy(self) -> Tensor:
        """Of the patches' components given y, in nats, (B,): the sum over patches."""
        return torch.special.entr(self.weights).sum((1, 2))

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x | y), (B,), of images (B, C, H, W); without noise, on the affine set {A x = y}."""
        return self._gathered(self._joint, x).logsumexp(2).sum(1)

    def responsibilities(self, x: Tensor) -> Tensor:
        """p(k | x, y) of each patch, (B, K, G): which component each has reached."""
        return self._gathered(self._joint, x).softmax(2).mT

    def sample(self, count: int, *, seed: int, indices: Sequence[int]) -> Tensor:
        """Exact, independent samples, (B, count, C, H, W); noise from (seed, "posterior", index, number of the sample).

        Raises:
            ValueError: Not as many indices as measurements.
        """
        if len(indices) != len(self):
            raise ValueError(f"{len(self)} measurements need as many indices, got {len(indices)}")
        drawn = [self._draw([generator(seed, "posterior", index, k) for index in indices]) for k in range(count)]
        return torch.stack(drawn, 1)

    @cached_property
    def mode(self) -> Mode:
        """The highest point, patch by patch."""

        def highest(one: Conditioned, y: Tensor, logs: Tensor) -> Tensor:
            found = [one.mode(*row) for row in zip(logs, one.means(y), strict=True)]
            return torch.stack([torch.cat([image, sure[None].to(image)]) for image, sure in found])

        found = self._gathered(highest)
        image = self._prior.from_patches(found[..., :-1].flatten(0, 1))
        return Mode(image, self.log_density(image), (found[..., -1] > 0).all(1))

    def _draw(self, drawers: Sequence[np.random.Generator]) -> Tensor:
        """One sample of each measurement, (B, C, H, W)."""
        count, n = self.weights.shape[2], self._prior.mixture.means.shape[1]
        noise = torch.stack([torch.from_numpy(drawer.standard_normal((count, n))) for drawer in drawers])
        places = torch.stack([torch.from_numpy(drawer.random((count, 1))) for drawer in drawers])

        def draw(one: Conditioned, y: Tensor, logs: Tensor, given: Tensor) -> Tensor:
            normal, place = given[:, :-1].to(y), given[:, -1:]
            shares = logs.double().exp().cumsum(1)
            chosen = torch.searchsorted(shares, place.to(shares) * shares[:, -1:])[:, 0]
            return one.means(y)[torch.arange(len(y)), chosen] + one.deviation(chosen, normal)

        return self._images(draw, torch.cat([noise, places], 2))

    @staticmethod
    def _joint(one: Conditioned, y: Tensor, logs: Tensor, x: Tensor) -> Tensor:
        """log p(x, k | y) of patches, (P, K)."""
        return logs + one.log_densities(x, one.means(y))

    def _images(self, answer: Callable[..., Tensor], given: Tensor | None = None) -> Tensor:
        """Patches that are answered, as images (B, C, H, W)."""
        return self._prior.from_patches(self._gathered(answer, given).flatten(0, 1))

    def _gathered(self, answer: Callable[..., Tensor], given: Tensor | None = None) -> Tensor:
        """What is answered of every patch, (B, G, ...), from images or numbers of each patch (B, G, ...)."""
        if given is not None and given.shape[1:] == self.image_shape:
            given = self._prior.to_patches(given).unflatten(0, (len(self), -1))
        parts, places = [], torch.cat([patches for patches, *_ in self._groups])
        for patches, conditioned, y, logs in self._groups:
            own = [] if given is None else [given[:, patches.to(given.device)].flatten(0, 1)]
            parts.append(answer(conditioned, y, logs, *own).unflatten(0, (len(self), -1)))
        return torch.cat(parts, 1)[:, places.argsort()]
