"""Passes as a budget: the steps they buy, runs of equal passes refused by name, and settings that may not change it."""

from __future__ import annotations

import pytest

from mapga.budget import Budget
from mapga.config import files
from mapga.config.compose import compose_run, spec_of
from mapga.config.files import check_tuned, conf_dir, options
from mapga.config.sweep import runs
from mapga.errors import ConfigError
from mapga.spec import RunSpec


def _run(*overrides: str) -> RunSpec:
    return spec_of(compose_run(overrides))


@pytest.mark.parametrize(
    ("solver", "most", "nearest"),
    [("map_ga_d_np", 196, 203), ("map_ga_np", 187, 204), ("pgdm", 200, 200)],
)
def test_equal_passes_are_the_nearest_and_others_the_most(solver, most, nearest):
    given = [f"solver={solver}", "passes=200", f"num_iter={8 if solver == 'map_ga_np' else 3}"]
    assert _run(*given).passes == most
    assert _run(*given, "equal_passes=0.05").passes == nearest


def test_a_tolerance_is_no_part_of_what_a_run_is():
    one, other = _run("passes=100", "solver=ddrm"), _run("passes=100", "solver=ddrm", "equal_passes=0.05")
    assert one.run_id == other.run_id and other.config["equal_passes"] == 0.05


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["solver=pinv"], "pinv comes to 0 passes per image"),
        (
            ["solver=map_ga_np", "num_iter=60"],
            r"map_ga_np comes to 242 passes .* 200 ± 5 %; what fits: num_iter=52 \(schedule.steps=2, 210",
        ),
        (["solver=pgdm", "passes=3"], "pgdm comes to 2 passes .*; no number of steps fits: choose other passes"),
        (["passes=null"], "equal_passes=0.05: say of how many"),
        (["equal_passes=1"], "a share of passes, from 0 to below 1"),
        (["solver=ddrm,pinv"], "pinv comes to 0 passes"),
    ],
)
def test_a_run_of_other_passes_is_refused_by_name(overrides, said):
    with pytest.raises(ConfigError, match=said):
        runs(["passes=200", "equal_passes=0.05", *overrides])


def test_the_advice_of_a_refusal_is_good():
    assert _run("solver=map_ga_np", "passes=200", "equal_passes=0.05", "num_iter=52").passes == 210


@pytest.mark.parametrize(("passes", "allowed"), [(190, True), (210, True), (189, False), (211, False)])
def test_the_tolerance_is_relative_to_the_passes(passes, allowed):
    assert Budget(200, 0.05).allows(passes) == allowed and Budget(200).allows(passes)


@pytest.mark.parametrize("name", options("tuned"))
def test_no_tuned_settings_change_a_budget(name):
    experiment, _, solver = name.partition("-")
    check_tuned(
        _run(f"experiment={experiment}", f"solver={solver}").config, {"experiment": experiment, "solver": solver}
    )


@pytest.mark.parametrize("stated", ["passes: 100", "equal_passes: null", "schedule: {steps: 5}"])
def test_tuned_settings_that_change_the_budget_are_refused(tmp_path, monkeypatch, stated):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned/mnist-ddrm.yaml").write_text(stated)
    monkeypatch.setattr(files, "conf_dir", lambda: tmp_path)
    names = {"experiment": "mnist", "solver": "ddrm"}
    key = "schedule.steps" if "steps" in stated else stated.partition(":")[0]
    with pytest.raises(ConfigError, match=f"mnist-ddrm.yaml sets {key}, but tuned settings may not"):
        check_tuned({"equal_passes": 0.05}, names)
    if key == "schedule.steps":
        check_tuned({"equal_passes": None}, names)
    assert conf_dir() != tmp_path


def test_a_run_and_a_sweep_ask_for_them(monkeypatch):
    monkeypatch.setattr(files, "_file", lambda group, name: {"passes": 100} if group == "tuned" else {})
    for compose in (lambda: _run("experiment=mnist", "solver=ddrm"), lambda: runs(["experiment=mnist", "task=half"])):
        with pytest.raises(ConfigError, match="tuned settings may not change"):
            compose()
