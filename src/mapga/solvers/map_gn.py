r"""MAP-GN: one Gauss-Newton step at each of few noise levels, instead of many gradient steps at many of them.

At level t the prior says p(x_0 | z) = N(x, C) with x = D(z, t) and C = t^2 J, J = dD/dz (Tweedie's second formula; both
are symmetric). Given y = A x_0 + sigma_y n the mean becomes

    x + C A^T (A C A^T + sigma_y^2 I)^{-1} r,   r = y - A x,                                                      (1)

a Gauss-Newton step of log p(y | x_0) + log p(x_0 | z). If C were r_t^2 I, with r_t^2 = t^2 s^2 / (t^2 + s^2) as of
Gaussian data of standard deviation s, it would need no derivative:

    x + p,   p = A^T m,   m = (A A^T + c I)^{-1} r,   c = sigma_y^2 / r_t^2.                                        (2)

With C itself, (1) is solved by one step of conjugate gradients from 0, with (2) as preconditioner: along m,

    x + alpha q,   q = C p = t^2 J^T p,   alpha = <r, m> / (<p, q> + sigma_y^2 <m, m>),                             (3)

where alpha, one for each image, makes the quadratic of (1) least. A network's J is not quite a covariance: alpha is a
where the denominator is not positive, and at most 8 a, with a = 1 / r_t^2, its value for Gaussian data. A projection,
(2) once more at x + alpha q, takes away what is left of the residual; it needs no pass.

z itself should move by delta with J delta = alpha q: delta = alpha t^2 p. A part of it is added to what is re-noised to
the next level t', and less than all the noise:

    z = x + push t'^2 alpha p + noise_share t' n.                                                                   (4)

D is told t' whatever the share: the error that x has takes the place of the noise that is missing. Without derivative
delta is (1 + t^2 / s^2) p, which is p and t^2 / s^2 p, and free_push t'^2 / s^2 p is added.

With C(z, t) in the place of D(z, t), Gaussian data have j = s / sqrt(s^2 + t^2) in the place of J = s^2 / (s^2 + t^2):
then a = 1 / (t^2 j), and 1 / j - 1 stands for t'^2 / s^2. q is no covariance times p then; alpha is exact along it.

Sources: (1), and (3) without preconditioner: Rozet et al., "Learning diffusion priors from observations by expectation
maximization", NeurIPS 2024, arXiv 2405.13712 (MMPS); (2): Song et al., PiGDM, ICLR 2023; steps of z: Gutha, Vinuesa,
Azizpour, arXiv 2407.20784 (MAP-GA). Ours: levels of two kinds, preconditioner, cap, projection, push, share of noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from mapga.card import Needs, SolverCard
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules.base import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.pgdm import posterior_variance
from mapga.solvers.steps import (
    bounded_ratio,
    check_share,
    inner,
    linear_operator,
    posterior_residual,
    pullback,
    renoise,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MAPGN"]


class MAPGN(Solver):
    r"""For each level t and the next t', the last of which is 0:

        x = D(z, t);  m = (A A^T + c I)^{-1} (y - A x);  p = A^T m
        without derivative:  x = x + p;  d = free_push t'^2 / s^2 p
        with it:             q = t^2 J^T p;  x = x + alpha q;  d = push t'^2 alpha p
                             x = x + A^T (A A^T + c I)^{-1} (y - A x)
        z = x + d + noise_share t' n

    The answer is the last x. A level without derivative takes one network pass, one with it two. The share ``ends`` of
    all passes is spent on levels without derivative at the beginning, and as much at the end: 20 passes are two levels,
    eight with derivative, and two.

    Args:
        schedule: The levels; a final 0 follows them. Those that it was made for are schedule=few.
        consistency: Map z to the image by the consistency model C; false: by the denoiser D.
        ends: Share of the passes, in [0, 0.5], at each end: 0 for derivatives everywhere, 0.5 for none at all.
        push, free_push: >= 0; how much of z's own step is taken, with and without derivative.
        noise_share: In [0, 1], of the noise of a level; 1 for all of it.
        projection: Whether the residual is taken away once more where there was a derivative.
        sigma_data: s > 0, the standard deviation of the data.
        final: A last level below the schedule's, in the place of one of them: for measurements without noise that leave
            nothing but fine detail open, as of a blur (0.03); None: none.

    Raises:
        ValueError: A value outside these ranges.
    """

    card = SolverCard(
        passes=lambda a, steps: 2 * steps - sum(_free(a.ends, steps)),
        needs=lambda a, steps: Needs(
            denoiser=not a.consistency,
            consistency=a.consistency,
            vjp=sum(_free(a.ends, steps)) < steps,
            levels=_of_schedule(a.final, steps),
        ),
        ours=True,
    )
    starts_from_noise = True

    def __init__(
        self,
        schedule: Schedule,
        *,
        consistency: bool = True,
        ends: float = 0.1,
        push: float = 0.15,
        free_push: float = 0.05,
        noise_share: float = 0.4,
        projection: bool = True,
        sigma_data: float = 0.5,
        final: float | None = None,
    ) -> None:
        super().__init__(schedule)
        if not 0 <= ends <= 0.5:
            raise ValueError(f"solver.ends={ends}: a share of the passes at each end, from 0 to 0.5")
        for name, value in (("push", push), ("free_push", free_push)):
            if not 0 <= value < math.inf:
                raise ValueError(f"solver.{name}={value}: 0 or more, and finite")
        if not 0 < sigma_data < math.inf:
            raise ValueError(f"solver.sigma_data={sigma_data}: a standard deviation is positive")
        if final is not None and not 0 < final < schedule.sigma_min:
            raise ValueError(f"solver.final={final}: a level below schedule.sigma_min={schedule.sigma_min:g}, or null")
        check_share(noise_share)
        self.consistency, self.ends, self.push, self.free_push = consistency, ends, push, free_push
        self.noise_share, self.projection, self.sigma_data, self.final = noise_share, projection, sigma_data, final

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        levels = self.schedule.levels(_of_schedule(self.final, self.schedule.steps)).tolist()
        if self.final is not None and len(levels) < self.schedule.steps:
            levels.append(self.final)
        first, last = _free(self.ends, len(levels))
        z = noise.start(levels[0])
        for i, (t, t_next) in enumerate(pairwise([*levels, 0.0])):
            step = self.with_derivative if first <= i < len(levels) - last else self.without
            image, push = step(problem, prior, z, t, t_next)
            z = renoise(image + push, t_next, 0.0, noise, i, self.noise_share)
            yield State(i + 1, t_next, z, image)

    def image(self, prior: Prior, z: Tensor, t: float) -> Tensor:
        """D(z, t), or C(z, t)."""
        return prior.consistency(z, t) if self.consistency else prior.denoise(z, t)

    def without(self, problem: Problem, prior: Prior, z: Tensor, t: float, t_next: float) -> tuple[Tensor, Tensor]:
        """The image of a level without derivative, and its push."""
        x = self.image(prior, z, t)
        p = posterior_residual(problem, x, self.variance(t))
        return x + p, self.free_push * (1 / self.gain(t_next) - 1) * p

    def with_derivative(
        self, problem: Problem, prior: Prior, z: Tensor, t: float, t_next: float
    ) -> tuple[Tensor, Tensor]:
        """The image of a level with derivative, and its push."""
        x, transposed = pullback(lambda latent: self.image(prior, latent, t), z)
        r, m, p = self.correction(problem, x, t)
        q = t**2 * transposed(p)
        curvature = inner(p, q) + problem.sigma_y**2 * inner(m, m)
        alpha = bounded_ratio(inner(r, m), curvature, 1 / (t**2 * self.gain(t)))
        x = x.addcmul(alpha, q)
        push = self.push * t_next**2 * alpha * p
        return x + posterior_residual(problem, x, self.variance(t)) if self.projection else x, push

    def correction(self, problem: Problem, x: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor]:
        """r = y - A x, m = (A A^T + c I)^{-1} r and p = A^T m."""
        operator = linear_operator(problem)
        r = problem.y - operator.apply(x)
        m = operator.solve_gram(r, problem.sigma_y**2 / self.variance(t))
        return r, m, operator.adjoint(m)

    def variance(self, t: float) -> float:
        """r_t^2."""
        return posterior_variance(t, "data", self.sigma_data)

    def gain(self, t: float) -> float:
        """dD/dz, or dC/dz, of Gaussian data."""
        of_denoiser = self.sigma_data**2 / (self.sigma_data**2 + t**2)
        return math.sqrt(of_denoiser) if self.consistency else of_denoiser


def _of_schedule(final: float | None, steps: int) -> int:
    """How many of a solver's levels are the schedule's: one at least."""
    return steps if final is None else max(steps - 1, 1)


def _free(ends: float, levels: int) -> tuple[int, int]:
    """The levels without derivative at the beginning and at the end.

    f of them at each end of n levels are the share ``ends`` of 2 n - 2 f passes: f = 2 n ends / (1 + 2 ends).
    """
    first = math.floor(2 * levels * ends / (1 + 2 * ends) + 0.5)
    return first, min(first, levels - first)
