"""PGDM against another implementation, and its identities on Gaussian data."""

from __future__ import annotations

import math

import pytest
import torch

from helpers.operators import CASES, Case, DenseOperator, case
from mapga.operators import CentralBox, Diagonal, Identity
from mapga.priors import GaussianPrior, MixturePrior
from mapga.problem import Problem, measure
from mapga.schedules import Explicit, Karras
from mapga.solvers import PGDM
from mapga.solvers.pgdm import posterior_variance
from mapga.solvers.steps import posterior_residual, pseudo_inverse_guidance
from mapga.testing.exact import gaussian_posterior, mixture, standard
from mapga.testing.noise import FixedNoise

GREY = [item for item in CASES if item.channels == 1]


def close(actual, expected, atol=1e-12, rtol=0):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=rtol)


# Another implementation: azula


def azula_states(prior, operator, y, levels, start, noise, eta, preserving, monkeypatch) -> list[torch.Tensor]:
    """The states of azula's sampler at the same levels with the same noise, mapped to variance-exploding form."""
    from azula.denoise import Denoiser, DiracPosterior
    from azula.guidance.pgdm import PGDMSampler

    sigmas = torch.tensor([*levels, 0.0], dtype=torch.float64)

    def alpha_sigma(t):
        sigma = sigmas[int(t)]
        alpha = 1 / (1 + sigma**2).sqrt() if preserving else torch.ones_like(sigma)
        return alpha, alpha * sigma

    class Wrapped(Denoiser):
        schedule = staticmethod(alpha_sigma)

        def forward(self, x_t, t):
            alpha, _ = alpha_sigma(t)
            return DiracPosterior(prior.denoise(x_t / alpha, float(sigmas[int(t)])))

    sampler = PGDMSampler(Wrapped(), y, operator.apply, operator.pinv, eta=eta, silent=True)
    x, states = alpha_sigma(0)[0] * levels[0] * start, []
    for k in range(len(levels)):
        monkeypatch.setattr(torch, "randn_like", lambda x_t, k=k: noise[k])
        x = sampler.step(x, torch.tensor(k), torch.tensor(k + 1))
        states.append(x / alpha_sigma(k + 1)[0])
    monkeypatch.undo()
    return states


@pytest.mark.parametrize("preserving", [False, True], ids=["VE", "VP"])
@pytest.mark.parametrize(("eta", "azula_eta"), [(0.0, 0.0), (1.0, 1.0), (0.5, 0.25)])
@pytest.mark.parametrize("name", ["box50", "supres4x", "weights", "deblur_cut"])
def test_every_state_equals_azulas(name, eta, azula_eta, preserving, monkeypatch):
    """azula multiplies the variance by its eta, we the standard deviation: eta^2 there is eta here."""
    item = case(name)
    operator, steps = item.operator, 8
    prior = MixturePrior(item.images(6, seed=3), 0.3)
    y = operator.apply(item.images(2))
    start = item.images(2, seed=11)
    noise = torch.stack([item.images(2, seed=20 + k) for k in range(steps)])
    schedule = Karras(steps, sigma_max=20.0)
    ours = list(PGDM(schedule, eta).iterate(Problem(y, operator, 0.0), prior, FixedNoise(start, noise)))
    levels = schedule.levels(steps).tolist()
    theirs = azula_states(prior, operator, y, levels, start, noise, azula_eta, preserving, monkeypatch)
    for state, expected in zip(ours, theirs, strict=True):
        close(state.x, expected, atol=1e-6, rtol=1e-9)


# The guidance


def test_noisy_guidance_of_three_singular_values():
    operator = Diagonal(torch.tensor([[1.0, 0.5, 0.0]]), (1, 1, 3))
    y, zero = torch.ones(1, 1, 1, 3, dtype=torch.float64), torch.zeros(1, 1, 1, 3, dtype=torch.float64)
    noisy = posterior_residual(Problem(y, operator, 0.2), zero, 0.5) / 0.5
    assert noisy.flatten().tolist() == pytest.approx([1.851852, 3.030303, 0.0], abs=5e-7)
    assert posterior_residual(Problem(y, operator, 0.0), zero, 1.0).flatten().tolist() == [1.0, 2.0, 0.0]


