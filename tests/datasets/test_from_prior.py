"""Truths drawn from a prior: which prior, what rounding costs, and what 8 bits cannot hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mapga.config.compose import compose_run, spec_of
from mapga.errors import ConfigError
from mapga.pixels import from_uint8
from mapga.run.assemble import make_dataset, make_prior
from mapga.spec import RunSpec


def spec(*overrides: str) -> RunSpec:
    return spec_of(compose_run(["dataset=from_prior", "prior.components=4", *overrides]))


def test_they_are_draws_of_the_runs_own_prior_but_for_rounding():
    run = spec("dataset.limit=5", "dataset.skip=3", "dataset.seed=9")
    data = make_dataset(run)
    prior = make_prior(run, data)
    assert [data[k].index for k in range(len(data))] == [3, 4, 5, 6, 7]
    stored = from_uint8(np.stack([data[k].image for k in range(5)]))
    error = stored - prior.sample(range(3, 8), seed=9)
    assert float(error.abs().max()) <= 1 / 255 + 1e-9
    assert float(error.std()) == pytest.approx(2 / 255 / math.sqrt(12), rel=0.03)


def test_another_prior_is_another_problem():
    usual, wider, seeded = spec(), spec("prior.std=0.25"), spec("dataset.seed=1")
    assert len({run.problem_id for run in (usual, wider, seeded)}) == 3
    assert spec("solver=pgdm").problem_id == usual.problem_id
    assert usual.images == 64 and spec("mode=smoke").images == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["prior.contrast=1"], r"dataset\.prior: 4.* of the values it draws lie beyond .*lower prior\.contrast"),
        (["prior=none"], "NoPrior has no exact samples; choose an exact prior"),
        (["dataset.limit=20000"], r"dataset\.limit=20000: choose 1\.\.10000"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(overrides: list[str], message: str):
    with pytest.raises(ConfigError, match=message):
        make_dataset(spec_of(compose_run(["dataset=from_prior", *overrides])))


def test_a_part_is_checked_as_any_component():
    with pytest.raises(ConfigError, match=r"unknown key 'dataset\.base\.limitt'; did you mean 'limit'"):
        spec("+dataset.base.limitt=1")
    with pytest.raises(ConfigError, match=r"dataset\.base\._target_.* is not one of ours"):
        spec("dataset.base._target_=os.system")


def test_truths_of_one_prior_may_be_restored_with_another():
    own = "dataset.prior={_target_: mapga.priors.MixturePrior.from_images, std: 0.2, components: 3, contrast: 0.1}"
    run = spec_of(compose_run(["dataset=from_prior", own, "prior=gaussian"]))
    data = make_dataset(run)
    assert len(data.prior.means) == 3 and type(make_prior(run, data)).__name__ == "GaussianPrior"


def test_patches_are_drawn_pale():
    vivid, pale = (
        ["dataset=from_prior", "prior=patches"],
        ["dataset=from_prior", "prior=patches", "+prior.contrast=0.4"],
    )
    with pytest.raises(ConfigError, match=r"lower prior\.contrast"):
        make_dataset(spec_of(compose_run(vivid)))
    drawn = make_dataset(spec_of(compose_run(pale)))
    assert drawn[0].image.shape == (32, 32, 1) and drawn.training().shape[1:] == (32, 32, 1)
