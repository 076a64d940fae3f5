r"""MAP-GA-PGDM: MAP-GA down to the measurement's noise level, PGDM from there.

Source: Gutha, Vinuesa, Azizpour, WACV 2025, arXiv 2407.20784, Algorithm 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from mapga.card import Needs, SolverCard
from mapga.operators.base import Operator
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules.base import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.map_ga import MAPGA
from mapga.solvers.pgdm import RRule, check_r_rule, posterior_variance
from mapga.solvers.steps import pseudo_inverse_guidance, renoise

__all__ = ["MAPGAPGDM"]


class MAPGAPGDM(Solver):
    r"""Algorithm 3, for noisy measurements.

    1. MAP-GA without the prior term on the schedule from sigma_max to sigma_y; its last step adds no noise.
    2. ``pgdm_steps`` steps of PGDM on a schedule of the same kind from sigma_y to sigma_min:
       mu = D(x, t) + sigma_t^2 grad log p(y | x);  x ~ N(mu, sigma_{t'}^2 - sigma_{tau_0}^2).

    Args:
        schedule: Of the first half; its ``steps`` is n, its ``sigma_min`` is where the second half ends.
        num_iter: Gradient steps a level in the first half, >= 1.
        pgdm_steps: m, >= 1.
        consistency: Whether the first half maps z to the image by C (true) or D (the paper's "(D)").
        learning_rate, learning_rate_factor, learning_rate_growth: As in MAP-GA.
        r_rule: Rule for r_t^2 in grad log p(y | x); the paper does not state its own.
        sigma_data: Standard deviation of the data for ``r_rule="data"``.
        noise_share: As in MAP-GA, in both halves.

    Raises:
        ValueError: A value outside these ranges.
    """

    card = SolverCard(
        passes=lambda a, steps: steps * (a.num_iter * 2 + 1) + a.pgdm_steps * 2,
        needs=lambda a, steps: Needs(denoiser=True, consistency=a.consistency, vjp=True, noise="some"),
        remark="its PGDM half takes the full shift of the posterior mean, pgdm does with guidance=posterior_mean",
    )
    starts_from_noise = True

    def __init__(
        self,
        schedule: Schedule,
        num_iter: int = 1,
        *,
        pgdm_steps: int = 20,
        consistency: bool = True,
        learning_rate: float | None = None,
        learning_rate_factor: float = 1.0,
        learning_rate_growth: float = 0.0,
        r_rule: RRule = "unit",
        sigma_data: float = 0.5,
        noise_share: float = 1.0,
    ) -> None:
        super().__init__(schedule)
        if pgdm_steps < 1:
            raise ValueError(f"solver.pgdm_steps={pgdm_steps}: at least 1")
        check_r_rule(r_rule, sigma_data)
        self.num_iter, self.pgdm_steps, self.consistency = num_iter, pgdm_steps, consistency
        self.learning_rate, self.learning_rate_factor = learning_rate, learning_rate_factor
        self.learning_rate_growth, self.r_rule, self.sigma_data = learning_rate_growth, r_rule, sigma_data
        self.noise_share = noise_share
        self.first_half(schedule)  # refuses values that it cannot take

    @property
    def n_steps(self) -> int:
        return self.schedule.steps + self.pgdm_steps

    def objection(self, operator: Operator, sigma_y: float, prior: Prior) -> str | None:
        low, high = self.schedule.sigma_min, self.schedule.sigma_max
        if not low < sigma_y < high:
            return (
                f"it hands over from MAP-GA to PGDM at sigma = sigma_y, so it needs noise with {low:g} < sigma_y < "
                f"{high:g}, and sigma_y = {sigma_y:g}; for noiseless measurements use map_ga_np"
            )
        try:
            above, below = self.halves(sigma_y)
            above.levels(self.schedule.steps + 1)
            below.levels(self.pgdm_steps + 1)
        except ValueError as error:
            return str(error)
        return None

    def halves(self, sigma_y: float) -> tuple[Schedule, Schedule]:
        """The schedule from sigma_max to sigma_y, and from sigma_y to sigma_min.

        Raises:
            ValueError: It cannot be stretched.
        """
        schedule = self.schedule
        return schedule.spanning(schedule.sigma_max, sigma_y), schedule.spanning(sigma_y, schedule.sigma_min)

    def first_half(self, schedule: Schedule) -> MAPGA:
        """MAP-GA without the prior term."""
        return MAPGA(
            schedule,
            self.num_iter,
            consistency=self.consistency,
            use_prior=False,
            learning_rate=self.learning_rate,
            learning_rate_factor=self.learning_rate_factor,
            learning_rate_growth=self.learning_rate_growth,
            noise_share=self.noise_share,
        )

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        above, below = self.halves(problem.sigma_y)
        for state in self.first_half(above).iterate(problem, prior, noise):
            yield state
        x = state.x

        levels = below.levels(self.pgdm_steps + 1).tolist()
        for i, (t, t_next) in enumerate(pairwise(levels), start=above.steps):
            r2 = posterior_variance(t, self.r_rule, self.sigma_data)
            x0, shift = pseudo_inverse_guidance(problem, prior, x, t, r2)
            mu = x0 + t**2 / r2 * shift
            x = renoise(mu, t_next, levels[-1], noise, i, self.noise_share)
            yield State(i + 1, t_next, x, mu)
