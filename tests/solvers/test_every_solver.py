"""What holds for every solver: states, batches, failures and costs."""

from __future__ import annotations

import pytest
import torch

from helpers.operators import DenseOperator, Squared
from helpers.solvers import NEEDS, SOLVERS, SOME_NOISE, arguments_of, noise_of, taken
from mapga.operators import BlockMean, CentralBox, Operator
from mapga.priors import Prior
from mapga.priors.wrapped import WrappedPrior
from mapga.problem import Problem, measure
from mapga.rng import NoiseSource
from mapga.schedules import Karras
from mapga.solvers import PGDM, Solver
from mapga.testing import solvers
from mapga.testing.algebra import dense_matrix
from mapga.testing.exact import CountingPrior, gaussian, mixture
from mapga.testing.noise import FixedNoise

SHAPE = (1, 4, 4)
PRIORS = {"gaussian": gaussian(SHAPE)[0], "mixture": mixture(SHAPE)}

every_solver = pytest.mark.parametrize("name", SOLVERS)


def images(batch: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(seed))


def solve(solver: Solver, problem: Problem, prior: Prior, indices: list[int]) -> list[torch.Tensor]:
    noise = NoiseSource(0, indices, SHAPE, dtype=torch.float64)
    return [state.x for state in solver.iterate(problem, prior, noise)]


def measured(operator: Operator, sigma_y: float) -> Problem:
    """Of two images."""
    return measure(images(2), operator, sigma_y, seed=0, indices=[0, 1])


CHECKS = [
    pytest.param(name, check, id=f"{name}-{check.__name__}")
    for name in SOLVERS
    for check in solvers.checks(SOLVERS[name](Karras(2)))
]


@pytest.mark.parametrize(("name", "check"), CHECKS)
def test_it_is_what_the_suite_takes_for_granted(name: str, check):
    check(SOLVERS[name](Karras(20 if check in (solvers.data_fit, solvers.closed_form) else 4)))


@every_solver
def test_a_batch_equals_single_solves_of_block_means_too(name: str):
    solvers.batch_independence(SOLVERS[name](Karras(4)), BlockMean(SHAPE, 2), PRIORS["mixture"])


@every_solver
def test_another_image_has_other_noise(name: str):
    problem = measure(images(1).expand(2, *SHAPE), CentralBox(SHAPE, 0.5), noise_of(name), seed=0, indices=[3, 4])
    first, second = solve(SOLVERS[name](Karras(4)), problem, PRIORS["mixture"], [3, 4])[-1]
    assert not torch.equal(first, second) or noise_of(name) == 0


@pytest.mark.parametrize("name", [name for name in SOLVERS if NEEDS[name].operator != "spectral"])
def test_a_linear_operator_is_enough(name: str):
    """An operator without a decomposition, with flat measurements, gives the same answer."""
    spectral = CentralBox(SHAPE, 0.5)
    dense = DenseOperator(dense_matrix(spectral.apply, SHAPE, dtype=torch.float64), SHAPE)
    problem = measure(images(2), spectral, noise_of(name), seed=0, indices=[0, 1])
    answers = [
        solve(SOLVERS[name](Karras(4)), item, PRIORS["gaussian"], [0, 1])[-1]
        for item in (problem, Problem(problem.y.flatten(1), dense, noise_of(name)))
    ]
    torch.testing.assert_close(*answers, atol=1e-9, rtol=0)


RUNGS = {  # an operator on each, and on none above
    "spectral": CentralBox(SHAPE, 0.5),
    "linear": DenseOperator(torch.eye(16, dtype=torch.float64), SHAPE),
    "any": Squared(SHAPE),
}


@every_solver
def test_its_operator_must_be_on_the_rung_of_its_card_and_no_higher(name: str):
    rungs = list(RUNGS)
    rung = rungs.index(NEEDS[name].operator)
    enough, *too_low = [RUNGS[key] for key in rungs[rung:]]
    sigma_y = noise_of(name)
    (*_, answer) = solve(SOLVERS[name](Karras(4)), measured(enough, sigma_y), PRIORS["gaussian"], [0, 1])
    assert torch.isfinite(answer).all()
    for operator in too_low:
        with pytest.raises(TypeError, match=type(operator).__name__):
            solve(SOLVERS[name](Karras(4)), measured(operator, sigma_y), PRIORS["gaussian"], [0, 1])


