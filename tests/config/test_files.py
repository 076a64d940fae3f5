"""A run has one id, whether a default of a component is written, added or deleted."""

from __future__ import annotations

import pytest

from mapga.config.compose import compose_run, spec_of
from mapga.config.files import options, stated
from mapga.config.sweep import runs

ONE_RUN = {  # two ways to write it
    "schedule": (["schedule.rho=7"], ["~schedule.rho"]),
    "a default that is not the file's value": (["dataset.limit=null"], ["~dataset.limit"]),
    "dataset": ([], ["~dataset.skip"]),
    "solver": (["solver=pgdm"], ["solver=pgdm", "~solver.eta", "~solver.guidance"]),
    "solver that reads the root": (["solver=map_ga"], ["solver=map_ga", "~solver.num_iter"]),
    "task": (["task=deblur"], ["task=deblur", "~task.operator.padding"]),
    "prior": (["prior=gaussian"], ["prior=gaussian", "~prior.sigma_min"]),
    "metric": (["metrics=digits"], ["metrics=digits", "~metrics.fd_digits.reference"]),
    "a metric of several files": (
        ["metrics=[basic,digits]"],
        ["metrics=[basic,digits]", "~metrics.fd_digits.reference"],
    ),
    "an added default": ([], ["+metrics.ssim.border=mirror"]),
    "an added default of another spelling": ([], ["+metrics.ssim.sigma='1.5'"]),
    "an added default of a solver": (["solver=map_ga"], ["solver=map_ga", "+solver.learning_rate_factor=1"]),
    "text of a task": (["task.operator.width=0.5"], ["task.operator.width='0.5'"]),
    "text of a metric": (["metrics=paper"], ["metrics=paper", "metrics.lpips_alex.backbone='alex'"]),
    "text of a solver": (["solver=pgdm", "solver.sigma_data=0.4"], ["solver=pgdm", "solver.sigma_data='4e-1'"]),
}


@pytest.mark.parametrize("name", ONE_RUN)
def test_a_default_is_what_it_is_however_it_is_written(name):
    one, other = (spec_of(compose_run(overrides)) for overrides in ONE_RUN[name])
    assert one.run_id == other.run_id and one.problem_id == other.problem_id


@pytest.mark.parametrize(
    "overrides", [["~dataset.limit"], ["schedule.rho=6"], ["+solver.final=0.03"], ["schedule=linear"]]
)
def test_another_value_is_another_run(overrides):
    assert spec_of(compose_run(overrides)).run_id != spec_of(compose_run([])).run_id


def test_a_sweep_spells_as_hydra_does():
    found = runs(["solver=pgdm", "~schedule.rho", "+metrics.ssim.border=mirror", "seed=1,2"])
    assert [run.run_id for run in found] == [run.run_id for run in runs(["solver=pgdm", "seed=1,2"])]


def test_what_is_written_in_no_file_of_ours_stays_as_it_is():
    spec = spec_of(compose_run(["+metrics.ssim.border=mirror"]))
    foreign = {**spec.config, "metrics": {"ssim": {"_target_": "mapga.metrics.SSIM", "border": "mirror"}}}
    assert stated(foreign, {**spec.names, "metrics": "elsewhere"})["metrics"] == foreign["metrics"]


def test_groups_have_options():
    assert options("mode") == ["full", "smoke"] and options("nothing") == []
