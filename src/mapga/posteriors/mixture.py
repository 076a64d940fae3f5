r"""p(x | y) of a mixture of Gaussians: sum_k pi_k(y) N(x; mu_k(y), C), pi_k(y) = softmax_k(log w_k + log p(y | k)).

Everything is a function of one image's y: whatever else is in the batch. Memory: B x K numbers a call, three times the
means once, and B x count images for samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mapga.lazy import torch
from mapga.posteriors.modes import highest
from mapga.rng import generator

if TYPE_CHECKING:
    from torch import Tensor

    from mapga.posteriors.gaussian import Gaussians

__all__ = ["Mode", "Posterior"]


@dataclass(frozen=True)
class Mode:
    """The highest point of a posterior density that was found.

    Attributes:
        image: (B, C, H, W).
        log_density: log p(image | y), (B,).
        certified: bool (B,), whether it is proved that no point is higher.
    """

    image: Tensor
    log_density: Tensor
    certified: Tensor


class Posterior:
    """The posterior of a batch of measurements, in their dtype and on their device.

    Args:
        gaussians: The prior's components, as the measurement tells of them.
        y: (B, ...).
        image_shape: (C, H, W).

    Attributes:
        weights: pi (B, K), posterior probabilities of the components.
    """

    def __init__(self, gaussians: Gaussians, y: Tensor, image_shape: tuple[int, int, int]) -> None:
        self._gaussians, self._y, self.image_shape = gaussians, y, image_shape
        self._log_weights = torch.log_softmax(gaussians.log_weights + gaussians.log_evidence(y), 1)
        self.weights = self._log_weights.exp()

    def __len__(self) -> int:
        return len(self._y)

    def mean(self, shares: Tensor | None = None) -> Tensor:
        """E[x | y], (B, C, H, W): the estimate of least squared error.

        Args:
            shares: Other weights of the components (B, K) that sum to one.
        """
        return self._images(self._gaussians.mean(self._y, self.weights if shares is None else shares))

    def mmse(self) -> Tensor:
        """E |x - E[x | y]|^2 a pixel, (B,): what the mean's squared error is on average, half of what a sample's is."""
        mean = self.mean().flatten(1)
        return (self._gaussians.variance + self._gaussians.scatter(self._y, self.weights, mean)) / mean.shape[1]

    def covariance(self, v: Tensor) -> Tensor:
        """Cov[x | y] v, images (B, C, H, W)."""
        flat, mean = v.flatten(1), self.mean().flatten(1)
        between = self._gaussians.between(self._y, self.weights, mean, flat)
        return self._images(self._gaussians.covariance(flat) + between)

    def entropy(self) -> Tensor:
        """Of the component given y, in nats, (B,): 0 where y tells which it is, log K where it tells nothing."""
        return torch.special.entr(self.weights).sum(1)

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x | y), (B,), of images (B, C, H, W); without noise, on the affine set {A x = y}."""
        return torch.logsumexp(self._joint(x), 1)

    def responsibilities(self, x: Tensor) -> Tensor:
        """p(k | x, y), (B, K), of images (B, C, H, W): which component each has reached."""
        return torch.softmax(self._joint(x), 1)

    def sample(self, count: int, *, seed: int, indices: Sequence[int]) -> Tensor:
        """Exact, independent samples, (B, count, C, H, W); noise from (seed, "posterior", index, number of the sample).

        Raises:
            ValueError: Not as many indices as measurements.
        """
        if len(indices) != len(self):
            raise ValueError(f"{len(self)} measurements need as many indices, got {len(indices)}")
        shares = torch.cumsum(self.weights.double(), 1).cpu().numpy()
        pixels = int(np.prod(self.image_shape))
        normal, chosen = np.empty((len(self), count, pixels)), np.empty((len(self), count), dtype=np.int64)
        for row, index in enumerate(indices):
            for k in range(count):
                drawn = generator(seed, "posterior", index, k)
                chosen[row, k] = np.searchsorted(shares[row], drawn.random() * shares[row, -1])
                normal[row, k] = drawn.standard_normal(pixels)
        deviations = self._gaussians.deviation(torch.from_numpy(normal).to(self._y).flatten(0, 1))
        one = torch.nn.functional.one_hot(torch.from_numpy(chosen).flatten(), self.weights.shape[1]).to(self._y)
        means = self._gaussians.mean(self._y.repeat_interleave(count, 0), one)
        return (means + deviations).reshape(len(self), count, *self.image_shape)

    @cached_property
    def mode(self) -> Mode:
        """The highest point: maximum a posteriori."""
        squares = self._gaussians.squared_distances.to("cpu", torch.float64)
        found = [highest(row, squares) for row in self._log_weights.to("cpu", torch.float64)]
        shares = torch.stack([one for one, _ in found]).to(self._y)
        image = self.mean(shares)
        certified = torch.tensor([sure for _, sure in found], device=self._y.device)
        return Mode(image, self.log_density(image), certified)

    def _joint(self, x: Tensor) -> Tensor:
        return self._log_weights + self._gaussians.log_density(self._y, x.flatten(1))

    def _images(self, flat: Tensor) -> Tensor:
        return flat.reshape(-1, *self.image_shape)
