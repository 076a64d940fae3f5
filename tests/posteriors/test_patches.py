"""The posterior of patches against one dense mixture of the whole image, and against its own limits."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from mapga.operators import BlockMean, CentralBox, Diagonal, HalfMask, Identity, LinearOperator, SeparableBlur
from mapga.posteriors import PatchesPosterior, exact_posterior, objection
from mapga.posteriors.factors import factors
from mapga.priors import PatchesPrior
from mapga.problem import Problem, measure
from mapga.testing.algebra import dense_matrix
from mapga.testing.exact import gaussian_posterior, patches

F64 = torch.float64
SHAPE = (1, 16, 16)  # four patches of 8 x 8
SMALL = (1, 4, 4)  # four patches of 2 x 2


def close(actual, expected, rtol=1e-8, atol=1e-8):
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)


def some_pixels(shape: tuple[int, int, int]) -> Diagonal:
    """A random pixel mask, with weights."""
    drawn = torch.rand(shape, dtype=F64, generator=torch.manual_seed(4))
    return Diagonal(torch.where(drawn < 0.5, 0.0, drawn), shape)


OPERATORS = {
    "box": lambda shape: CentralBox(shape, 0.5),
    "half": HalfMask,
    "pixels": some_pixels,
    "means": lambda shape: BlockMean(shape, 2),
    "noise": Identity,
}


def prior_of(shape: tuple[int, int, int], **options) -> PatchesPrior:
    return patches(shape, side=shape[1] // 2, components=2, **options)


def case(name: str, sigma_y: float, shape=SHAPE, batch: int = 2) -> tuple[PatchesPrior, Problem]:
    prior = prior_of(shape)
    truth = prior.sample(range(batch), seed=7)
    return prior, measure(truth, OPERATORS[name](shape), sigma_y, seed=0, indices=range(batch))


def whole(prior: PatchesPrior) -> tuple[Tensor, Tensor, Tensor]:
    """The mixture of whole images, K^4 components: log weights, flat means and covariances."""
    mixture, n = prior.mixture, prior.mixture.means.shape[1]
    units = prior.from_patches(torch.eye(4 * n, dtype=F64).reshape(-1, n)).flatten(1)  # patch order to pixel order
    logs, means, covariances = [], [], []
    for chosen in itertools.product(range(2), repeat=4):
        logs.append(mixture.log_weights[list(chosen)].sum())
        means.append(mixture.means[list(chosen)].flatten() @ units)
        covariances.append(units.T @ torch.block_diag(*mixture.covariances[list(chosen)]) @ units)
    return torch.stack(logs), torch.stack(means), torch.stack(covariances)


def dense(prior: PatchesPrior, problem: Problem) -> tuple[Tensor, Tensor, Tensor]:
    """Posterior weights (B, 16), means (B, 16, n) and covariances (16, n, n) by textbook formulas."""
    matrix = dense_matrix(problem.operator.apply, prior.image_shape, dtype=F64)
    seen = matrix.abs().sum(1) > 0
    matrix, y = matrix[seen], problem.y.flatten(1)[:, seen]
    noise = problem.sigma_y**2 * torch.eye(len(matrix), dtype=F64)
    weights, means, covariances = [], [], []
    for log_weight, mean, covariance in zip(*whole(prior), strict=True):
        law = torch.distributions.MultivariateNormal(matrix @ mean, matrix @ covariance @ matrix.T + noise)
        weights.append(log_weight + law.log_prob(y))
        found = gaussian_posterior(mean, covariance, matrix, y, noise)
        means.append(found[0])
        covariances.append(found[1])
    return torch.stack(weights, 1).softmax(1), torch.stack(means, 1), torch.stack(covariances)


@pytest.mark.parametrize(
    ("name", "sigma_y"), [("box", 0.2), ("half", 0.0), ("pixels", 0.2), ("pixels", 0.0), ("means", 0.2), ("means", 0.0)]
)
def test_a_dense_mixture_of_whole_images(name: str, sigma_y: float):
    prior, problem = case(name, sigma_y)
    found = exact_posterior(problem, prior)
    assert isinstance(found, PatchesPosterior)
    weights, means, covariances = dense(prior, problem)
    mean = torch.einsum("bk,bki->bi", weights, means)
    close(found.mean().flatten(1), mean)
    apart = means - mean[:, None]
    spread = torch.einsum("bk,kij->bij", weights, covariances) + torch.einsum("bk,bki,bkj->bij", weights, apart, apart)
    close(found.mmse(), spread.diagonal(dim1=1, dim2=2).mean(1))
    v = torch.randn(2, *SHAPE, dtype=F64, generator=torch.manual_seed(1))
    close(found.covariance(v).flatten(1), torch.einsum("bij,bj->bi", spread, v.flatten(1)))
    close(found.entropy(), torch.special.entr(weights).sum(1), atol=1e-6)


@pytest.mark.parametrize("name", ["box", "means"])
def test_the_density_with_noise_is_that_of_the_dense_mixture(name: str):
    prior, problem = case(name, 0.2)
    found = exact_posterior(problem, prior)
    weights, means, covariances = dense(prior, problem)
    x = found.sample(1, seed=0, indices=[0, 1])[:, 0]
    logs = torch.stack([
        torch.distributions.MultivariateNormal(means[:, k], covariances[k]).log_prob(x.flatten(1)) for k in range(16)
    ], 1)  # fmt: skip
    close(found.log_density(x), (weights.log() + logs).logsumexp(1), rtol=1e-6)


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
def test_bayes_rule_ties_density_prior_and_measurement(sigma_y: float):
    """log p(x | y) - log p(x) - log p(y | x) is the same for every x that y allows."""
    prior, problem = case("pixels", sigma_y, SMALL, batch=1)
    found = exact_posterior(problem, prior)
    x = found.sample(5, seed=0, indices=[0])[0]
    logs = torch.cat([found.log_density(one[None]) for one in x]) - prior.log_density(x, 0.0)
    residual = problem.y - problem.operator.apply(x)
    if sigma_y:
        logs = logs + residual.square().flatten(1).sum(1) / (2 * sigma_y**2)
    else:
        close(residual, torch.zeros_like(residual))
    close(logs, logs[:1].expand(5), atol=1e-7)


def test_samples_have_the_posterior_moments():
    prior, problem = case("pixels", 0.1, SMALL, batch=1)
    found = exact_posterior(problem, prior)
    again = exact_posterior(Problem(problem.y.expand(2000, -1, -1, -1), problem.operator, 0.1), prior)
    images = again.sample(1, seed=2, indices=range(2000))[:, 0]
    drawn = images.flatten(1)
    basis = torch.eye(16, dtype=F64).reshape(16, *SMALL)
    covariance = torch.cat([found.covariance(unit[None]).flatten(1) for unit in basis])
    off = (drawn.mean(0) - found.mean()[0].flatten()) / (covariance.diagonal() / len(drawn)).sqrt()
    assert float(off.abs().max()) < 4.5
    close(drawn.T.cov(), covariance, rtol=0, atol=0.04)
    close(again.responsibilities(images).mean(0), found.weights[0], rtol=0, atol=0.05)
    with pytest.raises(ValueError, match="1 measurements need as many indices, got 2"):
        found.sample(1, seed=0, indices=[0, 1])


@pytest.mark.parametrize("sigma_y", [0.0, 0.3])
def test_nothing_is_higher_than_the_mode(sigma_y: float):
    prior, problem = case("half", sigma_y, SMALL)
    found = exact_posterior(problem, prior)
    mode = found.mode
    close(found.log_density(mode.image), mode.log_density)
    drawn = found.sample(50, seed=0, indices=[0, 1])
    spread = [0.0, 1e-3, 0.1, 0.5, 1.0]
    for share in spread:
        near = mode.image + share * (drawn.unbind(1)[0] - mode.image)
        assert bool((found.log_density(near) <= mode.log_density + 1e-9).all())
    best = torch.stack([found.log_density(one) for one in drawn.unbind(1)]).amax(0)
    assert bool((best <= mode.log_density).all())
    z = mode.image.clone().requires_grad_()
    (slope,) = torch.autograd.grad(found.log_density(z).sum(), z)
    assert float(slope.abs().max()) < 1e-4 * (1 if sigma_y else 10)


def test_one_component_has_a_certified_mode_at_its_mean():
    prior = patches(SMALL, components=1)
    problem = measure(prior.sample([0], seed=1), HalfMask(SMALL), 0.1, seed=0, indices=[0])
    found = exact_posterior(problem, prior)
    close(found.mode.image, found.mean())
    assert found.mode.certified.tolist() == [True]


def test_float32_and_companions_change_nothing_but_rounding():
    prior, problem = case("pixels", 0.05)
    found = exact_posterior(problem, prior)
    low = exact_posterior(Problem(problem.y.float(), problem.operator, 0.05), prior.to("cpu", torch.float32))
    assert low.mean().dtype == torch.float32
    close(low.mean().double(), found.mean(), atol=1e-4, rtol=1e-4)
    close(low.mode.image.double(), found.mode.image, atol=2e-2, rtol=0)
    alone = exact_posterior(Problem(problem.y[1:], problem.operator, 0.05), prior)
    close(alone.mean(), found.mean()[1:])
    close(alone.sample(2, seed=3, indices=[9]), found.sample(2, seed=3, indices=[4, 9])[1:])


# Which operators act within patches


@pytest.mark.parametrize("name", OPERATORS)
def test_the_factors_are_the_operator(name: str):
    prior, operator = prior_of(SHAPE), OPERATORS[name](SHAPE)
    x = torch.randn(1, *SHAPE, dtype=F64, generator=torch.manual_seed(2))
    y, cut = operator.apply(x).flatten(), prior.to_patches(x)
    heard = torch.zeros_like(y)
    found = factors(operator, prior)
    for factor in found:
        for patch, values in zip(factor.patches, factor.values, strict=True):
            heard[values] = factor.matrix @ cut[patch]
    close(heard, y)
    assert sorted(torch.cat([factor.patches for factor in found]).tolist()) == [0, 1, 2, 3]
    assert len(found) == {"half": 2, "means": 1, "noise": 1}.get(name, 4)


@pytest.mark.parametrize("operator", [SeparableBlur(SHAPE, size=3), BlockMean((1, 16, 16), 16)], ids=["blur", "means"])
def test_operators_that_mix_patches_are_refused_with_the_reason(operator: LinearOperator):
    prior = prior_of(SHAPE)
    reason = rf"{type(operator).__name__} mixes patches of 8x8 pixels.*choose a mask[^\n]*$"
    problem = measure(prior.sample([0], seed=0), operator, 0.1, seed=0, indices=[0])
    with pytest.raises(ValueError, match=reason):
        exact_posterior(problem, prior)
    assert "mixes patches" in (objection(operator, prior) or "")
    assert objection(Identity(SHAPE), prior) is None
