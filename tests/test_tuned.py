"""What is tried for experiment=mnist: as many settings of each method, none of which touches the budget."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from mapga.config.compose import compose_run, spec_of
from mapga.config.files import conf_dir
from mapga.records.collect import Run

STUDY = Path(__file__).parents[1] / "experiments" / "mnist"
METHODS = yaml.safe_load((conf_dir() / "experiment" / "mnist.yaml").read_text())["hydra"]["sweeper"]["params"]["solver"]


@pytest.fixture(scope="module")
def tune() -> ModuleType:
    found = importlib.util.spec_from_file_location("tune", STUDY / "tune.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_every_method_of_the_study_has_as_many_trials(tune: ModuleType):
    assert set(tune.settings()) == set(METHODS.split(","))
    assert {len({tune.written(setting) for setting in tried}) for tried in tune.settings().values()} == {6}


def test_no_setting_touches_the_budget(tune: ModuleType):
    tried = [(method, setting) for method, of_it in tune.settings().items() for setting in of_it]
    assert not {key for _, setting in tried for key in setting} & {"passes", "equal_passes", "schedule.steps"}
    for method, setting in tried:
        spec = spec_of(compose_run(["experiment=mnist_tune", f"solver={method}", *tune.written(setting).split()]))
        assert 95 <= spec.passes <= 105 and tune._has(Run(Path(), spec, "done"), setting), (method, setting)


def test_the_best_has_the_least_geometric_mean(tune: ModuleType):
    values = {("a", "x"): 1.0, ("a", "y"): 0.01, ("b", "x"): 0.3, ("b", "y"): 0.3}  # sqrt(0.01) < 0.3, and 0.505 > 0.3
    rows = [{"method": "m", "setting": s, "task": t, tune.OBJECTIVE: value} for (s, t), value in values.items()]
    assert tune.best(rows) == {"m": "a"}


def test_trials_are_made_of_digits_that_nothing_reports():
    spec = spec_of(compose_run(["experiment=mnist_tune", "solver=pgdm"]))
    assert spec.config["dataset"]["split"] == "validation" and spec.objective == "stlpips_alex"
    assert spec_of(compose_run(["experiment=mnist", "solver=pgdm"])).config["dataset"]["split"] == "test"
