"""What a schedule is: a range, the solver's steps, and the levels that it gives.

`steps` is the number of iterations of the solver that a schedule is given to. A solver asks for as many levels as
its algorithm visits: Algorithm 2 of MAP-GA walks from tau_n to tau_0 and asks for ``steps + 1``; PGDM and DDRM
evaluate the denoiser at ``steps`` levels and then step to sigma = 0.

The time variable is sigma itself (variance exploding, sigma(t) = t).
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mapga.shown import Shown

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MOST_STEPS", "SIGMA_MAX", "SIGMA_MIN", "Schedule", "check_decreasing"]

SIGMA_MIN = 0.002  # epsilon of the papers: where trajectories end
SIGMA_MAX = 80.0  # T of the papers: where they start
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
