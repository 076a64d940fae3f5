r"""PGDM (PiGDM): pseudo-inverse guidance of a denoiser.

Source: Song, Vahdat, Mardani, Kautz, "Pseudoinverse-guided diffusion models for inverse problems", ICLR 2023,
Algorithm 1 with the DDIM(eta) update, here in variance-exploding form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from mapga.card import Needs, SolverCard
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules.base import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.steps import check_share, pseudo_inverse_guidance

__all__ = ["PGDM", "RRule", "check_r_rule", "posterior_variance"]

RRule = Literal["unit", "data", "sigma"]


def posterior_variance(sigma: float, rule: RRule, sigma_data: float) -> float:
    r"""r_t^2, the variance assumed for x_0 given x_t.

    ``"unit"``: sigma^2 / (1 + sigma^2), exact for unit-variance Gaussian data and the paper's choice; ``"data"``:
    sigma^2 s^2 / (sigma^2 + s^2), the same for data of standard deviation s = sigma_data; ``"sigma"``: sigma^2.
    """
    if rule == "sigma":
        return sigma**2
    s = 1.0 if rule == "unit" else sigma_data
    return sigma**2 * s**2 / (sigma**2 + s**2)


def check_r_rule(rule: str, sigma_data: float) -> None:
    """Raise ValueError, naming the value, unless these are a rule and a standard deviation."""
    if rule not in ("unit", "data", "sigma"):
        raise ValueError(f"solver.r_rule={rule!r}: choose 'unit', 'data' or 'sigma'")
    if not 0 < sigma_data < math.inf:
        raise ValueError(f"solver.sigma_data={sigma_data}: a standard deviation is positive")


class PGDM(Solver):
    r"""At each level, with e = (x - D) / sigma and v = r^2 A^T (r^2 A A^T + sigma_y^2 I)^{-1} (y - A D):

        x <- D + k1 n + k2 e + w J^T v,   k1 = eta sigma' sqrt(1 - sigma'^2 / sigma^2),   k2 = sqrt(sigma'^2 - k1^2)

    The last step goes to sigma' = 0. One forward pass and one vector-Jacobian product a step.

    Args:
        schedule: Levels at which the denoiser is evaluated; a final 0 follows them.
        eta: Stochasticity in [0, 1]: 0 is DDIM, 1 ancestral sampling.
        r_rule: The rule for r^2; it matters for noisy measurements only (and for ``"posterior_mean"``).
        sigma_data: Standard deviation of the data for ``r_rule="data"``, > 0.
        noise_share: In [0, 1]: n is multiplied by it, and D is told sigma' all the same; the paper has 1.
        guidance: w = 1 (``"adaptive"``, the paper's weight r^2 on the score) or w = sigma^2 / r^2
            (``"posterior_mean"``: the full shift sigma^2 grad log p(y | x), which for Gaussian data of unit variance is
            that of the posterior mean at each level).

    Raises:
        ValueError: A value outside these ranges.
    """

    card = SolverCard(
        passes=lambda a, steps: 2 * steps,
        needs=lambda a, steps: Needs(denoiser=True, vjp=True, levels=steps),
    )
    starts_from_noise = True

    def __init__(
        self,
        schedule: Schedule,
        eta: float = 1.0,
        *,
        r_rule: RRule = "unit",
        sigma_data: float = 0.5,
        guidance: Literal["adaptive", "posterior_mean"] = "adaptive",
        noise_share: float = 1.0,
    ) -> None:
        super().__init__(schedule)
        if not 0 <= eta <= 1:
            raise ValueError(f"solver.eta={eta}: choose a value in [0, 1]")
        check_r_rule(r_rule, sigma_data)
        if guidance not in ("adaptive", "posterior_mean"):
            raise ValueError(f"solver.guidance={guidance!r}: choose 'adaptive' or 'posterior_mean'")
        check_share(noise_share)
        self.eta, self.r_rule, self.sigma_data, self.guidance = eta, r_rule, sigma_data, guidance
        self.noise_share = noise_share

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        levels = self.schedule.levels(self.schedule.steps).tolist()
        x = noise.start(levels[0])
        for i, (sigma, sigma_next) in enumerate(pairwise([*levels, 0.0])):
            r2 = posterior_variance(sigma, self.r_rule, self.sigma_data)
            x0, shift = pseudo_inverse_guidance(problem, prior, x, sigma, r2)
            w = 1.0 if self.guidance == "adaptive" else sigma**2 / r2
            k1 = self.eta * sigma_next * math.sqrt(1 - (sigma_next / sigma) ** 2)
            k2 = math.sqrt(max(sigma_next**2 - k1**2, 0.0))
            estimate = x0.add(shift, alpha=w)
            x = estimate.add(x - x0, alpha=k2 / sigma)
            if k1 > 0:
                x.add_(noise.step(i), alpha=self.noise_share * k1)
            yield State(i + 1, sigma_next, x, estimate)
