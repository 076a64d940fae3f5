"""`mapga plan`: the runs that a sweep would launch, composed apart and exactly, and what is left of them."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.commands import mapga, tiny
from mapga.commands.plan import plan, seconds_per_pass
from mapga.commands.status import status_view
from mapga.config import expansion, grid
from mapga.config.compose import compose_run, resolve
from mapga.config.expansion import axes_of, resolved_runs
from mapga.config.passes import passes_per_image
from mapga.errors import ConfigError

SWEEPS = {
    "no sweep": ["task=half"],
    "one axis": ["seed=0,1,2"],
    "apart": ["task=half,box50", "solver=map_ga,ddrm", "seed=1,2"],
    "values of one node": ["solver=map_ga,map_ga_np", "solver.num_iter=2,3"],
    "a value that one solver alone has": ["solver=map_ga,pgdm", "+solver.eta=0.1,0.2"],
    "a dataset brings its prior": ["dataset=image_folder,imagenet64", "dataset.root=x", "seed=0,1"],
    "a root key that is read by interpolation": ["num_iter=1,2", "solver=map_ga,ddrm"],
    "a budget, which depends on the solver": ["budget=20x50,200x5", "solver=map_ga,ddrm"],
    "passes, which buy steps": [
        "passes=null,60,200",
        "solver=map_ga,map_ga_np,ddrm",
        "num_iter=1,4",
        "schedule.steps=7,9",
    ],
    "too few passes somewhere": ["passes=3,60", "solver=map_ga,ddrm", "num_iter=1,4"],
    "a mode over values": ["mode=smoke,full", "dataset.limit=4,5"],
    "schedules": ["schedule=karras,linear", "schedule.steps=3,4"],
    "an experiment's own sweep": ["experiment=demo", "solver=pgdm"],
    "options that say plain values": ["task=half,box50,sr2x", "schedule=karras,linear,explicit", "seed=1,2"],
    "options that the command line overrides": ["task=half,denoise", "task.sigma_y=0.3", "seed=1,2"],
    "options that a mode overrides": ["mode=full,smoke", "budget=20x50,50x20,100x10"],
    "options that an experiment overrides": [
        "experiment=table4",
        "budget=20x50",
        "solver=pgdm",
        "task=half,denoise",
        "metrics=basic,digits",
    ],
    "options of different keys": ["mode=full,smoke", "solver=map_ga,ddrm", "tracker=none,csv"],
    "options with files named after them": ["experiment=mnist", "task=half,box50", "solver=map_ga,map_ga_np,ddrm"],
    "files named after two swept groups": ["experiment=mnist,demo", "solver=pgdm,ddrm"],
    "a fixed mode that overwrites what options set": ["mode=smoke", "budget=20x50,50x20", "solver=map_ga,ddrm"],
    "a fixed key within an option": ["solver.num_iter=3", "solver=map_ga,map_ga_np", "task=half,box50"],
    "two options that set one key": ["budget=20x50,50x20", "schedule=karras,linear"],
    "a study on other datasets": ["experiment=table1", "dataset=mnist,imagenet64", "task=half", "budget=5x4,10x2"],
    "a plain option with a file named after it that is more": [
        "experiment=table1",
        "dataset=mnist,image_folder",
        "task=half",
        "budget=5x4",
        "solver=ddrm",
    ],
    "a value that reads another": ["num_iter=1,2", "solver=map_ga", "dataset.limit='${num_iter}'"],
    "a kind that a value has to have": ["seed=1,2", "task=half,box50", "batch_size='${seed}'"],
    "a range": ["seed=range(3)", "dtype=float32,float64"],
}


@pytest.mark.parametrize("name", SWEEPS)
def test_runs_are_what_hydra_composes(name):
    points = 1
    for axis in axes_of(SWEEPS[name]):
        points *= len(axis)
    try:
        composed = _composed(SWEEPS[name])
    except ConfigError as error:
        with pytest.raises(ConfigError, match=re.escape(str(error)[:20])):
            list(resolved_runs(SWEEPS[name]))
        return
    assert list(resolved_runs(SWEEPS[name])) == composed and len(composed) == points


def _composed(overrides):
    """Every run by Hydra's own composition."""
    return [resolve(compose_run(point)) for point in itertools.product(*axes_of(overrides))]


def test_random_sweeps_are_what_hydra_composes():
    dice = random.Random(3)
    axes = {
        "task": ["half", "box50", "sr2x"],
        "solver": ["map_ga_np", "pgdm", "ddrm"],
        "schedule": ["karras", "cosine"],
        "schedule.steps": ["2", "7"],
        "task.sigma_y": ["0.0", "0.1"],
        "budget": ["20x50", "1000x1"],
        "prior": ["mixture", "gaussian"],
        "mode": ["smoke", "full"],
        "num_iter": ["1", "4"],
    }
    for _ in range(2):
        chosen = dice.sample(sorted(axes), 3)
        overrides = [f"{key}={','.join(dice.sample(axes[key], min(2, len(axes[key]))))}" for key in chosen]
        assert list(resolved_runs(overrides)) == _composed(overrides), overrides


