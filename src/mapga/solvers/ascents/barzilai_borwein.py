r"""Gradient steps whose length is the last step's secant.

    z += beta g,   beta = <dz, dz> / <dz, g_before - g>,   dz the last step

of each image; it is rate / j at first, 1 / j where the secant is not positive, and at most 8 / j. A forward pass and a
vector-Jacobian product a step: the secant costs none.

Source: Barzilai, Borwein, "Two-point step size gradient methods", IMA J. Numer. Anal. 1988, first formula.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.card import StepCard
from mapga.solvers.ascents.base import Level, Step, check_rate
from mapga.solvers.steps import bounded_ratio, inner

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BarzilaiBorwein"]


class BarzilaiBorwein(Step):
    """Steps of a level; the first of each level is a plain one.

    Args:
        rate: > 0, of the first step.
    """

    card = StepCard(passes=lambda a, num_iter: 2 * num_iter)

    def __init__(self, rate: float = 0.3) -> None:
        check_rate(rate)
        self.rate = rate

    def climb(self, level: Level, z: Tensor, num_iter: int) -> Tensor:
        beta: float | Tensor = self.rate / level.gain
        before: tuple[Tensor, Tensor] | None = None
        for _ in range(num_iter):
            at = level.look(z)
            g = at.transposed(at.p)
            if before is not None:
                moved = z - before[0]
                beta = bounded_ratio(inner(moved, moved), inner(moved, before[1] - g), 1 / level.gain)
            before = z, g
            z = z + beta * g
        return z
