"""The ways to move z at a level: on Gaussian data, where the curvature is none, as parts of a run."""

from __future__ import annotations

import math

import pytest
import torch
import yaml

from mapga.catalogue import kinds
from mapga.config.compose import compose_run, spec_of
from mapga.config.files import conf_dir, options
from mapga.errors import ConfigError
from mapga.node import SCHEDULE, SOLVER
from mapga.operators import BlockMean, CentralBox, SeparableBlur
from mapga.priors import GaussianPrior, Prior
from mapga.priors.wrapped import WrappedPrior
from mapga.problem import Problem, measure
from mapga.schedules import Karras
from mapga.solvers import MAPGA
from mapga.solvers.ascents import (
    Anderson,
    ConjugateGradients,
    GaussNewton,
    Level,
    LineSearch,
    Normalised,
    Step,
)
from mapga.testing import solvers
from mapga.testing.algebra import dense_matrix
from mapga.testing.exact import gaussian, gaussian_posterior, mixture

SHAPE, S, T = (1, 4, 4), 0.5, 0.8
OPERATORS = {
    "mask": CentralBox(SHAPE, 0.5),
    "block mean": BlockMean(SHAPE, 2),
    "blur": SeparableBlur(SHAPE, 3, singular_cut=0.2),
}
WHOLE = {  # those that correct Gaussian data of spread s wholly in one step
    "gauss_newton": GaussNewton(1.0),
    "line_search": LineSearch(),
    "conjugate_gradients": ConjugateGradients(16, damping=0.0),
    "anderson": Anderson(rate=1 + T**2 / S**2),
}
every_step = pytest.mark.parametrize("name", options("step"))


