"""What a solver is: hyper-parameters and a schedule that turn a problem, a prior and noise into states."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mapga.card import Needs, SolverCard
from mapga.lazy import torch
from mapga.operators.base import LinearOperator, Operator, SpectralOperator
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.schedules.base import Schedule
from mapga.shown import Shown
from mapga.solvers.answering import answering

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


class Solver(Shown, ABC):
    """A restoration algorithm. It sees the prior and the operator, never a network, a dataset or the truth.

    Items of a batch never interact: every norm, comparison and update is per image.

    Args:
        schedule: Its noise levels.
    """

    card: ClassVar[SolverCard]
    #: Whether its initial state is start noise of the first level that it visits, and nothing else.
    starts_from_noise: ClassVar[bool] = False
    #: Whether of Gaussian data its answer is affine in its noise, so that without noise it is the mean of its answers.
    affine: ClassVar[bool] = True

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    @property
    def n_steps(self) -> int:
        """Number of states that ``iterate`` yields."""
        return self.schedule.steps

    @abstractmethod
    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        """States of a batch, lazily; the last one is the answer. Runs without an autograd graph around it."""

    def restore(
        self,
        problem: Problem,
        prior: Prior,
        seed: int = 0,
        *,
        labels: Tensor | None = None,
        start: Tensor | None = None,
        batch_size: int = 32,
    ) -> Tensor:
        """The restored images of a problem, (N, C, H, W), on its device and in its dtype.

        With the seed, and the batch size, of a run they are the run's before they are rounded. Images that diverge are
        not numbers, or far outside [-1, 1]; the former are warned of, and never change the others.

        Args:
            problem: What was measured.
            prior: Any ``Prior``.
            seed: Of the solver's noise.
            labels: int64 (N,), the true classes, for a prior that is conditioned on classes.
            start: Images (N, C, H, W) to start from, noised to the schedule's first level; None: from noise.
            batch_size: Images solved together, >= 1. It changes speed, memory and how float32 rounds.

        Raises:
            ValueError: As ``trajectory``.
        """
        if batch_size < 1 or not len(problem):
            raise ValueError(f"batch_size={batch_size} of {len(problem)} images: both are at least 1")
        prior, start = self._serving(problem, prior, labels, start)
        parts = []
        for first in range(0, len(problem), batch_size):
            rows = slice(first, first + batch_size)
            own = (None if one is None else one[rows] for one in (labels, start))
            (last,) = deque(self._states(problem[rows], prior, seed, *own), maxlen=1)
            parts.append(last.x)
        x = torch.cat(parts)
        if lost := (~x.isfinite().flatten(1).all(1)).nonzero().flatten().tolist():
            warnings.warn(f"images {lost} of {len(x)} diverged: they hold NaN", RuntimeWarning, stacklevel=2)
        return x

    def trajectory(
        self,
        problem: Problem,
        prior: Prior,
        seed: int = 0,
        *,
        labels: Tensor | None = None,
        start: Tensor | None = None,
    ) -> Iterator[State]:
        """The states of ``iterate``, all images at once, with the prior and the noise that ``restore`` gives it.

        Args: As of ``restore``.

        Raises:
            ValueError: A prior for images of another shape, one that answers with something else than images, or a
                problem that the solver cannot serve.
        """
        prior, start = self._serving(problem, prior, labels, start)
        return self._states(problem, prior, seed, labels, start)

    def _serving(
        self, problem: Problem, prior: Prior, labels: Tensor | None, start: Tensor | None
    ) -> tuple[Prior, Tensor | None]:
        """The prior and the start where the problem is, once all is known to fit."""
        shape, y = problem.operator.image_shape, problem.y
        prior = answering(prior, shape)
        if reason := self.supports(problem.operator, problem.sigma_y, prior):
            raise ValueError(f"{type(self).__name__} cannot serve this problem: {reason}")
        if labels is not None and len(labels) != len(problem):
            raise ValueError(f"labels: {len(problem)} images need as many, got {len(labels)}")
        if start is not None:
            if not self.starts_from_noise:
                raise ValueError(f"start: {type(self).__name__} starts from the measurement too; leave start out")
            start = start if start.ndim == 4 else start[None]
            if tuple(start.shape) != (len(problem), *shape):
                raise ValueError(f"start: images {(len(problem), *shape)} are wanted, got {tuple(start.shape)}")
            start = start.to(y.device, y.dtype)
        if warning := self.caution(problem.sigma_y, prior):
            warnings.warn(f"{type(self).__name__}: {warning}", stacklevel=3)
        return prior.to(y.device, y.dtype), start

    def _states(
        self, problem: Problem, prior: Prior, seed: int, labels: Tensor | None, start: Tensor | None
    ) -> Iterator[State]:
        device, dtype, shape = problem.y.device, problem.y.dtype, problem.operator.image_shape
        prior = prior.conditioned(prior.labels_for(problem.numbers, labels))
        noise = NoiseSource(seed, problem.numbers, shape, device=device, dtype=dtype, around=start)
        states = self.iterate(problem.to(device, dtype), prior, noise)
        while True:
            with torch.no_grad():  # not around the yield: the caller goes on with gradients as she has them
                state = next(states, None)
            if state is None:
                return
            yield state
            if state.step < self.n_steps:
                noise.ahead()

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
