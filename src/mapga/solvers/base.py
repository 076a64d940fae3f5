"""What a solver is: hyper-parameters and a schedule that turn a problem, a prior and noise into states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mapga.card import Needs, SolverCard
from mapga.operators.base import LinearOperator, Operator, SpectralOperator
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules import Schedule

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Solver", "State"]


@dataclass(frozen=True)
class State:
    """One state of a solver.

    Attributes:
        step: 1, 2, ..., the solver's ``n_steps``.
        sigma: Noise level of x; 0 for a finished image.
        x: (B, C, H, W). That of the last state is the answer.
        estimate: (B, C, H, W), the image that x was made of by adding noise: what a solver would answer if it stopped
            here. Equal to x in the last state.
    """

    step: int
    sigma: float
    x: Tensor
    estimate: Tensor


class Solver(ABC):
    """A restoration algorithm. It sees the prior and the operator, never a network, a dataset or the truth.

    Items of a batch never interact: every norm, comparison and update is per image.

    Args:
        schedule: Its noise levels.
    """

    card: ClassVar[SolverCard]
    #: Whether its initial state is start noise of the first level that it visits, and nothing else.
    starts_from_noise: ClassVar[bool] = False

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    @property
    def n_steps(self) -> int:
        """Number of states that ``iterate`` yields."""
        return self.schedule.steps

    @abstractmethod
    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        """States of a batch, lazily; the last one is the answer. Runs without an autograd graph around it."""

    def supports(self, operator: Operator, sigma_y: float, prior: Prior) -> str | None:
        """None if the solver can serve this problem, else the reason it cannot, for a person to read."""
        return self.objection(operator, sigma_y, prior) or next(self._unmet(operator, sigma_y, prior), None)

    def objection(self, operator: Operator, sigma_y: float, prior: Prior) -> str | None:
        """A reason of its own why it cannot serve a problem, said before those of its card; None without one."""
        return None

    def caution(self, sigma_y: float, prior: Prior) -> str | None:
        """What a person should know before a run that is possible and likely to go wrong; None without it."""
        return None

    def _unmet(self, operator: Operator, sigma_y: float, prior: Prior) -> Iterator[str]:
        """What its card says it needs and this problem, prior or schedule lacks, as reasons."""
        schedule = self.schedule
        needs = self.card.needs(self, schedule.steps) if self.card.needs else Needs(operator="any")
        if needs.operator == "spectral" and not isinstance(operator, SpectralOperator):
            yield f"it needs an operator with a closed-form SVD, and {type(operator).__name__} has none"
        if needs.operator == "linear" and not isinstance(operator, LinearOperator):
            yield f"it needs a linear operator, and {type(operator).__name__} is not"
        if needs.noise == "some" and sigma_y == 0:
            yield "it needs noisy measurements, and sigma_y = 0"
        if needs.noise == "none" and sigma_y > 0:
            yield f"it needs noiseless measurements, and sigma_y = {sigma_y:g}"
        if needs.denoiser and not prior.has_denoiser:
            yield "it needs a denoiser, and this prior has none"
        if needs.consistency and not prior.has_consistency:
            yield "it needs a consistency model, and this prior has none"
        if (needs.denoiser or needs.consistency) and schedule.sigma_max > prior.sigma_max:
            yield (
                f"its schedule starts at sigma={schedule.sigma_max:g}, above the prior's "
                f"sigma_max={prior.sigma_max:g}; lower schedule.sigma_max"
            )
        if needs.consistency and schedule.sigma_min < prior.sigma_min:
            yield (
                f"its schedule ends at sigma={schedule.sigma_min:g}, below the prior's "
                f"sigma_min={prior.sigma_min:g}; raise schedule.sigma_min"
            )
        try:
            if needs.levels:
                schedule.levels(needs.levels)
        except ValueError as error:
            yield str(error)
