r"""DDRM: denoising diffusion restoration in the operator's spectral coordinates.

Source: Kawar, Elad, Ermon, Song, "Denoising diffusion restoration models", NeurIPS 2022, arXiv 2201.11793, eqs. 7-8,
and the official program's treatment of ties and of unmeasured coordinates, in variance-exploding form.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Self

from mapga.card import Needs, SolverCard
from mapga.lazy import torch
from mapga.operators.base import SpectralOperator
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules.base import Schedule
from mapga.solvers.base import Solver, State
from mapga.solvers.steps import check_share, ddim

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DDRM", "Spectrum"]


class DDRM(Solver):
    r"""With x_bar = V^T x, y_hat = U^T y, y_bar = y_hat / s, a step sigma -> sigma' is, coordinate by coordinate,

    * not measured, or a tie:
      x_bar' = x0_bar + sqrt(1 - eta^2) sigma' (x_bar - x0_bar) / sigma + eta sigma' n
    * less noisy than y (s sigma' < sigma_y, measured):
      x_bar' = x0_bar + sqrt(1 - eta^2) sigma' (y_hat - s x0_bar) / sigma_y + eta sigma' n
    * noisier than y (s sigma' > sigma_y):
      x_bar' = (1 - eta_b) x0_bar + eta_b y_bar + sqrt(sigma'^2 - eta_b^2 sigma_y^2 / s^2) n

    The last step goes to sigma' = 0 and returns the denoiser's output. One forward pass a step.

    Args:
        schedule: Levels at which the denoiser is evaluated; a final 0 follows them.
        eta: In [0, 1]; the published 0.85.
        eta_b: In [0, 1]; the published 1.
        noise_share: In [0, 1]: n is multiplied by it, and D is told sigma' all the same; the published program has 1.

    Raises:
        ValueError: A value outside these ranges.
    """

    card = SolverCard(
        passes=lambda a, steps: steps,
        needs=lambda a, steps: Needs(operator="spectral", denoiser=True, levels=steps),
    )

    def __init__(self, schedule: Schedule, eta: float = 0.85, eta_b: float = 1.0, *, noise_share: float = 1.0) -> None:
        super().__init__(schedule)
        for name, value in (("eta", eta), ("eta_b", eta_b)):
            if not 0 <= value <= 1:
                raise ValueError(f"solver.{name}={value}: choose a value in [0, 1]")
        check_share(noise_share)
        self.eta, self.eta_b, self.noise_share = eta, eta_b, noise_share

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        levels = self.schedule.levels(self.schedule.steps).tolist()
        spectrum = Spectrum.of(problem)
        x = self.start(spectrum, levels[0], noise.start(1.0))
        for i, (sigma, sigma_next) in enumerate(pairwise([*levels, 0.0])):
            x0 = prior.denoise(x, sigma)
            x = self.step(spectrum, x, x0, sigma, sigma_next, noise.step(i)) if sigma_next > 0 else x0
            yield State(i + 1, sigma_next, x, x0)

    def start(self, spectrum: Spectrum, sigma: float, noise: Tensor) -> Tensor:
        """The initial state at level sigma: around y where that is less noisy, else pure noise; noise in pixels."""
        operator, s, sigma_y = spectrum.operator, spectrum.s, spectrum.sigma_y
        n = operator.to_spectral(noise)
        x_bar = torch.where(s * sigma > sigma_y, spectrum.y_bar + spectrum.lacking(sigma) * n, sigma * n)
        return operator.from_spectral(x_bar)

    def step(self, spectrum: Spectrum, x: Tensor, x0: Tensor, sigma: float, sigma_next: float, noise: Tensor) -> Tensor:
        """The state at sigma_next > 0 from x at sigma, with x0 = D(x, sigma) and pixel noise n."""
        operator, s, sigma_y = spectrum.operator, spectrum.s, spectrum.sigma_y
        x0_bar, n = operator.to_spectral(x0), operator.to_spectral(noise)
        keep, fresh = math.sqrt(1 - self.eta**2) * sigma_next, self.noise_share * self.eta * sigma_next

        drift = operator.to_spectral(x - x0)
        x_bar = ddim(x0_bar, keep / sigma, drift, fresh, n)

        if sigma_y > 0:
            cleaner = operator.measured & (s * sigma_next < sigma_y)
            residual = (spectrum.y_hat - s * x0_bar) / sigma_y
            x_bar = torch.where(cleaner, ddim(x0_bar, keep, residual, fresh, n), x_bar)

        spread = self.noise_share * spectrum.lacking(sigma_next, self.eta_b)
        pulled = x0_bar.lerp(spectrum.y_bar, self.eta_b).addcmul_(spread, n)
        x_bar = torch.where(s * sigma_next > sigma_y, pulled, x_bar)

        return operator.from_spectral(x_bar)


@dataclass(frozen=True)
class Spectrum:
    """A problem in spectral coordinates, written out once a solve.

    Attributes:
        operator: A.
        sigma_y: Noise level of y.
        s: Singular values, (1, C, H, W).
        y_hat: U^T y, (B, C, H, W).
        y_bar: y_hat / s, 0 where s = 0, where it is never read.
        variance: sigma_y^2 / s^2, of y_bar's noise, 0 where s = 0; (1, C, H, W).
    """

    operator: SpectralOperator
    sigma_y: float
    s: Tensor
    y_hat: Tensor
    y_bar: Tensor
    variance: Tensor

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """The spectrum of a problem whose operator has a closed-form SVD.

        Raises:
            TypeError: It has none.
        """
        operator = problem.operator
        if not isinstance(operator, SpectralOperator):
            raise TypeError(f"{type(operator).__name__} has no closed-form SVD")
        y_hat = operator.measurement_to_spectral(problem.y)
        inverse = operator.inverse_values
        variance = (problem.sigma_y * inverse).square()
        return cls(operator, problem.sigma_y, operator.singular_values, y_hat, inverse * y_hat, variance)

    def lacking(self, sigma: float, share: float = 1.0) -> Tensor:
        """sqrt(sigma^2 - share^2 sigma_y^2 / s^2): the noise that a share of y_bar lacks at level sigma.

        (1, C, H, W), 0 where y_bar has more, sigma where s = 0, where it is never read; one number if y has no noise.
        """
        if self.sigma_y == 0:
            return self.s.new_full((), sigma)
        return (sigma**2 - share**2 * self.variance).clamp(min=0).sqrt()
