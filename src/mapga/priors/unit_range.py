r"""A prior of [0, 1] images as one of [-1, 1] images.

With x = 2 z - 1 a noise level sigma on [-1, 1] is sigma / 2 on [0, 1], so

    D(x, sigma) = 2 D01((x + 1) / 2, sigma / 2) - 1,   and the same for C; levels of the prior double.
"""

from __future__ import annotations

import copy
from typing import Self

import torch
from torch import Tensor

from mapga.pixels import to_sym, to_unit
from mapga.priors.base import Prior

__all__ = ["UnitRangePrior"]


class UnitRangePrior(Prior):
    """Wraps a prior whose images are in [0, 1], such as a denoiser that was trained there.

    Args:
        prior: The prior of [0, 1] images; its ``sigma_min`` and ``sigma_max`` are in that unit.
    """

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self.image_shape, self.n_classes = prior.image_shape, prior.n_classes
        self.sigma_min, self.sigma_max = 2 * prior.sigma_min, 2 * prior.sigma_max
        self.has_denoiser, self.has_consistency = prior.has_denoiser, prior.has_consistency

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return to_sym(self.prior.denoise(to_unit(x), sigma / 2))

    def consistency(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return to_sym(self.prior.consistency(to_unit(x), sigma / 2))

    def conditioned(self, labels: Tensor | None) -> Self:
        return self._around(self.prior.conditioned(labels))

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        return self._around(self.prior.to(device, dtype))

    def _around(self, prior: Prior) -> Self:
        other = copy.copy(self)
        other.prior = prior
        return other
