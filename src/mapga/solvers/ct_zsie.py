r"""CT-ZSIE: zero-shot image editing with a consistency model.

Source: Song, Dhariwal, Chen, Sutskever, "Consistency models", 2023, arXiv 2303.01469, Algorithm 4, for a general
linear operator: the replacement of the measured part is R(x_0) = A^+ y + (I - A^+ A) x_0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from mapga.card import Needs, SolverCard
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules.base import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.steps import check_share, linear_operator, renoise

__all__ = ["CTZSIE"]


class CTZSIE(Solver):
    r"""For t = tau_n, ..., tau_1: x_0 = R(clamp(C(x, t))); x = x_0 + sqrt(t'^2 - tau_0^2) n.

    The last step adds no noise, so the answer satisfies A x = y wherever y is noiseless and in A's range. The method
    has no noise model: noise in y is taken over as it is, amplified by 1 / s for small singular values.
    One forward pass of C a step.

    Args:
        schedule: tau_n > ... > tau_0; its ``steps`` is n.
        start: ``"y_plus_noise"``: A^+ y + sigma_max n (the paper); ``"noise"``: sigma_max n.
        clip: Clamp C's output to [-1, 1], as the official program does.
        noise_share: In [0, 1]: n is multiplied by it, and C is told t' all the same.

    Raises:
        ValueError: An unknown ``start``, or no such share.
    """

    card = SolverCard(
        passes=lambda a, steps: steps,
        needs=lambda a, steps: Needs(consistency=True, levels=steps + 1),
    )

    def __init__(
        self,
        schedule: Schedule,
        *,
        start: Literal["y_plus_noise", "noise"] = "y_plus_noise",
        clip: bool = True,
        noise_share: float = 1.0,
    ) -> None:
        super().__init__(schedule)
        if start not in ("y_plus_noise", "noise"):
            raise ValueError(f"solver.start={start!r}: choose 'y_plus_noise' or 'noise'")
        check_share(noise_share)
        self.start, self.clip, self.noise_share = start, clip, noise_share

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        operator = linear_operator(problem)
        levels = self.schedule.levels(self.schedule.steps + 1).tolist()
        x = noise.start(levels[0])
        if self.start == "y_plus_noise":
            x = x + operator.pinv(problem.y)
        for i, (t, t_next) in enumerate(pairwise(levels)):
            x0 = prior.consistency(x, t)
            if self.clip:
                x0 = x0.clamp(-1, 1)
            image = x0 + operator.pinv(problem.y - operator.apply(x0))
            x = renoise(image, t_next, levels[-1], noise, i, self.noise_share)
            yield State(i + 1, t_next, x, image)
