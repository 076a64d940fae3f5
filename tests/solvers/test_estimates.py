"""``State.estimate``: the image that x was made of by adding noise, what a solver would answer if it stopped here."""

from __future__ import annotations

import pytest
import torch

from helpers.solvers import NEEDS, SOLVERS, noise_of
from mapga.operators import CentralBox
from mapga.problem import Problem, measure
from mapga.schedules import Explicit, Karras, Schedule
from mapga.solvers import State
from mapga.testing.exact import gaussian
from mapga.testing.noise import FixedNoise

SHAPE = (1, 4, 4)
STEPS = 5
PRIOR = gaussian(SHAPE)[0]


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(seed))


START, NOISE = normal(2, seed=1), normal(20, 2, seed=2)


def problem_of(name: str) -> Problem:
    return measure(normal(2, seed=0), CentralBox(SHAPE, 0.5), noise_of(name), seed=0, indices=[0, 1])


def states_of(
    name: str, schedule: Schedule | None = None, noise: torch.Tensor = NOISE
) -> tuple[list[State], FixedNoise]:
    """The states of a solve with a noise of each step, and what was asked of that noise."""
    source = FixedNoise(START, noise)
    return list(SOLVERS[name](schedule or Karras(STEPS)).iterate(problem_of(name), PRIOR, source)), source


@pytest.mark.parametrize("name", SOLVERS)
def test_the_last_estimate_is_the_answer(name: str):
    states, _ = states_of(name)
    assert torch.equal(states[-1].estimate, states[-1].x)


@pytest.mark.parametrize("name", SOLVERS)
def test_a_states_own_noise_is_in_x_and_not_in_its_estimate(name: str):
    states, source = states_of(name)
    for k in range(len(states)):
        other = NOISE.clone()
        other[k] += 1
        changed, _ = states_of(name, noise=other)
        assert torch.equal(changed[k].estimate, states[k].estimate)
        assert torch.equal(changed[k].x, states[k].x) == (k not in source.asked)
    assert len(states) - 1 not in source.asked, "no noise in the answer"


@pytest.mark.parametrize("name", ["map_ga", "map_ga_np", "map_ga_d", "map_ga_d_np", "ct_zsie", "pgdm", "dps", "ddrm"])
def test_it_is_the_answer_of_a_solve_that_stops_there(name: str):
    """The same levels down to a state's, from which the last step goes where it always goes."""
    states, _ = states_of(name)
    levels = Karras(STEPS).levels(NEEDS[name].levels).tolist()
    ends_at_the_floor = NEEDS[name].levels == STEPS + 1
    for k in range(1, STEPS + 1):
        visited = levels[:k] + levels[-1:] * ends_at_the_floor
        schedule = Explicit(visited, steps=k) if len(visited) > 1 else Karras(1, visited[0])
        short, _ = states_of(name, schedule)
        torch.testing.assert_close(short[-1].x, states[k - 1].estimate, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["map_ga_pgdm", "map_ga_pgdm_d"])
def test_map_ga_pgdm_adds_its_noise_to_the_estimate(name: str):
    """x = estimate + sqrt(sigma^2 - floor^2) n; the floor is sigma_y in the first half, sigma_min in the second."""
    states, _ = states_of(name)
    sigma_y = problem_of(name).sigma_y
    for k, state in enumerate(states):
        std = (state.sigma**2 - (sigma_y if k < STEPS else 0.002) ** 2) ** 0.5
        torch.testing.assert_close(state.x, state.estimate + std * NOISE[k], rtol=0, atol=1e-12)
