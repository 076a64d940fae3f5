"""What a solver is: hyper-parameters and a schedule that turn a problem, a prior and noise into states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from mapga.operators.base import LinearOperator, Operator, SpectralOperator
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules import Schedule

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

    #: Whether its initial state is the schedule's first level times start noise, and nothing else.
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

    @abstractmethod
    def supports(self, operator: Operator, sigma_y: float, prior: Prior) -> str | None:
        """None if the solver can serve this problem, else the reason it cannot, for a person to read."""

    def _lacks(
        self,
        operator: Operator,
        prior: Prior,
        *,
        linear: bool = False,
        spectral: bool = False,
        denoiser: bool = False,
        consistency: bool = False,
        levels: int = 0,
    ) -> str | None:
        """The first of these requirements that is not met, as a reason; None if all are.

        ``levels`` is how many noise levels the solver will ask its schedule for, 0 for none.
        """
        if spectral and not isinstance(operator, SpectralOperator):
            return f"it needs an operator with a closed-form SVD, and {type(operator).__name__} has none"
        if linear and not isinstance(operator, LinearOperator):
            return f"it needs a linear operator, and {type(operator).__name__} is not"
        if denoiser and not prior.has_denoiser:
            return "it needs a denoiser, and this prior has none"
        if consistency and not prior.has_consistency:
            return "it needs a consistency model, and this prior has none"
        if (denoiser or consistency) and self.schedule.sigma_max > prior.sigma_max:
            return (
                f"its schedule starts at sigma={self.schedule.sigma_max:g}, above the prior's "
                f"sigma_max={prior.sigma_max:g}; lower schedule.sigma_max"
            )
        if consistency and self.schedule.sigma_min < prior.sigma_min:
            return (
                f"its schedule ends at sigma={self.schedule.sigma_min:g}, below the prior's "
                f"sigma_min={prior.sigma_min:g}; raise schedule.sigma_min"
            )
        try:
            if levels:
                self.schedule.levels(levels)
        except ValueError as error:
            return str(error)
        return None
