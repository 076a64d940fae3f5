"""Schedules that follow a curve evenly: Karras' and other spacings of the same range.

``linear``, ``quadratic`` and ``cosine`` are answers to MAP-GA's open question on the schedule.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING

from mapga.card import Card
from mapga.lazy import torch
from mapga.schedules.base import SIGMA_MAX, SIGMA_MIN, Schedule, check_decreasing

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Cosine", "Geometric", "Karras", "Linear", "Quadratic", "Spaced", "karras_levels"]

_LARGEST = 700.0  # ln of the largest number, about


def karras_levels(
    u: float | Tensor, sigma_max: float | Tensor = SIGMA_MAX, sigma_min: float = SIGMA_MIN, rho: float = 7.0
) -> Tensor:
    r"""sigma(u) = (sigma_max^{1/rho} + u (sigma_min^{1/rho} - sigma_max^{1/rho}))^rho, from sigma_max to sigma_min.

    Source: Karras et al., 2022, arXiv 2206.00364, eq. 5. The grid consistency models are distilled on.

    Args:
        u: Where, in [0, 1]; of any shape.
        sigma_max: Level at u = 0; of any shape that broadcasts against u. One of the two is a tensor.
        sigma_min: Level at u = 1.
        rho: Curvature, > 0; 1 is linear, 7 the published choice.
    """
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return (high + u * (low - high)) ** rho


class Spaced(Schedule):
    """A schedule that follows a curve sigma(u), u = 0 .. 1, evenly in u, ends included."""

    def levels(self, points: int) -> Tensor:
        if points == 1:
            return torch.tensor([self.sigma_max], dtype=torch.float64)
        levels = self._curve(torch.linspace(0, 1, points, dtype=torch.float64))
        levels[0], levels[-1] = self.sigma_max, self.sigma_min
        check_decreasing(levels.tolist())
        return levels

    @abstractmethod
    def _curve(self, u: Tensor) -> Tensor:
        """sigma(u), from sigma_max at u = 0 to sigma_min at u = 1."""


class Karras(Spaced):
    """Levels evenly spread over the 1/rho-th power of sigma: ``karras_levels``.

    Args:
        rho: Curvature, > 0; 1 is linear, 7 the published choice.
    """

    card = Card()

    def __init__(
        self, steps: int = 20, sigma_max: float = SIGMA_MAX, sigma_min: float = SIGMA_MIN, rho: float = 7.0
    ) -> None:
        super().__init__(steps, sigma_max, sigma_min)
        if not 0 < rho < math.inf:
            raise ValueError(f"schedule.rho={rho}: the curvature is positive (7 is the published choice)")
        if math.log(sigma_max) / rho > _LARGEST:
            raise ValueError(
                f"schedule.rho={rho}: sigma_max^(1/rho) is too large a number; choose 1 or more (7 is usual)"
            )
        self.rho = rho

    def _curve(self, u: Tensor) -> Tensor:
        return karras_levels(u, self.sigma_max, self.sigma_min, self.rho)


class Linear(Spaced):
    """sigma(u) = sigma_max + u (sigma_min - sigma_max)."""

    card = Card()

    def _curve(self, u: Tensor) -> Tensor:
        return self.sigma_max + u * (self.sigma_min - self.sigma_max)


class Quadratic(Spaced):
    """sigma(u) = sigma_min + (1 - u)^2 (sigma_max - sigma_min)."""

    card = Card()

    def _curve(self, u: Tensor) -> Tensor:
        return self.sigma_min + (1 - u).square() * (self.sigma_max - self.sigma_min)


class Cosine(Spaced):
    """sigma(u) = sigma_min + (1 + cos(pi u)) / 2 (sigma_max - sigma_min): slow at both ends."""

    card = Card()

    def _curve(self, u: Tensor) -> Tensor:
        return self.sigma_min + (1 + torch.cos(math.pi * u)) / 2 * (self.sigma_max - self.sigma_min)


class Geometric(Spaced):
    """sigma(u) = sigma_max (sigma_min / sigma_max)^u: equal steps in log sigma."""

    card = Card()

    def _curve(self, u: Tensor) -> Tensor:
        return self.sigma_max * (self.sigma_min / self.sigma_max) ** u
