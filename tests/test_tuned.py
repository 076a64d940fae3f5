"""The settings of experiment=mnist: as many trials of each method, none of which touches the budget; the best won."""

from __future__ import annotations

import csv
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


def script(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, STUDY / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tune() -> ModuleType:
    return script("tune")


@pytest.fixture(scope="module")
def trials() -> list[dict[str, str]]:
    with (STUDY / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


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


def test_each_setting_was_tried_on_each_task_with_the_budget(tune: ModuleType, trials: list[dict[str, str]]):
    tried = [(method, tune.written(setting)) for method, of_it in tune.settings().items() for setting in of_it]
    tasks = {row["task"] for row in trials}
    expected = sorted((*one, task) for one in tried for task in tasks)
    assert len(tasks) == 5 and sorted((row["method"], row["setting"], row["task"]) for row in trials) == expected
    assert all(95 <= float(row["passes"]) <= 100 and row["images"] == "20" for row in trials)


def test_a_run_of_the_study_has_the_setting_that_won(tune: ModuleType, trials: list[dict[str, str]]):
    for method, setting in tune.best(trials).items():
        spec = spec_of(compose_run(["experiment=mnist", f"solver={method}"]))
        values = {key: yaml.safe_load(value) for key, value in (word.split("=") for word in setting.split())}
        assert tune._has(Run(Path(), spec, "done"), values), (method, setting)


def test_the_tables_are_those_of_the_stored_numbers():
    assert script("tables").show().strip() in (STUDY / "README.md").read_text(encoding="utf-8")


def test_trials_are_made_of_digits_that_nothing_reports():
    spec = spec_of(compose_run(["experiment=mnist_tune", "solver=pgdm"]))
    assert spec.config["dataset"]["split"] == "validation" and spec.objective == "stlpips_alex"
    assert spec_of(compose_run(["experiment=mnist", "solver=pgdm"])).config["dataset"]["split"] == "test"
