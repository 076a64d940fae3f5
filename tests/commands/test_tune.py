"""A search for settings: trials on images of their own, and a report that does not mix them with results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from helpers.commands import mapga
from helpers.folders import summary
from helpers.runs import Killed, tiny_spec
from mapga.cli import main
from mapga.commands import sweep, work
from mapga.commands.outcome import Outcome
from mapga.commands.run import run_one
from mapga.commands.search import told
from mapga.config.sweep import Sweep
from mapga.errors import ConfigError
from mapga.records import Lock
from mapga.records.collect import Run
from mapga.records.older import completed
from mapga.report import trials
from mapga.run import batch
from mapga.run.runner import run_job

DIGITS = (
    *("prior=mixture", "prior.components=20", "prior.ode_steps=4", "device=cpu", "metrics=basic", "task=half"),
    *("solver=map_ga_np", "dataset.limit=3"),
)
CHOSEN_ON = (*DIGITS, "dataset.split=validation", "dataset.skip=2")  # one of its images is one of the search
SEARCH = (
    *("experiment=tune", *DIGITS, "objective=psnr", "hydra.sweeper.n_trials=4"),
    *("schedule.steps=range(2,5)", "num_iter=choice(1,2)"),
)


def _records(results: Path, name: str) -> list[dict]:
    read = json.loads if name.endswith("json") else yaml.safe_load
    return [read(path.read_text()) for path in sorted(results.glob(f"*/{name}")) if (path.parent / "done").exists()]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("search")
    assert main(["run", "-m", *SEARCH, f"results_dir={results}"]) == 0
    return results


def test_the_best_trial_is_the_best_of_the_runs(searched: Path):
    configs, metrics = _records(searched, "config.yaml"), _records(searched, "metrics.json")
    values = [one["metrics"]["psnr"]["mean"] for one in metrics]
    found = yaml.safe_load((searched / "optimization_results.yaml").read_text())
    assert found["best_value"] == max(values) and len(set(values)) > 1
    best = configs[values.index(max(values))]
    assert best["schedule"]["steps"] == found["best_params"]["schedule.steps"]
    assert best["solver"]["num_iter"] == found["best_params"]["num_iter"]
    factor = found["best_params"]["+solver.learning_rate_factor"]
    assert best["solver"]["learning_rate_factor"] == pytest.approx(factor) and 0.3 <= factor <= 3
    assert all(config["objective"] == "psnr" for config in configs)


def test_its_images_are_recorded_by_index(searched: Path):
    for path in searched.glob("*/journal.jsonl"):
        assert [json.loads(line)["index"] for line in path.read_text().splitlines()] == [0, 1, 2]


def test_a_report_lists_trials_apart_and_takes_results_on_other_images(searched: Path, tmp_path: Path, capsys):
    results = shutil.copytree(searched, tmp_path / "results")
    mapga(capsys, "run", *DIGITS, f"results_dir={results}")
    said = mapga(capsys, "report", str(results))
    assert said.code == 0 and f"* 4 trials of a search, the best first: {results}/report/table.md" in said.out
    table = (results / "report/table.md").read_text()
    trials = table.partition("## Trials")[2].partition("## ")[0]
    assert trials.count("0 to 2 (3)") == len(_records(searched, "config.yaml"))
    assert "0 to 2 (" not in table.replace(trials, "")


def test_a_report_of_trials_alone_shows_them(searched: Path, tmp_path: Path, capsys):
    said = mapga(capsys, "report", str(shutil.copytree(searched, tmp_path / "results")))
    assert said.code == 0 and said.out.count("0 to 2 (3)") == 4 and "objective" in said.out


def test_a_report_on_images_of_the_search_is_refused(searched: Path, tmp_path: Path, capsys):
    results = tmp_path / "results"
    shutil.copytree(searched, results)
    mapga(capsys, "run", *CHOSEN_ON, "solver=ddrm", f"results_dir={results}")
    assert mapga(capsys, "report", str(results)).code == 0  # of another solver the search knows nothing
    late = Path(mapga(capsys, "run", *CHOSEN_ON, f"results_dir={results}").last)
    refused = mapga(capsys, "report", str(results))
    assert refused.code == 2 and "choose disjoint ones by dataset.skip" in refused.err
    assert f"{late.name} reports on 1 of the images that map_ga_np was tuned on (image 2 is one;" in refused.err


@pytest.mark.parametrize(
    ("lower", "order"), [(True, ["0.0000", "0.5000", "failed"]), (False, ["0.5000", "0.0000", "failed"])]
)
def test_the_best_trial_comes_first_though_it_be_zero(monkeypatch, lower, order):
    metrics = {"stlpips": {"_target_": "mapga.metrics.ShiftTolerantLPIPS"}}
    spec = tiny_spec(Path("results"), objective="stlpips", metrics=metrics)

    def trial(mean: float | None) -> Run:
        cell = {"stlpips": {"mean": mean, "lower_is_better": lower}}
        status = "failed" if mean is None else "done"
        return Run(
            Path(str(mean)), spec, status, metrics={} if mean is None else completed(Path(), summary(metrics=cell))
        )

    monkeypatch.setattr(trials, "_span", lambda run: "")
    lines = trials.trials_table([trial(None), trial(0.5), trial(0.0)]).lines
    assert [line[-1].text for line in lines] == order
    assert [line[-1].best for line in lines] == [True, False, False]


def test_an_objective_that_is_not_measured_is_refused(tmp_path: Path, capsys):
    said = mapga(capsys, "run", *DIGITS, "objective=lpips", f"results_dir={tmp_path}")
    assert said.code == 2 and "objective='lpips': choose null or psnr or ssim or consistency" in said.err


def test_a_search_in_which_every_trial_lost_images_has_no_best(tmp_path: Path, capsys, monkeypatch):
    real = batch.solve

    def solve(*args, **kwargs):
        x, diverged_at = real(*args, **kwargs)
        diverged_at[0] = 1
        return x, diverged_at

    monkeypatch.setattr(batch, "solve", solve)
    said = mapga(capsys, "run", "-m", *SEARCH, "hydra.sweeper.n_trials=2", f"results_dir={tmp_path}")
    assert said.code == 1 and "the search has no best trial" in said.err and "3 runs: 2 lossy, 1 failed" in said.err
    assert not (tmp_path / "optimization_results.yaml").exists()


def test_a_search_without_an_objective_is_refused(tmp_path: Path, capsys):
    said = mapga(capsys, "run", "-m", *SEARCH, "objective=null", f"results_dir={tmp_path}")
    assert (
        said.code == 2
        and "a sweeper that searches needs objective=..." in said.err
        and not list(tmp_path.glob("mnist-*"))
    )


@pytest.mark.parametrize("how", ["killed", "asked to stop"])
def test_a_search_that_was_cut_off_goes_on_as_if_it_had_not_been(
    searched: Path, tmp_path: Path, how: str, monkeypatch, capsys
):
    begun: list[str] = []

    def cut(spec):
        if len(begun) == 2:
            if how == "killed":
                raise Killed
            return Outcome("interrupted", str(spec.folder), "asked to stop; the same command continues")
        begun.append(spec.run_id)
        return run_one(spec)

    monkeypatch.setattr(sweep, "run_one", cut)
    command = ("run", "-m", *SEARCH, f"results_dir={tmp_path}")
    if how == "killed":
        with pytest.raises(Killed):
            main(list(command))
    else:
        said = mapga(capsys, *command)
        assert said.code == 75 and "the same command continues" in said.err
    restored: list[str] = []
    monkeypatch.setattr(
        work, "run_job", lambda job, display: restored.append(job.folder.run_id) or run_job(job, display)
    )
    monkeypatch.setattr(sweep, "run_one", run_one)
    assert mapga(capsys, *command).code == 0
    trials_of = (path for path in searched.glob("*/config.yaml") if yaml.safe_load(path.read_text())["objective"])
    whole = {path.parent.name for path in trials_of}
    found = {path.parent.name for path in tmp_path.glob("*/done")}
    assert found == whole and set(restored) == whole - set(begun) and set(begun) < whole
    best = (tmp_path / "optimization_results.yaml").read_text()
    assert best == (searched / "optimization_results.yaml").read_text()


def test_a_second_search_in_the_same_folder_waits_for_the_first(tmp_path: Path, capsys):
    with Lock(tmp_path / "search.lock"):
        said = mapga(capsys, "run", "-m", *SEARCH, f"results_dir={tmp_path}")
    assert said.code == 75 and "is being worked on by process" in said.err and not list(tmp_path.glob("mnist-*"))


@pytest.mark.parametrize(("objective", "right", "wrong"), [("psnr", "max", "min"), ("stlpips_alex", "min", "max")])
def test_which_way_is_better_is_the_metrics_own(objective: str, right: str, wrong: str):
    given = ["experiment=tune", f"objective={objective}", "metrics=[basic,offline]", "seed=3"]
    typed = [*given, f"hydra.sweeper.direction={right}imize"]
    for one in (given, typed):
        assert told(Sweep(one), one) == [f"hydra.sweeper.direction={right}imize", "hydra.sweeper.sampler.seed=3"]
    with pytest.raises(ConfigError, match=f"{objective} is a metric to {right}imize"):
        told(Sweep(given), [*given, f"hydra.sweeper.direction={wrong}imize"])


def test_a_seed_that_is_set_stays():
    given = ["experiment=tune", "hydra.sweeper.sampler.seed=5"]
    assert told(Sweep(given), given) == ["hydra.sweeper.direction=minimize"]
