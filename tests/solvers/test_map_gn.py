"""MAP-GN: both kinds of level on Gaussian data, its line search, a solve by hand, the passes that it is made for."""

from __future__ import annotations

import math
from itertools import groupby, pairwise

import pytest
import torch

import mapga
from helpers.operators import CASES, Case, case
from mapga.config.compose import compose_run, spec_of
from mapga.errors import ConfigError
from mapga.operators import CentralBox, Diagonal
from mapga.priors import GaussianPrior
from mapga.priors.wrapped import WrappedPrior
from mapga.problem import Problem, measure
from mapga.schedules import Explicit, Karras
from mapga.solvers import MAPGN
from mapga.solvers.steps import bounded_ratio
from mapga.testing.exact import CountingPrior, gaussian, gaussian_posterior, mixture
from mapga.testing.noise import FixedNoise, ZeroNoise

GREY = [item for item in CASES if item.channels == 1]
S = 0.5


def isotropic(shape: tuple[int, int, int]) -> GaussianPrior:
    """N(0, S^2 I)."""
    n = math.prod(shape)
    return GaussianPrior(torch.zeros(shape, dtype=torch.float64), S**2 * torch.eye(n, dtype=torch.float64))


@pytest.mark.parametrize("sigma_y", [0.0, 0.3])
@pytest.mark.parametrize("derivative", [False, True])
@pytest.mark.parametrize("item", GREY, ids=lambda item: item.name)
def test_a_level_gives_the_posterior_mean_of_data_of_its_spread(item: Case, derivative: bool, sigma_y: float):
    """E[x_0 | z, y] of N(0, s^2 I), z = x_0 + t n, y = A x_0 + sigma_y n; the projection comes after it."""
    t, z = 1.7, 1.7 * item.images(2)
    y = item.operator.apply(item.images(2, seed=5)) + (sigma_y and item.measurements(2))  # of A's range without noise
    solver = MAPGN(Karras(), consistency=False, projection=False)
    step = solver.with_derivative if derivative else solver.without
    found, _ = step(Problem(y, item.operator, sigma_y), isotropic(item.shape), z, t, 1.0)
    eye, matrix = torch.eye(item.matrix.shape[1], dtype=torch.float64), item.matrix
    noise = torch.block_diag(max(sigma_y, 1e-5) ** 2 * torch.eye(len(matrix), dtype=torch.float64), t**2 * eye)
    both, seen = torch.cat([matrix, eye]), torch.cat([y.flatten(1), z.flatten(1)], 1)
    expected, _ = gaussian_posterior(torch.zeros(len(eye)).double(), S**2 * eye, both, seen, noise)
    torch.testing.assert_close(found.flatten(1), expected, atol=1e-6 if sigma_y else 1e-4, rtol=0)


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("name", ["box50", "supres2x", "weights"])
def test_the_length_is_the_best_along_its_direction(name: str, sigma_y: float):
    """Along m the quadratic of (A C A^T + sigma_y^2 I) m = r is least; C of a Gaussian prior, by matrices."""
    item, t = case(name), 0.8
    prior, _, covariance = gaussian(item.shape)
    problem = measure(item.images(2), item.operator, sigma_y, seed=0, indices=[0, 1])
    z = item.images(2, seed=3)
    solver = MAPGN(Karras(), consistency=False, projection=False)
    found, _ = solver.with_derivative(problem, prior, z, t, 0.5)
    x = prior.denoise(z, t)
    r, m, _ = (one.flatten(1) for one in solver.correction(problem, x, t))
    eye, rows = torch.eye(64, dtype=torch.float64), item.matrix
    of_x0 = t**2 * covariance @ torch.linalg.inv(covariance + t**2 * eye)
    if m.shape[1] != len(rows):  # a mask's measurement has the shape of an image
        kept = rows.abs().sum(0) > 0
        r, m = r[:, kept], m[:, kept]
    evidence = rows @ of_x0 @ rows.T + sigma_y**2 * torch.eye(len(rows), dtype=torch.float64)
    alpha = (r * m).sum(1) / ((m @ evidence) * m).sum(1)
    expected = x.flatten(1) + alpha[:, None] * (m @ rows @ of_x0)
    torch.testing.assert_close(found.flatten(1), expected, atol=1e-9, rtol=0)


def test_a_length_is_capped_and_the_usual_one_where_curvature_is_not_positive():
    usual = (2.0**2 + S**2) / (2.0**2 * S**2)
    numerator = torch.tensor([1.0, 1.0, 1.0, 1.0, math.nan]).double()
    denominator = torch.tensor([0.5, 1e-9, 0.0, -3.0, math.nan]).double()
    found = bounded_ratio(numerator, denominator, usual).tolist()
    assert found[:4] == pytest.approx([2.0, 8 * usual, usual, usual]) and math.isnan(found[4])


