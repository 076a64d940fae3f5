"""The noise levels of a DDPM's timesteps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from mapga.card import Card
from mapga.lazy import torch
from mapga.schedules.base import SIGMA_MAX, SIGMA_MIN, Schedule

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DDPM"]


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
