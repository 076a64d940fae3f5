"""MAP-GA: its gradient against finite differences, its end against the closed-form MAP, Algorithm 2 by hand."""

from __future__ import annotations

import math
import warnings

import pytest
import torch

from helpers.operators import DenseOperator, case
from mapga.operators import (
    BlockMean,
    CentralBox,
    Diagonal,
    Gamma,
    Identity,
    PhaseRetrieval,
    Quantization,
    Saturation,
    SeparableBlur,
)
from mapga.priors import GaussianPrior, MixturePrior
from mapga.problem import Problem, measure
from mapga.schedules import Explicit, Karras
from mapga.solvers import MAPGA
from mapga.solvers.steps import vjp
from mapga.testing.exact import CountingPrior, gaussian, gaussian_posterior, mixture, standard
from mapga.testing.noise import FixedNoise, ZeroNoise

SHAPE = (1, 4, 4)
OPERATORS = {
    "mask": CentralBox(SHAPE, 0.5),
    "block mean": BlockMean(SHAPE, 2),
    "blur": SeparableBlur(SHAPE, 3, singular_cut=0.2),
}
PRIORS = {"gaussian": gaussian(SHAPE)[0], "mixture": mixture(SHAPE)}


def images(batch: int, seed: int = 0, shape=SHAPE) -> torch.Tensor:
    return torch.randn(batch, *shape, dtype=torch.float64, generator=torch.manual_seed(seed))


def dense(operator) -> torch.Tensor:
    return operator.apply(torch.eye(16, dtype=torch.float64).reshape(16, *SHAPE)).reshape(16, -1).T


def log_posterior(problem: Problem, prior, x: torch.Tensor, use_prior: bool) -> torch.Tensor:
    """log N(y; A x, sigma_y^2 I + sigma_eps^2 A A^T) (+ log p(x)) up to constants, on A's range, densely."""
    matrix, variance = dense(problem.operator), prior.sigma_min**2
    noise = problem.sigma_y**2 * torch.eye(len(matrix), dtype=torch.float64)
    precision = torch.linalg.pinv(noise + variance * matrix @ matrix.T, rtol=1e-9, hermitian=True)
    residual = problem.y.flatten(1) - x.flatten(1) @ matrix.T
    value = -0.5 * ((residual @ precision) * residual).sum(1)
    return value + prior.log_density(x, prior.sigma_min) if use_prior else value


def central_differences(function, z: torch.Tensor, h: float = 1e-4) -> torch.Tensor:
    """Fourth-order central differences of a per-image function, (B, C, H, W)."""
    out = torch.zeros_like(z)
    for i in range(z[0].numel()):
        step = torch.zeros(z[0].numel(), dtype=z.dtype)
        step[i] = h
        step = step.reshape(z.shape[1:])
        near = function(z + step) - function(z - step)
        far = function(z + 2 * step) - function(z - 2 * step)
        out.flatten(1)[:, i] = (8 * near - far) / (12 * h)
    return out


@pytest.mark.parametrize("sigma_y", [0.2, 0.01, 0.0])
@pytest.mark.parametrize("use_prior", [True, False], ids=["prior", "NP"])
@pytest.mark.parametrize("consistency", [True, False], ids=["C", "D"])
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("prior", PRIORS)
def test_ascent_is_the_gradient_of_the_log_posterior(prior, operator, consistency, use_prior, sigma_y):
    prior = PRIORS[prior]
    problem = measure(images(2), OPERATORS[operator], sigma_y, seed=0, indices=[0, 1])
    solver = MAPGA(Karras(), consistency=consistency, use_prior=use_prior, learning_rate=1.0)
    z, t = images(2, seed=3), 0.6
    ascent = solver.ascent(problem, prior, z, t)
    expected = central_differences(
        lambda latent: log_posterior(problem, prior, solver.image(prior, latent, t), use_prior), z
    )
    assert float((ascent - expected).abs().max()) < 1e-6 * float(expected.abs().max())


