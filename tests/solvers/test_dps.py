"""DPS: against the paper's Algorithm 1 in its own coordinates, its gradient, and what is left without guidance."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from helpers.operators import Squared, case
from mapga.operators import Identity, Operator
from mapga.priors import Prior
from mapga.problem import Problem, measure
from mapga.schedules import DDPM, Explicit, Karras
from mapga.solvers import DPS
from mapga.testing.exact import gaussian, mixture, standard
from mapga.testing.noise import FixedNoise

SHAPE = (1, 8, 8)
OPERATORS = {"box50": case("box50").operator, "supres4x": case("supres4x").operator, "squared": Squared(SHAPE)}


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.manual_seed(seed))


# Another implementation: the paper's, in variance-preserving coordinates, with its own names


def algorithm_1(
    operator: Operator, y: torch.Tensor, prior: Prior, alpha_bar: list[float], x: torch.Tensor, z: torch.Tensor, zeta
) -> torch.Tensor:
    """Algorithm 1 (Gaussian), one image: x ~ N(0, I) at i = N, alpha_bar[i] the product of alphas, alpha_bar[0] = 1.

    zeta_i = zeta / ||y - A(x0)||, on the gradient of the squared norm, by autograd through the whole expression.
    """
    for k, i in enumerate(range(len(alpha_bar) - 1, 0, -1)):
        a_bar, a_bar_prev = alpha_bar[i], alpha_bar[i - 1]
        alpha = a_bar / a_bar_prev
        beta = 1 - alpha
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            sigma = math.sqrt((1 - a_bar) / a_bar)
            s_hat = (math.sqrt(a_bar) * prior.denoise(x / math.sqrt(a_bar), sigma) - x) / (1 - a_bar)
            x0_hat = (x + (1 - a_bar) * s_hat) / math.sqrt(a_bar)
            distance = (y - operator.apply(x0_hat)).square().sum()
        (gradient,) = torch.autograd.grad(distance, x)
        x_prime = (
            math.sqrt(alpha) * (1 - a_bar_prev) / (1 - a_bar) * x
            + math.sqrt(a_bar_prev) * beta / (1 - a_bar) * x0_hat
            + math.sqrt(beta * (1 - a_bar_prev) / (1 - a_bar)) * z[k]
        )
        x = (x_prime - zeta / distance.sqrt() * gradient).detach()
    return x


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("name", OPERATORS)
def test_it_is_the_papers_algorithm_of_each_image(name: str, sigma_y: float):
    operator, prior, steps, zeta = OPERATORS[name], mixture(SHAPE), 12, 0.2
    problem = measure(normal(3, *SHAPE), operator, sigma_y, seed=0, indices=range(3))
    schedule = DDPM(steps, 150.0)
    levels = schedule.levels(steps).tolist()
    start, z = normal(3, *SHAPE, seed=1), normal(steps, 3, *SHAPE, seed=2)
    scaled = math.sqrt(1 + levels[0] ** -2)  # x_T is N(0, I) in the paper, sigma n here
    ours = list(DPS(schedule, scale=2 * zeta).iterate(problem, prior, FixedNoise(scaled * start, z)))[-1].x
    alpha_bar = [1.0, *(1 / (1 + sigma**2) for sigma in reversed(levels))]
    for k in range(3):
        theirs = algorithm_1(operator, problem.y[k : k + 1], prior, alpha_bar, start[k : k + 1], z[:, k : k + 1], zeta)
        torch.testing.assert_close(ours[k : k + 1], theirs, rtol=0, atol=1e-9)


# Parts of it


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("sigma", [0.05, 0.7, 20.0])
def test_its_guidance_is_a_gradient(name: str, sigma: float):
    """Against fourth-order central differences of the norm."""
    operator, prior = OPERATORS[name], mixture(SHAPE)
    problem = measure(normal(2, *SHAPE), operator, 0.1, seed=0, indices=[0, 1])
    x, h = normal(2, *SHAPE, seed=3), 1e-3

    def norm(at: torch.Tensor) -> torch.Tensor:
        return (problem.y - operator.apply(prior.denoise(at, sigma))).flatten(1).norm(dim=1)

    image, towards = DPS(Karras()).guidance(problem, prior, x, sigma)
    torch.testing.assert_close(image, prior.denoise(x, sigma))
    for k in range(4):
        d = normal(*SHAPE, seed=10 + k)
        slope = (8 * (norm(x + h * d) - norm(x - h * d)) - (norm(x + 2 * h * d) - norm(x - 2 * h * d))) / (12 * h)
        torch.testing.assert_close((towards * d).flatten(1).sum(1), -slope, rtol=1e-6, atol=1e-9)


def test_one_step_by_hand():
    """N(0, 1), A = 1: the residual's unit vector is its sign, and J = 1 / (1 + sigma^2)."""
    shape, sigma, then, scale = (1, 1, 1), 2.0, 0.5, 0.6
    y, n = torch.full((1, *shape), 0.7, dtype=torch.float64), torch.full((1, *shape), 1.3, dtype=torch.float64)
    solver = DPS(Explicit([sigma, then], steps=2), scale)
    first, _ = solver.iterate(Problem(y, Identity(shape), 0.0), standard(shape), FixedNoise(n, n[None]))
    x, d = sigma * 1.3, 2 * 1.3 / 5
    kept, moved = (then / sigma) ** 2, scale * math.sqrt(5) / 5
    expected = d + kept * (x - d) + then * math.sqrt(1 - kept) * 1.3 + math.sqrt(1 + then**2) * moved
    assert float(first.x) == pytest.approx(expected, rel=1e-13)
    assert float(first.estimate) == pytest.approx(d + moved, rel=1e-13)


def test_nothing_moves_where_the_residual_is_zero():
    y = torch.zeros(1, *SHAPE, dtype=torch.float64)
    _, towards = DPS(Karras()).guidance(Problem(y, Identity(SHAPE), 0.0), standard(SHAPE), y, 1.0)
    assert torch.equal(towards, y)


def test_without_guidance_its_answers_are_spread_as_ancestral_sampling_spreads_them():
    """Of Gaussian data mean and covariance after a step are linear in those before it, direction by direction."""
    shape, steps, n = (1, 1, 3), 20, 20_000
    prior, mean, covariance = gaussian(shape)
    values, directions = torch.linalg.eigh(covariance)
    levels = Karras(steps).levels(steps).tolist()
    centre, variance = -(mean @ directions), torch.full((3,), levels[0] ** 2, dtype=torch.float64)
    for sigma, then in pairwise([*levels, 0.0]):
        d, kept = values / (values + sigma**2), (then / sigma) ** 2
        gain = d + kept * (1 - d)
        centre, variance = gain * centre, gain**2 * variance + then**2 * (1 - kept)
    problem = Problem(torch.zeros(n, *shape, dtype=torch.float64), Identity(shape), 0.0)
    noise = FixedNoise(normal(n, *shape), normal(steps, n, *shape, seed=1))
    x = list(DPS(Karras(steps), scale=1e-12).iterate(problem, prior, noise))[-1].x.flatten(1)
    torch.testing.assert_close(x.mean(0), mean + directions @ centre, rtol=0, atol=0.03)
    torch.testing.assert_close(x.T.cov(), directions @ torch.diag(variance) @ directions.T, rtol=0, atol=0.05)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
def test_bad_values_are_refused_by_name(scale: float):
    with pytest.raises(ValueError, match=f"solver.scale={scale}"):
        DPS(Karras(), scale)
