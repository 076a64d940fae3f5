"""The settings of experiment=mnist: as many trials for each method, none of which touches the budget, and the best won."""

from __future__ import annotations

import csv
import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from mapga.config.compose import compose_run, spec_of
from mapga.config.files import conf_dir

STUDY = Path(__file__).parents[1] / "experiments" / "mnist"
METHODS = yaml.safe_load((conf_dir() / "experiment" / "mnist.yaml").read_text())["hydra"]["sweeper"]["params"]["solver"]


@pytest.fixture(scope="module")
def tune() -> ModuleType:
    found = importlib.util.spec_from_file_location("tune", STUDY / "tune.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trials() -> list[dict[str, str]]:
    with (STUDY / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_method_of_the_study_has_as_many_trials(tune: ModuleType, trials: list[dict[str, str]]):
    assert set(tune.settings()) == set(METHODS.split(","))
    assert {len(tried) for tried in tune.settings().values()} == {6}
    assert len(set(Counter(row["method"] for row in trials).values())) == 1
    assert {(row["method"], row["setting"]) for row in trials} == {
        (method, tune.written(setting)) for method, tried in tune.settings().items() for setting in tried
    }


def test_no_setting_touches_the_budget(tune: ModuleType, trials: list[dict[str, str]]):
    for tried in tune.settings().values():
        assert not {key for setting in tried for key in setting} & {"passes", "schedule.steps"}
    assert all(95 <= float(row["passes"]) <= 100 for row in trials)


def test_the_settings_are_those_that_won(tune: ModuleType, trials: list[dict[str, str]]):
    for method, setting in tune.best(trials).items():
        tuned = yaml.safe_load((conf_dir() / "tuned" / f"mnist-{method}.yaml").read_text())
        assert tuned == tune._nested(setting), method


def test_trials_are_made_of_digits_that_nothing_reports():
    spec = spec_of(compose_run(["experiment=mnist_tune", "solver=pgdm"]))
    assert spec.config["dataset"]["split"] == "validation" and spec.objective == "stlpips_alex"
    assert spec_of(compose_run(["experiment=mnist", "solver=pgdm"])).config["dataset"]["split"] == "test"
