"""The pseudo-inverse A^+ y: the floor that every prior has to beat."""

from __future__ import annotations

from collections.abc import Iterator

from mapga.card import Needs, SolverCard
from mapga.priors.base import Prior
from mapga.problem import Problem
from mapga.rng import NoiseSource
from mapga.solvers.base import Solver, State
from mapga.solvers.steps import linear_operator

__all__ = ["PseudoInverse"]


class PseudoInverse(Solver):
    """x = A^+ y, in one step, without prior or schedule."""

    card = SolverCard(passes=lambda a, steps: 0, needs=lambda a, steps: Needs(operator="linear"))

    @property
    def n_steps(self) -> int:
        return 1

    def iterate(self, problem: Problem, prior: Prior, noise: NoiseSource) -> Iterator[State]:
        x = linear_operator(problem).pinv(problem.y)
        yield State(1, 0.0, x, x)
