"""Exact posteriors against quadrature, importance sampling, dense formulas and their own limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from helpers.operators import SIDE, DenseOperator, Squared, case
from mapga.operators import BlockMean, Diagonal, Identity
from mapga.posteriors import Posterior, condition, exact_posterior, objection
from mapga.priors import MixturePrior, NoPrior
from mapga.problem import Problem, measure
from mapga.testing.exact import gaussian, gaussian_posterior, mixture

F64 = torch.float64


def close(actual, expected, rtol=1e-9, atol=1e-9):
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)


def seeded(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.manual_seed(seed))


def row(*values: float) -> DenseOperator:
    """y = <values, x> of images (1, 1, n)."""
    return DenseOperator(torch.tensor([values], dtype=F64), (1, 1, len(values)))


OPERATORS = {
    "weights": lambda: Diagonal(torch.tensor([[0.7, 0.0]], dtype=F64), (1, 1, 2)),
    "identity": lambda: Identity((1, 1, 2)),
    "mean of both": lambda: row(0.5, 0.5),
    "two rows": lambda: DenseOperator(torch.tensor([[1.0, -0.4], [0.3, 0.0]], dtype=F64), (1, 1, 2)),
}


def log_joint(prior: MixturePrior, matrix: Tensor, y: Tensor, sigma_y: float, x: Tensor) -> Tensor:
    """log p(x) p(y | x) but for a constant, (N,), of flat images x (N, n) and one flat y, by plain formulas."""
    parts = prior.log_weights - (x[:, None] - prior.means).square().sum(-1) / (2 * prior.std**2)
    return torch.logsumexp(parts, 1) - (y - x @ matrix.T).square().sum(-1) / (2 * sigma_y**2)


def matrix_of(operator, n: int) -> Tensor:
    return operator.apply(torch.eye(n, dtype=F64).reshape(n, *operator.image_shape)).flatten(1).T


@pytest.mark.parametrize("sigma_y", [0.05, 0.6])
@pytest.mark.parametrize("name", OPERATORS)
def test_quadrature_in_two_dimensions(name: str, sigma_y: float):
    operator = OPERATORS[name]()
    prior = mixture((1, 1, 2), components=4, std=0.3)
    truth = 0.5 * seeded(1, 1, 1, 2, seed=3)
    problem = measure(truth, operator, sigma_y, seed=0, indices=[0])
    found = exact_posterior(problem, prior)

    axis = torch.linspace(-2.5, 2.5, 501, dtype=F64)
    grid = torch.cartesian_prod(axis, axis)
    logs = log_joint(prior, matrix_of(operator, 2), problem.y.flatten(1), sigma_y, grid)
    mass = torch.softmax(logs, 0)
    mean = mass @ grid
    centred = grid - mean
    covariance = (mass[:, None] * centred).T @ centred
    images = grid.reshape(-1, 1, 1, 2)
    close(found.mean().flatten(), mean, atol=1e-6)
    close(found.mmse()[0], covariance.trace() / 2, atol=1e-6)
    columns = [found.covariance(unit.reshape(1, 1, 1, 2)).flatten() for unit in torch.eye(2, dtype=F64)]
    close(torch.stack(columns), covariance, atol=1e-6)
    best = int(logs.argmax())
    density = Posterior.log_density(found, images[best][None])
    close(density[0], mass[best].log() - 2 * math.log(float(axis[1] - axis[0])), atol=1e-5)
    assert float(found.mode.log_density[0]) >= float(density[0]) - 1e-9
    assert float((found.mode.image.flatten() - grid[best]).abs().max()) < 0.02


@pytest.mark.parametrize("sigma_y", [0.1, 1.0])
def test_quadrature_in_one_dimension(sigma_y: float):
    prior = mixture((1, 1, 1), components=3, std=0.2)
    operator = Diagonal(torch.tensor([[0.6]], dtype=F64), (1, 1, 1))
    y = torch.tensor([[[[0.1]]]], dtype=F64)
    found = exact_posterior(Problem(y, operator, sigma_y), prior)
    axis = torch.linspace(-5, 5, 40001, dtype=F64)
    logs = log_joint(prior, torch.tensor([[0.6]], dtype=F64), y.flatten(1), sigma_y, axis[:, None])
    step = float(axis[1] - axis[0])
    log_density = logs - torch.logsumexp(logs, 0) - math.log(step)
    x = torch.tensor([-0.5, 0.0, 0.3, 0.9], dtype=F64)
    at = [int((axis - one).abs().argmin()) for one in x]
    actual = torch.cat([found.log_density(axis[k].reshape(1, 1, 1, 1)) for k in at])
    close(actual, log_density[at], atol=1e-7)
    shares = [
        (prior.log_weights[k] - (axis - prior.means[k]).square() / (2 * prior.std**2)).exp()
        * (-(y.flatten() - 0.6 * axis).square() / (2 * sigma_y**2)).exp()
        for k in range(3)
    ]
    masses = torch.stack([one.sum() for one in shares])
    close(found.weights[0], masses / masses.sum(), atol=1e-9)
    weights = masses / masses.sum()
    close(found.entropy()[0], -(weights * weights.log()).sum(), atol=1e-9)


def test_importance_sampling_in_sixteen_dimensions():
    prior = mixture((1, 4, 4), components=5, std=0.5)
    operator, sigma_y = BlockMean((1, 4, 4), 2), 0.5
    problem = measure(0.5 * seeded(1, 1, 4, 4, seed=2), operator, sigma_y, seed=0, indices=[0])
    found = exact_posterior(problem, prior)
    generator = torch.manual_seed(1)
    count = 100_000
    component = torch.multinomial(prior.log_weights.exp(), count, True, generator=generator)
    x = prior.means[component] + prior.std * torch.randn(count, 16, dtype=F64, generator=generator)
    logs = -(problem.y.flatten(1) - x @ matrix_of(operator, 16).T).square().sum(1) / (2 * sigma_y**2)
    weights = torch.softmax(logs, 0)
    moments = torch.cat([x, x.square(), torch.nn.functional.one_hot(component, 5).to(F64)], 1)
    estimate = weights @ moments
    error = (weights.square()[:, None] * (moments - estimate).square()).sum(0).sqrt()
    mean = found.mean().flatten()
    variance = torch.stack(
        [found.covariance(one.reshape(1, 1, 4, 4)).flatten() @ one for one in torch.eye(16, dtype=F64)]
    )
    exact = torch.cat([mean, variance + mean.square(), found.weights[0]])
    assert float(((estimate - exact) / error).abs().max()) < 4  # of 37 moments
    assert float(error.max()) < 0.05


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("name", ["box50", "weights", "supres4x", "deblur"])
def test_one_gaussian_is_the_dense_formula(name: str, sigma_y: float):
    operator, matrix = case(name).operator, case(name).matrix
    shape = (1, SIDE, SIDE)
    prior, mean, covariance = gaussian(shape)
    problem = measure(seeded(3, *shape), operator, sigma_y, seed=0, indices=[4, 5, 6])
    found = exact_posterior(problem, prior)
    noise = sigma_y**2 * torch.eye(len(matrix), dtype=F64)
    if sigma_y == 0:  # only the rows that are independent
        u, b, vt = torch.linalg.svd(matrix)
        kept = b > 1e-9
        matrix, y, noise = vt[: len(b)][kept], (problem.y.flatten(1) @ u[:, : len(b)])[:, kept] / b[kept], 0.0
    else:
        y = problem.y.flatten(1)
    expected, spread = gaussian_posterior(mean, covariance, matrix, y, torch.as_tensor(noise))
    close(found.mean().flatten(1), expected, atol=1e-8)
    v = seeded(3, *shape, seed=9)
    close(found.covariance(v).flatten(1), v.flatten(1) @ spread, atol=1e-8)
    close(found.mmse(), (spread.trace() / 64).expand(3), atol=1e-8)
    mode = found.mode
    close(mode.image, found.mean())
    assert mode.certified.all()
    if sigma_y:
        rows = matrix.abs().sum(1) > 0  # what a mask removes is no measurement
        spread_y = (matrix @ covariance @ matrix.T + noise)[rows][:, rows]
        evidence = torch.distributions.MultivariateNormal(mean @ matrix[rows].T, spread_y).log_prob(y[:, rows])
        given = condition(prior, operator, sigma_y, problem.y)
        close(given.log_evidence(problem.y)[:, 0], evidence, rtol=1e-7)
        density = torch.distributions.MultivariateNormal(expected, spread).log_prob(expected + 0.1)
        close(found.log_density((expected + 0.1).reshape(3, *shape)), density, rtol=1e-7)


@pytest.mark.parametrize("name", ["box50", "supres4x", "deblur"])
def test_the_svd_and_a_matrix_give_the_same(name: str):
    shape = (1, SIDE, SIDE)
    prior, operator = mixture(shape, std=0.4), case(name).operator
    dense = DenseOperator(case(name).matrix, shape)
    for sigma_y in (0.0, 0.3):
        spectral = measure(seeded(2, *shape), operator, sigma_y, seed=0, indices=[0, 1])
        one = exact_posterior(spectral, prior)
        other = exact_posterior(Problem(spectral.y.flatten(1), dense, sigma_y), prior)
        x = one.sample(2, seed=0, indices=[0, 1])[:, 1]
        close(one.weights, other.weights, atol=1e-8)
        close(one.mean(), other.mean(), atol=1e-8)
        close(one.log_density(x) - one.log_density(one.mean()), other.log_density(x) - other.log_density(one.mean()))
        close(one.mode.image, other.mode.image, atol=1e-7)


@pytest.mark.parametrize("name", ["box50", "weights", "supres2x", "deblur_cut"])
def test_without_noise_it_is_the_limit_of_little_noise(name: str):
    shape = (1, SIDE, SIDE)
    prior, operator = mixture(shape, std=0.5), case(name).operator
    clean = operator.apply(seeded(2, *shape))
    limit, near = (exact_posterior(Problem(clean, operator, sigma), prior) for sigma in (0.0, 1e-5))
    close(limit.weights, near.weights, atol=1e-4)
    close(limit.mean(), near.mean(), atol=1e-4)
    close(limit.mmse(), near.mmse(), atol=1e-4)
    x = limit.sample(3, seed=1, indices=[0, 1])
    close(operator.apply(x.flatten(0, 1)), clean.repeat_interleave(3, 0))
    a, b = x[:, 0], x[:, 1]
    close(limit.log_density(a) - limit.log_density(b), near.log_density(a) - near.log_density(b), atol=1e-3, rtol=1e-3)
    close(limit.responsibilities(a), near.responsibilities(a), atol=1e-3)


def test_samples_have_its_moments():
    shape = (1, 4, 4)
    prior, operator = mixture(shape, std=0.4), BlockMean(shape, 2)
    problem = measure(seeded(1, *shape), operator, 0.4, seed=0, indices=[7])
    found = exact_posterior(problem, prior)
    count = 4000
    x = found.sample(count, seed=0, indices=[7])[0].flatten(1)
    mean = found.mean().flatten()
    variance = torch.stack(
        [found.covariance(one.reshape(1, *shape)).flatten() @ one for one in torch.eye(16, dtype=F64)]
    )
    assert float(((x.mean(0) - mean) / (variance / count).sqrt()).abs().max()) < 4
    assert float((x.var(0) / variance - 1).abs().max()) < 5 * (2 / count) ** 0.5
    reached = found.responsibilities(x.reshape(-1, 1, *shape)[:, 0][:1]).sum()
    close(reached, torch.tensor(1.0, dtype=F64))


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
def test_an_image_has_its_posterior_whatever_else_is_in_the_batch(sigma_y: float):
    shape = (1, SIDE, SIDE)
    prior, operator = mixture(shape), case("box50").operator
    problem = measure(seeded(4, *shape), operator, sigma_y, seed=0, indices=range(4))
    whole = exact_posterior(problem, prior)
    alone = exact_posterior(Problem(problem.y[2:3], operator, sigma_y), prior)
    close(whole.mean()[2:3], alone.mean())
    close(whole.mmse()[2:3], alone.mmse())
    close(whole.mode.image[2:3], alone.mode.image)
    together = whole.sample(3, seed=5, indices=[10, 11, 12, 13])
    close(together[2:3], alone.sample(3, seed=5, indices=[12]))
    close(together[:, :2], whole.sample(2, seed=5, indices=[10, 11, 12, 13]))
    assert not torch.equal(together[0, 0], together[0, 1])


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["gaussian", "mixture"])
def test_float32_is_close_to_float64(kind: str, sigma_y: float):
    shape = (1, SIDE, SIDE)
    prior = gaussian(shape)[0] if kind == "gaussian" else mixture(shape)
    operator = case("supres4x").operator
    problem = measure(seeded(2, *shape), operator, sigma_y, seed=0, indices=[0, 1])
    exact = exact_posterior(problem, prior)
    single = operator.to("cpu", torch.float32)
    rough = exact_posterior(Problem(problem.y.float(), single, sigma_y), prior.to("cpu", torch.float32))
    x = exact.sample(1, seed=0, indices=[0, 1])[:, 0]
    for actual, expected in [
        (rough.mean(), exact.mean()),
        (rough.weights, exact.weights),
        (rough.mmse(), exact.mmse()),
        (rough.mode.image, exact.mode.image),
        (rough.covariance(x.float()), exact.covariance(x)),
        (rough.log_density(x.float()), exact.log_density(x)),
    ]:
        assert actual.dtype == torch.float32
        close(actual.double(), expected, rtol=1e-4, atol=1e-4)


def test_where_there_is_none_the_reason_is_said():
    prior = mixture((1, SIDE, SIDE))
    assert "NoPrior has no exact posterior; choose prior=gaussian" in str(
        objection(Identity((1, SIDE, SIDE)), NoPrior((1, SIDE, SIDE)))
    )
    squared = Squared((1, SIDE, SIDE))
    assert "not linear" in str(objection(squared, prior))
    with pytest.raises(ValueError, match="not linear"):
        exact_posterior(Problem(seeded(1, 1, SIDE, SIDE), squared, 0.1), prior)
    assert objection(case("box50").operator, prior) is None
    many = seeded(2, 3, 64, 64)
    assert "4096" in str(objection(DenseOperator(seeded(2, 3 * 64 * 64), (3, 64, 64)), MixturePrior(many, 0.1)))
    with pytest.raises(ValueError, match="as many indices, got 2"):
        exact_posterior(Problem(seeded(1, 1, SIDE, SIDE), Identity((1, SIDE, SIDE)), 0.1), prior).sample(
            1, seed=0, indices=[0, 1]
        )
