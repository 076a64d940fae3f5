"""Solvers on Gaussian data, where the posterior is known.

On a Gaussian prior every solver here is affine in its noise, so a solve without noise gives the mean of its answers
exactly. MAP-GA-PGDM reaches the posterior mean. PGDM and DDRM do not: their guidance is added once a step, whatever
the step's length, so with more steps they follow y more than the posterior does. Their biased values are recorded.
"""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from helpers.operators import case
from mapga.operators import Diagonal
from mapga.problem import Problem, measure
from mapga.schedules import DDPM, Explicit, Karras
from mapga.solvers import CTZSIE, DDRM, MAPGA, MAPGAPGDM, PGDM, Solver
from mapga.testing.exact import gaussian_posterior, standard
from mapga.testing.noise import FixedNoise, ZeroNoise

# N(0, I_2), the first coordinate seen with sigma_y = 0.5, y = 1: the posterior mean and the MAP are (0.8, 0),
# the variances (0.2, 1).
SHAPE = (1, 1, 2)
Y = torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, *SHAPE)
PROBLEM = Problem(Y, Diagonal(torch.tensor([[1.0, 0.0]]), SHAPE), 0.5)
PRIOR = standard(SHAPE)

RECORDED: dict[str, tuple[Solver, float]] = {
    "map_ga_pgdm": (MAPGAPGDM(Karras(50), 5, pgdm_steps=50), 0.800328),
    "map_ga_pgdm_d": (MAPGAPGDM(Karras(50), 5, pgdm_steps=50, consistency=False), 0.800321),
    "map_ga": (MAPGA(Karras(50), 5), 0.799998),
    "map_ga_np": (MAPGA(Karras(50), 5, use_prior=False), 1.0),  # maximum likelihood
    "ct_zsie": (CTZSIE(Karras(50), clip=False), 1.0),  # no noise model: y is taken as it is
    "pgdm": (PGDM(Karras(50)), 0.934860),
    "pgdm_ddim": (PGDM(Karras(50), eta=0.0), 1.012606),
    "pgdm_posterior_mean": (PGDM(Karras(50), guidance="posterior_mean"), 0.994097),
    "ddrm": (DDRM(Karras(50)), 0.853344),
    "ddrm_official_grid": (DDRM(DDPM(50, 160.0, spacing="official")), 0.806222),
}
every_recorded = pytest.mark.parametrize("name", RECORDED)


def mean_of(solver: Solver, problem: Problem = PROBLEM, prior=PRIOR, like: torch.Tensor = Y) -> torch.Tensor:
    return list(solver.iterate(problem, prior, ZeroNoise(like)))[-1].x


@every_recorded
def test_the_mean_is_the_recorded_one(name: str):
    solver, recorded = RECORDED[name]
    assert mean_of(solver).flatten().tolist() == pytest.approx([recorded, 0.0], abs=1e-6)


@every_recorded
def test_ten_thousand_samples_have_that_mean(name: str):
    solver, recorded = RECORDED[name]
    generator = torch.manual_seed(0)
    n = torch.randn(solver.n_steps + 1, 10_000, *SHAPE, dtype=torch.float64, generator=generator)
    problem = Problem(Y.expand(10_000, *SHAPE), PROBLEM.operator, PROBLEM.sigma_y)
    x = list(solver.iterate(problem, PRIOR, FixedNoise(n[-1], n)))[-1].x.flatten(1)
    assert x.mean(0).tolist() == pytest.approx([recorded, 0.0], abs=0.02 if name != "ddrm" else 0.04)


def test_the_papers_hybrid_has_the_posteriors_mean_in_the_limit():
    errors = [
        float(mean_of(MAPGAPGDM(Karras(steps), 5, pgdm_steps=steps)).flatten()[0]) - 0.8 for steps in (20, 50, 100)
    ]
    assert [abs(error) for error in errors] == sorted((abs(error) for error in errors), reverse=True)
    assert abs(errors[-1]) < 2e-6


