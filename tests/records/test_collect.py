"""Finding runs: every state is told apart, and one broken run does not hide the others."""

from __future__ import annotations

import json

import pytest
import yaml

from helpers.folders import finished, summary, unfinished
from mapga.records.collect import collect, settings


def test_states_are_told_apart(tmp_path):
    finished(tmp_path, "done", summary(21.0))
    unfinished(tmp_path, "begun")
    unfinished(tmp_path, "broken").fail("Traceback\n  lines\nValueError: the reason\n")
    unfinished(tmp_path, "unable").skip("it needs what is not there")
    runs, troubles = collect(tmp_path)
    states = {run.names["solver"]: (run.status, run.reason) for run in runs}
    assert troubles == []
    assert states == {
        "done": ("done", ""),
        "begun": ("incomplete", ""),
        "broken": ("failed", "ValueError: the reason"),
        "unable": ("skipped", "it needs what is not there"),
    }
    (done,) = [run for run in runs if run.status == "done"]
    assert done.metrics["metrics"]["psnr"]["mean"] == 21.0


def test_runs_at_any_depth_are_found_but_not_their_problems(tmp_path):
    finished(tmp_path / "a" / "b", "deep")
    finished(tmp_path, "shallow")
    runs, troubles = collect(tmp_path)
    assert {run.names["solver"] for run in runs} == {"deep", "shallow"} and not troubles
    assert all((run.problem_folder / "truth.npy").exists() for run in runs)


def test_a_run_may_be_named_itself(tmp_path):
    folder = finished(tmp_path)
    assert [run.folder for run in collect(folder.path)[0]] == [folder.path]


CONFIG = {"names": {}, "problem": "problems/x", "task": {"sigma_y": 0.1, "sigma_y_unit": "[-1,1]"}, "seed": 0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "[1, 2]",
        "names: 3",
        "names: {dataset: a}",
        "names: {a: b",
        "\x00",
        "!!python/object/apply:os.system ['true']",
        yaml.safe_dump(CONFIG),
        yaml.safe_dump(CONFIG | {"task": None}),
    ],
)
def test_a_broken_config_is_named_and_the_rest_is_read(tmp_path, text):
    finished(tmp_path, "sound")
    broken = finished(tmp_path, "broken")
    (broken.path / "config.yaml").write_text(text)
    runs, troubles = collect(tmp_path)
    assert [run.names["solver"] for run in runs] == ["sound"]
    assert len(troubles) == 1 and troubles[0].startswith(f"{broken.path}: cannot be read") and "\n" not in troubles[0]


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "{}", '{"metrics": {}}']
    + [
        json.dumps(summary(**change))
        for change in (
            {"compute": {}},
            {"compute": None},
            {"n_images": None},
            {"n_failed": "none"},
            {"metrics": {"psnr": {}}},
            {"metrics": {"psnr": 3}},
            {"metrics": {"psnr": {"mean": "high", "sem": None, "lower_is_better": False}}},
        )
    ],
)
def test_a_run_with_broken_numbers_is_not_done_and_the_rest_is_read(tmp_path, text):
    finished(tmp_path, "sound")
    broken = finished(tmp_path, "broken")
    (broken.path / "metrics.json").write_text(text)
    runs, troubles = collect(tmp_path)
    assert {run.names["solver"]: run.status for run in runs} == {"broken": "incomplete", "sound": "done"}
    reason = next(run.reason for run in runs if run.status == "incomplete")
    assert not troubles and not broken.done
    assert reason.startswith("metrics.json is damaged (") and "writes it again" in reason


def test_a_run_without_its_numbers_is_not_done(tmp_path):
    folder = finished(tmp_path)
    (folder.path / "metrics.json").unlink()
    (run,) = collect(tmp_path)[0]
    assert run.status == "incomplete" and "metrics.json is gone" in run.reason


def test_problems_tell_noise_and_its_unit_apart(tmp_path):
    for k, (sigma, unit) in enumerate([(0.0, "[-1,1]"), (0.05, "[-1,1]"), (0.05, "[0,1]"), (0.1, "[0,1]")]):
        finished(tmp_path, f"s{k}", task={"sigma_y": sigma, "sigma_y_unit": unit})
    texts = {str(run.problem) for run in collect(tmp_path)[0]}
    assert texts == {
        *("tiny half", "tiny half, noise 0.05 on [-1,1]", "tiny half, noise 0.05 on [0,1]"),
        "tiny half, noise 0.1 on [0,1]",
    }


def test_settings_are_what_tells_runs_of_one_solver_apart(tmp_path):
    finished(tmp_path, "alpha", schedule={"steps": 3, "rho": 7})
    finished(
        tmp_path,
        "alpha",
        schedule={"steps": 9, "rho": 7},
        prior={"_target_": "mapga.priors.MixturePrior.from_images", "std": 0.2},
    )
    finished(tmp_path, "beta")
    runs, _ = collect(tmp_path)
    labels = settings(runs)
    found = sorted(labels[run.folder] for run in runs)
    assert found == ["", "prior.std=0.2 steps=9", "steps=3"]
