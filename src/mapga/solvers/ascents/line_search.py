r"""One exact line search of the posterior mean: MMPS with a single step of conjugate gradients.

With C = t^2 J the covariance of x_0 given z, x + C A^T m solves (A C A^T + sigma_y^2 I) m' = r best along m for

    alpha = <r, m> / (<p, q> + sigma_y^2 <m, m>),   q = C p = t^2 J^T p,

and alpha q is J delta for delta = alpha t^2 p. alpha is at most 8 a, and a where the denominator is not positive, with
a = 1 / (t^2 j), its value for Gaussian data. A forward pass and a vector-Jacobian product a step.

Source: Rozet et al., NeurIPS 2024, arXiv 2405.13712 (MMPS), for x; the step of z is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.card import StepCard
from mapga.solvers.ascents.base import Level, Step, check_rate
from mapga.solvers.steps import bounded_ratio, inner

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LineSearch"]


class LineSearch(Step):
    r"""z += rate alpha t^2 p.

    Args:
        rate: > 0, of the whole step.
    """

    card = StepCard(passes=lambda a, num_iter: 2 * num_iter)

    def __init__(self, rate: float = 1.0) -> None:
        check_rate(rate)
        self.rate = rate

    def climb(self, level: Level, z: Tensor, num_iter: int) -> Tensor:
        t2 = level.t**2
        for _ in range(num_iter):
            at = level.look(z)
            curvature = t2 * inner(at.p, at.transposed(at.p)) + level.problem.sigma_y**2 * inner(at.m, at.m)
            alpha = bounded_ratio(inner(at.r, at.m), curvature, 1 / (t2 * level.gain))
            z = z + self.rate * alpha * t2 * at.p
        return z
