r"""MAP-GA: MAP estimation by gradient ascent through a consistency model.

Instead of an image x_0, the latent z of a trajectory is optimised, so that x = C(z, t) never leaves the manifold:

    grad_z log p(x | y) = (dC/dz)^T [ grad_x log p(y | x) + grad_x log p(x) ]   at x = C(z, t),

one vector-Jacobian product. With p(y | x) = N(A x, sigma_y^2 I + sigma_eps^2 A A^T), where sigma_eps is the level at
which trajectories end:

    grad_x log p(y | x) = A^T (sigma_y^2 I + sigma_eps^2 A A^T)^{-1} (y - A x)
    grad_x log p(x)     = (D(x, sigma_eps) - x) / sigma_eps^2

An A that is not linear is linearised at x, as the paper has it, by its derivative A'(x).
**Differs from the paper:** of such an A the matrix A'(x) A'(x)^T counts as I, so that grad_x log p(y | x) is
A'(x)^T (y - A(x)) / (sigma_y^2 + sigma_eps^2), and with the paper's lambda a step is A'(x)^T (y - A(x)) through C.
Where A' is larger than 1 (a gain, say) it wants a smaller ``learning_rate_factor``.

**Differs from the paper:** ``learning_rate_growth`` can let lambda grow with the noise level,

    lambda_t = lambda (1 + growth t^2 / s^2),   s = 0.5, the standard deviation of image data.

With the paper's lambda (growth 0) a step hardly moves z while t >> s: of Gaussian data dC/dz = s / sqrt(s^2 + t^2), so
that a step takes away the part s^2 / (s^2 + t^2) of the residual. With growth 1 it would be all of it at every level.

**Differs from the paper:** ``prior_weight="capped"``. The prior term of a step is w (D(x, sigma_eps) - x) with
w = lambda / sigma_eps^2 = 1 + sigma_y^2 / sigma_eps^2: 1 without noise, 626 at sigma_y = 0.05. A network's error at
sigma_eps is multiplied by it, and the ascent diverges; capped, w is at most 1, which weighs the prior less than its
posterior does. ``prior_weight="annealed"``: the term is lambda grad log p_sigma(x) with sigma = max(t, sqrt(lambda)),
the prior blurred less and less as t falls, and never sharper than a step is long: w is at most 1 there too.

**Differs from the paper:** ``step_scale="operator"``. With noise the paper's lambda g is A^T (y - A x), or nearly so:
of what is missing along a singular value s of A it is s^2, a sixteenth for block means of 4x4. In its place

    lambda g = A^T (A A^T + sigma_y^2 / r_t^2 I)^{-1} (y - A x),   r_t^2 = t^2 s^2 / (t^2 + s^2), s = 0.5,

is all of it wherever y knows more than z: Gauss-Newton's step for x_0 ~ N(x, r_t^2 I). Without noise both are
A^+ (y - A x). It leads to the same maximum of the likelihood; with the prior term it would not.

Source: Gutha, Vinuesa, Azizpour, "Inverse problems with diffusion models: a MAP estimation perspective", WACV 2025,
arXiv 2407.20784, Algorithm 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from mapga.card import Needs, SolverCard
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules.base import Schedule
from mapga.solvers.ascents.base import Level, Step, passes_of
from mapga.solvers.base import Solver, State
from mapga.solvers.pgdm import posterior_variance
from mapga.solvers.steps import check_share, likelihood_residual, posterior_residual, renoise, vjp

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MAPGA"]

_SIGMA_DATA = 0.5  # of images in [-1, 1], as in EDM
_STABLE = 2.0  # a gradient step of a quadratic converges below twice its scale


class MAPGA(Solver):
    r"""Algorithm 2: gradient ascent at each noise level, then re-noising to the next.

    For t = tau_n, ..., tau_1: ``num_iter`` times z += lambda (dC/dz)^T g; then
    z ~ N(C(z, t), sigma_{t'}^2 - sigma_{tau_0}^2), with t' the next level.

    Per step and image: num_iter + 1 forward passes of C (or D), num_iter vector-Jacobian products, and with the
    prior term num_iter more forward passes of D.

    Args:
        schedule: tau_n > ... > tau_0; its ``steps`` is n.
        num_iter: Gradient steps at each level, >= 1.
        consistency: Map z to the image by the consistency model C; false: by the denoiser D, the paper's "(D)".
        use_prior: Include grad log p(x); false: the paper's "(NP)".
        learning_rate: lambda > 0; None for the paper's sigma_y^2 + sigma_eps^2.
        learning_rate_factor: > 0; lambda is multiplied by it.
        learning_rate_growth: >= 0; how lambda grows with the noise level, 0 for the paper's, which does not.
        prior_weight: Of the prior term: ``"paper"``, lambda / sigma_eps^2; ``"capped"``, no more than 1;
            ``"annealed"``, of the prior at level max(t, sqrt(lambda)).
        step_scale: ``"paper"``, lambda; ``"operator"``: the operator's own, without the prior term.
        step: Another way to move z than lambda grad_z, of ``mapga.solvers.ascents`` (conf/step), ``num_iter`` times at
            each level; without the prior term. None: the paper's.
        discrepancy: With a ``step``: an image whose residual |y - A x| is no more than so many times sigma_y sqrt(m),
            for m measured values, is not moved any more (Morozov's principle; 1 is the noise). None: all are.
        noise_share: In [0, 1], of the noise of a level, which C (or D) is told all the same; 1 for the paper's.

    Raises:
        ValueError: A value outside these ranges.
    """

    card = SolverCard(
        parts={"step": "step"},
        passes=lambda a, steps: steps * (_ascent_passes(a) + 1),
        needs=lambda a, steps: Needs(
            operator="linear" if a.step_scale == "operator" or a.step else "any",
            denoiser=a.use_prior or not a.consistency,
            consistency=a.consistency,
            vjp=a.step is None or a.step.card.vjp,
            levels=steps + 1,
        ),
    )
    starts_from_noise = True

    def __init__(
        self,
        schedule: Schedule,
        num_iter: int = 1,
        *,
        consistency: bool = True,
        use_prior: bool = True,
        learning_rate: float | None = None,
        learning_rate_factor: float = 1.0,
        learning_rate_growth: float = 0.0,
        prior_weight: Literal["paper", "capped", "annealed"] = "paper",
        step_scale: Literal["paper", "operator"] = "paper",
        noise_share: float = 1.0,
        step: Step | None = None,
        discrepancy: float | None = None,
    ) -> None:
        super().__init__(schedule)
        if num_iter < 1:
            raise ValueError(f"solver.num_iter={num_iter}: at least 1 gradient step a level")
        if learning_rate is not None and not 0 < learning_rate < math.inf:
            raise ValueError(f"solver.learning_rate={learning_rate}: positive, or null for sigma_y^2 + sigma_eps^2")
        if not 0 < learning_rate_factor < math.inf:
            raise ValueError(f"solver.learning_rate_factor={learning_rate_factor}: positive and finite")
        if not 0 <= learning_rate_growth < math.inf:
            raise ValueError(f"solver.learning_rate_growth={learning_rate_growth}: 0 or more, and finite")
        self.num_iter, self.consistency, self.use_prior = num_iter, consistency, use_prior
        self.learning_rate, self.learning_rate_factor = learning_rate, learning_rate_factor
        if step_scale == "operator" and (use_prior or learning_rate is not None):
            raise ValueError(
                "solver.step_scale='operator' leaves no room for a prior term or a learning_rate: leave both out"
            )
        papers = (learning_rate, learning_rate_factor, learning_rate_growth, step_scale) == (None, 1, 0, "paper")
        if step and (use_prior or not papers):
            raise ValueError("solver.step goes without the prior term and without lambda: leave use_prior and both out")
        if discrepancy is not None and not (step and 0 < discrepancy < math.inf):
            raise ValueError(f"solver.discrepancy={discrepancy}: positive, and beside a solver.step")
        check_share(noise_share)
        self.learning_rate_growth, self.prior_weight = learning_rate_growth, prior_weight
        self.step_scale, self.noise_share = step_scale, noise_share
        self.step, self.discrepancy = step, discrepancy

    def caution(self, sigma_y: float, prior: Prior) -> str | None:
        if not self.use_prior or self.prior_weight != "paper":
            return None
        rate, ways = self.rate(sigma_y, prior), "cap it, map_ga_np and map_ga_d_np leave it out"
        if math.isinf(prior.sigma_max):  # exact: its denoiser has no error that could be multiplied
            last = float(self.schedule.levels(self.schedule.steps + 1)[-2])
            if prior.least_std is None or (overshoot := rate / (prior.least_std**2 + last**2)) <= 1:
                return None
            return (
                f"a step of it is {overshoot:.2g} times what is stable at sigma_y = {sigma_y:g} where the prior's "
                f"standard deviation is {prior.least_std:.2g}, so that images may diverge; map_ga_annealed and "
                f"map_ga_d_annealed do not, map_ga_capped and map_ga_d_capped {ways}"
            )
        if (weight := rate / prior.sigma_min**2) <= _STABLE:
            return None
        return (
            f"its prior term multiplies the denoiser's error by {weight:.0f} at sigma_y = {sigma_y:g}, so that images "
            f"are likely to diverge; map_ga_capped and map_ga_d_capped {ways}"
        )

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        levels = self.schedule.levels(self.schedule.steps + 1).tolist()
        z = noise.start(levels[0])
        for i, (t, t_next) in enumerate(pairwise(levels)):
            z = self.climb(problem, prior, z, t)
            image = self.image(prior, z, t)
            z = renoise(image, t_next, levels[-1], noise, i, self.noise_share)
            yield State(i + 1, t_next, z, image)

    def image(self, prior: Prior, z: Tensor, t: float) -> Tensor:
        """C(z, t), or D(z, t) in the (D) variants."""
        return prior.consistency(z, t) if self.consistency else prior.denoise(z, t)

    def climb(self, problem: Problem, prior: Prior, z: Tensor, t: float) -> Tensor:
        """z after the steps of a level."""
        if self.step is None:
            for _ in range(self.num_iter):
                z = z + self.ascent(problem, prior, z, t)
            return z
        r2 = posterior_variance(t, "data", _SIGMA_DATA)
        gain = r2 / t**2  # s^2 / (s^2 + t^2)
        level = Level(
            problem,
            image=lambda latent: self.image(prior, latent, t),
            t=t,
            gain=math.sqrt(gain) if self.consistency else gain,
            variance=r2,
            discrepancy=self.discrepancy,
        )
        return self.step.climb(level, z, self.num_iter)

    def rate(self, sigma_y: float, prior: Prior) -> float:
        """lambda, without its growth."""
        return self.learning_rate_factor * (self.learning_rate or sigma_y**2 + prior.sigma_min**2)

    def ascent(self, problem: Problem, prior: Prior, z: Tensor, t: float) -> Tensor:
        """lambda grad_z log p(C(z, t) | y), without the prior term in the (NP) variants."""
        variance, growth = prior.sigma_min**2, 1 + self.learning_rate_growth * (t / _SIGMA_DATA) ** 2
        constant = self.rate(problem.sigma_y, prior)
        rate = constant * growth
        prior_rate = min(rate, variance) if self.prior_weight == "capped" else rate
        level = max(t, math.sqrt(constant)) if self.prior_weight == "annealed" else prior.sigma_min

        def direction(x: Tensor) -> Tensor:
            if self.step_scale == "operator":
                r2 = posterior_variance(t, "data", _SIGMA_DATA)
                return self.learning_rate_factor * growth * posterior_residual(problem, x, r2)
            # rate / variance is applied as one factor: 1 / sigma_eps^2 = 250,000 alone would cost precision.
            g = rate / variance * likelihood_residual(problem, x, variance)
            return g + prior_rate * prior.score(x, level) if self.use_prior else g

        return vjp(lambda latent: self.image(prior, latent, t), z, direction)[1]


def _ascent_passes(a: Any) -> int:
    """Network passes of a level's steps."""
    of_paper: int = a.num_iter * (2 + a.use_prior)
    return of_paper if a.step is None else passes_of(a.step, a.num_iter)