def test_guidance_is_the_exact_gradient_for_a_standard_normal():
    prior, shape = standard((1, 1, 1)), (1, 1, 1)
    one, zero = torch.ones(1, *shape, dtype=torch.float64), torch.zeros(1, *shape, dtype=torch.float64)
    r2 = posterior_variance(1.0, "unit", 0.5)
    assert r2 == 0.5
    x0, shift = pseudo_inverse_guidance(Problem(one, Identity(shape), 0.2), prior, zero, 1.0, r2)
    assert float(x0) == 0.0
    assert float(shift) / r2 == pytest.approx(0.925926, abs=5e-7)
    assert float(shift) / r2 == pytest.approx(0.5 / 0.54, rel=1e-13)


@pytest.mark.parametrize("sigma", [0.05, 30.0])
@pytest.mark.parametrize("item", GREY, ids=lambda item: item.name)
def test_the_shifted_denoiser_is_the_posterior_mean_for_unit_variance_data(item: Case, sigma: float):
    prior, operator, matrix = standard(item.shape), item.operator, item.matrix
    y, x = item.measurements(2), sigma * item.images(2)
    r2 = posterior_variance(sigma, "unit", 0.5)
    x0, shift = pseudo_inverse_guidance(Problem(y, operator, 0.3), prior, x, sigma, r2)
    eye = torch.eye(matrix.shape[1], dtype=torch.float64)
    both = torch.cat([matrix, eye])
    noise = torch.block_diag(0.09 * torch.eye(len(matrix), dtype=torch.float64), sigma**2 * eye)
    expected, _ = gaussian_posterior(
        torch.zeros(len(eye)).double(), eye, both, torch.cat([y.flatten(1), x.flatten(1)], 1), noise
    )
    close((x0 + sigma**2 / r2 * shift).flatten(1), expected, atol=1e-9)


def test_data_of_another_spread():
    shape, spread = (1, 2, 2), 0.5
    prior = GaussianPrior(torch.zeros(shape), spread**2 * torch.eye(4, dtype=torch.float64))
    x = torch.randn(1, *shape, dtype=torch.float64, generator=torch.manual_seed(0))
    y = torch.ones(1, *shape, dtype=torch.float64)
    r2 = posterior_variance(0.7, "data", spread)
    x0, shift = pseudo_inverse_guidance(Problem(y, Identity(shape), 0.3), prior, x, 0.7, r2)
    precision = 1 / spread**2 + 1 / 0.7**2 + 1 / 0.3**2
    close(x0 + 0.7**2 / r2 * shift, (x / 0.7**2 + y / 0.3**2) / precision)


def test_rules_for_the_posterior_variance():
    assert posterior_variance(2.0, "unit", 0.5) == pytest.approx(0.8)
    assert posterior_variance(2.0, "data", 0.5) == pytest.approx(4 * 0.25 / 4.25)
    assert posterior_variance(2.0, "data", 1.0) == posterior_variance(2.0, "unit", 0.5)
    assert posterior_variance(2.0, "sigma", 0.5) == 4.0


@pytest.mark.parametrize("item", GREY, ids=lambda item: item.name)
def test_vanishing_noise_is_the_noiseless_form(item: Case):
    y, zero = item.operator.apply(item.images(2)), item.images(2, seed=4)
    exact = posterior_residual(Problem(y, item.operator, 0.0), zero, 0.5)
    close(posterior_residual(Problem(y, item.operator, 1e-8), zero, 0.5), exact, atol=1e-7)
    close(posterior_residual(Problem(y, item.operator, 0.0), zero, 7.0), exact)


@pytest.mark.parametrize("sigma_y", [0.0, 0.3])
@pytest.mark.parametrize("item", GREY, ids=lambda item: item.name)
def test_residual_equals_the_dense_one(item: Case, sigma_y: float):
    operator, matrix, y, x = item.operator, item.matrix, item.measurements(2), item.images(2)
    gram = 0.7 * matrix @ matrix.T + sigma_y**2 * torch.eye(len(matrix), dtype=torch.float64)
    inverse = torch.linalg.pinv(gram, rtol=1e-9, hermitian=True)
    expected = 0.7 * (y.flatten(1) - x.flatten(1) @ matrix.T) @ inverse @ matrix
    close(posterior_residual(Problem(y, operator, sigma_y), x, 0.7).flatten(1), expected, atol=1e-7)


