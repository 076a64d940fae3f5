r"""A gradient step whose length is that of the correction: |J^T p| tells the direction alone.

    z += rate sqrt(1 + t^2 / s^2) |p| g / |g|,   g = J^T p, the norms of single images.

With the paper's lambda a step shrinks with J, so that z hardly moves while t is large; sqrt(1 + t^2 / s^2) is what x
shrinks by on the way from z to C(z, t) of Gaussian data of standard deviation s. A forward pass and a vector-Jacobian
product a step.

Source: ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.card import StepCard
from mapga.solvers.ascents.base import Level, Step, check_rate
from mapga.solvers.steps import inner

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Normalised"]


class Normalised(Step):
    r"""z += rate |p| / (|g| sqrt(1 - r_t^2 / s^2)) g, 0 where g is 0.

    Args:
        rate: > 0; 1 suits D, 2 suits C.
    """

    card = StepCard(passes=lambda a, num_iter: 2 * num_iter)

    def __init__(self, rate: float = 1.0) -> None:
        check_rate(rate)
        self.rate = rate

    def climb(self, level: Level, z: Tensor, num_iter: int) -> Tensor:
        spread = level.t / level.variance**0.5  # sqrt(1 + t^2 / s^2)
        for _ in range(num_iter):
            at = level.look(z)
            g = at.transposed(at.p)
            length = inner(g, g)
            z = z + self.rate * spread * (inner(at.p, at.p) / length.where(length != 0, 1.0)).sqrt() * g
        return z
