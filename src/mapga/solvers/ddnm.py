r"""DDNM: what is measured is put into the denoiser's image, and the null space is the denoiser's.

Without noise in y, with e = (x - D) / sigma,

    x_0' = D + A^+ (y - A D),   x = x_0' + sigma' (sqrt(1 - eta^2) e + eta n),

and the answer is the last x_0'. With noise A^+ would bring sigma_y / s of it along a singular value s. DDNM+ takes no
more than a level sigma' has, and fills up the rest: coordinate by coordinate, with x_bar = V^T x and y_bar = U^T y / s,

* s sigma' >= sigma_y: y_bar + sqrt(sigma'^2 - sigma_y^2 / s^2) n
* less, and s > 0:     D_bar + sqrt(1 - eta^2) s sigma' / sigma_y (y_bar - D_bar) + eta sigma' n
* s = 0:               D_bar + sigma' (sqrt(1 - eta^2) e_bar + eta n)

so that the answer, at sigma' = 0, is D. That is DDRM's step with eta_b = 1 but where s = 0; DDRM starts from y, and
without noise in y it answers D and makes all noise along s > 0 anew.

Source: Wang, Yu, Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023,
arXiv 2212.00490, Algorithm 1 and DDNM+ with the SVD, eta as in the official program, in variance-exploding form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from mapga.card import Needs, SolverCard
from mapga.lazy import torch
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.ddrm import Spectrum
from mapga.solvers.steps import check_share, ddim

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DDNM"]


class DDNM(Solver):
    r"""For each level sigma and the next sigma', the last of which is 0: x_0 = D(x, sigma), then x as above.

    One forward pass a level. **Differs from the paper:** no time travel.

    Args:
        schedule: Levels at which the denoiser is evaluated; a final 0 follows them.
        eta: In [0, 1], how much of a level's noise is new; the published 0.85.
        noise_share: In [0, 1]: n is multiplied by it, and D is told sigma' all the same; the paper has 1.

    Raises:
        ValueError: A value outside these ranges.
    """

    card = SolverCard(
        passes=lambda a, steps: steps,
        needs=lambda a, steps: Needs(operator="spectral", denoiser=True, levels=steps),
    )
    starts_from_noise = True

    def __init__(self, schedule: Schedule, eta: float = 0.85, *, noise_share: float = 1.0) -> None:
        super().__init__(schedule)
        if not 0 <= eta <= 1:
            raise ValueError(f"solver.eta={eta}: choose a value in [0, 1]")
        check_share(noise_share)
        self.eta, self.noise_share = eta, noise_share

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        levels = self.schedule.levels(self.schedule.steps).tolist()
        spectrum = Spectrum.of(problem)
        operator, noisy = spectrum.operator, problem.sigma_y > 0
        x = noise.start(levels[0])
        for i, (sigma, sigma_next) in enumerate(pairwise([*levels, 0.0])):
            x0 = prior.denoise(x, sigma)
            image = x0 if noisy else x0 + operator.pinv(problem.y - operator.apply(x0))
            keep = math.sqrt(1 - self.eta**2) * sigma_next / sigma
            if sigma_next == 0:
                x = image
            elif noisy:
                x = self.plus(spectrum, x0, keep * (x - x0), sigma_next, self.noise_share * noise.step(i))
            else:
                x = ddim(image, keep, x - x0, self.noise_share * self.eta * sigma_next, noise.step(i))
            yield State(i + 1, sigma_next, x, image)

    def plus(self, spectrum: Spectrum, x0: Tensor, old: Tensor, sigma: float, noise: Tensor) -> Tensor:
        """DDNM+: the state at sigma > 0, from x0, the old noise that is kept where s = 0, and pixel noise."""
        operator, s, sigma_y = spectrum.operator, spectrum.s, spectrum.sigma_y
        x0_bar, old_bar, n = (operator.to_spectral(one) for one in (x0, old, noise))
        clear, seen = s * sigma >= sigma_y, s > 0
        weight = torch.where(clear, 1.0, math.sqrt(1 - self.eta**2) * sigma / sigma_y * s)
        fresh = torch.where(clear, spectrum.lacking(sigma), self.eta * sigma)
        x_bar = x0_bar + weight * (spectrum.y_bar - x0_bar) + fresh * n
        return operator.from_spectral(torch.where(seen, x_bar, x_bar + old_bar))
