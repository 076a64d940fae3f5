r"""Adam, for each image by itself and anew at each level.

    u = b1 u + (1 - b1) g,  v = b2 v + (1 - b2) g^2,  z += rate / j  u^ / (sqrt(v^) + 1e-8)

with u^, v^ corrected for their start. Each pixel's step is about rate / j, whatever the gradient's size. A forward pass
and a vector-Jacobian product a step. An image that y asks nothing more of stays where it is.

Source: Kingma, Ba, "Adam", ICLR 2015, arXiv 1412.6980, Algorithm 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.card import StepCard
from mapga.solvers.ascents.base import Level, Step, check_rate
from mapga.solvers.steps import inner

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Adam"]


class Adam(Step):
    """Steps of a level.

    Args:
        rate: > 0, about what an image's pixel moves in a step.
        b1, b2: In [0, 1), the published ones.
    """

    card = StepCard(passes=lambda a, num_iter: 2 * num_iter)

    def __init__(self, rate: float = 0.05, b1: float = 0.9, b2: float = 0.999) -> None:
        check_rate(rate)
        for name, value in (("b1", b1), ("b2", b2)):
            if not 0 <= value < 1:
                raise ValueError(f"solver.step.{name}={value}: in [0, 1)")
        self.rate, self.b1, self.b2 = rate, b1, b2

    def climb(self, level: Level, z: Tensor, num_iter: int) -> Tensor:
        u, v = 0 * z, 0 * z
        for k in range(1, num_iter + 1):
            at = level.look(z)
            g = at.transposed(at.p)
            u, v = self.b1 * u + (1 - self.b1) * g, self.b2 * v + (1 - self.b2) * g.square()
            step = u / (1 - self.b1**k) / ((v / (1 - self.b2**k)).sqrt() + 1e-8)
            z = z + self.rate / level.gain * step.where(inner(g, g) != 0, 0.0)
        return z
