r"""DPS: diffusion posterior sampling, guidance by the distance of A D(x) from the measurement.

In variance-exploding form, from a level sigma to the next sigma', with D = D(x, sigma) and J = dD/dx:

    x' = D + (sigma' / sigma)^2 (x - D) + sigma' sqrt(1 - sigma'^2 / sigma^2) n
           - scale sqrt((1 + sigma^2) (1 + sigma'^2)) grad_x ||y - A(D)||_2,
    grad_x ||y - A(D)||_2 = -J^T A'(D)^T (y - A(D)) / ||y - A(D)||_2,

A'(x) the derivative of A, so that A need not be linear. The root is what the paper's step, which is taken in
variance-preserving coordinates x / sqrt(1 + sigma^2), becomes here. The last step goes to sigma' = 0.

**Differs from the paper:** n has the posterior's variance given x_0 in the place of a learned one. The paper's step is
zeta' / ||y - A(D)|| on the gradient of the squared norm, so that ``scale`` is 2 zeta'; its program puts it on the
gradient of the norm, as here, but of the whole batch's norm, and clips D. Here norms are of single images, unclipped.

Source: Chung, Kim, Mccann, Klasky, Ye, "Diffusion posterior sampling for general noisy inverse problems", ICLR 2023,
arXiv 2209.14687, Algorithm 1.
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
from mapga.schedules.base import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.steps import check_share, vjp

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DPS"]


class DPS(Solver):
    """Algorithm 1 for Gaussian noise: ancestral sampling, each step moved down the gradient of the residual's norm.

    The gradient of a norm does not shrink with the residual: an answer is ``scale`` away from y, whatever sigma_y. All
    steps together move an image by about ``scale`` times their number, in the 2-norm: fewer steps want a larger scale.
    One forward pass and one vector-Jacobian product a step.

    Args:
        schedule: Levels at which the denoiser is evaluated; a final 0 follows them.
        scale: > 0, what multiplies the gradient; the program's 0.3 to 1 are for 1,000 steps and images of 256x256.
        noise_share: In [0, 1], of the noise of a level, which D is told all the same; 1 for the paper's.

    Raises:
        ValueError: A value outside these ranges.
    """

    card = SolverCard(
        passes=lambda a, steps: 2 * steps,
        needs=lambda a, steps: Needs(operator="any", denoiser=True, vjp=True, levels=steps),
    )
    starts_from_noise = True
    affine = False

    def __init__(self, schedule: Schedule, scale: float = 1.0, *, noise_share: float = 1.0) -> None:
        super().__init__(schedule)
        if not 0 < scale < math.inf:
            raise ValueError(f"solver.scale={scale}: positive and finite")
        check_share(noise_share)
        self.scale, self.noise_share = scale, noise_share

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        levels = self.schedule.levels(self.schedule.steps).tolist()
        x = noise.start(levels[0])
        for i, (sigma, sigma_next) in enumerate(pairwise([*levels, 0.0])):
            x0, towards = self.guidance(problem, prior, x, sigma)
            step = self.scale * math.sqrt(1 + sigma**2)
            estimate = x0 + step * towards
            kept = (sigma_next / sigma) ** 2
            x = x0 + kept * (x - x0) + step * math.sqrt(1 + sigma_next**2) * towards
            if sigma_next > 0:
                x = x + self.noise_share * sigma_next * math.sqrt(1 - kept) * noise.step(i)
            yield State(i + 1, sigma_next, x, estimate)

    def guidance(self, problem: Problem, prior: Prior, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        """D(x, sigma) and -grad_x ||y - A(D(x, sigma))||_2 of each image, 0 where the residual is."""

        def towards(x0: Tensor) -> Tensor:
            residual = problem.y - problem.operator.apply(x0)
            unit = torch.nn.functional.normalize(residual.flatten(1)).reshape(residual.shape)
            return problem.operator.vjp(x0, unit)

        return vjp(lambda z: prior.denoise(z, sigma), x, towards)
