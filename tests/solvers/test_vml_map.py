"""VML-MAP: its gradient against differences of the divergence itself, and where it leads Gaussian data."""

from __future__ import annotations

import math

import pytest
import torch

from mapga.operators import BlockMean, CentralBox, Diagonal
from mapga.priors import GaussianPrior, MixturePrior
from mapga.problem import Problem, measure
from mapga.schedules import Explicit, Karras
from mapga.solvers import VMLMAP
from mapga.solvers.vml_map import trace_gradient
from mapga.testing.algebra import dense_matrix
from mapga.testing.exact import gaussian, gaussian_posterior, mixture
from mapga.testing.noise import FixedNoise, ZeroNoise

SHAPE = (1, 4, 4)


def divergence(prior: MixturePrior, problem: Problem, z: float, t: float, weight: float) -> float:
    """KL(p(x_0 | z) || p(x_0 | y)) in one dimension, by the trapezoidal rule."""
    x = torch.linspace(-8, 8, 160_001, dtype=torch.float64)
    logs = prior.log_density(x.reshape(-1, 1, 1, 1), 1e-3)
    variance = problem.sigma_y**2 + prior.sigma_min**2
    given_z = logs - (z - x).square() / (2 * t**2)
    given_y = logs - (float(problem.y) - weight * x).square() / (2 * variance)
    p, q = (one - torch.logsumexp(one + math.log(float(x[1] - x[0])), 0) for one in (given_z, given_y))
    return float(torch.trapezoid(p.exp() * (p - q), x))


@pytest.mark.parametrize(("z", "t"), [(0.3, 0.8), (-1.1, 0.5), (0.9, 2.0)])
@pytest.mark.parametrize("sigma_y", [0.3, 0.7])
def test_the_gradient_is_that_of_the_divergence(sigma_y: float, z: float, t: float):
    """Of a mixture of three in one dimension, where x_0 is Gaussian neither given z nor given y; one probe is all."""
    means = torch.tensor([-1.0, 0.2, 1.3], dtype=torch.float64).reshape(3, 1, 1, 1)
    prior = MixturePrior(means, 0.25, torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64))
    operator = Diagonal(torch.full((1, 1), 0.8, dtype=torch.float64), (1, 1, 1))
    problem = Problem(torch.full((1, 1, 1, 1), 0.6, dtype=torch.float64), operator, sigma_y)
    latent = torch.full((1, 1, 1, 1), z, dtype=torch.float64)
    found = VMLMAP(Karras()).descent(problem, prior, latent, t, [torch.ones_like(latent)])
    high, low = (divergence(prior, problem, z + h, t, 0.8) for h in (1e-4, -1e-4))
    assert float(found) == pytest.approx(-(high - low) / 2e-4, rel=1e-4)
    without = VMLMAP(Karras()).descent(problem, prior, latent, t, [])
    assert abs(float(found - without)) > 1e-3  # the trace matters here


def test_the_trace_is_that_of_all_columns_and_of_signs_on_average():
    prior, z, t = mixture(SHAPE), torch.randn(1, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(0)), 0.7
    operator = CentralBox(SHAPE, 0.5)

    def trace(latent: torch.Tensor) -> torch.Tensor:
        jacobian = torch.autograd.functional.jacobian(lambda w: prior.denoise(w, t), latent, create_graph=True)
        weighed = operator.measured.double().flatten()
        return (jacobian.reshape(16, 16).diagonal() * weighed).sum()

    at = z.clone().requires_grad_()
    (expected,) = torch.autograd.grad(trace(at), at)
    columns = torch.eye(16, dtype=torch.float64).reshape(16, 1, *SHAPE)
    found = sum(trace_gradient(lambda w: prior.denoise(w, t), z, v, operator.restrict(v)) for v in columns)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)
    signs = torch.randn(400, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(1)).sign()
    many = trace_gradient(lambda w: prior.denoise(w, t), z.expand(400, *SHAPE), signs, operator.restrict(signs))
    assert float((many.mean(0) - expected[0]).norm()) < 0.3 * float(expected.norm())


def test_of_gaussian_data_the_derivative_of_the_trace_is_none():
    prior, z = gaussian(SHAPE)[0], torch.randn(2, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(0))
    problem = measure(z, CentralBox(SHAPE, 0.5), 0.2, seed=0, indices=[0, 1])
    both = [VMLMAP(Karras()).descent(problem, prior, z, 0.7, probes) for probes in ([], [z.sign()])]
    torch.testing.assert_close(*both, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("operator", [CentralBox(SHAPE, 0.5), BlockMean(SHAPE, 2)], ids=["mask", "block mean"])
def test_it_leads_gaussian_data_to_the_posterior_mean(operator):
    """Which is the MAP estimate too, and is no maximum of the likelihood where nothing is seen."""
    prior, mean, covariance = gaussian(SHAPE)
    problem = measure(torch.randn(2, *SHAPE, dtype=torch.float64), operator, 0.3, seed=0, indices=[0, 1])
    solver = VMLMAP(Explicit([2.0, 0.5, 0.002]), num_iter=400, rate=0.2)
    (*_, last) = solver.iterate(problem, prior, ZeroNoise(torch.zeros(2, *SHAPE, dtype=torch.float64)))
    matrix = dense_matrix(operator.apply, SHAPE, dtype=torch.float64)
    noise = 0.09 * torch.eye(len(matrix), dtype=torch.float64)
    expected, _ = gaussian_posterior(mean, covariance, matrix, problem.y.flatten(1), noise)
    torch.testing.assert_close(last.x.flatten(1), expected, rtol=0, atol=0.02)


def test_a_step_takes_gaussian_data_to_the_least_divergence_at_once():
    s, y, t = 0.5, 0.9, 1.5
    prior = GaussianPrior(torch.zeros(1, 1, 1, dtype=torch.float64), torch.full((1, 1), s**2, dtype=torch.float64))
    problem = Problem(torch.full((1, 1, 1, 1), y).double(), Diagonal(torch.ones(1, 1), (1, 1, 1)), 0.4)
    noise = FixedNoise(torch.full((1, 1, 1, 1), 0.7).double(), torch.zeros(3, 1, 1, 1, 1).double())
    (*_, last) = VMLMAP(Explicit([t, 0.002], 1), rate=(s**2 + t**2) / s**2).iterate(problem, prior, noise)
    variance = 0.4**2 + 0.002**2
    assert float(last.estimate) == pytest.approx(float(problem.y) * s**2 / (s**2 + variance), rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_iter": 0}, "num_iter=0"),
        ({"rate": 0.0}, "rate=0.0"),
        ({"trace": "exact"}, "trace='exact'"),
        ({"noise_share": -1.0}, "noise_share=-1.0"),
    ],
)
def test_bad_values_are_refused_by_name(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        VMLMAP(Karras(), **arguments)
