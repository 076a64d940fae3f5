r"""A mixture of Gaussians of one common standard deviation, with means on real images.

p_0 = sum_k w_k N(m_k, s^2 I), so p_sigma = sum_k w_k N(m_k, v I) with v = s^2 + sigma^2, and with the
responsibilities r_k(x) = softmax_k(log w_k - |x - m_k|^2 / 2v):

* D(x, sigma) = sum_k r_k (m_k + s^2 / v (x - m_k)) = s^2 / v x + (1 - s^2 / v) sum_k r_k m_k
* score = (sum_k r_k m_k - x) / v
* C(x, sigma): the probability-flow ODE, integrated by Heun's method on the rho = 7 grid between sigma and sigma_min. Of
  fewer components than values it is integrated in the span of the means. Orthogonal to it D(x, sigma) = s^2 / v x, so
  that each step multiplies by one number.

With one component per image this is the exact posterior model of a finite data set: the strongest prior there is
for its own images, and a fair, memorising one for others.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from mapga.card import PriorCard, carded
from mapga.lazy import torch
from mapga.priors.base import Prior, check_contrast, expand_sigma
from mapga.priors.flow import heun_flow
from mapga.rng import generator, standard_normal
from mapga.schedules.base import SIGMA_MIN

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MixturePrior"]


class MixturePrior(Prior):
    """sum_k w_k N(m_k, std^2 I) over images.

    Args:
        means: (K, C, H, W) in [-1, 1].
        std: The common standard deviation s > 0.
        weights: (K,), positive; they are normalised. Default: equal.
        ode_steps: Heun steps of the consistency function, >= 1; its error is of second order in 1 / ode_steps. Of
            starts at sigma = 80 about 1 % end on another component with 16 steps, 0.3 % at most with 32
            (experiments/exactness: 64 digits).
        chunk: Components handled at a time, which bounds memory to B x chunk numbers besides the means.
        sigma_min: Where trajectories end, > 0.

    Raises:
        ValueError: A value outside these ranges.
    """

    card = PriorCard(given=("means", "weights"))

    def __init__(
        self,
        means: Tensor,
        std: float,
        weights: Tensor | None = None,
        *,
        ode_steps: int = 8,
        chunk: int = 8192,
        sigma_min: float = SIGMA_MIN,
    ) -> None:
        if means.ndim != 4 or not len(means):
            raise ValueError(f"means must be (K, C, H, W) with K >= 1, got {tuple(means.shape)}")
        if not 0 < std < math.inf:
            raise ValueError(f"prior.std={std}: the components' standard deviation is positive")
        if ode_steps < 1 or chunk < 1:
            raise ValueError(f"prior.ode_steps={ode_steps}, prior.chunk={chunk}: both are at least 1")
        weights = torch.ones(len(means)) if weights is None else weights
        if weights.shape != (len(means),) or not bool((weights > 0).all()):
            raise ValueError("weights must be positive, one per component")
        self.image_shape = (int(means.shape[1]), int(means.shape[2]), int(means.shape[3]))
        self.sigma_min, self.std, self.ode_steps, self.chunk = sigma_min, std, ode_steps, chunk
        self.least_std = std
        self.means = means.double().flatten(1)
        self.half_norms = self.means.square().sum(1) / 2
        self.log_weights = (weights.double() / weights.double().sum()).log()

    @classmethod
    @carded(PriorCard(given=("images",)))
    def from_images(
        cls,
        images: Tensor,
        std: float,
        components: int | None = None,
        *,
        ode_steps: int = 8,
        chunk: int = 8192,
        contrast: float = 1.0,
    ) -> Self:
        """Means on images (N, C, H, W) in [-1, 1] times ``contrast``: all, or ``components`` evenly spaced ones.

        With a contrast below 1 draws stay within [-1, 1], so that 8 bits can hold them (``dataset=from_prior``).

        Raises:
            ValueError: components outside 1..N, or a contrast that is not positive.
        """
        check_contrast(contrast)
        images = contrast * images
        if components is None:
            return cls(images, std, ode_steps=ode_steps, chunk=chunk)
        if not 1 <= components <= len(images):
            raise ValueError(f"prior.components={components}: choose 1..{len(images)}, or null for all images")
        chosen = torch.linspace(0, len(images) - 1, components).round().long()
        return cls(images[chosen], std, ode_steps=ode_steps, chunk=chunk)

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        ratio = self.std**2 / self._variance(sigma, x)
        return ratio * x + (1 - ratio) * self._expected_mean(x, sigma)

    @cached_property
    def span(self) -> Tensor | None:
        """An orthonormal basis of the span of the means, (values, count); None where they are not fewer than values.

        Worked out when C is first asked for: of thousands of large images it takes a while.
        """
        count, values = self.means.shape
        if count >= values:
            return None
        return torch.linalg.qr(self.means.cpu().double().T)[0].to(self.means)

    def _shrunk(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D of what is orthogonal to every mean."""
        return self.std**2 / self._variance(sigma, x) * x

    def _within(self, span: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """D in the span of the means, in the coordinates of its basis."""
        inner = copy.copy(self)
        inner.means, inner.image_shape = self.means @ span, (1, 1, len(self.means))  # of the same norms
        return inner.denoise

    def score(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return (self._expected_mean(x, sigma) - x) / self._variance(sigma, x)

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        if (span := self.span) is None:
            return heun_flow(self.denoise, x, sigma, self.sigma_min, self.ode_steps)
        flat = x.to(torch.promote_types(x.dtype, span.dtype)).flatten(1)
        inside = flat @ span
        outside = flat - inside @ span.T
        moved = heun_flow(self._within(span), inside[:, None, None], sigma, self.sigma_min, self.ode_steps).flatten(1)
        shrunk = heun_flow(self._shrunk, flat.new_ones(len(x), 1, 1, 1), sigma, self.sigma_min, self.ode_steps)
        return (flat + (moved - inside) @ span.T + (shrunk.flatten(1) - 1) * outside).reshape(x.shape)

    def log_density(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """log p_sigma(x), (B,)."""
        flat, variance = x.flatten(1), self._variance(sigma, x).flatten(1)
        terms = [
            log_weights - (flat[:, None] - means).square().sum(-1) / (2 * variance)
            for means, _, log_weights in self._chunks(max(1, self.chunk // flat.shape[1]))
        ]
        constant = 0.5 * flat.shape[1] * torch.log(2 * math.pi * variance)
        return torch.logsumexp(torch.cat(terms, 1), 1) - constant[:, 0]

    def sample(self, indices: Sequence[int], *, seed: int) -> Tensor:
        shares = self.log_weights.exp().cpu().double().cumsum(0).numpy()
        drawn = [generator(seed, "prior-component", index).random() * shares[-1] for index in indices]
        means = self.means[np.searchsorted(shares, drawn, side="right")]
        noise = standard_normal(seed, "prior", indices, self.image_shape).to(self.means)
        return means.reshape(noise.shape) + self.std * noise

    def _expected_mean(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """sum_k r_k(x) m_k, (B, C, H, W), by a softmax that streams over chunks of components."""
        x = x.to(torch.promote_types(x.dtype, self.means.dtype))
        flat, variance = x.flatten(1), self._variance(sigma, x).flatten(1)
        peak: Tensor | None = None
        for means, half_norms, log_weights in self._chunks(self.chunk):
            # |x|^2 is the same for all components and drops out of the softmax.
            logits = log_weights + (flat @ means.T - half_norms) / variance
            if peak is None:
                peak = logits.detach().amax(1, keepdim=True)
                share = (logits - peak).exp()
                total, weighted = share.sum(1, keepdim=True), share @ means
                continue
            higher = torch.maximum(peak, logits.detach().amax(1, keepdim=True))
            rescale, share = (peak - higher).exp(), (logits - higher).exp()
            total, weighted = rescale * total + share.sum(1, keepdim=True), rescale * weighted + share @ means
            peak = higher
        return (weighted / total).reshape(x.shape)

    def _chunks(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Means, half their squared norms, and log weights."""
        parts = (self.means, self.half_norms, self.log_weights)
        return zip(*(part.split(size) for part in parts), strict=True)

    def _variance(self, sigma: float | Tensor, x: Tensor) -> Tensor:
        """v = s^2 + sigma^2, broadcasting against x."""
        return self.std**2 + expand_sigma(sigma, x).square()
