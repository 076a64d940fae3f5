"""What each solver can serve, and the reasons it gives where it cannot."""

from __future__ import annotations

import pytest
import torch

from helpers.operators import DenseOperator, Squared, case
from helpers.solvers import NEEDS, SOLVERS, SOME_NOISE, noise_of
from mapga.card import Needs, SolverCard
from mapga.operators import CentralBox, Operator
from mapga.priors import Prior
from mapga.schedules import Explicit, Karras
from mapga.solvers import MAPGA, MAPGAPGDM, PseudoInverse
from mapga.testing.exact import CountingPrior

SHAPE = (1, 4, 4)

every_solver = pytest.mark.parametrize("name", SOLVERS)


def lacking(**attributes) -> Prior:
    prior = CountingPrior(SHAPE)
    for key, value in attributes.items():
        setattr(prior, key, value)
    return prior


WHOLE = lacking()
MASK = CentralBox(SHAPE, 0.5)
DENSE = DenseOperator(torch.eye(16, dtype=torch.float64), SHAPE)


def reason(name: str, operator: Operator = MASK, sigma_y: float | None = None, prior: Prior = WHOLE) -> str | None:
    return SOLVERS[name](Karras(5)).supports(operator, noise_of(name) if sigma_y is None else sigma_y, prior)


@every_solver
def test_what_it_can_serve_it_says_so(name: str):
    assert reason(name) is None
    assert reason(name, case("deblur").operator) is None


@every_solver
def test_noise_it_cannot_serve(name: str):
    assert (reason(name, sigma_y=0.0) is None) == (NEEDS[name].noise != "some")
    assert (reason(name, sigma_y=SOME_NOISE) is None) == (NEEDS[name].noise != "none")


@every_solver
def test_an_operator_it_cannot_serve(name: str):
    rung = NEEDS[name].operator
    for operator, served in ((Squared(SHAPE), rung == "any"), (DENSE, rung != "spectral")):
        why = reason(name, operator)
        assert (why is None) == served
        assert why is None or type(operator).__name__ in why
        assert why is None or rung != "spectral" or "SVD" in why


@every_solver
def test_a_prior_without_a_denoiser(name: str):
    why = reason(name, prior=lacking(has_denoiser=False))
    assert (why is not None) == NEEDS[name].denoiser
    assert why is None or "denoiser" in why


@every_solver
def test_a_prior_without_a_consistency_model(name: str):
    why = reason(name, prior=lacking(has_consistency=False))
    assert (why is not None) == NEEDS[name].consistency
    assert why is None or "consistency model" in why


@every_solver
def test_a_schedule_that_starts_above_the_prior(name: str):
    why = reason(name, prior=lacking(sigma_max=50.0))
    assert (why is not None) == (NEEDS[name].denoiser or NEEDS[name].consistency)
    assert why is None or ("sigma=80" in why and "sigma_max=50" in why and "lower schedule.sigma_max" in why)


@every_solver
def test_a_schedule_that_ends_below_the_consistency_model(name: str):
    why = reason(name, prior=lacking(sigma_min=0.01))
    assert (why is not None) == NEEDS[name].consistency
    assert why is None or ("sigma=0.002" in why and "sigma_min=0.01" in why)


class Choosy(PseudoInverse):
    """A solver whose card is the test's."""

    def __init__(self, needs: Needs) -> None:
        super().__init__(Karras(5))
        self.card = SolverCard(needs=lambda a, steps: needs)


@pytest.mark.parametrize(
    ("needs", "sigma_y", "message"),
    [
        (Needs(noise="some"), 0.0, "it needs noisy measurements, and sigma_y = 0"),
        (Needs(noise="none"), 0.3, "it needs noiseless measurements, and sigma_y = 0.3"),
        (Needs(noise="any"), 0.0, None),
        (Needs(noise="some"), 0.3, None),
        (Needs(noise="none"), 0.0, None),
    ],
)
def test_noise_that_a_card_rules_out(needs: Needs, sigma_y: float, message: str | None):
    assert Choosy(needs).supports(MASK, sigma_y, WHOLE) == message


def test_a_card_that_needs_no_linear_operator():
    assert Choosy(Needs(operator="any")).supports(Squared(SHAPE), 0.0, WHOLE) is None


@pytest.mark.parametrize("sigma_y", [0.0, 0.002, 80.0, 100.0])
def test_map_ga_pgdm_needs_noise_within_its_schedule(sigma_y: float):
    why = reason("map_ga_pgdm", sigma_y=sigma_y)
    assert f"sigma_y = {sigma_y:g}" in why and "0.002 < sigma_y < 80" in why


def test_map_ga_pgdm_says_beforehand_that_it_cannot_stretch_explicit_levels():
    why = MAPGAPGDM(Explicit([5.0, 1.0, 0.002])).supports(MASK, SOME_NOISE, WHOLE)
    assert why is not None and "explicit" in why


def test_map_ga_pgdm_refuses_bad_values_by_name():
    for arguments, message in (
        ({"pgdm_steps": 0}, "pgdm_steps=0"),
        ({"num_iter": 0}, "num_iter=0"),
        ({"r_rule": "best"}, "r_rule='best'"),
        ({"sigma_data": -1.0}, "sigma_data=-1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            MAPGAPGDM(Karras(), **arguments)


def test_too_many_levels_for_a_schedule_are_said_beforehand():
    why = MAPGA(Explicit([5.0, 1.0, 0.002], steps=7)).supports(MASK, SOME_NOISE, WHOLE)
    assert why is not None and "3 values" in why
