"""The mixture prior against brute-force sums over its components, its flow against a fine reference."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from mapga.priors import GaussianPrior, MixturePrior
from mapga.priors.flow import heun_flow
from mapga.testing.exact import mixture

SHAPE = (1, 3, 2)
SIGMAS = [0.002, 0.3, 1.0, 80.0]


def close(actual, expected, rtol=1e-10, atol=1e-12):
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)


def points(batch: int = 4, seed: int = 5, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(batch, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(seed))


def brute_force(prior: MixturePrior, x: torch.Tensor, sigma: float) -> tuple[list[float], float]:
    """E[x_0 | x] and log p(x) of one image, by scalar arithmetic over components and pixels."""
    variance = prior.std**2 + sigma**2
    image, weights = x.flatten().tolist(), prior.log_weights.exp().tolist()
    logs, posteriors = [], []
    for weight, mean in zip(weights, prior.means.tolist(), strict=True):
        squares = sum((a - m) ** 2 for a, m in zip(image, mean, strict=True))
        logs.append(math.log(weight) - squares / (2 * variance) - len(mean) / 2 * math.log(2 * math.pi * variance))
        posteriors.append([m + prior.std**2 / variance * (a - m) for a, m in zip(image, mean, strict=True)])
    top = max(logs)
    shares = [math.exp(value - top) for value in logs]
    total = sum(shares)
    expected = [sum(s * p[i] for s, p in zip(shares, posteriors, strict=True)) / total for i in range(len(image))]
    return expected, top + math.log(total)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_denoiser_and_density_are_sums_over_components(sigma: float):
    prior, x = mixture(SHAPE), points(scale=max(1.0, sigma))
    for k in range(len(x)):
        expected, log_density = brute_force(prior, x[k], sigma)
        assert prior.denoise(x, sigma)[k].flatten().tolist() == pytest.approx(expected, rel=1e-10, abs=1e-12)
        assert float(prior.log_density(x, sigma)[k]) == pytest.approx(log_density, rel=1e-10)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_score_is_the_gradient_of_log_density(sigma: float):
    prior, x = mixture(SHAPE), points().requires_grad_()
    (expected,) = torch.autograd.grad(prior.log_density(x, sigma).sum(), x)
    close(prior.score(x, sigma), expected)
    close((prior.denoise(x, sigma) - x) / sigma**2, expected, rtol=1e-7, atol=1e-7)


def test_weights_are_normalised_and_equal_by_default():
    means = points(3)
    weighted = MixturePrior(means, 0.5, torch.tensor([2.0, 4.0, 2.0]))
    close(weighted.log_weights.exp(), torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64))
    close(MixturePrior(means, 0.5).log_weights.exp(), torch.full((3,), 1 / 3, dtype=torch.float64), rtol=1e-7)


def test_nothing_overflows_far_from_every_component():
    prior = MixturePrior(points(3), 0.01)
    x = points(scale=100.0)
    for value in (prior.denoise(x, 0.002), prior.score(x, 0.002), prior.log_density(x, 0.002)):
        assert torch.isfinite(value).all()


# The consistency function


def test_one_component_flows_like_a_gaussian():
    mean = points(1)
    exact = GaussianPrior(mean[0], 0.4**2 * torch.eye(6, dtype=torch.float64))
    prior = MixturePrior(mean, 0.4, ode_steps=2000)
    x = points(scale=3.0)
    close(prior.consistency(x, 3.0), exact.consistency(x, 3.0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.8, 5.0])
def test_error_falls_at_second_order(sigma: float):
    x = points(scale=sigma)
    reference = runge_kutta(mixture(SHAPE), x, sigma)
    errors = [
        float((mixture(SHAPE, ode_steps=steps).consistency(x, sigma) - reference).abs().max())
        for steps in (64, 128, 256)
    ]
    orders = [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]
    assert errors[-1] < 2e-3
    assert orders == pytest.approx([2, 2], abs=0.25)


def runge_kutta(prior: MixturePrior, x: torch.Tensor, sigma: float, steps: int = 800) -> torch.Tensor:
    """The probability flow dx/du = x - D(x, e^u), u = log sigma, to sigma_min, at fourth order."""
    high, low = math.log(sigma), math.log(prior.sigma_min)
    h = (low - high) / steps

    def slope(state: torch.Tensor, u: float) -> torch.Tensor:
        return state - prior.denoise(state, math.exp(u))

    for k in range(steps):
        u = high + k * h
        a = slope(x, u)
        b = slope(x + h / 2 * a, u + h / 2)
        c = slope(x + h / 2 * b, u + h / 2)
        x = x + h / 6 * (a + 2 * b + 2 * c + slope(x + h * c, u + h))
    return x


@pytest.mark.parametrize("count", [1, 3, 6, 9])  # of six values
@pytest.mark.parametrize(
    "sigma", [0.7, torch.tensor([80.0, 3.0, 0.4, 0.002], dtype=torch.float64)], ids=["one", "each"]
)
def test_the_flow_in_the_span_of_the_means_is_the_flow_of_the_denoiser(count: int, sigma: float | torch.Tensor):
    means = torch.randn(count, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(1))
    prior = MixturePrior(means, 0.2, torch.arange(1.0, count + 1), ode_steps=7)
    assert (prior.span is not None) == (count < 6)
    close(prior.consistency(points(), sigma), heun_flow(prior.denoise, points(), sigma, prior.sigma_min, 7))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("ode_steps", [1, 3, 8])
def test_consistency_at_its_end_is_exactly_the_identity(dtype: torch.dtype, ode_steps: int):
    prior = mixture(SHAPE, ode_steps=ode_steps).to("cpu", dtype)
    x = points(scale=10.0).to(dtype)
    assert torch.equal(prior.consistency(x, prior.sigma_min), x)
    assert torch.equal(prior.consistency(x, torch.full((4,), prior.sigma_min, dtype=dtype)), x)


def test_gradients_through_the_flow_are_those_of_finite_differences():
    prior, x = mixture(SHAPE, ode_steps=12), points(2).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: prior.consistency(z, 0.8), x, rtol=1e-6, atol=1e-8)
    assert torch.autograd.gradcheck(lambda z: prior.denoise(z, 0.8), x, rtol=1e-6, atol=1e-8)


# Samples


def test_samples_have_the_moments_of_the_mixture_and_are_functions_of_their_index():
    prior, count = mixture(SHAPE), 4000
    x = prior.sample(range(count), seed=1).flatten(1)
    weights = prior.log_weights.exp()
    mean = weights @ prior.means
    variance = weights @ (prior.means - mean).square() + prior.std**2
    assert float(((x.mean(0) - mean) / (variance / count).sqrt()).abs().max()) < 4
    assert float((x.var(0) / variance - 1).abs().max()) < 0.12
    close(prior.sample([7, 3], seed=1).flatten(1), x[[7, 3]])
    assert not torch.equal(prior.sample([7], seed=2).flatten(1), x[[7]])


def test_contrast_scales_the_means_alone():
    images = points(6)
    low, high = (MixturePrior.from_images(images, 0.1, 3, contrast=c) for c in (0.25, 1.0))
    close(low.means, high.means / 4)
    assert low.std == high.std
    with pytest.raises(ValueError, match=r"prior\.contrast=0"):
        MixturePrior.from_images(images, 0.1, contrast=0)


# Batches, chunks and precision


@pytest.mark.parametrize("method", ["denoise", "consistency", "score", "log_density"])
def test_one_sigma_an_image(method: str):
    prior, x = mixture(SHAPE), points()
    together = getattr(prior, method)(x, torch.tensor(SIGMAS, dtype=torch.float64))
    alone = torch.cat([getattr(prior, method)(x[k : k + 1], SIGMAS[k]) for k in range(4)])
    close(together, alone)


@pytest.mark.parametrize("chunk", [1, 2, 5, 7, 24])
@pytest.mark.parametrize("method", ["denoise", "consistency", "score", "log_density"])
def test_chunks_do_not_change_results(method: str, chunk: int):
    whole, parts = mixture(SHAPE, components=23), mixture(SHAPE, components=23, chunk=chunk)
    x = points()
    for sigma in (0.01, 0.7, 20.0):
        close(getattr(parts, method)(x, sigma), getattr(whole, method)(x, sigma))


@pytest.mark.parametrize("chunk", [1, 4])
def test_chunks_do_not_change_gradients(chunk: int):
    x, probe = points().requires_grad_(), points(seed=9)
    products = [
        torch.autograd.grad(prior.consistency(x, 0.7), x, probe)[0]
        for prior in (mixture(SHAPE, components=23), mixture(SHAPE, components=23, chunk=chunk))
    ]
    close(products[0], products[1])


def test_float32_is_close_to_float64():
    prior, x = mixture(SHAPE), points()
    single = prior.to("cpu", torch.float32)
    for method in ("denoise", "consistency", "score"):
        low = getattr(single, method)(x.float(), 0.5)
        assert low.dtype == torch.float32
        close(low.double(), getattr(prior, method)(x, 0.5), rtol=1e-4, atol=1e-5)
    assert prior.means.dtype == torch.float64


def test_means_on_images():
    images = points(10)
    close(MixturePrior.from_images(images, 0.1).means, images.flatten(1))
    close(MixturePrior.from_images(images, 0.1, components=4).means, images.flatten(1)[[0, 3, 6, 9]])
    for components in (0, 11):
        with pytest.raises(ValueError, match=f"components={components}: choose 1..10"):
            MixturePrior.from_images(images, 0.1, components=components)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"std": 0.0}, "std=0.0"),
        ({"std": -1.0}, "std=-1.0"),
        ({"std": math.nan}, "std=nan"),
        ({"std": 1.0, "ode_steps": 0}, "ode_steps=0"),
        ({"std": 1.0, "chunk": 0}, "chunk=0"),
        ({"std": 1.0, "weights": torch.ones(3)}, "weights"),
        ({"std": 1.0, "weights": torch.tensor([1.0, 0.0])}, "weights"),
    ],
)
def test_bad_values_are_refused_by_name(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        MixturePrior(points(2), **arguments)
    with pytest.raises(ValueError, match=r"\(K, C, H, W\)"):
        MixturePrior(points(2)[0], 1.0)
