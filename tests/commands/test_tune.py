"""A search for settings: trials on images of their own, and a report that does not mix them with results."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from helpers.commands import mapga
from helpers.folders import summary
from helpers.runs import tiny_spec
from mapga.records.collect import Run
from mapga.report import trials

DIGITS = (
    *("prior=mixture", "prior.components=20", "prior.ode_steps=4", "device=cpu", "metrics=basic", "task=half"),
    *("solver=map_ga_np", "dataset.limit=3"),
)
SEARCH = (
    *("experiment=tune", *DIGITS, "objective=psnr", "hydra.sweeper.direction=maximize", "hydra.sweeper.n_trials=4"),
    *("schedule.steps=range(2,5)", "num_iter=choice(1,2)"),
)


def _records(results: Path, name: str) -> list[dict]:
    read = json.loads if name.endswith("json") else yaml.safe_load
    return [read(path.read_text()) for path in sorted(results.glob(f"*/{name}")) if (path.parent / "done").exists()]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mapga.cli import main

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
        assert [json.loads(line)["index"] for line in path.read_text().splitlines()] == [256, 257, 258]


def test_a_report_lists_trials_apart_and_takes_results_on_other_images(searched: Path, capsys):
    mapga(capsys, "run", *DIGITS, f"results_dir={searched}")
    said = mapga(capsys, "report", str(searched)).out
    table = (searched / "report/table.md").read_text()
    trials = table.partition("## Trials")[2].partition("## ")[0]
    assert trials.count("256 to 258 (3)") == len(_records(searched, "config.yaml")) - 1
    assert "256 to 258" not in table.replace(trials, "") and "Trials" in said


def test_a_report_on_images_of_the_search_is_refused(searched: Path, tmp_path: Path, capsys):
    results = tmp_path / "results"
    shutil.copytree(searched, results)
    mapga(capsys, "run", *DIGITS, "dataset.skip=258", "solver=ddrm", f"results_dir={results}")
    assert mapga(capsys, "report", str(results)).code == 0  # of another solver the search knows nothing
    late = Path(mapga(capsys, "run", *DIGITS, "dataset.skip=258", f"results_dir={results}").last)
    refused = mapga(capsys, "report", str(results))
    assert refused.code == 2 and "choose disjoint ones by dataset.skip" in refused.err
    assert f"{late.name} reports on 1 of the images that map_ga_np was tuned on (image 258 is one;" in refused.err


@pytest.mark.parametrize(
    ("lower", "order"), [(True, ["0.0000", "0.5000", "failed"]), (False, ["0.5000", "0.0000", "failed"])]
)
def test_the_best_trial_comes_first_though_it_be_zero(monkeypatch, lower, order):
    metrics = {"stlpips": {"_target_": "mapga.metrics.ShiftTolerantLPIPS"}}
    spec = tiny_spec(Path("results"), objective="stlpips", metrics=metrics)

    def trial(mean: float | None) -> Run:
        cell = {"stlpips": {"mean": mean, "lower_is_better": lower}}
        status = "failed" if mean is None else "done"
        return Run(Path(str(mean)), spec, status, metrics={} if mean is None else summary(metrics=cell))

    monkeypatch.setattr(trials, "_span", lambda run: "")
    lines = trials.trials_table([trial(None), trial(0.5), trial(0.0)]).lines
    assert [line[-1].text for line in lines] == order
    assert [line[-1].best for line in lines] == [True, False, False]


def test_an_objective_that_is_not_measured_is_refused(tmp_path: Path, capsys):
    said = mapga(capsys, "run", *DIGITS, "objective=lpips", f"results_dir={tmp_path}")
    assert said.code == 2 and "objective='lpips': choose null or psnr or ssim or consistency" in said.err


def test_a_search_without_an_objective_is_refused(tmp_path: Path, capsys):
    said = mapga(capsys, "run", "-m", *SEARCH, "objective=null", f"results_dir={tmp_path}")
    assert (
        said.code == 2
        and "a sweeper that searches needs objective=..." in said.err
        and not list(tmp_path.glob("mnist-*"))
    )