def images(batch: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(batch, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(seed))


def made(name: str, **arguments: float) -> Step:
    node = yaml.safe_load((conf_dir() / "step" / f"{name}.yaml").read_text())
    del node["defaults"]  # the solver that takes steps
    make = kinds("mapga.solvers.ascents", "Step")[node.pop("_target_").rpartition(".")[2]]
    return make(**{key: value for key, value in node.items() if key != "title"} | arguments)


def level(problem: Problem, prior: Prior, *, consistency: bool = False, discrepancy: float | None = None) -> Level:
    gain = S**2 / (S**2 + T**2)
    return Level(
        problem,
        lambda z: prior.consistency(z, T) if consistency else prior.denoise(z, T),
        T,
        math.sqrt(gain) if consistency else gain,
        T**2 * gain,
        discrepancy,
    )


def isotropic() -> GaussianPrior:
    return GaussianPrior(torch.zeros(SHAPE, dtype=torch.float64), S**2 * torch.eye(16, dtype=torch.float64))


def rest(at: Level, z: torch.Tensor) -> torch.Tensor:
    """|y - A x(z)| of each image, as y weighs it."""
    r, m, _ = at.correction(at.image(z))
    return (r * m).flatten(1).sum(1).sqrt()


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_step_leads_gaussian_data_to_the_mean_given_y(name, operator, sigma_y):
    """x(z) becomes the mean of x_0 ~ N(x, r_t^2 I) given y."""
    problem, z = measure(images(2), OPERATORS[operator], sigma_y, seed=0, indices=[0, 1]), images(2, seed=1)
    at = level(problem, isotropic())
    x, eye = at.image(z).flatten(1), torch.eye(16, dtype=torch.float64)
    matrix = dense_matrix(problem.operator.apply, SHAPE, dtype=torch.float64)
    noise = max(sigma_y, 1e-6) ** 2 * torch.eye(len(matrix), dtype=torch.float64)
    y = problem.y.flatten(1)
    shift, _ = gaussian_posterior(torch.zeros(16).double(), at.variance * eye, matrix, y - x @ matrix.T, noise)
    found = at.image(WHOLE[name].climb(at, z, 1)).flatten(1)
    torch.testing.assert_close(found, x + shift, rtol=0, atol=1e-6)


@pytest.mark.parametrize("consistency", [False, True], ids=["D", "C"])
@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@every_step
def test_steps_lead_towards_the_measurement(name, sigma_y, consistency):
    prior = gaussian(SHAPE)[0]
    problem, z = measure(images(2), OPERATORS["block mean"], sigma_y, seed=0, indices=[0, 1]), images(2, seed=1)
    at, step = level(problem, prior, consistency=consistency), made(name, rate=0.1)
    before, after, later = (rest(at, step.climb(at, z, k) if k else z) for k in (0, 2, 10))
    assert (after < before).all() and (later < after).all()


def test_what_anderson_knows_of_steps_before_saves_steps():
    problem, z = measure(images(2), OPERATORS["mask"], 0.2, seed=0, indices=[0, 1]), images(2, seed=1)
    at = level(problem, gaussian(SHAPE, high=4.0)[0])
    plain = z
    for _ in range(16):
        look = at.look(plain)
        plain = plain + 0.3 / at.gain * look.transposed(look.p)
    assert (rest(at, made("anderson").climb(at, z, 16)) < 0.5 * rest(at, plain)).all()


class Bent(WrappedPrior):
    """The same answers with a derivative of the other sign: no covariance."""

    def denoise(self, x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
        value = self.prior.denoise(x, sigma)
        return 2 * value.detach() - value


@pytest.mark.parametrize("sigma_y", [0.0, 0.2])
@every_step
def test_a_derivative_that_is_no_covariance_ends_in_numbers(name, sigma_y):
    problem, z = measure(images(2), OPERATORS["blur"], sigma_y, seed=0, indices=[0, 1]), images(2, seed=1)
    assert made(name).climb(level(problem, Bent(mixture(SHAPE))), z, 4).isfinite().all()


def test_conjugate_gradients_stay_where_the_curvature_is_negative_at_once():
    problem, z = measure(images(2), OPERATORS["mask"], 0.0, seed=0, indices=[0, 1]), images(2, seed=1)
    assert torch.equal(ConjugateGradients(3, damping=0.0).climb(level(problem, Bent(isotropic())), z, 1), z)


@every_step
def test_an_image_with_nothing_to_correct_stays_where_it_is(name):
    """Without a residual there is no 0 / 0; within the noise there is no step, and the other image takes its own."""
    prior, z = gaussian(SHAPE)[0], images(2, seed=1)
    fits = OPERATORS["mask"].apply(prior.denoise(z, T))
    for y, sigma_y, bound in ((fits, 0.0, None), (fits + 0.01, 0.2, 1.0)):
        y = torch.cat([y[:1], 9 + y[1:]])
        at = level(Problem(y, OPERATORS["mask"], sigma_y), prior, discrepancy=bound)
        moved = made(name).climb(at, z, 3)
        assert torch.equal(moved[0], z[0]) and not torch.equal(moved[1], z[1])
    unbound = made(name).climb(level(Problem(y, OPERATORS["mask"], sigma_y), prior), z, 3)
    assert not torch.equal(unbound[0], z[0]) and torch.equal(unbound[1], moved[1])


def test_a_normalised_step_has_the_corrections_length():
    problem, z = measure(images(2), OPERATORS["mask"], 0.2, seed=0, indices=[0, 1]), images(2, seed=1)
    at = level(problem, gaussian(SHAPE)[0])
    p = at.look(z).p.flatten(1).norm(dim=1)
    moved = (Normalised(0.7).climb(at, z, 1) - z).flatten(1).norm(dim=1)
    torch.testing.assert_close(moved, 0.7 * math.sqrt(1 + T**2 / S**2) * p)


CHECKS = [solvers.batch_independence, solvers.nan_isolation, solvers.pickling, solvers.counted_passes, solvers.states]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@every_step
def test_map_ga_with_it_is_what_the_suite_takes_for_granted(name, check):
    check(MAPGA(Karras(3), 2, consistency=name == "normalised", use_prior=False, step=made(name)))


# As a part of a run


@every_step
def test_a_run_has_it_by_name_and_its_passes_are_counted(name):
    spec = spec_of(compose_run(["solver=map_ga_d_np", f"step={name}", "num_iter=2", "schedule.steps=3"]))
    solver = spec.node(SOLVER).build({"schedule": spec.node(SCHEDULE).build()})
    each = {"gauss_newton": 1, "conjugate_gradients": 4}.get(name, 2)
    assert spec.passes == 3 * (2 * each + 1) == solver.card.passes(solver, 3)
    assert type(solver.step) is type(made(name)) and solver.card.needs(solver, 3).vjp == (name != "gauss_newton")
    assert spec.run_id != spec_of(compose_run(["solver=map_ga_d_np", "num_iter=2", "schedule.steps=3"])).run_id


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["solver=pgdm", "step=line_search"], "unknown key 'solver.step'"),
        (["solver=map_ga_d_np", "step=line_search", "solver.step.rate=0"], "solver.step.rate=0"),
        (["solver=map_ga_d", "step=line_search"], "without the prior term"),
        (["solver=map_ga_d_np", "step=line_search", "+solver.learning_rate_growth=0.3"], "without lambda"),
        (["solver=map_ga_d_np", "+solver.discrepancy=1"], "beside a solver.step"),
        (["solver=map_ga_d_np", "step=conjugate_gradients", "solver.step.steps=0"], "solver.step.steps=0"),
        (["solver=map_ga_d_np", "step=conjugate_gradients", "solver.step.damping=-1"], "solver.step.damping=-1"),
        (["solver=map_ga_d_np", "step=anderson", "solver.step.memory=0"], "solver.step.memory=0"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(overrides, said):
    with pytest.raises(ConfigError, match=said):
        spec = spec_of(compose_run(overrides))
        spec.node(SOLVER).build({"schedule": spec.node(SCHEDULE).build()})
