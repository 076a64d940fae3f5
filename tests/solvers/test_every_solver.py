"""What holds for every solver: states, batches, failures, costs, and what each can serve."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from helpers.linalg import dense_matrix
from helpers.noise import FixedNoise
from helpers.operators import DenseOperator, Squared, case
from helpers.priors import CountingPrior, gaussian, mixture
from helpers.solvers import NEEDS, SOLVERS, arguments_of, taken
from mapga.card import Needs, SolverCard
from mapga.operators import BlockMean, CentralBox, Operator
from mapga.priors import Prior
from mapga.problem import Problem, measure
from mapga.rng import NoiseSource
from mapga.schedules import Explicit, Karras
from mapga.solvers import MAPGA, MAPGAPGDM, PGDM, PseudoInverse, Solver

SHAPE = (1, 4, 4)
SIGMA_Y = 0.2  # for those that serve noise
PRIORS = {"gaussian": gaussian(SHAPE)[0], "mixture": mixture(SHAPE)}

every_solver = pytest.mark.parametrize("name", SOLVERS)


def noise_of(name: str) -> float:
    """A sigma_y that a solver serves."""
    return 0.0 if NEEDS[name].noise == "none" else SIGMA_Y


def images(batch: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(seed))


def solve(solver: Solver, problem: Problem, prior: Prior, indices: list[int]) -> list[torch.Tensor]:
    with NoiseSource(0, indices, SHAPE, dtype=torch.float64) as noise:
        return [state.x for state in solver.iterate(problem, prior, noise)]


@every_solver
def test_as_many_states_as_promised_and_the_right_end(name: str):
    solver = SOLVERS[name](Karras(5))
    problem = measure(images(2), CentralBox(SHAPE, 0.5), noise_of(name), seed=0, indices=[0, 1])
    with NoiseSource(0, [0, 1], SHAPE, dtype=torch.float64) as noise:
        states = list(solver.iterate(problem, PRIORS["gaussian"], noise))
    assert len(states) == solver.n_steps
    assert [state.step for state in states] == list(range(1, solver.n_steps + 1))
    sigmas = [state.sigma for state in states]
    assert all(later < earlier for earlier, later in pairwise(sigmas))
    assert sigmas[-1] in (0.0, solver.schedule.sigma_min)
    for state in states:
        for image in (state.x, state.estimate):
            assert image.shape == problem.y.shape and not image.requires_grad
            assert torch.isfinite(image).all()


@every_solver
@pytest.mark.parametrize("operator", [CentralBox(SHAPE, 0.5), BlockMean(SHAPE, 2)], ids=["mask", "block mean"])
@pytest.mark.parametrize("prior", PRIORS)
def test_a_batch_of_five_equals_five_single_solves(name: str, operator, prior: str):
    problem = measure(images(5), operator, noise_of(name), seed=0, indices=range(5))
    together = solve(SOLVERS[name](Karras(4)), problem, PRIORS[prior], list(range(5)))
    for k in range(5):
        one = Problem(problem.y[k : k + 1], operator, noise_of(name))
        alone = solve(SOLVERS[name](Karras(4)), one, PRIORS[prior], [k])
        for state, expected in zip(together, alone, strict=True):
            torch.testing.assert_close(state[k : k + 1], expected, atol=1e-12, rtol=1e-12)


@every_solver
@pytest.mark.parametrize("prior", PRIORS)
def test_an_image_that_is_not_a_number_leaves_the_others_bit_identical(name: str, prior: str):
    problem = measure(images(4), CentralBox(SHAPE, 0.5), noise_of(name), seed=0, indices=range(4))
    broken = problem.y.clone()
    broken[2, 0, 0, 0] = float("nan")
    states, spoilt = (
        solve(SOLVERS[name](Karras(4)), Problem(y, problem.operator, noise_of(name)), PRIORS[prior], list(range(4)))
        for y in (problem.y, broken)
    )
    keep = [0, 1, 3]
    for state, other in zip(states, spoilt, strict=True):
        assert torch.equal(state[keep], other[keep])
    assert torch.isnan(spoilt[-1][2]).any()


@every_solver
def test_the_same_twice_and_other_noise_for_another_image(name: str):
    problem = measure(images(1).expand(2, *SHAPE), CentralBox(SHAPE, 0.5), noise_of(name), seed=0, indices=[3, 4])
    first, second = (solve(SOLVERS[name](Karras(4)), problem, PRIORS["mixture"], [3, 4])[-1] for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first[0], first[1]) or noise_of(name) == 0


@every_solver
def test_the_problem_is_left_as_it_was(name: str):
    problem = measure(images(2), BlockMean(SHAPE, 2), noise_of(name), seed=0, indices=[0, 1])
    y, s = problem.y.clone(), problem.operator.singular_values.clone()
    solve(SOLVERS[name](Karras(4)), problem, PRIORS["mixture"], [0, 1])
    assert torch.equal(problem.y, y) and torch.equal(problem.operator.singular_values, s)


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
def test_passes_are_those_on_the_card(name: str, steps: int, settings: dict[str, int]):
    solver = SOLVERS[name](Karras(steps), **taken(SOLVERS[name], settings))
    assert sum(counted(solver, noise_of(name)).values()) == solver.card.passes(solver, steps)


@every_solver
def test_it_asks_the_prior_for_what_its_card_says_and_for_nothing_else(name: str):
    counts, needs = counted(SOLVERS[name](Karras(3)), noise_of(name)), NEEDS[name]
    assert (counts["denoise"] > 0) == needs.denoiser
    assert (counts["consistency"] > 0) == needs.consistency
    assert (counts["vjp"] > 0) == needs.vjp


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
    "ddrm": (3, 0, 0),
    "ct_zsie": (0, 3, 0),
    "pinv": (0, 0, 0),
}


@pytest.mark.parametrize("name", COSTS)
def test_calls_are_those_of_the_algorithm(name: str):
    counts = counted(SOLVERS[name](Karras(3)), SIGMA_Y)
    assert (counts["denoise"], counts["consistency"], counts["vjp"]) == COSTS[name]


def test_states_are_lazy():
    prior, problem = CountingPrior(SHAPE), Problem(images(1), CentralBox(SHAPE, 0.5), 0.0)
    n = images(1).expand(9, 1, *SHAPE)
    states = PGDM(Karras(9)).iterate(problem, prior, FixedNoise(n[0], n))
    assert prior.counts["denoise"] == 0
    next(states)
    next(states)
    assert prior.counts["denoise"] == 2


# What each can serve


def lacking(**attributes) -> Prior:
    prior = CountingPrior(SHAPE)
    for key, value in attributes.items():
        setattr(prior, key, value)
    return prior


WHOLE = lacking()
MASK = CentralBox(SHAPE, 0.5)
DENSE = DenseOperator(torch.eye(16, dtype=torch.float64), SHAPE)


def reason(name: str, operator: Operator = MASK, sigma_y: float | None = None, prior: Prior = WHOLE) -> str | None:
    return SOLVERS[name](Karras(5)).supports(operator, noise_of(name) if sigma_y is None else sigma_y, prior)


@every_solver
def test_what_it_can_serve_it_says_so(name: str):
    assert reason(name) is None
    assert reason(name, case("deblur").operator) is None


@every_solver
def test_noise_it_cannot_serve(name: str):
    assert (reason(name, sigma_y=0.0) is None) == (NEEDS[name].noise != "some")
    assert (reason(name, sigma_y=SIGMA_Y) is None) == (NEEDS[name].noise != "none")


@every_solver
def test_an_operator_it_cannot_serve(name: str):
    rung = NEEDS[name].operator
    for operator, served in ((Squared(SHAPE), rung == "any"), (DENSE, rung != "spectral")):
        why = reason(name, operator)
        assert (why is None) == served
        assert why is None or type(operator).__name__ in why
        assert why is None or rung != "spectral" or "SVD" in why


@every_solver
def test_a_prior_without_a_denoiser(name: str):
    why = reason(name, prior=lacking(has_denoiser=False))
    assert (why is not None) == NEEDS[name].denoiser
    assert why is None or "denoiser" in why


@every_solver
def test_a_prior_without_a_consistency_model(name: str):
    why = reason(name, prior=lacking(has_consistency=False))
    assert (why is not None) == NEEDS[name].consistency
    assert why is None or "consistency model" in why


@every_solver
def test_a_schedule_that_starts_above_the_prior(name: str):
    why = reason(name, prior=lacking(sigma_max=50.0))
    assert (why is not None) == (NEEDS[name].denoiser or NEEDS[name].consistency)
    assert why is None or ("sigma=80" in why and "sigma_max=50" in why and "lower schedule.sigma_max" in why)


@every_solver
def test_a_schedule_that_ends_below_the_consistency_model(name: str):
    why = reason(name, prior=lacking(sigma_min=0.01))
    assert (why is not None) == NEEDS[name].consistency
    assert why is None or ("sigma=0.002" in why and "sigma_min=0.01" in why)


class Choosy(PseudoInverse):
    """A solver whose card is the test's."""

    def __init__(self, needs: Needs) -> None:
        super().__init__(Karras(5))
        self.card = SolverCard(needs=lambda a, steps: needs)


