"""DDNM: what is measured without noise is kept, a step by hand with noise, and where it is DDRM."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.operators import CASES, Case, case
from mapga.operators import Diagonal
from mapga.priors import MixturePrior
from mapga.problem import Problem, measure
from mapga.schedules import Explicit, Karras
from mapga.solvers import DDNM, DDRM
from mapga.solvers.ddrm import Spectrum
from mapga.testing.exact import standard
from mapga.testing.noise import FixedNoise

GREY = [item for item in CASES if item.channels == 1]


def close(actual, expected, atol=1e-12):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def noise_of(item: Case, steps: int = 5) -> FixedNoise:
    return FixedNoise(item.images(2, seed=30), torch.stack([item.images(2, seed=31 + k) for k in range(steps)]))


@pytest.mark.parametrize("item", GREY, ids=lambda item: item.name)
def test_without_noise_each_image_satisfies_y_and_keeps_the_null_space_of_d(item: Case):
    prior = MixturePrior(0.5 * item.images(4, seed=7), 0.3)
    problem = measure(item.images(2), item.operator, 0.0, seed=0, indices=[0, 1])
    levels = Karras(5).levels(5).tolist()
    x = noise_of(item).start(levels[0])
    states = list(DDNM(Karras(5)).iterate(problem, prior, noise_of(item)))
    unseen = torch.eye(item.matrix.shape[1], dtype=torch.float64) - torch.linalg.pinv(item.matrix) @ item.matrix
    for state, sigma, after in zip(states, levels, [*levels[1:], 0.0], strict=True):
        assert (item.operator.apply(state.estimate) - problem.y).abs().max() < 1e-5
        x0 = prior.denoise(x, sigma)
        close((state.estimate - x0).flatten(1) @ unseen, torch.zeros_like(x0).flatten(1), 1e-6)
        n = noise_of(item).step(state.step - 1)
        kept = math.sqrt(1 - 0.85**2) * (x - x0) / sigma
        close(state.x, state.estimate + after * (kept + 0.85 * n), 1e-9)
        x = state.x


def test_the_answer_to_gaussian_data_by_hand():
    """N(0, I_2), the first pixel seen: the other is what DDIM makes of it, two levels 2 and 1, eta = 0.6."""
    shape = (1, 1, 2)
    start, n = (torch.tensor(values).double().reshape(1, *shape) for values in ([0.5, -1.5], [0.3, 0.7]))
    problem = Problem(
        torch.tensor([1.0, 0.0]).double().reshape(1, *shape), Diagonal(torch.tensor([[1.0, 0.0]]), shape), 0.0
    )
    solver = DDNM(Explicit([2.0, 1.0], steps=2), eta=0.6)
    answer = list(solver.iterate(problem, standard(shape), FixedNoise(start, n[None])))[-1].x.flatten().tolist()
    first = 2 * -1.5 / (1 + 4)  # D = x / (1 + sigma^2)
    second = first + 0.8 * 1 * (2 * -1.5 - first) / 2 + 0.6 * 0.7
    assert answer == pytest.approx([1.0, second / 2])


def test_with_noise_a_step_is_the_papers_coordinate_by_coordinate():
    """Weights 2, 1, 0.1 and none, sigma_y = 0.3, from level 2 to 1: y_bar, y_bar, a part of it, D."""
    shape, weights = (1, 1, 4), torch.tensor([[2.0, 1.0, 0.1, 0.0]])
    y, x, n = (
        torch.tensor(one).double().reshape(1, *shape) for one in ([1.0, 1, 1, 0], [3.0, 2, -1, 4], [1.0, 1, 1, 1])
    )
    problem = Problem(y, Diagonal(weights, shape), 0.3)
    x0 = 0.2 * x  # of N(0, I)
    solver = DDNM(Explicit([2.0, 1.0], steps=2), eta=0.6)
    found = next(iter(solver.iterate(problem, standard(shape), FixedNoise(x / 2, n[None]))))
    a, b, c, d = found.x.flatten().tolist()
    assert a == pytest.approx(0.5 + math.sqrt(1 - 0.15**2)) and b == pytest.approx(1 + math.sqrt(1 - 0.09))
    assert c == pytest.approx(-0.2 + 0.8 * 0.1 / 0.3 * (10 + 0.2) + 0.6)
    assert d == pytest.approx(0.8 + 0.8 * (4 - 0.8) / 2 + 0.6)
    close(found.estimate, x0)


@pytest.mark.parametrize("sigma", [0.13, 3.0])
@pytest.mark.parametrize("item", GREY, ids=lambda item: item.name)
def test_with_noise_a_step_is_ddrms_wherever_y_says_something(item: Case, sigma: float):
    problem = measure(item.images(2), item.operator, 0.2, seed=0, indices=[0, 1])
    spectrum, operator = Spectrum.of(problem), item.operator
    x, x0, n = (item.images(2, seed=seed) for seed in (3, 4, 5))
    old = math.sqrt(1 - 0.85**2) * sigma / 7 * (x - x0)
    ours = operator.to_spectral(DDNM(Karras()).plus(spectrum, x0, old, sigma, n))
    theirs = operator.to_spectral(DDRM(Karras()).step(spectrum, x, x0, 7.0, sigma, n))
    same = ((spectrum.s > 0) | ~operator.measured).expand_as(ours)
    close(ours[same], theirs[same], 1e-9)


def test_of_a_noisy_measurement_the_answer_is_the_denoisers():
    item = case("box50")
    prior = MixturePrior(0.5 * item.images(4, seed=7), 0.3)
    problem = measure(item.images(2), item.operator, 0.2, seed=0, indices=[0, 1])
    *_, before, last = DDNM(Karras(5)).iterate(problem, prior, noise_of(item))
    close(last.x, prior.denoise(before.x, 0.002))
    assert torch.equal(last.x, last.estimate)


def test_no_noise_is_drawn_for_the_last_step():
    item = case("box50")
    noise = noise_of(item)
    problem = measure(item.images(2), item.operator, 0.0, seed=0, indices=[0, 1])
    list(DDNM(Karras(4)).iterate(problem, MixturePrior(item.images(4, seed=7), 0.3), noise))
    assert noise.asked == [0, 1, 2]


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_a_bad_eta_is_refused_by_name(value: float):
    with pytest.raises(ValueError, match=f"solver.eta={value}: choose a value"):
        DDNM(Karras(), eta=value)
