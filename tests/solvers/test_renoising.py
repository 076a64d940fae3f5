"""A share of the noise: an option of every solver that re-noises, which is what it was where it is left alone."""

from __future__ import annotations

import pytest
import torch

from helpers.solvers import SOLVERS, noise_of
from mapga.config.compose import compose_run, spec_of
from mapga.operators import CentralBox
from mapga.problem import measure
from mapga.schedules import Karras
from mapga.testing.exact import gaussian
from mapga.testing.noise import FixedNoise

SHAPE = (1, 4, 4)
RENOISING = [name for name in SOLVERS if name != "pinv"]


def answers(name: str, steps_noise: torch.Tensor, **arguments: float) -> list[torch.Tensor]:
    x = torch.randn(2, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(0))
    problem = measure(x, CentralBox(SHAPE, 0.5), noise_of(name), seed=0, indices=[0, 1])
    solver = SOLVERS[name](Karras(4), **arguments)
    return [state.x for state in solver.iterate(problem, gaussian(SHAPE)[0], FixedNoise(x, steps_noise))]


@pytest.mark.parametrize("name", RENOISING)
def test_a_share_multiplies_the_fresh_noise_and_nothing_else(name: str):
    """All the noise, of less noise, is a share of the noise."""
    n = torch.randn(9, 2, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(1))
    for one, other in zip(answers(name, n, noise_share=0.3), answers(name, 0.3 * n, noise_share=1.0), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    assert not torch.equal(answers(name, n, noise_share=0.3)[0], answers(name, n, noise_share=1.0)[0])


@pytest.mark.parametrize("name", [name for name in RENOISING if "map_gn" not in name])
def test_the_default_is_the_papers_to_the_bit(name: str):
    n = torch.randn(9, 2, *SHAPE, dtype=torch.float64, generator=torch.manual_seed(1))
    assert all(map(torch.equal, answers(name, n), answers(name, n, noise_share=1.0)))


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
@pytest.mark.parametrize("name", RENOISING)
def test_a_share_that_is_none_is_refused_by_name(name: str, share: float):
    with pytest.raises(ValueError, match=f"solver.noise_share={share}: a share of a level's noise, from 0 to 1"):
        SOLVERS[name](Karras(4), noise_share=share)


def test_an_id_knows_of_another_share_only():
    plain, same, other = (
        spec_of(compose_run(["solver=pgdm", *more])).run_id
        for more in ([], ["+solver.noise_share=1"], ["+solver.noise_share=0.4"])
    )
    assert plain == same != other
