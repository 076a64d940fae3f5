"""DDRM against the official program, step by step, and its identities."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.operators import CASES, Case, case
from mapga.operators import BlockMean, CentralBox, Diagonal, Identity, SeparableBlur
from mapga.priors import MixturePrior
from mapga.problem import Problem, measure
from mapga.schedules import Explicit, Karras
from mapga.solvers import DDRM
from mapga.solvers.ddrm import Spectrum
from mapga.testing.exact import mixture
from mapga.testing.noise import FixedNoise, ZeroNoise

OFFICIAL = np.load(Path(__file__).parents[1] / "data" / "ddrm_official.npz")
SHAPE = (3, 16, 16)


def official(key: str) -> torch.Tensor:
    return torch.from_numpy(OFFICIAL[key])


def close(actual, expected, atol=1e-12, rtol=0):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=rtol)


@pytest.fixture(scope="module")
def prior() -> MixturePrior:
    return MixturePrior(official("means"), float(OFFICIAL["s"]), official("weights"))


def official_operator(name: str):
    if name == "box50":
        return CentralBox(SHAPE, 0.5)
    if name == "sr4":
        return BlockMean(SHAPE, 4)
    return SeparableBlur(SHAPE, 9, singular_cut=float(OFFICIAL["blur9_singular_cut"]))


def test_the_operators_are_the_official_ones():
    assert torch.equal(official_operator("box50").measured[0, 0], official("mask") > 0)
    close(official_operator("blur9").matrix, official("blur9_matrix_1d"))


def official_problem(prior: MixturePrior, name: str, sigma_y: float) -> Problem:
    """The problem of one case, with the noise on unseen coordinates written in our basis.

    With noise, the official program reads U^T y where s = 0 too. Which left null vector goes with which right one
    is an accident of a decomposition, so its values there are an unknown rotation of ours: they are taken from its
    first step, and must be of the same length and the same at every later step.
    """
    key, operator = f"{name}_{sigma_y}_", official_operator(name)
    y, states, noise = official(key + "y"), official(key + "states"), official(key + "step_noise")
    unseen = operator.measured & (operator.singular_values == 0)
    if sigma_y == 0 or not unseen.any():
        return Problem(y, operator, sigma_y)
    sigma, sigma_next = OFFICIAL["sigmas"].tolist()[:2]
    kept = states[1] - prior.denoise(states[0], sigma) - 0.85 * sigma_next * noise[0]
    theirs = sigma_y * operator.to_spectral(kept) / (math.sqrt(1 - 0.85**2) * sigma_next)
    ours = operator.measurement_to_spectral(y)
    lengths = [(unseen * values).square().sum((2, 3)) for values in (ours, theirs)]
    close(*lengths, atol=1e-10)
    return Problem(operator.measurement_from_spectral(torch.where(unseen, theirs, ours)), operator, sigma_y)


@pytest.mark.parametrize("sigma_y", [0.0, 0.1])
@pytest.mark.parametrize("name", ["box50", "sr4", "blur9"])
def test_every_step_is_the_official_one(prior: MixturePrior, name: str, sigma_y: float):
    key, problem = f"{name}_{sigma_y}_", official_problem(prior, name, sigma_y)
    states, noise, sigmas = official(key + "states"), official(key + "step_noise"), OFFICIAL["sigmas"].tolist()
    solver = DDRM(Explicit(sigmas[:-1]))
    for k in range(9):
        x0 = prior.denoise(states[k], sigmas[k])
        found = solver.step(Spectrum.of(problem), states[k], x0, sigmas[k], sigmas[k + 1], noise[k])
        close(found, states[k + 1], atol=1e-10)
    close(prior.denoise(states[9], sigmas[9]), states[10], atol=1e-10)


@pytest.mark.parametrize("sigma_y", [0.0, 0.1])
@pytest.mark.parametrize("name", ["box50", "sr4", "blur9"])
def test_a_whole_run_is_the_official_one(prior: MixturePrior, name: str, sigma_y: float):
    key = f"{name}_{sigma_y}_"
    problem, states = official_problem(prior, name, sigma_y), official(key + "states")
    operator, y = problem.operator, problem.y
    sigmas = OFFICIAL["sigmas"].tolist()
    # The start noise that leads to the official first state.
    x_bar, s = operator.to_spectral(states[0]), operator.singular_values
    pulled = s * sigmas[0] > sigma_y
    y_bar = operator.measurement_to_spectral(y) / s.where(pulled, 1.0)
    spread = (sigmas[0] ** 2 - (sigma_y / s.where(pulled, 1.0)) ** 2).sqrt()
    start = operator.from_spectral(torch.where(pulled, (x_bar - y_bar) / spread, x_bar / sigmas[0]))
    solver = DDRM(Explicit(sigmas[:-1], steps=10))
    noise = FixedNoise(start, official(key + "step_noise"))
    found = list(solver.iterate(problem, prior, noise))
    assert [state.sigma for state in found] == sigmas[1:]
    for k, state in enumerate(found):
        close(state.x, states[k + 1], atol=1e-9)
        close(state.estimate, prior.denoise(states[k], sigmas[k]), atol=1e-9)
    assert noise.asked == list(range(9)), "no noise for the last step"


# Identities


def seen_problem(sigma_y: float) -> tuple[Problem, torch.Tensor]:
    """Weights 1, 0.5, 0, 2 on 8x8 pixels."""
    item = case("weights")
    return measure(item.images(1), item.operator, sigma_y, seed=0, indices=[0]), item.images(1, seed=4)


def test_start_is_y_where_it_is_less_noisy_and_noise_elsewhere():
    problem, _ = seen_problem(3.0)
    s = problem.operator.singular_values
    solver, n = DDRM(Karras()), torch.full((1, 1, 8, 8), 2.0, dtype=torch.float64)
    x = solver.start(Spectrum.of(problem), 5.0, n)  # s sigma = 5, 2.5, 0, 10 against sigma_y = 3
    informed = s * 5 > 3
    assert sorted(s[informed].unique().tolist()) == [1.0, 2.0]
    expected = problem.y / s.where(informed, 1.0) + 2 * (25 - (3 / s.where(informed, 1.0)) ** 2).sqrt()
    close(x, torch.where(informed, expected, torch.full_like(x, 10.0)))


def test_noisier_coordinates_follow_y_with_the_remaining_variance():
    problem, x0 = seen_problem(0.3)
    s = problem.operator.singular_values.where(problem.operator.measured, 1.0)
    solver, sigma_next = DDRM(Karras()), 1.5
    zero, one = torch.zeros_like(x0), torch.ones_like(x0)
    mean = solver.step(Spectrum.of(problem), x0 + 1, x0, 2.0, sigma_next, zero)
    seen = problem.operator.measured
    close(mean[seen], (problem.y / s)[seen])
    std = solver.step(Spectrum.of(problem), x0 + 1, x0, 2.0, sigma_next, one) - mean
    close(std[seen], (sigma_next**2 - (0.3 / s) ** 2).sqrt()[seen])


def test_cleaner_coordinates_follow_the_residual():
    problem, x0 = seen_problem(10.0)
    solver = DDRM(Karras(), eta=0.6)
    x = solver.step(Spectrum.of(problem), x0 + 1, x0, 2.0, 0.5, torch.ones_like(x0))
    s, seen = problem.operator.singular_values, problem.operator.measured
    expected = x0 + 0.8 * 0.5 * (problem.y - s * x0) / 10 + 0.6 * 0.5
    close(x[seen], expected[seen])
    close(x[~seen], (x0 + 0.8 * 0.5 * (1 / 2.0) + 0.6 * 0.5)[~seen])


def test_a_tie_is_treated_as_not_measured():
    shape = (1, 1, 1)
    problem = Problem(torch.full((1, *shape), 7.0, dtype=torch.float64), Identity(shape), 0.5)
    x0 = torch.full((1, *shape), 0.2, dtype=torch.float64)
    x = DDRM(Karras(), eta=0.6).step(Spectrum.of(problem), x0 + 1, x0, 2.0, 0.5, torch.zeros_like(x0))
    assert float(x) == pytest.approx(0.2 + 0.8 * 0.5 * 0.5, rel=1e-14)


def test_eta_b_mixes_the_denoised_image_in():
    problem, x0 = seen_problem(0.3)
    solver, seen = DDRM(Karras(), eta_b=0.25), problem.operator.measured
    s = problem.operator.singular_values.where(seen, 1.0)
    mean = solver.step(Spectrum.of(problem), x0 + 1, x0, 2.0, 1.5, torch.zeros_like(x0))
    close(mean[seen], (0.75 * x0 + 0.25 * problem.y / s)[seen])
    spread = solver.step(Spectrum.of(problem), x0 + 1, x0, 2.0, 1.5, torch.ones_like(x0)) - mean
    close(spread[seen], (1.5**2 - (0.25 * 0.3 / s) ** 2).sqrt()[seen])


def test_one_step_returns_the_denoised_start():
    shape, prior = (1, 4, 4), mixture((1, 4, 4))
    y = torch.randn(2, *shape, dtype=torch.float64, generator=torch.manual_seed(0))
    (state,) = DDRM(Karras(1, sigma_max=5.0)).iterate(Problem(y, Identity(shape), 0.0), prior, ZeroNoise(y))
    assert (state.step, state.sigma) == (1, 0.0)
    close(state.x, prior.denoise(y, 5.0))


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("item", [item for item in CASES if item.channels == 1], ids=lambda item: item.name)
def test_finite_for_every_operator(item: Case, sigma_y: float):
    problem = measure(item.images(2), item.operator, sigma_y, seed=0, indices=[0, 1])
    n = torch.randn(5, 2, *item.shape, dtype=torch.float64, generator=torch.manual_seed(1))
    prior = MixturePrior(item.images(3, seed=7), 0.3)
    states = list(DDRM(Karras(5)).iterate(problem, prior, FixedNoise(n[4], n)))
    assert len(states) == 5 and all(torch.isfinite(state.x).all() for state in states)


def test_a_mask_with_weights_scales_like_the_plain_one():
    """Weight w with noise sigma_y carries the same information as weight 1 with noise sigma_y / w."""
    shape, prior = (1, 4, 4), mixture((1, 4, 4))
    x = torch.randn(1, *shape, dtype=torch.float64, generator=torch.manual_seed(0))
    n = torch.randn(6, 1, *shape, dtype=torch.float64, generator=torch.manual_seed(1))
    doubled = Problem(2 * x, Diagonal(torch.full((4, 4), 2.0), shape), 0.4)
    plain = Problem(x, Identity(shape), 0.2)
    answers = [list(DDRM(Karras(6)).iterate(problem, prior, FixedNoise(n[5], n)))[-1].x for problem in (doubled, plain)]
    close(*answers, atol=1e-10)


@pytest.mark.parametrize("name", ["eta", "eta_b"])
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_bad_values_are_refused_by_name(name: str, value: float):
    with pytest.raises(ValueError, match=f"solver.{name}={value}"):
        DDRM(Karras(), **{name: value})


def test_a_tie_at_the_start_is_pure_noise():
    shape = (1, 1, 1)
    problem = Problem(torch.full((1, *shape), 7.0, dtype=torch.float64), Identity(shape), 5.0)
    n = torch.full((1, *shape), 0.3, dtype=torch.float64)
    assert float(DDRM(Karras()).start(Spectrum.of(problem), 5.0, n)) == 1.5
    assert float(DDRM(Karras()).start(Spectrum.of(problem), 5.1, n)) == pytest.approx(7 + 0.3 * (5.1**2 - 5**2) ** 0.5)
