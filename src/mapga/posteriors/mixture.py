r"""p(x | y) of a mixture of Gaussians: sum_k pi_k(y) N(x; mu_k(y), C_k), pi_k(y) = softmax_k(log w_k + log p(y | k)).

Components of one covariance are a group, whose posterior covariance is one too.

Everything is a function of one image's y: whatever else is in the batch. Memory: B x K numbers a call, three times the
means once, and B x count images for samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        groups: The prior's components, those of one covariance together, as the measurement tells of them.
        y: (B, ...).
        image_shape: (C, H, W).

    Attributes:
        weights: pi (B, K), posterior probabilities of the components.
    """

    def __init__(self, groups: Sequence[Gaussians], y: Tensor, image_shape: tuple[int, int, int]) -> None:
        self._groups, self._y, self.image_shape = groups, y, image_shape
        joint = torch.cat([group.log_weights + group.log_evidence(y) for group in groups], 1)
        self._log_weights = torch.log_softmax(joint, 1)
        self.weights = self._log_weights.exp()

    def __len__(self) -> int:
        return len(self._y)

    def mean(self, shares: Tensor | None = None) -> Tensor:
        """E[x | y], (B, C, H, W): the estimate of least squared error.

        Args:
            shares: Other weights of the components (B, K) that sum to one.
        """
        return self._images(self._mean(self._y, self.weights if shares is None else shares))

    def mmse(self) -> Tensor:
        """E |x - E[x | y]|^2 a pixel, (B,): what the mean's squared error is on average, half of what a sample's is."""
        mean = self.mean().flatten(1)
        parts = [
            share.sum(1) * group.variance + group.scatter(self._y, share, mean)
            for group, share in self._by_group(self.weights)
        ]
        return sum(parts, torch.zeros_like(mean[:, 0])) / mean.shape[1]

    def covariance(self, v: Tensor) -> Tensor:
        """Cov[x | y] v, images (B, C, H, W)."""
        flat, mean = v.flatten(1), self.mean().flatten(1)
        parts = [
            share.sum(1, keepdim=True) * group.covariance(flat) + group.between(self._y, share, mean, flat)
            for group, share in self._by_group(self.weights)
        ]
        return self._images(sum(parts, torch.zeros_like(flat)))

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
        component = torch.from_numpy(chosen).flatten().to(self._y.device)
        one = torch.nn.functional.one_hot(component, self.weights.shape[1]).to(self._y)
        x = self._mean(self._y.repeat_interleave(count, 0), one)
        flat = torch.from_numpy(normal).to(self._y).flatten(0, 1)
        for group, share in self._by_group(one):
            rows = share.sum(1) > 0
            x[rows] += group.deviation(flat[rows])
        return x.reshape(len(self), count, *self.image_shape)

    @cached_property
    def mode(self) -> Mode:
        """The highest point: maximum a posteriori.

        Raises:
            ValueError: Components of several covariances.
        """
        if len(self._groups) > 1:
            raise ValueError("the best mode is sought among components of one covariance; this prior has several")
        squares = self._groups[0].squared_distances.to("cpu", torch.float64)
        found = [highest(row, squares) for row in self._log_weights.to("cpu", torch.float64)]
        shares = torch.stack([one for one, _ in found]).to(self._y)
        image = self.mean(shares)
        certified = torch.tensor([sure for _, sure in found], device=self._y.device)
        return Mode(image, self.log_density(image), certified)

    def _joint(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        return self._log_weights + torch.cat([group.log_density(self._y, flat) for group in self._groups], 1)

    def _mean(self, y: Tensor, shares: Tensor) -> Tensor:
        parts = [group.mean(y, share) for group, share in self._by_group(shares)]
        return sum(parts, torch.zeros_like(parts[0]))

    def _by_group(self, shares: Tensor) -> Iterator[tuple[Gaussians, Tensor]]:
        """The groups, each with its columns of (B, K)."""
        return zip(self._groups, shares.split([len(group) for group in self._groups], 1), strict=True)

    def _images(self, flat: Tensor) -> Tensor:
        return flat.reshape(-1, *self.image_shape)