class Bent(WrappedPrior):
    """The same answers with a derivative of the other sign: no covariance."""

    def denoise(self, x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
        value = self.prior.denoise(x, sigma)
        return 2 * value.detach() - value


def test_a_denoiser_whose_derivative_is_no_covariance_gives_numbers():
    problem = measure(torch.zeros(2, 1, 4, 4).double(), CentralBox((1, 4, 4), 0.5), 0.1, seed=0, indices=[0, 1])
    n = torch.randn(13, 2, 1, 4, 4, dtype=torch.float64, generator=torch.manual_seed(0))
    solver = MAPGN(Karras(12, 9.0, 0.15, 3.0), consistency=False)
    (*_, last) = solver.iterate(problem, Bent(mixture((1, 4, 4))), FixedNoise(n[0], n[1:]))
    assert last.x.isfinite().all() and last.x.abs().max() < 10


def test_through_the_consistency_model_gaussian_data_take_the_whole_correction():
    item, t = case("box50"), 1.3
    prior, problem = isotropic(item.shape), Problem(item.measurements(2), item.operator, 0.0)
    z = t * item.images(2)
    solver = MAPGN(Karras(), projection=False)
    (with_it, _), (without, _) = (step(problem, prior, z, t, 0.7) for step in (solver.with_derivative, solver.without))
    x = prior.consistency(z, t)
    torch.testing.assert_close(without, x + item.operator.pinv(problem.y - item.operator.apply(x)), atol=1e-9, rtol=0)
    torch.testing.assert_close(with_it, without, atol=1e-5, rtol=0)  # C ends at sigma_min, not at 0


@pytest.mark.parametrize("sigma_y", [0.0, 0.3])
@pytest.mark.parametrize("consistency", [False, True], ids=["D", "C"])
def test_three_levels_by_hand(consistency: bool, sigma_y: float):
    """One pixel of N(0, 1), weight 0.8: without, with and without derivative."""
    y, w, levels, noise, e = 0.9, 0.8, [3.0, 1.0, 0.4], [0.5, -1.1, 0.7], 0.002**2
    z, images = levels[0] * noise[0], []
    for k, (t, then) in enumerate(pairwise([*levels, 0.0])):
        slope = math.sqrt((1 + e) / (1 + t**2)) if consistency else 1 / (1 + t**2)
        gain = math.sqrt(S**2 / (S**2 + t**2)) if consistency else S**2 / (S**2 + t**2)
        of_next = math.sqrt(S**2 / (S**2 + then**2)) if consistency else S**2 / (S**2 + then**2)
        c = sigma_y**2 * (t**2 + S**2) / (t**2 * S**2)
        x = slope * z
        m = (y - w * x) / (w**2 + c)
        p = w * m
        if k == 1:
            q = t**2 * slope * p
            alpha = min((y - w * x) * m / (p * q + sigma_y**2 * m**2), 8 / (t**2 * gain))
            x += alpha * q
            push = 0.2 * then**2 * alpha * p
            x += w * (y - w * x) / (w**2 + c)
        else:
            x += p
            push = 0.3 * (1 / of_next - 1) * p
        images.append(x)
        z = x + push + (0.5 * then * noise[k + 1] if then else 0.0)
    shape, n = (1, 1, 1), torch.tensor(noise, dtype=torch.float64).reshape(3, 1, 1, 1, 1)
    prior = GaussianPrior(torch.zeros(shape, dtype=torch.float64), torch.eye(1, dtype=torch.float64))
    solver = MAPGN(Explicit(levels, 3), consistency=consistency, ends=0.25, push=0.2, free_push=0.3, noise_share=0.5)
    weight = Diagonal(torch.full((1, 1), w, dtype=torch.float64), shape)
    problem = Problem(torch.full((1, *shape), y, dtype=torch.float64), weight, sigma_y)
    states = list(solver.iterate(problem, prior, FixedNoise(n[0], n[1:])))
    assert [float(state.estimate) for state in states] == pytest.approx(images, rel=1e-12)
    assert [state.sigma for state in states] == [1.0, 0.4, 0.0] and torch.equal(states[-1].x, states[-1].estimate)


def test_no_noise_at_all_is_drawn_at_a_share_of_0():
    problem = Problem(torch.zeros(1, 1, 4, 4).double(), CentralBox((1, 4, 4), 0.5), 0.0)
    noise = FixedNoise(problem.y, problem.y[None])
    list(MAPGN(Karras(4), noise_share=0.0).iterate(problem, gaussian((1, 4, 4))[0], noise))
    assert noise.asked == []


# The passes that it is made for


@pytest.mark.parametrize(("passes", "pattern"), [(10, [1, 4, 1]), (20, [2, 8, 2]), (40, [4, 16, 4])])
def test_passes_buy_levels_without_derivative_at_both_ends(passes: int, pattern: list[int]):
    spec = spec_of(compose_run(["solver=map_gn_fast", f"passes={passes}", "equal_passes=0"]))
    assert (spec.steps, spec.passes) == (sum(pattern), passes)
    prior, problem = Order(), Problem(torch.zeros(1, 1, 4, 4).double(), CentralBox((1, 4, 4), 0.5), 0.0)
    solver = mapga.load_solver("map_gn_fast", steps=spec.steps)
    list(solver.iterate(problem, prior, ZeroNoise(problem.y)))
    assert [len(list(level)) for _, level in groupby(prior.levels)] == pattern and sum(prior.levels) == pattern[1]


class Order(CountingPrior):
    """Notes at which levels derivatives are wanted."""

    def __init__(self) -> None:
        super().__init__((1, 4, 4))
        self.levels: list[bool] = []

    def denoise(self, x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
        self.levels.append(x.requires_grad)
        return super().denoise(x, sigma)


@pytest.mark.parametrize(("ends", "passes", "vjp"), [(0.0, 10, True), (0.5, 5, False), (0.1, 8, True)])
def test_its_ends_are_what_it_spends_on_derivatives(ends: float, passes: int, vjp: bool):
    solver = MAPGN(Karras(5), ends=ends)
    assert solver.card.passes(solver, 5) == passes and solver.card.needs(solver, 5).vjp == vjp


@pytest.mark.parametrize("steps", [1, 2, 12])
def test_a_final_level_takes_the_place_of_one_of_the_schedules(steps: int):
    schedule = Karras(steps, 9.0, 0.15, 3.0)
    problem = Problem(torch.zeros(1, 1, 4, 4).double(), CentralBox((1, 4, 4), 0.5), 0.0)
    plain, other = MAPGN(schedule, consistency=False), MAPGN(schedule, consistency=False, final=0.01)
    states = list(other.iterate(problem, gaussian((1, 4, 4))[0], ZeroNoise(problem.y)))
    expected = [*schedule.levels(steps - 1).tolist(), 0.01] if steps > 1 else [9.0]
    assert [state.sigma for state in states] == pytest.approx([*expected[1:], 0.0])
    assert other.card.passes(other, steps) == plain.card.passes(plain, steps)


@pytest.mark.parametrize("final", [0.0, 0.15, 1.0, math.nan])
def test_a_final_level_that_is_not_below_the_others_is_refused(final: float):
    with pytest.raises(ValueError, match=f"solver.final={final}: a level below schedule.sigma_min=0.15"):
        MAPGN(Karras(12, 9.0, 0.15, 3.0), final=final)


def test_a_pass_less_than_a_level_is_refused():
    with pytest.raises(ConfigError, match="passes=1: one step takes 2 passes"):
        spec_of(compose_run(["solver=map_gn_fast", "passes=1"]))


def test_it_brings_its_levels_and_gives_way_to_others():
    known = {
        name: compose_run(["solver=map_gn_fast", *more])
        for name, more in (("few", []), ("karras", ["schedule=karras"]))
    }
    assert {name: spec_of(cfg).config["schedule"]["sigma_max"] for name, cfg in known.items()} == {
        "few": 9,
        "karras": 80,
    }
    assert spec_of(compose_run(["experiment=mnist", "solver=map_gn_fast"])).names["schedule"] == "karras"
    schedules = [mapga.load_solver("map_gn_fast", **more).schedule for more in ({}, {"schedule": "karras"})]
    assert [one.sigma_max for one in schedules] == [9, 80]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ends": 0.6}, "solver.ends=0.6"),
        ({"ends": math.nan}, "solver.ends=nan"),
        ({"push": -0.1}, "solver.push=-0.1"),
        ({"free_push": math.inf}, "solver.free_push=inf"),
        ({"noise_share": 1.1}, "solver.noise_share=1.1: a share of a level's noise, from 0 to 1"),
        ({"sigma_data": 0.0}, "solver.sigma_data=0.0"),
    ],
)
def test_bad_values_are_refused_by_name(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        MAPGN(Karras(), **arguments)
