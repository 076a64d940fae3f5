"""DiffPIR. Source: Zhu et al., 2023, arXiv 2305.08995, Algorithm 1, for any linear operator."""

from itertools import pairwise
from math import sqrt

from mapga.card import Needs, SolverCard
from mapga.schedules import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.steps import linear_operator


class DiffPIR(Solver):
    """argmin_x |y - A x|^2 + rho |x - D(x_t)|^2, rho = weight sigma_y^2 / sigma^2, then noised to the next level."""

    card = SolverCard(passes=lambda a, steps: steps, needs=lambda a, steps: Needs(denoiser=True, levels=steps))
    starts_from_noise = True

    def __init__(self, schedule: Schedule, *, weight: float = 0.3, zeta: float = 0.3) -> None:
        super().__init__(schedule)
        if weight <= 0 or not 0 <= zeta <= 1:
            raise ValueError(
                f"solver.weight={weight}, solver.zeta={zeta}: weight > 0, and zeta, fresh noise, in [0, 1]"
            )
        self.weight, self.zeta = weight, zeta

    def iterate(self, problem, prior, noise):
        operator = linear_operator(problem)
        levels = self.schedule.levels(self.schedule.steps).tolist()
        x = noise.start(levels[0])
        for i, (sigma, then) in enumerate(pairwise([*levels, 0.0])):
            denoised = prior.denoise(x, sigma)
            rho = self.weight * problem.sigma_y**2 / sigma**2
            residual = problem.y - operator.apply(denoised)
            fitted = denoised + operator.adjoint(operator.solve_gram(residual, rho))
            kept = sqrt(1 - self.zeta) * (x - fitted) / sigma
            x = fitted + then * (kept + sqrt(self.zeta) * noise.step(i)) if then else fitted
            yield State(i + 1, then, x, fitted)