class FirstAsked(WrappedPrior):
    """Notes the first image that the prior was asked about."""

    first: torch.Tensor | None = None

    def denoise(self, x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
        return self.prior.denoise(self._noted(x), sigma)

    def consistency(self, x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
        return self.prior.consistency(self._noted(x), sigma)

    def _noted(self, x: torch.Tensor) -> torch.Tensor:
        self.first = x.detach() if self.first is None else self.first
        return x


@every_solver
def test_it_starts_from_noise_alone_if_it_says_so(name: str):
    solver, prior = SOLVERS[name](Karras(4)), FirstAsked(PRIORS["gaussian"])
    solve(solver, measured(RUNGS["spectral"], noise_of(name)), prior, [0, 1])
    noise = NoiseSource(0, [0, 1], SHAPE, dtype=torch.float64)
    alone = noise.start(solver.schedule.sigma_max)
    assert (prior.first is not None and torch.allclose(prior.first, alone)) == solver.starts_from_noise


# Costs: what the cards say is what the prior was asked for


def counted(solver: Solver, sigma_y: float) -> dict[str, int]:
    """Calls of D, C and vector-Jacobian products of one solve."""
    prior = CountingPrior(SHAPE)
    problem = measure(images(2), CentralBox(SHAPE, 0.5), sigma_y, seed=0, indices=[0, 1])
    solve(solver, problem, prior, [0, 1])
    return prior.counts


@every_solver
@pytest.mark.parametrize("settings", [{}, {"num_iter": 1}, {"num_iter": 3, "pgdm_steps": 2}], ids=str)
@pytest.mark.parametrize("steps", [1, 3])
def test_passes_and_levels_are_those_on_the_card(name: str, steps: int, settings: dict[str, int]):
    solver = SOLVERS[name](Karras(steps), **taken(SOLVERS[name], settings))
    solvers.counted_passes(solver)
    solvers.levels(solver)


@every_solver
def test_its_card_reads_arguments_as_well_as_the_solver_itself(name: str):
    solver, arguments = SOLVERS[name](Karras(5)), arguments_of(name)
    assert solver.card.passes(arguments, 5) == solver.card.passes(solver, 5)
    assert solver.card.needs(arguments, 5) == solver.card.needs(solver, 5) == NEEDS[name]


COSTS = {  # known answers, of three steps and two gradient steps: calls of (D, C, vjp)
    "map_ga": (3 * 2, 3 * (2 + 1), 3 * 2),
    "map_ga_np": (0, 3 * (2 + 1), 3 * 2),
    "map_ga_d": (3 * 2 + 3 * (2 + 1), 0, 3 * 2),
    "map_ga_d_np": (3 * (2 + 1), 0, 3 * 2),
    "map_ga_pgdm": (4, 3 * (2 + 1), 3 * 2 + 4),
    "map_ga_pgdm_d": (3 * (2 + 1) + 4, 0, 3 * 2 + 4),
    "pgdm": (3, 0, 3),
    "dps": (3, 0, 3),
    "ddrm": (3, 0, 0),
    "ddnm": (3, 0, 0),
    "ct_zsie": (0, 3, 0),
    "pinv": (0, 0, 0),
}


@pytest.mark.parametrize("name", COSTS)
def test_calls_are_those_of_the_algorithm(name: str):
    counts = counted(SOLVERS[name](Karras(3)), SOME_NOISE)
    assert (counts["denoise"], counts["consistency"], counts["vjp"]) == COSTS[name]


def test_states_are_lazy():
    prior, problem = CountingPrior(SHAPE), Problem(images(1), CentralBox(SHAPE, 0.5), 0.0)
    n = images(1).expand(9, 1, *SHAPE)
    states = PGDM(Karras(9)).iterate(problem, prior, FixedNoise(n[0], n))
    assert prior.counts["denoise"] == 0
    next(states)
    next(states)
    assert prior.counts["denoise"] == 2
