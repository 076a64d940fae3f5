r"""Damped conjugate gradients for the posterior mean: MMPS with several steps, and an end where the curvature does.

    (A C A^T + (sigma_y^2 + damping r_t^2) I) m = r,   C = t^2 J^T;   z += rate t^2 A^T m

A network's J is not a covariance. Where a direction d has <d, M d> <= 0, or what is left of the residual is rounding
error, an image keeps the m that it has: no division is by zero or by a negative number, and what was finite stays so.
A forward pass and ``steps`` vector-Jacobian products a step of z.

Source: Rozet et al., NeurIPS 2024, arXiv 2405.13712 (MMPS); Steihaug, "The conjugate gradient method and trust regions
in large scale optimization", SIAM J. Numer. Anal. 1983, for the end at negative curvature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mapga.card import StepCard
from mapga.lazy import torch
from mapga.solvers.ascents.base import Level, Step, check_rate
from mapga.solvers.steps import inner, linear_operator

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ConjugateGradients"]

_ROUNDING = 100.0  # of the residual, in its machine precision


class ConjugateGradients(Step):
    r"""``steps`` of conjugate gradients from m = 0, for each step of z.

    Args:
        steps: >= 1, of conjugate gradients.
        damping: >= 0, in units of r_t^2.
        rate: > 0, of the whole step.
    """

    card = StepCard(passes=lambda a, num_iter: num_iter * (1 + a.steps))

    def __init__(self, steps: int = 3, damping: float = 0.01, rate: float = 1.0) -> None:
        check_rate(rate)
        if steps < 1:
            raise ValueError(f"solver.step.steps={steps}: at least 1 of conjugate gradients")
        if not 0 <= damping < float("inf"):
            raise ValueError(f"solver.step.damping={damping}: 0 or more, and finite")
        self.steps, self.damping, self.rate = steps, damping, rate

    def climb(self, level: Level, z: Tensor, num_iter: int) -> Tensor:
        operator = linear_operator(level.problem)
        diagonal = level.problem.sigma_y**2 + self.damping * level.variance
        for _ in range(num_iter):
            at = level.look(z, self.steps)
            m, left, direction = 0 * at.r, at.r, at.r
            least = (_ROUNDING * torch.finfo(z.dtype).eps) ** 2 * inner(at.r, at.r)
            for _ in range(self.steps):
                through = level.t**2 * at.transposed(operator.adjoint(direction))
                product = operator.apply(through) + diagonal * direction
                curvature, before = inner(direction, product), inner(left, left)
                going = ~((curvature <= 0) | (before <= least))  # a NaN goes on, and stays one
                alpha = _each(before / curvature.where(going, 1.0) * going, m)
                m, left = m + alpha * direction, left - alpha * product
                beta = _each(inner(left, left) / before.where(going, 1.0), m)
                direction = left + beta * direction
            z = z + self.rate * level.t**2 * operator.adjoint(m)
        return z


def _each(number: Tensor, measurement: Tensor) -> Tensor:
    """A number an image, to multiply measurements of any shape."""
    return number.reshape(-1, *[1] * (measurement.ndim - 1))
