"""The patch prior against dense mixtures by scipy, patch by patch; its samples, its flow, and the file that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from mapga.config.compose import compose_run, spec_of
from mapga.errors import ConfigError
from mapga.files.fetch import sha256_of
from mapga.node import PRIOR
from mapga.priors import GaussianPrior, NetworkPrior, PatchesPrior
from mapga.priors.mixtures.file import write_mixtures
from mapga.priors.networks.shipped import shipped_paths
from mapga.testing.exact import patches

F64 = torch.float64
SHAPE = (2, 4, 6)  # six patches of 2 x 2 x 2
SIGMAS = [0.002, 0.3, 1.0, 80.0]


def close(actual, expected, rtol=1e-9, atol=1e-11):
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)


def points(batch: int = 3, scale: float = 1.0, shape=SHAPE) -> torch.Tensor:
    return scale * torch.randn(batch, *shape, dtype=F64, generator=torch.manual_seed(5))


def cut(image: torch.Tensor, side: int = 2) -> list[np.ndarray]:
    """Flat patches of an image (C, H, W), row by row, by index loops."""
    _, height, width = image.shape
    corners = [(i, j) for i in range(0, height, side) for j in range(0, width, side)]
    return [image[:, i : i + side, j : j + side].flatten().numpy() for i, j in corners]


def dense(prior: PatchesPrior, patch: np.ndarray, sigma: float) -> tuple[float, np.ndarray, np.ndarray]:
    """log p, E[x_0 | x] and the responsibilities of one patch, by scipy and plain matrices."""
    noise = sigma**2 * np.eye(len(patch))
    laws = [(m.numpy(), s.numpy()) for m, s in zip(prior.mixture.means, prior.mixture.covariances, strict=True)]
    logs = prior.mixture.log_weights.numpy() + [multivariate_normal(m, s + noise).logpdf(patch) for m, s in laws]
    shares = np.exp(logs - logsumexp(logs))
    means = [m + s @ np.linalg.solve(s + noise, patch - m) for m, s in laws]
    return float(logsumexp(logs)), shares @ means, shares


@pytest.mark.parametrize("sigma", SIGMAS)
def test_each_patch_is_a_dense_mixture(sigma: float):
    prior, x = patches(SHAPE), points(scale=max(1.0, sigma))
    found = prior.denoise(x, sigma)
    for k, image in enumerate(x):
        logs, means, shares = zip(*(dense(prior, patch, sigma) for patch in cut(image)), strict=True)
        assert float(prior.log_density(x, sigma)[k]) == pytest.approx(sum(logs), rel=1e-9)
        np.testing.assert_allclose(np.stack(cut(found[k])), np.stack(means), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(prior.shares(x, sigma)[k].reshape(6, 3), np.stack(shares), rtol=1e-8, atol=1e-12)


def test_the_denoiser_is_the_posterior_mean_by_importance_sampling():
    prior, sigma = patches((1, 2, 2)), 0.7
    x = points(1, shape=(1, 2, 2))
    generator = torch.manual_seed(1)
    components = prior.mixture.log_weights.exp().multinomial(100_000, replacement=True, generator=generator)
    drawn = prior.mixture.sample(components, torch.randn(100_000, 4, dtype=F64, generator=generator))
    weights = torch.softmax(-(drawn - x.flatten()).square().sum(1) / (2 * sigma**2), 0)
    error = (weights.square()[:, None] * (drawn - weights @ drawn).square()).sum(0).sqrt()
    assert float(((weights @ drawn - prior.denoise(x, sigma).flatten()) / error).abs().max()) < 4
    assert float(error.max()) < 0.01


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_score_is_the_gradient_of_log_density(sigma: float):
    prior, x = patches(SHAPE), points().requires_grad_()
    (expected,) = torch.autograd.grad(prior.log_density(x, sigma).sum(), x)
    close(prior.score(x, sigma), expected)
    close((prior.denoise(x, sigma) - x) / sigma**2, expected, rtol=1e-6, atol=1e-6)
    step = 1e-6 * max(1.0, sigma)
    for place in ((0, 0, 0), (1, 3, 5), (0, 2, 3)):
        away = torch.zeros_like(x[:1])
        away[0][place] = step
        with torch.no_grad():
            slope = (prior.log_density(x[:1] + away, sigma) - prior.log_density(x[:1] - away, sigma)) / (2 * step)
        assert float(slope) == pytest.approx(float(expected[0][place]), rel=1e-4, abs=1e-6)


def test_vjps_are_those_of_finite_differences():
    shape = (1, 2, 4)
    prior, x = patches(shape, ode_steps=4), points(1, shape=shape).requires_grad_()
    for answer in (prior.denoise, prior.score, prior.consistency):
        assert torch.autograd.gradcheck(lambda z, answer=answer: answer(z, 0.6), x, rtol=1e-5, atol=1e-8)


def test_one_component_is_a_gaussian_of_every_patch():
    prior, x = patches(SHAPE, components=1, ode_steps=300), points(scale=2.0)
    alone = GaussianPrior(prior.mixture.means[0].reshape(2, 2, 2), prior.mixture.covariances[0])
    for method, accuracy in (("denoise", 1e-10), ("score", 1e-9), ("consistency", 3e-4)):
        expected = getattr(alone, method)(prior.to_patches(x).reshape(-1, 2, 2, 2), 1.5)
        close(prior.to_patches(getattr(prior, method)(x, 1.5)), expected.flatten(1), rtol=0, atol=accuracy)


def test_samples_have_the_moments_of_the_mixture_and_the_shares_of_its_components():
    prior = patches(SHAPE)
    mixture, weights = prior.mixture, prior.mixture.log_weights.exp()
    drawn = prior.to_patches(prior.sample(range(2_000), seed=3))
    mean = weights @ mixture.means
    apart = mixture.means - mean
    covariance = torch.einsum("k,kij->ij", weights, mixture.covariances) + apart.T @ (weights[:, None] * apart)
    spread = covariance.diagonal().sqrt() / len(drawn) ** 0.5
    assert float(((drawn.mean(0) - mean) / spread).abs().max()) < 4.5
    close(drawn.T.cov(), covariance, rtol=0, atol=0.02)
    close(mixture.shares(drawn, torch.tensor([1e-3], dtype=F64)).mean(0), weights, rtol=0, atol=0.015)


def test_a_sample_is_a_function_of_seed_and_index():
    prior = patches(SHAPE)
    together = prior.sample([3, 8, 5], seed=2)
    assert torch.equal(together[1:2], prior.sample([8], seed=2))
    assert not torch.equal(together[1:2], prior.sample([8], seed=3))
    close(prior.to("cpu", torch.float32).sample([3, 8, 5], seed=2), together.float(), rtol=0, atol=1e-5)


# Batches, sizes, chunks, precision

METHODS = ["denoise", "score", "consistency", "log_density"]


@pytest.mark.parametrize("method", METHODS)
def test_neither_company_nor_chunks_nor_size_changes_an_answer(method: str):
    prior, x = patches(SHAPE), points(4)
    levels = torch.tensor(SIGMAS, dtype=F64)
    together = getattr(prior, method)(x, levels)
    close(torch.cat([getattr(prior, method)(x[k : k + 1], SIGMAS[k]) for k in range(4)]), together)
    close(getattr(patches(SHAPE, chunk=5), method)(x, levels), together)
    left, right = (getattr(patches((2, 4, width)), method)(part, levels) for width, part in
                   ((2, x[..., :2]), (4, x[..., 2:])))  # fmt: skip
    close(left + right if method == "log_density" else torch.cat([left, right], -1), together)


def test_patches_are_put_back_where_they_were():
    prior, x = patches(SHAPE), points()
    assert torch.equal(prior.from_patches(prior.to_patches(x)), x)
    np.testing.assert_array_equal(prior.to_patches(x[:1]), np.stack(cut(x[0])))


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_consistency_at_its_end_is_exactly_the_identity(dtype: torch.dtype):
    prior, x = patches(SHAPE).to("cpu", dtype), points().to(dtype)
    assert torch.equal(prior.consistency(x, prior.sigma_min), x)


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({}, (1, 4, 5), "do not tile images of 1x4x5; choose images whose height and width are multiples of 2"),
        ({"ode_steps": 0}, (1, 4, 4), "ode_steps=0"),
        ({"chunk": 0}, (1, 4, 4), "chunk=0"),
    ],
)
def test_bad_values_are_refused_by_name(options: dict, shape: tuple[int, int, int], message: str):
    with pytest.raises(ValueError, match=message):
        patches(shape, **options)


def test_mixtures_that_are_none_are_refused():
    weights, means, eye = torch.ones(2), torch.zeros(2, 1, 2, 2), torch.eye(4).expand(2, 4, 4)
    for wrong, message in (
        ((torch.ones(3), means, eye), "weights"),
        ((torch.tensor([1.0, 0.0]), means, eye), "positive"),
        ((weights, means, eye.triu() + 0.1 * torch.ones(4, 4).triu(1)), "not symmetric"),
        ((weights, means, eye - torch.ones(4, 4) / 4), "not positive definite"),
    ):
        with pytest.raises(ValueError, match=message):
            PatchesPrior(*wrong, (1, 2, 2))


# The file


def written(path: Path, channels: int = 2) -> PatchesPrior:
    prior = patches((channels, 4, 4))
    mixture = prior.mixture
    parts = (mixture.log_weights.exp(), mixture.means.reshape(-1, channels, 2, 2), mixture.covariances)
    write_mixtures(path, {channels: parts}, {"seed": "0"})
    return prior


def test_a_file_keeps_the_mixture_but_for_rounding(tmp_path: Path):
    prior, path = written(tmp_path / "m.safetensors"), tmp_path / "m.safetensors"
    again = PatchesPrior.fitted((2, 4, 4), str(path), sha256_of(path))
    close(again.mixture.covariances, prior.mixture.covariances, rtol=0, atol=1e-3)
    close(again.mixture.means, prior.mixture.means, rtol=1e-6)
    close(again.mixture.log_weights, prior.mixture.log_weights, rtol=1e-6)


def test_a_file_that_is_none_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileNotFoundError, match=r"m\.safetensors: no such file"):
        PatchesPrior.fitted((2, 4, 4), str(path))
    written(path)
    with pytest.raises(ValueError, match="holds mixtures of patches of 2 channels, the images have 1"):
        PatchesPrior.fitted((1, 4, 4), str(path))
    with pytest.raises(ValueError, match=r"prior\.sha256=0000.*is another file"):
        PatchesPrior.fitted((2, 4, 4), str(path), "0" * 64)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"m\.safetensors: damaged"):
        PatchesPrior.fitted((2, 4, 4), str(path))


# The mixture that ships


@pytest.mark.parametrize("shape", [(1, 32, 48), (3, 32, 32)])
def test_the_shipped_mixture_knows_its_samples_better_than_one_gaussian_of_their_moments(shape: tuple[int, int, int]):
    prior = PatchesPrior.fitted(shape)
    mixture, weights = prior.mixture, prior.mixture.log_weights.exp()
    apart = mixture.means - weights @ mixture.means
    overall = torch.einsum("k,kij->ij", weights, mixture.covariances) + apart.T @ (weights[:, None] * apart)
    mean = (weights @ mixture.means).reshape(1, shape[0], 8, 8)
    gaussian = PatchesPrior(torch.ones(1), mean, overall[None], shape)
    truth = prior.sample(range(2), seed=0)
    noisy = truth + 0.2 * torch.randn(truth.shape, dtype=F64, generator=torch.manual_seed(1))
    errors = [float((one.denoise(noisy, 0.2) - truth).square().mean()) for one in (prior, gaussian)]
    assert errors[0] < 0.9 * errors[1] < 0.02
    assert bool((prior.log_density(truth, 0.0) > gaussian.log_density(truth, 0.0)).all())


def test_a_run_is_pinned_to_the_mixture_and_moved_files_are_the_same_run(tmp_path: Path):
    shipped = shipped_paths("patches", ["mixture"])["mixture"]
    (tmp_path / "moved.safetensors").write_bytes(shipped.read_bytes())
    ids = {
        spec_of(compose_run(["dataset=mnist", "prior=patches", *more])).run_id
        for more in ([], [f"prior.file={tmp_path / 'moved.safetensors'}"], ["prior.chunk=5"])
    }
    assert len(ids) == 1 and shipped.stat().st_size < 1_000_000
    with pytest.raises(ConfigError, match=r"prior: patches of 1x8x8 do not tile images of 1x28x28"):
        spec_of(compose_run(["prior=patches"])).node(PRIOR).build({"image_shape": (1, 28, 28)})


def test_a_pair_of_networks_is_not_asked_for_a_mixture():
    with pytest.raises(ValueError, match=r"prior.name='patches': the package ships mnist, overlapping$"):
        NetworkPrior.shipped("patches")


@pytest.mark.parametrize("sigma", [1.0, 80.0])
def test_the_flow_ends_where_a_fine_one_does(sigma: float):
    """None of 16 patches ends on another component; the model card has the share of 512."""
    coarse, fine = PatchesPrior.fitted((1, 32, 32)), PatchesPrior.fitted((1, 32, 32), ode_steps=192)
    x = coarse.sample([0], seed=1) + sigma * torch.randn(1, 1, 32, 32, dtype=F64, generator=torch.manual_seed(2))
    ends = [prior.consistency(x, sigma) for prior in (coarse, fine)]
    reached = [coarse.shares(end, coarse.sigma_min).argmax(-1) for end in ends]
    assert torch.equal(*reached)