@pytest.mark.parametrize(
    ("needs", "sigma_y", "message"),
    [
        (Needs(noise="some"), 0.0, "it needs noisy measurements, and sigma_y = 0"),
        (Needs(noise="none"), 0.3, "it needs noiseless measurements, and sigma_y = 0.3"),
        (Needs(noise="any"), 0.0, None),
        (Needs(noise="some"), 0.3, None),
        (Needs(noise="none"), 0.0, None),
    ],
)
def test_noise_that_a_card_rules_out(needs: Needs, sigma_y: float, message: str | None):
    assert Choosy(needs).supports(MASK, sigma_y, WHOLE) == message


def test_a_card_that_needs_no_linear_operator():
    assert Choosy(Needs(operator="any")).supports(Squared(SHAPE), 0.0, WHOLE) is None


@pytest.mark.parametrize("sigma_y", [0.0, 0.002, 80.0, 100.0])
def test_map_ga_pgdm_needs_noise_within_its_schedule(sigma_y: float):
    why = reason("map_ga_pgdm", sigma_y=sigma_y)
    assert f"sigma_y = {sigma_y:g}" in why and "0.002 < sigma_y < 80" in why


def test_map_ga_pgdm_says_beforehand_that_it_cannot_stretch_explicit_levels():
    why = MAPGAPGDM(Explicit([5.0, 1.0, 0.002])).supports(MASK, SIGMA_Y, WHOLE)
    assert why is not None and "explicit" in why


def test_map_ga_pgdm_refuses_bad_values_by_name():
    for arguments, message in (
        ({"pgdm_steps": 0}, "pgdm_steps=0"),
        ({"num_iter": 0}, "num_iter=0"),
        ({"r_rule": "best"}, "r_rule='best'"),
        ({"sigma_data": -1.0}, "sigma_data=-1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            MAPGAPGDM(Karras(), **arguments)


def test_too_many_levels_for_a_schedule_are_said_beforehand():
    why = MAPGA(Explicit([5.0, 1.0, 0.002], steps=7)).supports(MASK, SIGMA_Y, WHOLE)
    assert why is not None and "3 values" in why
