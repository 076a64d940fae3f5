"""The settings of studies: as many trials of each method, none of which touches the budget; the best won."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from mapga.cli import main
from mapga.config.compose import compose_run, spec_of
from mapga.records.collect import Run
from mapga.records.image_scores import Scores
from mapga.records.journal import Journal
from mapga.spec import RunSpec

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
STUDIES = {  # by experiment: the study's folder, trials of each method, and what is allowed of its passes
    "mnist": ("mnist", 6, (95, 105)),
    "few_passes": ("few_passes", 4, (18, 22)),
    "few_passes_5": ("few_passes", 4, (4, 6)),
    "few_passes_10": ("few_passes", 4, (9, 11)),
    "few_passes_50": ("few_passes", 4, (45, 55)),
    "few_passes_100": ("few_passes", 4, (90, 110)),
    "few_passes_200": ("few_passes", 4, (180, 220)),
    "few_passes_mixture": ("few_passes", 4, (18, 22)),
    "few_passes_patches": ("few_passes", 4, (18, 22)),
}
every_study = pytest.mark.parametrize("name", STUDIES)


def script(folder: str, name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, EXPERIMENTS / folder / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tune() -> Iterator[dict[str, ModuleType]]:
    """The scripts, by folder."""
    before = list(sys.path)
    yield {folder: script(folder, "tune") for folder in {folder for folder, *_ in STUDIES.values()}}
    sys.path[:] = before


@pytest.fixture(scope="module")
def tuning(tune: dict[str, ModuleType]) -> ModuleType:
    """What they share."""
    return sys.modules["tuning"]


def _trial(name: str, method: str, setting: dict, tuning: ModuleType) -> RunSpec:
    overrides = [*tuning._overrides(setting), "task=half", "task.sigma_y=0"]
    return spec_of(compose_run([f"experiment={name}_tune", f"solver={method}", *overrides]))


@every_study
def test_every_method_of_the_study_has_as_many_trials(name, tune, tuning):
    folder, trials, _ = STUDIES[name]
    settings = tune[folder].TUNINGS[name].settings()
    solvers = compose_run([f"experiment={name}"]).hydra.sweeper.params["solver"]
    assert set(settings) == set(solvers.split(","))
    assert {len({tuning.written(setting) for setting in tried}) for tried in settings.values()} == {trials}


@every_study
def test_no_setting_touches_the_budget_and_each_is_known_again(name, tune, tuning):
    folder, _, (low, high) = STUDIES[name]
    for method, tried in tune[folder].TUNINGS[name].settings().items():
        assert not {key for setting in tried for key in setting} & {"passes", "equal_passes", "schedule.steps"}
        specs = [_trial(name, method, setting, tuning) for setting in tried[-1:]]
        assert all(low <= spec.passes <= high for spec in specs)
        for spec in specs:
            known = [setting for setting in tried if tuning.has(Run(Path(), spec, "done"), setting)]
            assert len(known) == 1 and known[0] in tried, (method, spec.config["solver"])


def test_the_best_has_the_least_geometric_mean(tune):
    values = {("a", "x"): 1.0, ("a", "y"): 0.01, ("b", "x"): 0.3, ("b", "y"): 0.3}  # sqrt(0.01) < 0.3, and 0.505 > 0.3
    tuning = tune["mnist"].TUNINGS["mnist"]
    rows = [{"method": "m", "setting": s, "task": t, tuning.objective: value} for (s, t), value in values.items()]
    assert tuning.best(rows) == {"m": "a"}


def test_the_best_has_the_most_decibels(tune):
    rows = [{"method": "m", "setting": s, "psnr": value} for s, value in (("a", 10.0), ("a", 20.0), ("b", 16.0))]
    assert tune["few_passes"].TUNINGS["few_passes"].best(rows) == {"m": "b"}


def test_a_setting_that_lost_images_does_not_win(tune):
    rows = [{"method": "m", "setting": s, "psnr": value} for s, value in (("a", "30"), ("a", "nan"), ("b", "16"))]
    best = tune["few_passes"].TUNINGS["few_passes"].best
    assert best(rows) == {"m": "b"}
    with pytest.raises(SystemExit, match="m: every setting lost images"):
        best(rows[:2])


def test_a_trial_that_lost_images_stops_no_other(tuning, monkeypatch):
    seen: list[list[str]] = []
    monkeypatch.setattr(tuning, "mapga", lambda argv: seen.append(argv) or int(argv == ["a"]))
    assert tuning._mapga([["a"], ["b"]]) == 1 and seen == [["a"], ["b"]]


def test_what_won_is_written_as_values(tuning):
    nested = tuning.nested("schedule.sigma_max=4.0 solver.noise_share=0.4 solver.clip=true num_iter=2")
    assert nested == {
        "schedule": {"sigma_max": 4.0},
        "solver": {"noise_share": 0.4, "clip": True},
        "num_iter": 2,
    }


def test_trials_are_run_stored_and_chosen_from(tuning, tmp_path, monkeypatch, capsys):
    (tmp_path / "knobs.yaml").write_text(
        "grid: [[{schedule.rho: 3}]]\nmethods: {ddrm: [{solver.eta: 0.5}, {solver.eta: 1}]}"
    )
    (tmp_path / "tuned").mkdir()
    monkeypatch.setattr(tuning, "conf_dir", lambda: tmp_path)
    trials = tuning.Tuning(tmp_path, "few_passes", "psnr")
    small = ["prior=gaussian", "dataset.limit=2", "metrics=basic", "task=half", "task.sigma_y=0,0.05", "mode=smoke"]
    results = tmp_path / "results"
    with pytest.raises(SystemExit, match="no finished trial by psnr"):
        list(trials.rows(results))
    assert trials.run(results, 1, small) == 0 and trials.choose(results) == 0
    rows = list(csv.DictReader((tmp_path / "trials.csv").open()))
    assert [row["setting"] for row in rows] == [f"solver.eta={eta} schedule.rho=3" for eta in ("0.5", "0.5", "1", "1")]
    chosen = yaml.safe_load((tmp_path / "tuned/few_passes-ddrm.yaml").read_text())
    assert len(rows) == 4 and f"solver.eta={chosen['solver']['eta']:g} " in trials.best(rows)["ddrm"]
    lossy = next(results.glob("*/metrics.json"))
    lossy.write_text(re.sub(r'"n_failed": 0', '"n_failed": 1', lossy.read_text()))
    assert sum(math.isnan(row["psnr"]) for row in trials.rows(results)) == 1
    journal = lossy.with_name("journal.jsonl")  # and one that lost all of them has no numbers at all
    rows = [dataclasses.replace(row, status="diverged", step=1, crc=None) for row in Journal(journal).rows()]
    journal.unlink()
    Journal(journal).append(rows)
    for name in ("done", "metrics.json"):
        lossy.with_name(name).unlink()
    lossy.with_name("error.txt").write_text("all 2 images lost: 2 diverged")
    lost, *_ = sorted(trials.rows(results), key=lambda row: not math.isnan(row["psnr"]))
    assert math.isnan(lost["psnr"]) and lost["images"] == 2
    assert {row["passes"] for row in trials.rows(results)} == {lost["passes"]}
    another = [*small[:3], "task=box50", "solver=ddrm", "objective=psnr", "mode=smoke", f"results_dir={results}"]
    assert main(["run", *another]) == 0
    with pytest.raises(SystemExit, match=r"ddrm solver\.eta=0\.5 schedule\.rho=3, box50, noise 0: 0 runs"):
        list(trials.rows(results))
    capsys.readouterr()


@every_study
def test_trials_are_made_of_images_that_nothing_reports(name):
    trial, run = (
        spec_of(compose_run([f"experiment={name}{more}", "solver=pgdm", "passes=100"])) for more in ("_tune", "")
    )
    assert trial.objective in ("psnr", "stlpips_alex") and run.objective is None
    one, other = trial.config["dataset"], run.config["dataset"]
    rows = [set(range(first := spec.config["dataset"]["skip"], first + (spec.images or 0))) for spec in (trial, run)]
    assert one.get("split") != other.get("split") or not rows[0] & rows[1]


# What was found


FOUND = {  # experiments whose trials are stored: tasks, and images of a trial
    "mnist": (5, "20"),
    "few_passes": (2, "24"),
    "few_passes_5": (2, "24"),
    "few_passes_10": (2, "24"),
    "few_passes_50": (2, "24"),
    "few_passes_100": (2, "24"),
    "few_passes_200": (2, "24"),
    "few_passes_mixture": (6, "8"),
    "few_passes_patches": (6, "8"),
}
every_found = pytest.mark.parametrize("name", FOUND)


def stored(tuning) -> list[dict[str, str]]:
    with (tuning.folder / tuning.trials).open(newline="") as file:
        return list(csv.DictReader(file))


@every_found
def test_each_setting_was_tried_on_each_task_with_the_budget(name, tune, tuning):
    folder, _, (low, high) = STUDIES[name]
    of_it, (places, images) = tune[folder].TUNINGS[name], FOUND[name]
    trials = stored(of_it)
    settings = [(method, tuning.written(one)) for method, tried in of_it.settings().items() for one in tried]
    tasks = {(row["task"], row.get("sigma_y")) for row in trials}
    found = sorted((row["method"], row["setting"], row["task"], row.get("sigma_y")) for row in trials)
    assert len(tasks) == places and found == sorted((*one, *task) for one in settings for task in tasks)
    assert all(low <= float(row["passes"]) <= high and row["images"] == images for row in trials)


@every_found
def test_a_run_of_the_study_has_the_setting_that_won(name, tune, tuning):
    of_it = tune[STUDIES[name][0]].TUNINGS[name]
    for method, setting in of_it.best(stored(of_it)).items():
        spec = spec_of(compose_run([f"experiment={name}", f"solver={method}", "task=half", "task.sigma_y=0"]))
        values = {key: yaml.safe_load(value) for key, value in (word.split("=") for word in setting.split())}
        assert tuning.has(Run(Path(), spec, "done"), values), (method, setting)


def test_splits_stand_under_each_other_and_what_a_method_lacks_is_no_number():
    def scores(index: list[int], values: list[float]) -> Scores:
        whole, none = np.array(index), np.array([], dtype=np.int64)
        return Scores(whole, whole, {"psnr": np.array(values)}, {}, none, none)

    ours = {"test": scores([54, 55], [1.0, 2.0]), "validation": scores([190], [3.0])}
    values = script("few_passes", "tables")._values
    assert values(ours, ours, "psnr").tolist() == [1.0, 2.0, 3.0]
    rival = {"test": scores([55, 190], [5.0, 6.0])}  # an index of another split is another image
    np.testing.assert_equal(values(rival, ours, "psnr"), [np.nan, 5.0, np.nan])


def test_the_tables_are_those_of_the_stored_numbers():
    shown = script("mnist", "tables").show().strip()
    assert shown in (EXPERIMENTS / "mnist" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", ["table.csv", "table_10.csv"])
def test_the_tables_of_few_passes_are_those_of_the_stored_numbers(table):
    folder = EXPERIMENTS / "few_passes"
    shown = script("few_passes", "tables").show(folder / table).strip()
    assert shown in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("prior", ["overlapping", "patches"])
def test_the_tables_on_exact_priors_are_those_of_the_stored_numbers(prior):
    shown = script("few_passes", "exact").show(prior)
    assert shown in (EXPERIMENTS / "few_passes" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["steps", "restarts"])
def test_the_tables_of_steps_and_restarts_are_those_of_the_stored_numbers(name, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS.parent))
    found = script("few_passes", name)
    shown = found.show(found.read(EXPERIMENTS / "few_passes" / f"{name}.csv"))
    assert shown in (EXPERIMENTS / "few_passes" / "README.md").read_text(encoding="utf-8")
