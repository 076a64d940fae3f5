"""The Gaussian prior against dense formulas, its flow against a numerical solution."""

from __future__ import annotations

import math

import pytest
import torch

from mapga.priors import GaussianPrior
from mapga.testing.exact import gaussian, standard

SHAPE = (3, 2, 2)
SIGMAS = [0.002, 0.3, 1.0, 80.0]


def close(actual, expected, rtol=1e-10, atol=1e-12):
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)


def points(batch: int = 4, seed: int = 5, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(batch, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(seed))


def power(matrix: torch.Tensor, exponent: float) -> torch.Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values**exponent) @ vectors.T


@pytest.mark.parametrize("sigma", SIGMAS)
def test_denoiser_is_the_conditional_mean(sigma: float):
    prior, mean, covariance = gaussian(SHAPE)
    x = points(scale=max(1.0, sigma))
    noisy = covariance + sigma**2 * torch.eye(12, dtype=torch.float64)
    expected = mean + (x.flatten(1) - mean) @ torch.linalg.solve(noisy, covariance)
    close(prior.denoise(x, sigma).flatten(1), expected)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_log_density_is_that_of_the_noisy_gaussian(sigma: float):
    prior, mean, covariance = gaussian(SHAPE)
    x = points()
    law = torch.distributions.MultivariateNormal(mean, covariance + sigma**2 * torch.eye(12, dtype=torch.float64))
    close(prior.log_density(x, sigma), law.log_prob(x.flatten(1)))


