"""DDNM. Source: Wang, Yu, Zhang, "Zero-shot image restoration using denoising diffusion null-space model", 2023,
arXiv 2212.00490: noiseless, with its program's DDIM step."""

from itertools import pairwise
from math import sqrt

from mapga.card import Needs, SolverCard
from mapga.schedules import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.steps import linear_operator


class DDNM(Solver):
    """D(x, sigma) with its range part replaced by that of y, D + A^+ (y - A D), then noised to the next level."""

    card = SolverCard(
        passes=lambda a, steps: steps,
        needs=lambda a, steps: Needs(operator="linear", denoiser=True, noise="none", levels=steps),
    )
    starts_from_noise = True

    def __init__(self, schedule: Schedule, *, eta: float = 0.85) -> None:
        super().__init__(schedule)
        if not 0 <= eta <= 1:
            raise ValueError(f"solver.eta={eta}: choose 0 (no fresh noise) to 1")
        self.eta = eta

    def iterate(self, problem, prior, noise):
        operator = linear_operator(problem)
        levels = self.schedule.levels(self.schedule.steps).tolist()
        x = noise.start(levels[0])
        for i, (sigma, then) in enumerate(pairwise([*levels, 0.0])):
            denoised = prior.denoise(x, sigma)
            fitted = denoised + operator.pinv(problem.y - operator.apply(denoised))
            kept = sqrt(1 - self.eta**2) * (x - denoised) / sigma
            x = fitted + then * (kept + self.eta * noise.step(i)) if then else fitted
            yield State(i + 1, then, x, fitted)
