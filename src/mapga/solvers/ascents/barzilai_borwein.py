r"""Gradient steps whose length is the last step's secant.

    z += beta g,   beta = <dz, dz> / <dz, g_before - g>,   dz the last step

of each image; beta = rate / j^2 at first, which corrects Gaussian data wholly at rate 1, and where the secant is not
positive; it is at most 8 / j^2. A forward pass and a vector-Jacobian product a step: the secant costs none.

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
        beta: float | Tensor = self.rate / level.gain**2
        before: tuple[Tensor, Tensor] | None = None
        for _ in range(num_iter):
            at = level.look(z)
            g = at.transposed(at.p)
            if before is not None:
                moved = z - before[0]
                beta = bounded_ratio(inner(moved, moved), inner(moved, before[1] - g), 1 / level.gain**2)
            before = z, g
            z = z + beta * g
        return z