@pytest.mark.parametrize("sigma", SIGMAS)
def test_score_is_the_gradient_of_log_density(sigma: float):
    prior, _, _ = gaussian(SHAPE)
    x = points().requires_grad_()
    (expected,) = torch.autograd.grad(prior.log_density(x, sigma).sum(), x)
    close(prior.score(x, sigma), expected)
    close((prior.denoise(x, sigma) - x) / sigma**2, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_consistency_is_the_exact_flow(sigma: float):
    prior, mean, covariance = gaussian(SHAPE)
    eye = torch.eye(12, dtype=torch.float64)
    flow = power(covariance + prior.sigma_min**2 * eye, 0.5) @ power(covariance + sigma**2 * eye, -0.5)
    x = points(scale=max(1.0, sigma))
    close(prior.consistency(x, sigma).flatten(1), mean + (x.flatten(1) - mean) @ flow.T)


def test_consistency_is_the_end_of_the_probability_flow():
    """Integrate dx/dsigma = (x - D) / sigma in log sigma by Runge-Kutta 4, fine enough for 1e-9."""
    prior, _, _ = gaussian(SHAPE)
    x = points(scale=3.0)
    steps, high, low = 2000, math.log(3.0), math.log(prior.sigma_min)
    h, state = (low - high) / steps, x.clone()

    def slope(state: torch.Tensor, log_sigma: float) -> torch.Tensor:
        return state - prior.denoise(state, math.exp(log_sigma))

    for k in range(steps):
        u = high + k * h
        a = slope(state, u)
        b = slope(state + h / 2 * a, u + h / 2)
        c = slope(state + h / 2 * b, u + h / 2)
        d = slope(state + h * c, u + h)
        state = state + h / 6 * (a + 2 * b + 2 * c + d)
    close(prior.consistency(x, 3.0), state, rtol=1e-8, atol=1e-9)


def test_trajectories_keep_their_end():
    """C(C-flow from 5 to 2, 2) = C(x, 5): the flow from one level to another, by another sigma_min."""
    _, mean, covariance = gaussian(SHAPE)
    prior = GaussianPrior(mean.reshape(SHAPE), covariance)
    halfway = GaussianPrior(mean.reshape(SHAPE), covariance, sigma_min=2.0)
    x = points(scale=5.0)
    close(prior.consistency(halfway.consistency(x, 5.0), 2.0), prior.consistency(x, 5.0))


def test_consistency_at_its_end_is_the_identity():
    prior, _, _ = gaussian(SHAPE)
    close(prior.consistency(points(), prior.sigma_min), points(), rtol=0, atol=1e-14)


def test_known_answers_of_the_standard_normal():
    prior = standard((1, 1, 1))
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    assert float(prior.consistency(x, 1.0)) == pytest.approx(0.7071082, abs=5e-8)
    assert float(prior.consistency(x, 1.0)) == pytest.approx(math.sqrt((1 + 0.002**2) / 2), rel=1e-14)
    assert float(prior.denoise(x, 2.0)) == pytest.approx(0.2, rel=1e-14)


@pytest.mark.parametrize("method", ["denoise", "consistency", "score", "log_density"])
def test_one_sigma_an_image(method: str):
    prior, _, _ = gaussian(SHAPE)
    x, sigmas = points(), torch.tensor(SIGMAS, dtype=torch.float64)
    together = getattr(prior, method)(x, sigmas)
    alone = torch.cat([getattr(prior, method)(x[k : k + 1], SIGMAS[k]) for k in range(4)])
    close(together, alone)


def test_a_singular_covariance_stays_on_its_plane():
    direction = torch.tensor([1.0, 1.0], dtype=torch.float64) / math.sqrt(2)
    prior = GaussianPrior(torch.zeros(1, 1, 2), torch.outer(direction, direction))
    x = torch.tensor([3.0, -1.0], dtype=torch.float64).reshape(1, 1, 1, 2)
    close(prior.denoise(x, 1.0).flatten(), torch.tensor([0.5, 0.5], dtype=torch.float64))
    assert torch.isfinite(prior.log_density(x, 0.002)).all()
    across = prior.consistency(x, 1.0).flatten() @ torch.tensor([1.0, -1.0], dtype=torch.float64) / math.sqrt(2)
    assert float(across) == pytest.approx(0.002 * 4 / math.sqrt(2), rel=1e-9)


def test_from_images_has_their_moments():
    images = points(50)
    prior = GaussianPrior.from_images(images)
    close(prior.mean, images.mean(0))
    covariance = prior.eigenvectors @ torch.diag(prior.eigenvalues) @ prior.eigenvectors.T
    close(covariance, torch.cov(images.flatten(1).T), atol=1e-10)


def test_float32_is_close_to_float64():
    prior, _, _ = gaussian(SHAPE)
    single = prior.to("cpu", torch.float32)
    x = points()
    for method in ("denoise", "consistency", "score"):
        low = getattr(single, method)(x.float(), 0.5)
        assert low.dtype == torch.float32
        close(low.double(), getattr(prior, method)(x, 0.5), rtol=1e-5, atol=1e-5)
    assert prior.mean.dtype == torch.float64


def test_gradients_pass_through():
    prior, _, _ = gaussian(SHAPE)
    x = points(2).requires_grad_()
    for method in (prior.denoise, prior.consistency):
        assert torch.autograd.gradcheck(lambda z, method=method: method(z, 0.7), x, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (torch.eye(3), r"\(4, 4\), got \(3, 3\)"),
        (torch.tensor([[1.0, 0.5], [0.0, 1.0]]).repeat(2, 2), "not symmetric"),
        (torch.diag(torch.tensor([1.0, 1.0, 1.0, -0.5])), "negative eigenvalue, -0.5"),
    ],
)
def test_a_matrix_that_is_no_covariance_is_refused(covariance, message: str):
    with pytest.raises(ValueError, match=message):
        GaussianPrior(torch.zeros(1, 2, 2), covariance)


def test_samples_have_its_moments_and_are_functions_of_their_index():
    prior, mean, covariance = gaussian((1, 2, 2))
    count = 4000
    x = prior.sample(range(count), seed=1).flatten(1)
    variance = covariance.diagonal()
    assert float(((x.mean(0) - mean) / (variance / count).sqrt()).abs().max()) < 4
    assert float((torch.cov(x.T) - covariance).abs().max()) < 0.15
    torch.testing.assert_close(prior.sample([7, 3], seed=1).flatten(1), x[[7, 3]])


def test_contrast_scales_mean_and_covariance():
    images = torch.randn(9, 1, 2, 2, dtype=torch.float64, generator=torch.manual_seed(0))
    low, high = (GaussianPrior.from_images(images, contrast=c) for c in (0.5, 1.0))
    torch.testing.assert_close(low.mean, high.mean / 2)
    torch.testing.assert_close(low.eigenvalues, high.eigenvalues / 4)
    with pytest.raises(ValueError, match=r"prior\.contrast=-1"):
        GaussianPrior.from_images(images, contrast=-1)