# The update


def test_one_step_by_hand():
    """x' = D + k1 n + k2 (x - D) / sigma + J^T v on N(0, 1) with H = 1."""
    shape, sigma, then, eta = (1, 1, 1), 2.0, 0.5, 0.6
    y, n = torch.full((1, *shape), 0.7, dtype=torch.float64), torch.full((1, *shape), 1.3, dtype=torch.float64)
    solver = PGDM(Explicit([sigma, then], steps=2), eta)
    first, second = solver.iterate(Problem(y, Identity(shape), 0.0), standard(shape), FixedNoise(n, n[None]))
    x, k1 = sigma * 1.3, eta * then * math.sqrt(1 - then**2 / sigma**2)
    d = x / (1 + sigma**2)
    expected = d + k1 * 1.3 + math.sqrt(then**2 - k1**2) * (x - d) / sigma + (0.7 - d) / (1 + sigma**2)
    assert float(first.x) == pytest.approx(expected, rel=1e-13)
    assert float(first.estimate) == pytest.approx(d + (0.7 - d) / (1 + sigma**2), rel=1e-13)
    d = expected / (1 + then**2)
    assert (second.step, second.sigma) == (2, 0.0)
    assert float(second.x) == pytest.approx(d + (0.7 - d) / (1 + then**2), rel=1e-13)


@pytest.mark.parametrize("guidance", ["adaptive", "posterior_mean"])
def test_the_two_weights_of_the_guidance(guidance):
    shape, sigma = (1, 1, 1), 2.0
    y, n = torch.ones(1, *shape, dtype=torch.float64), torch.zeros(1, *shape, dtype=torch.float64)
    solver = PGDM(Karras(1, sigma_max=sigma), guidance=guidance)
    (state,) = solver.iterate(Problem(y, Identity(shape), 0.3), standard(shape), FixedNoise(n, n[None]))
    score = (1 / 5) / (0.8 + 0.09)  # J (r^2 + sigma_y^2)^{-1} (y - 0)
    weight = 0.8 if guidance == "adaptive" else sigma**2
    assert float(state.x) == pytest.approx(weight * score, rel=1e-13)


def test_a_linear_operator_without_a_decomposition_gives_the_same():
    item = case("box50")
    prior, y = mixture(item.shape), item.operator.apply(item.images(2))
    dense = DenseOperator(item.matrix, item.shape)
    n = torch.stack([item.images(2, seed=k) for k in range(6)])
    for sigma_y in (0.0, 0.2):
        spectral = Problem(y, item.operator, sigma_y)
        answers = [
            list(PGDM(Karras(5)).iterate(problem, prior, FixedNoise(n[5], n)))[-1].x
            for problem in (spectral, Problem(y.flatten(1), dense, sigma_y))
        ]
        close(*answers, atol=1e-8)


def test_no_noise_is_drawn_without_stochasticity():
    problem = measure(torch.zeros(1, 1, 4, 4).double(), CentralBox((1, 4, 4), 0.5), 0.1, seed=0, indices=[0])
    noise = FixedNoise(problem.y, torch.zeros(5, 1, 1, 4, 4, dtype=torch.float64))
    list(PGDM(Karras(5), eta=0.0).iterate(problem, mixture(), noise))
    assert noise.asked == []
    list(PGDM(Karras(5), eta=1.0).iterate(problem, mixture(), noise))
    assert noise.asked == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eta": -0.1}, "eta=-0.1"),
        ({"eta": 1.5}, "eta=1.5"),
        ({"eta": math.nan}, "eta=nan"),
        ({"r_rule": "best"}, "r_rule='best'"),
        ({"sigma_data": 0.0}, "sigma_data=0.0"),
        ({"guidance": "strong"}, "guidance='strong'"),
    ],
)
def test_bad_values_are_refused_by_name(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        PGDM(Karras(), **arguments)
