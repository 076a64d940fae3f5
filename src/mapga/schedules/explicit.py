"""Noise levels written out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mapga.card import Card
from mapga.lazy import torch
from mapga.schedules.base import Schedule, check_decreasing

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Explicit"]


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