@pytest.mark.parametrize(
    ("overrides", "runs", "compositions"),
    [
        (["experiment=demo", "seed=range(15)"], 420, 3),
        (["experiment=table1"], 392, 3),
        (["experiment=table1", "mode=smoke"], 56, 3),  # all budgets are alike there
        (["experiment=mnist"], 42, 3),
        (["experiment=table1", "dataset=mnist,imagenet64", "prior=mnist"], 336, 5),
    ],
)
def test_hundreds_of_runs_are_planned_with_few_compositions(tmp_path, monkeypatch, overrides, runs, compositions):
    """A composition takes 50 to 100 ms, so that 400 runs are planned in under a second, imports included."""
    asked = []
    for module in (expansion, grid):
        monkeypatch.setattr(module, "compose_run", lambda point: asked.append(point) or compose_run(point))
    assert len({run.folder for run in plan([*overrides, f"results_dir={tmp_path}"])}) == runs
    assert len(asked) == compositions


def test_four_hundred_runs_are_planned_in_the_time_of_some_compositions(tmp_path):
    compose_run(["experiment=demo"])
    begun = time.process_time()
    for seed in range(5):
        compose_run(["experiment=demo", "task=half", "solver=pgdm", f"seed={seed}"])
    composition = (time.process_time() - begun) / 5
    begun = time.process_time()
    assert len({run.folder for run in plan(["experiment=table1", f"results_dir={tmp_path}"])}) == 392
    assert time.process_time() - begun < 15 * composition  # measured: 5


def test_a_plan_counts_the_images_of_a_list(tmp_path):
    listed = tmp_path / "list.csv"
    listed.write_text("file,model_label\n" + "".join(f"{k}.JPEG,{k}\n" for k in range(9)))
    given = ["dataset=imagenet64", "prior=mixture", f"dataset.list={listed}", f"results_dir={tmp_path}"]
    for more, images in (([], 9), (["dataset.limit=4"], 4), (["dataset.skip=3"], 6)):
        assert [run.images for run in plan([*given, *more])] == [images]
    given[2] = f"dataset.list={tmp_path / 'absent.csv'}"
    assert [run.images for run in plan(given)] == [None]  # the run will say what is wrong
    assert {run.images for run in plan(["experiment=table1", "task=half", f"results_dir={tmp_path}"])} == {1000}


_TORCHLESS = "import sys; from mapga.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"


@pytest.mark.parametrize(("experiment", "runs"), [("demo", 28), ("table1", 392), ("mnist", 42)])
def test_planning_imports_no_torch(tmp_path, experiment, runs):
    said = subprocess.run(
        [sys.executable, "-c", _TORCHLESS, "plan", f"experiment={experiment}", f"results_dir={tmp_path}"],
        capture_output=True,
        text=True,
    )
    assert said.stdout.splitlines()[-1] == "False" and f"{runs} runs: {runs} pending" in said.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_plan_of_a_sweep_that_is_half_done(tmp_path, capsys):
    sweep = tiny(tmp_path, "task=half,box50")
    assert mapga(capsys, "run", *tiny(tmp_path, "task=half")).code == 0
    begun = mapga(capsys, "run", *tiny(tmp_path, "task=box50"))
    (Path(begun.last) / "done").unlink()
    (Path(begun.last) / "error.txt").write_text("Traceback\nRuntimeError: too bad\n")
    runs = plan([*sweep, "seed=0,1"])
    assert [run.state for run in runs] == ["done", "pending", "failed", "pending"]
    assert [run.images_left for run in runs] == [0, 2, 0, 2]
    assert {run.passes for run in runs} == {2}
    assert seconds_per_pass(runs) > 0
    said = mapga(capsys, "plan", *sweep, "seed=0,1")
    assert said.code == 0 and "4 runs: 1 done, 2 pending, 1 failed" in said.out
    assert "8 network passes left" in said.out and re.search(r"about \d+\.\d\d hours on one device", said.out)


def test_the_status_of_a_thousand_images_in_four_hundred_runs_is_quick(tmp_path, capsys):
    folder = Path(mapga(capsys, "run", *tiny(tmp_path)).last)
    for k in range(400):
        other = tmp_path / f"{folder.name[:-4]}{k:04d}"
        other.mkdir()
        for name in ("config.yaml", "metrics.json", "done"):
            (other / name).write_bytes((folder / name).read_bytes())
    begun = time.process_time()
    _, counts = status_view(tmp_path)
    assert counts == {"done": 401} and time.process_time() - begun < 3.0


@pytest.mark.parametrize("solver", ["map_ga", "map_ga_np", "map_ga_pgdm", "pgdm", "ddrm", "ct_zsie"])
@pytest.mark.parametrize(("passes", "num_iter"), [(200, 1), (200, 8), (61, 3)])
def test_passes_buy_as_many_steps_as_they_can(solver, passes, num_iter):
    config, _ = resolve(compose_run([f"solver={solver}", f"passes={passes}", f"num_iter={num_iter}"]))
    more = {**config["schedule"], "steps": config["schedule"]["steps"] + 1}
    spent = passes_per_image(config["solver"], config["schedule"])
    assert spent <= passes < passes_per_image(config["solver"], more)


def test_passes_that_buy_no_step_are_refused():
    with pytest.raises(ConfigError, match=r"passes=10: one step takes 25 passes; give more, or a smaller num_iter"):
        resolve(compose_run(["solver=map_ga", "passes=10", "num_iter=8"]))
    config, _ = resolve(compose_run(["solver=pinv", "passes=10"]))
    assert config["schedule"]["steps"] == 20  # it makes no steps, so that none are bought