@pytest.mark.parametrize("use_prior", [True, False], ids=["prior", "NP"])
@pytest.mark.parametrize(
    "operator", [Saturation(SHAPE), PhaseRetrieval(SHAPE), Gamma(SHAPE)], ids=lambda a: type(a).__name__
)
def test_ascent_of_an_operator_that_is_not_linear_is_the_gradient_of_its_own_likelihood(operator, use_prior):
    """Of N(A(x), (sigma_y^2 + sigma_eps^2) I), through C."""
    problem, prior = measure(images(2), operator, 0.2, seed=0, indices=[0, 1]), PRIORS["mixture"]
    solver = MAPGA(Karras(), use_prior=use_prior, learning_rate=1.0)
    z, t = images(2, seed=3), 0.6

    def objective(latent: torch.Tensor) -> torch.Tensor:
        x = prior.consistency(latent, t)
        fit = -0.5 * (problem.y - operator.apply(x)).square().flatten(1).sum(1) / (0.2**2 + prior.sigma_min**2)
        return fit + prior.log_density(x, prior.sigma_min) if use_prior else fit

    expected = central_differences(objective, z)
    assert float((solver.ascent(problem, prior, z, t) - expected).abs().max()) < 1e-6 * float(expected.abs().max())


def test_what_is_straight_through_is_followed_to_the_measurement():
    """Two grey levels of a Gaussian image: an ascent without a derivative of A would stay where it starts."""
    problem = measure(images(2).clamp(-1, 1), Quantization(SHAPE, bits=1), 0.0, seed=0, indices=[0, 1])
    x = list(MAPGA(Karras(20), 10, use_prior=False).iterate(problem, standard(SHAPE), ZeroNoise(problem.y)))[-1].x
    assert float((problem.operator.apply(x) == problem.y).double().mean()) > 0.95


def test_the_default_rate_is_the_papers():
    problem = measure(images(1), OPERATORS["mask"], 0.2, seed=0, indices=[0])
    z, prior = images(1, seed=3), PRIORS["gaussian"]
    unit = MAPGA(Karras(), learning_rate=1.0).ascent(problem, prior, z, 0.6)
    default = MAPGA(Karras()).ascent(problem, prior, z, 0.6)
    torch.testing.assert_close(default, (0.2**2 + 0.002**2) * unit, rtol=1e-10, atol=0)


@pytest.mark.parametrize("t", [0.01, 0.5, 3.0, 80.0])
@pytest.mark.parametrize("growth", [0.0, 0.3, 1.0])
def test_how_much_of_the_residual_a_step_takes_away(t, growth):
    """Of Gaussian data with s = 0.5, by C: s^2 / (s^2 + t^2) of it in the paper, all of it with growth 1."""
    prior = GaussianPrior(torch.zeros(SHAPE, dtype=torch.float64), 0.25 * torch.eye(16, dtype=torch.float64))
    problem = Problem(images(2), Identity(SHAPE), 0.0)
    z = t * images(2, seed=1)
    solver = MAPGA(Karras(), use_prior=False, learning_rate_growth=growth)
    before, after = (problem.y - prior.consistency(at, t) for at in (z, z + solver.ascent(problem, prior, z, t)))
    part = (0.25 + prior.sigma_min**2) / (0.25 + t**2) * (1 + growth * (t / 0.5) ** 2)
    assert torch.allclose(after, (1 - part) * before, rtol=1e-9, atol=1e-12)


def test_without_noise_the_default_step_is_the_pseudo_inverse_residual_through_the_jacobian():
    problem = measure(images(1), OPERATORS["block mean"], 0.0, seed=0, indices=[0])
    z, prior = images(1, seed=3), PRIORS["gaussian"]
    found = MAPGA(Karras(), use_prior=False).ascent(problem, prior, z, 0.6)
    operator = problem.operator
    image, expected = vjp(
        lambda latent: prior.consistency(latent, 0.6), z, lambda x: operator.pinv(problem.y - operator.apply(x))
    )
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(image, prior.consistency(z, 0.6))


