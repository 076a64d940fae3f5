r"""Gauss-Newton without a Jacobian: J taken for j I, as of Gaussian data.

J delta = p has the solution delta = p / j. A part of it is taken, since J is larger than j I along what data differ in.
One pass a step, and no backward pass.

Source: the Gauss-Newton step of least squares, with the Jacobian of the Gaussian model in the place of the network's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.card import StepCard
from mapga.solvers.ascents.base import Level, Step, check_rate

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["GaussNewton"]


class GaussNewton(Step):
    r"""z += rate p / j.

    Args:
        rate: > 0, of the whole step.
    """

    card = StepCard(passes=lambda a, num_iter: num_iter, vjp=False)

    def __init__(self, rate: float = 0.3) -> None:
        check_rate(rate)
        self.rate = rate

    def climb(self, level: Level, z: Tensor, num_iter: int) -> Tensor:
        for _ in range(num_iter):
            _, _, p = level.correction(level.image(z))
            z = z + self.rate / level.gain * p
        return z
