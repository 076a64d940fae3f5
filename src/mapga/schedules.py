r"""Noise schedules: a number of points -> strictly decreasing noise levels sigma. Nothing else.

A schedule has `steps`, the number of iterations of the solver it is given to. A solver asks for as many levels as
its algorithm visits: Algorithm 2 of MAP-GA walks from tau_n to tau_0 and asks for ``steps + 1``; PGDM and DDRM
evaluate the denoiser at ``steps`` levels and then step to sigma = 0.

The time variable is sigma itself (variance exploding, sigma(t) = t). ``linear``, ``quadratic`` and ``cosine`` are
answers to the paper's open question on the schedule: other spacings of the same range.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from mapga.card import Card
from mapga.lazy import torch
from mapga.shown import Shown

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "DDPM",
    "MOST_STEPS",
    "SIGMA_MAX",
    "SIGMA_MIN",
    "Cosine",
    "Explicit",
    "Geometric",
    "Karras",
    "Linear",
    "Quadratic",
    "Schedule",
    "Spaced",
    "check_decreasing",
    "karras_levels",
]

SIGMA_MIN = 0.002  # epsilon of the papers: where trajectories end
SIGMA_MAX = 80.0  # T of the papers: where they start
_LARGEST = 700.0  # ln of the largest number, about
MOST_STEPS = 1_000_000  # a slip of the finger would take all memory for its levels


def check_decreasing(levels: Sequence[float]) -> None:
    """Raise ValueError, naming the first offending pair, unless levels are positive, finite, strictly decreasing."""
    for k, level in enumerate(levels):
        if not 0 < level < math.inf:
            raise ValueError(f"schedule level {k} is {level}: noise levels are positive and finite")
        if k and level >= levels[k - 1]:
            raise ValueError(
                f"schedule is not strictly decreasing: level {k - 1} is {levels[k - 1]}, level {k} is {level}"
            )


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


class Schedule(Shown, ABC):
    """Strictly decreasing noise levels from sigma_max to sigma_min.

    Args:
        steps: Iterations of the solver, 1 .. 1,000,000.
        sigma_max: First level, in [-1, 1] pixel units.
        sigma_min: Last level, 0 < sigma_min < sigma_max.

    Raises:
        ValueError: A value outside these ranges.
    """

    def __init__(self, steps: int = 20, sigma_max: float = SIGMA_MAX, sigma_min: float = SIGMA_MIN) -> None:
        if not 1 <= steps <= MOST_STEPS:
            raise ValueError(f"schedule.steps={steps}: a solver makes at least 1 step, and at most {MOST_STEPS:,}")
        if not 0 < sigma_min < sigma_max < math.inf:
            raise ValueError(
                f"schedule.sigma_max={sigma_max}, schedule.sigma_min={sigma_min}: need 0 < sigma_min < sigma_max"
            )
        self.steps, self.sigma_max, self.sigma_min = steps, sigma_max, sigma_min

    @abstractmethod
    def levels(self, points: int) -> Tensor:
        """``points`` >= 1 levels, float64 (points,), strictly decreasing.

        Raises:
            ValueError: The schedule cannot give that many.
        """

    def spanning(self, sigma_max: float, sigma_min: float) -> Schedule:
        """The same kind of schedule over another range."""
        if not 0 < sigma_min < sigma_max < math.inf:
            raise ValueError(
                f"a schedule cannot go from sigma_max={sigma_max} to sigma_min={sigma_min}: "
                "need 0 < sigma_min < sigma_max"
            )
        other = copy.copy(self)
        other.sigma_max, other.sigma_min = sigma_max, sigma_min
        return other._changed(sigma_max=sigma_max, sigma_min=sigma_min)


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


class DDPM(Schedule):
    r"""The noise levels of the linear-beta DDPM, sigma_t = sqrt((1 - a_t) / a_t), beta = linspace(1e-4, 2e-2, 1000).

    Of the timesteps whose sigma lies within [sigma_min, sigma_max], n points are evenly spread, rounded to whole
    timesteps: both ends, and one point is the first. The ends are those of the timesteps: ``sigma_max`` and
    ``sigma_min`` of the schedule are the levels that it starts and stops at.

    With ``spacing="official"`` they are t_k = t_low + k (count // n), k = n - 1 .. 0, which starts below sigma_max.
    Over the whole range (sigma_max >= 157.41) this is the grid of the official DDRM program: 20 points start at
    t = 950, sigma = 97.1, and end at t = 0, sigma = 0.01.

    Source: Ho, Jain, Abbeel, 2020, arXiv 2006.11239; Kawar et al. (DDRM), 2022, arXiv 2201.11793.

    Args:
        spacing: ``"ends"`` or ``"official"``.

    Raises:
        ValueError: No timestep within the range.
    """

    card = Card()

    def __init__(
        self,
        steps: int = 20,
        sigma_max: float = SIGMA_MAX,
        sigma_min: float = SIGMA_MIN,
        spacing: Literal["ends", "official"] = "ends",
    ) -> None:
        super().__init__(steps, sigma_max, sigma_min)
        self.spacing = spacing
        beta = torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)
        alpha_bar = torch.cumprod(1 - beta, 0)
        sigma = ((1 - alpha_bar) / alpha_bar).sqrt()
        self._allowed = sigma[(sigma >= sigma_min) & (sigma <= sigma_max)]
        if not len(self._allowed):
            raise ValueError(f"schedule=ddpm has no timesteps between sigma_min={sigma_min} and sigma_max={sigma_max}")
        self.sigma_max, self.sigma_min = float(self._allowed[-1]), float(self._allowed[0])

    def levels(self, points: int) -> Tensor:
        count = len(self._allowed)
        if not 1 <= points <= count:
            raise ValueError(
                f"schedule=ddpm has {count} timesteps between sigma_min={self.sigma_min:.4g} and "
                f"sigma_max={self.sigma_max:.4g}, but {points} levels are needed; lower schedule.steps"
            )
        if self.spacing == "official":
            return self._allowed[torch.arange(points - 1, -1, -1) * (count // points)].clone()
        return self._allowed[torch.linspace(count - 1, 0, points, dtype=torch.float64).round().long()].clone()

    def spanning(self, sigma_max: float, sigma_min: float) -> Schedule:
        super().spanning(sigma_max, sigma_min)  # refuses what is no range
        return DDPM(self.steps, sigma_max, sigma_min, self.spacing)


class Explicit(Schedule):
    """Noise levels written out one by one.

    Args:
        levels: Strictly decreasing, positive.
        steps: The solver's iterations; the solver says how many levels that takes.

    Raises:
        ValueError: Levels that do not strictly decrease.
    """

    card = Card()

    def __init__(self, levels: Sequence[float], steps: int | None = None) -> None:
        values = [float(level) for level in levels]
        if len(values) < 2:
            raise ValueError(f"schedule.levels={values}: write out at least two levels")
        check_decreasing(values)
        super().__init__(len(values) - 1 if steps is None else steps, values[0], values[-1])
        self._levels = values

    def levels(self, points: int) -> Tensor:
        if points != len(self._levels):
            raise ValueError(
                f"schedule.levels has {len(self._levels)} values, but this solver visits {points} levels in "
                f"{self.steps} steps; write out {points} levels or change schedule.steps"
            )
        return torch.tensor(self._levels, dtype=torch.float64)

    def spanning(self, sigma_max: float, sigma_min: float) -> Schedule:
        raise ValueError(
            f"schedule=explicit cannot be stretched to {sigma_max}..{sigma_min}, which this solver needs; "
            "choose another schedule"
        )