def test_single_precision_survives_the_tiny_variance():
    """lambda g is formed without ever holding 1 / sigma_eps^2 times a residual."""
    problem = measure(images(2), OPERATORS["block mean"], 0.0, seed=0, indices=[0, 1])
    z, solver = images(2, seed=3), MAPGA(Karras())
    exact = solver.ascent(problem, PRIORS["gaussian"], z, 0.6)
    low = solver.ascent(
        Problem(problem.y.float(), problem.operator.to("cpu", torch.float32), 0.0),
        PRIORS["gaussian"].to("cpu", torch.float32),
        z.float(),
        0.6,
    )
    torch.testing.assert_close(low.double(), exact, rtol=0, atol=2e-6)


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_step_in_the_operators_scale_is_all_that_is_missing(operator):
    """Of Gaussian data with s = 0.5, by C, with growth 1: the image becomes the mean of x_0 ~ N(x, r_t^2 I) given y."""
    prior = GaussianPrior(torch.zeros(SHAPE, dtype=torch.float64), 0.25 * torch.eye(16, dtype=torch.float64))
    problem = measure(images(2), OPERATORS[operator], 0.2, seed=0, indices=[0, 1])
    t, z, eye = 1.5, 1.5 * images(2, seed=1), torch.eye(16, dtype=torch.float64)
    solver = MAPGA(Karras(), use_prior=False, learning_rate_growth=1.0, step_scale="operator")
    found = prior.consistency(z + solver.ascent(problem, prior, z, t), t).flatten(1)
    matrix, x = dense(OPERATORS[operator]), prior.consistency(z, t).flatten(1)
    rest, r2 = problem.y.flatten(1) - x @ matrix.T, t**2 * 0.25 / (t**2 + 0.25)
    zero, noise = torch.zeros(16, dtype=torch.float64), 0.04 * torch.eye(len(matrix), dtype=torch.float64)
    shift, _ = gaussian_posterior(zero, r2 * eye, matrix, rest, noise)
    torch.testing.assert_close(found, x + shift, rtol=0, atol=1e-4)


def test_without_noise_the_operators_scale_is_the_papers():
    problem, z = measure(images(1), OPERATORS["block mean"], 0.0, seed=0, indices=[0]), images(1, seed=3)
    paper, operators = (
        MAPGA(Karras(), use_prior=False, step_scale=scale).ascent(problem, PRIORS["gaussian"], z, 0.6)
        for scale in ("paper", "operator")
    )
    torch.testing.assert_close(paper, operators, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("sigma_y", "weight"), [(0.0, 1.0), (0.05, 626.0)])