@pytest.mark.parametrize("name", ["box50", "supres2x", "weights", "identity"])
def test_the_papers_hybrid_on_images(name: str):
    item = case(name)
    problem = measure(item.images(2), item.operator, 0.4, seed=0, indices=[0, 1])
    matrix = item.matrix
    expected, _ = gaussian_posterior(
        torch.zeros(64, dtype=torch.float64),
        torch.eye(64, dtype=torch.float64),
        matrix,
        problem.y.flatten(1),
        0.16 * torch.eye(len(matrix), dtype=torch.float64),
    )
    solver = MAPGAPGDM(Karras(20), 2, pgdm_steps=300)
    found = mean_of(solver, problem, standard(item.shape), item.images(2)).flatten(1)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


# The recorded biases by plain arithmetic


@pytest.mark.parametrize(("name", "eta"), [("pgdm", 1.0), ("pgdm_ddim", 0.0)])
def test_pgdms_bias_is_its_own(name: str, eta: float):
    x = 0.0
    for sigma, then in pairwise([*Karras().levels(50).tolist(), 0.0]):
        d, r2 = x / (1 + sigma**2), sigma**2 / (1 + sigma**2)
        k1 = eta * then * math.sqrt(1 - then**2 / sigma**2)
        guidance = 1 / (1 + sigma**2) * r2 / (r2 + 0.25) * (1 - d)
        x = d + math.sqrt(then**2 - k1**2) * (x - d) / sigma + guidance
    assert x == pytest.approx(RECORDED[name][1], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "schedule"),
    [("ddrm", Karras()), ("ddrm_official_grid", DDPM(sigma_max=160.0, spacing="official"))],
)
def test_ddrms_bias_is_its_own(name: str, schedule):
    x = 1.0
    for sigma, then in pairwise([*schedule.levels(50).tolist(), 0.0]):
        d = x / (1 + sigma**2)
        x = 1.0 if then > 0.5 else d + math.sqrt(1 - 0.85**2) * then * (1 - d) / 0.5
    assert x == pytest.approx(RECORDED[name][1], abs=1e-6)


# Algorithm 3 by hand


def test_algorithm_3_by_hand():
    """One pixel, N(0, 1), H = 1: MAP-GA (NP) from 4 to sigma_y, then two steps of PGDM, written out."""
    y, sigma_y, low = 0.9, 0.3, 0.002
    first = Karras(2, 4.0, sigma_y).levels(3).tolist()
    second = Karras(2, sigma_y, low).levels(3).tolist()
    noise = [0.5, -1.1, 9.9, 0.7]  # start, then the steps' noise; the last of a half is never used
    z, e, images = first[0] * noise[0], low**2, []
    for k, (t, then) in enumerate(pairwise(first)):
        slope = math.sqrt((1 + e) / (1 + t**2))
        for _ in range(3):
            z += (sigma_y**2 + e) * slope * (y - slope * z) / (sigma_y**2 + e)
        images.append(slope * z)
        z = images[-1] + math.sqrt(max(then**2 - sigma_y**2, 0)) * noise[1 + k]
    for k, (t, then) in enumerate(pairwise(second)):
        d, r2 = z / (1 + t**2), t**2 / (1 + t**2)
        mu = d + t**2 / (1 + t**2) * (y - d) / (r2 + sigma_y**2)
        images.append(mu)
        z = mu + (math.sqrt(then**2 - e) * noise[3 + k] if k == 0 else 0.0)
    shape = (1, 1, 1)
    n = torch.tensor(noise, dtype=torch.float64).reshape(4, 1, *shape)
    problem = Problem(torch.full((1, *shape), y, dtype=torch.float64), Diagonal(torch.ones(1, 1), shape), sigma_y)
    source = FixedNoise(n[0], n[1:])
    states = list(MAPGAPGDM(Karras(2, 4.0), 3, pgdm_steps=2).iterate(problem, standard(shape), source))
    assert [state.sigma for state in states] == [*first[1:], *second[1:]]
    assert source.asked == [0, 2]
    assert float(states[-1].x) == pytest.approx(z, rel=1e-11)
    assert [float(state.estimate) for state in states] == pytest.approx(images, rel=1e-11)


def test_levels_written_out_reach_the_same_map():
    state = mean_of(MAPGA(Explicit([2.0, 1.0, 0.3, 0.002]), num_iter=200))
    assert state.flatten().tolist() == pytest.approx([0.8, 0.0], abs=3e-6)