def test_the_prior_terms_weight_is_the_papers_or_capped(sigma_y, weight):
    """The difference that the prior term makes to a step is w J^T (D(x, sigma_eps) - x), by the formula."""
    problem = measure(images(1), OPERATORS["mask"], sigma_y, seed=0, indices=[0])
    z, prior = images(1, seed=3), PRIORS["gaussian"]
    steps = {
        name: MAPGA(Karras(), **arguments).ascent(problem, prior, z, 0.6)
        for name, arguments in (("paper", {}), ("capped", {"prior_weight": "capped"}), ("none", {"use_prior": False}))
    }
    term = vjp(lambda latent: prior.consistency(latent, 0.6), z, lambda x: prior.denoise(x, prior.sigma_min) - x)[1]
    torch.testing.assert_close(steps["paper"] - steps["none"], weight * term, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(steps["capped"] - steps["none"], term, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("t", "level"), [(0.6, 0.6), (0.1, 0.3)])
def test_the_annealed_prior_is_that_of_the_level_down_to_the_steps_length(t, level):
    """The term is lambda J^T grad log p_level(x): lambda = 0.09 is 0.3 squared."""
    problem = measure(images(1), OPERATORS["mask"], 0.2, seed=0, indices=[0])
    z, prior = images(1, seed=3), PRIORS["gaussian"]
    annealed, none = (
        MAPGA(Karras(), learning_rate=0.09, **arguments).ascent(problem, prior, z, t)
        for arguments in ({"prior_weight": "annealed"}, {"use_prior": False})
    )
    term = vjp(lambda latent: prior.consistency(latent, t), z, lambda x: prior.denoise(x, level) - x)[1]
    torch.testing.assert_close(annealed - none, 0.09 / level**2 * term, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("sigma_y", [0.15, 0.25])
def test_a_step_longer_than_an_exact_prior_is_wide_diverges_and_is_cautioned(sigma_y):
    """Where y is seen a step takes 1 + lambda / s^2 of what is missing: more than twice it beyond lambda = s^2."""
    prior = MixturePrior(torch.zeros(1, *SHAPE), 0.2, ode_steps=8)
    problem = measure(prior.sample([0, 1], seed=0), OPERATORS["mask"], sigma_y, seed=0, indices=[0, 1])
    paper, annealed = (MAPGA(Karras(30), prior_weight=weight) for weight in ("paper", "annealed"))
    said, wide = paper.caution(sigma_y, prior), sigma_y > 0.2
    assert (said is not None) == wide and annealed.caution(sigma_y, prior) is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert (float(paper.restore(problem, prior).abs().max()) > 2) == wide
    assert float(annealed.restore(problem, prior).abs().max()) < 2


def test_a_network_and_noise_are_cautioned_and_what_cannot_diverge_is_not():
    network = CountingPrior(SHAPE)
    network.sigma_max = 80.0  # finite, as of all that is trained
    said = MAPGA(Karras()).caution(0.05, network)
    assert "by 626 at sigma_y = 0.05" in said and "map_ga_capped" in said
    assert MAPGA(Karras()).caution(0.0, network) is None and MAPGA(Karras()).caution(0.05, PRIORS["gaussian"]) is None
    for arguments in ({"use_prior": False}, {"prior_weight": "capped"}, {"learning_rate": 4e-6}):
        assert MAPGA(Karras(), **arguments).caution(0.05, network) is None


# The maximum


def test_two_pixels_reach_the_map():
    """N(0, I), first coordinate seen with sigma_y = 0.5, y = 1: (0.8, 0)."""
    shape = (1, 1, 2)
    operator = Diagonal(torch.tensor([[1.0, 0.0]]), shape)
    problem = Problem(torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, *shape), operator, 0.5)
    noise = FixedNoise(*(torch.full(s, 0.7, dtype=torch.float64) for s in ((1, *shape), (9, 1, *shape))))
    state = list(MAPGA(Explicit([2.0, 1.0, 0.3, 0.002]), num_iter=200).iterate(problem, standard(shape), noise))[-1]
    e = 0.002**2
    exact = (1 / (0.25 + e)) / (1 / (0.25 + e) + 1 / (1 + e))  # both laws are widened by sigma_eps
    assert state.x.flatten().tolist() == pytest.approx([exact, 0.0], abs=1e-10)
    assert state.x.flatten().tolist() == pytest.approx([0.8, 0.0], abs=2e-6)


@pytest.mark.parametrize("consistency", [True, False], ids=["C", "D"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_gaussian_prior_reaches_the_closed_form_map(operator: str, consistency: bool):
    prior, mean, covariance = gaussian(SHAPE)
    problem = measure(images(3), OPERATORS[operator], 0.4, seed=0, indices=[0, 1, 2])
    matrix, e = dense(problem.operator), prior.sigma_min**2
    noise = 0.16 * torch.eye(len(matrix), dtype=torch.float64) + e * matrix @ matrix.T
    expected, _ = gaussian_posterior(
        mean, covariance + e * torch.eye(16, dtype=torch.float64), matrix, problem.y.flatten(1), noise
    )
    solver = MAPGA(Explicit([1.0, 0.4, 0.002]), num_iter=600, consistency=consistency)
    n = images(3, seed=5)
    answer = list(solver.iterate(problem, prior, FixedNoise(n, n.expand(3, *n.shape))))[-1].x.flatten(1)
    torch.testing.assert_close(answer, expected, rtol=0, atol=1e-8)


def test_without_the_prior_term_it_fits_y():
    problem = measure(images(2), OPERATORS["block mean"], 0.0, seed=0, indices=[0, 1])
    solver = MAPGA(Explicit([0.5, 0.1, 0.002]), num_iter=300, use_prior=False)
    n = images(2, seed=5)
    answer = list(solver.iterate(problem, PRIORS["gaussian"], FixedNoise(n, n.expand(3, *n.shape))))[-1].x
    torch.testing.assert_close(problem.operator.apply(answer), problem.y, rtol=0, atol=1e-8)


# Algorithm 2 by hand


@pytest.mark.parametrize("use_prior", [True, False])
def test_algorithm_2_by_hand(use_prior: bool):
    """One pixel, N(0, 1), H = 1, two levels, two iterations, written out."""
    shape, y, sigma_y, e = (1, 1, 1), 0.9, 0.3, 0.002**2
    levels, noise = [3.0, 1.0, 0.002], [0.5, -1.1]
    z, images = 3.0 * noise[0], []
    for t, then in ((3.0, 1.0), (1.0, 0.002)):
        slope = math.sqrt((1 + e) / (1 + t**2))
        for _ in range(2):
            x = slope * z
            g = (y - x) / (sigma_y**2 + e) - (x / (1 + e) if use_prior else 0.0)
            z += (sigma_y**2 + e) * slope * g
        images.append(slope * z)
        z = images[-1] + (math.sqrt(then**2 - e) * noise[1] if then > 0.002 else 0.0)
    n = torch.tensor(noise, dtype=torch.float64).reshape(2, 1, *shape)
    problem = Problem(torch.full((1, *shape), y, dtype=torch.float64), Identity(shape), sigma_y)
    states = list(
        MAPGA(Explicit(levels), num_iter=2, use_prior=use_prior).iterate(
            problem, standard(shape), FixedNoise(n[0], n[1:])
        )
    )
    assert [(state.step, state.sigma) for state in states] == [(1, 1.0), (2, 0.002)]
    assert float(states[-1].x) == pytest.approx(z, rel=1e-12)
    assert [float(state.estimate) for state in states] == pytest.approx(images, rel=1e-12)


def test_the_last_step_adds_no_noise():
    problem = measure(images(1), OPERATORS["mask"], 0.2, seed=0, indices=[0])
    noise = FixedNoise(images(1), torch.zeros(4, 1, *SHAPE, dtype=torch.float64))
    list(MAPGA(Karras(4)).iterate(problem, PRIORS["gaussian"], noise))
    assert noise.asked == [0, 1, 2]


def test_a_linear_operator_without_a_decomposition_gives_the_same():
    item = case("box25")
    prior = GaussianPrior(torch.zeros(item.shape), torch.eye(64, dtype=torch.float64))
    y, zero = item.operator.apply(item.images(1)), ZeroNoise(item.images(1))
    problems = [Problem(y, item.operator, 0.3), Problem(y.flatten(1), DenseOperator(item.matrix, item.shape), 0.3)]
    answers = [list(MAPGA(Karras(4), 3).iterate(problem, prior, zero))[-1].x for problem in problems]
    torch.testing.assert_close(*answers, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_iter": 0}, "num_iter=0"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"learning_rate_growth": -0.1}, "learning_rate_growth=-0.1"),
        ({"learning_rate_growth": math.inf}, "learning_rate_growth=inf"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
        ({"learning_rate": math.inf}, "learning_rate=inf"),
        ({"learning_rate": math.nan}, "learning_rate=nan"),
        ({"step_scale": "operator"}, "step_scale='operator' leaves no room for a prior term"),
        ({"step_scale": "operator", "use_prior": False, "learning_rate": 0.1}, "step_scale='operator'"),
    ],
)
def test_bad_values_are_refused_by_name(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        MAPGA(Karras(), **arguments)
