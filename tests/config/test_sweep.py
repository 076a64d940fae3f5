"""The runs of a sweep, found by what its options change, are what Hydra composes."""

from __future__ import annotations

import math
import random
import re

import pytest

from mapga.config import leaves, sweep
from mapga.config.compose import compose_run
from mapga.config.sweep import Interaction, Sweep, runs
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
        "passes=null,60",
        "solver=map_ga,ddrm",
        "num_iter=1,4",
        "schedule.steps=7",
    ],
    "too few passes somewhere": ["passes=3,60", "solver=map_ga,ddrm", "num_iter=1,4"],
    "a mode over values": ["mode=smoke,full", "dataset.limit=4,5"],
    "schedules": ["schedule=karras,linear", "schedule.steps=3,4"],
    "an experiment's own sweep": ["experiment=demo", "solver=pgdm"],
    "options that say plain values": ["task=half,sr2x", "schedule=karras,linear,explicit", "seed=1,2"],
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
    "files named after two swept groups": ["experiment=mnist,demo", "solver=pgdm,ddrm", "task=half"],
    "a fixed mode that overwrites what options set": ["mode=smoke", "budget=20x50,50x20", "solver=map_ga,ddrm"],
    "a fixed key within an option": ["solver.num_iter=3", "solver=map_ga,map_ga_np", "task=half,box50"],
    "two options that set one key": ["budget=20x50,50x20", "schedule=karras,linear"],
    "a study on other datasets": [
        "experiment=table1",
        "dataset=mnist,imagenet64",
        "task=half",
        "solver=map_ga,ddrm",
        "budget=5x4,10x2",
    ],
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
    "whole numbers that others ask for": ["num_iter=1,4", "solver=map_ga", "dataset.limit=5,8", "task.sigma_y=0,1"],
    "whole numbers, one of which is none": ["dataset.limit=5,null,07", "seed=0,-1"],
}


@pytest.mark.parametrize("name", SWEEPS)
def test_runs_are_what_hydra_composes(name):
    found = Sweep(SWEEPS[name])
    try:
        composed = list(found.composed())
    except ConfigError as error:
        with pytest.raises(ConfigError, match=re.escape(str(error)[:20])):
            runs(SWEEPS[name])
        return
    assert runs(SWEEPS[name]) == composed and len(composed) == math.prod(map(len, found.axes))


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
        assert runs(overrides) == list(Sweep(overrides).composed()), overrides


def test_processes_side_by_side_find_the_same_runs(monkeypatch):
    overrides = ["experiment=mnist", "seed=0,1"]
    found = [[(run.run_id, run.config, run.names) for run in runs(overrides)]]
    monkeypatch.setattr(leaves, "_PROCESSES", 1)
    found += [[(run.run_id, run.config, run.names) for run in runs(overrides)]]
    assert found[0] == found[1] and len(found[0]) == 70


def test_a_point_that_cannot_be_composed_is_refused_from_another_process(monkeypatch):
    with pytest.raises(ConfigError, match="task=box5: "):
        runs(["task=half,box50,box5", "seed=0,1"])


@pytest.mark.parametrize(
    ("overrides", "count", "compositions"),
    [
        (["experiment=demo", "seed=range(15)"], 480, 1 + 1 + (3 + 7) + 7),  # whole numbers change their key
        (["seed=range(300)", "schedule.steps=3,4"], 600, 1 + 1),
        (["experiment=table1"], 392, 1 + 1 + (6 + 7 + 6) + 7),
        (["experiment=mnist"], 35, 1 + 1 + (4 + 6) + 6),
        (["task=half"], 1, 1),
    ],
)
def test_hundreds_of_runs_take_tens_of_compositions(monkeypatch, overrides, count, compositions):
    """One to find the axes, one of the first point if that is another, one for each other option, and the sample."""
    asked = []
    monkeypatch.setattr(leaves, "_PROCESSES", 1)  # what others compose is not counted here
    for module in (sweep, leaves):
        monkeypatch.setattr(module, "compose_run", lambda point: asked.append(point) or compose_run(point))
    assert len({run.run_id for run in runs(overrides)}) == count
    assert len(asked) == compositions


def test_what_the_first_point_hides_is_seen_by_the_sample_and_every_point_composed(monkeypatch):
    """In smoke mode every budget is alike; without it they are not."""
    overrides = ["mode=smoke,full", "budget=20x50,50x20", "solver=map_ga"]
    with pytest.raises(Interaction):
        list(Sweep(overrides).runs())
    assert runs(overrides) == list(Sweep(overrides).composed())


def test_two_options_that_name_one_file_together_are_composed(monkeypatch):
    """tuned/<experiment>-<solver>: what is chosen there depends on both, though its file may not be there."""
    asked = []
    monkeypatch.setattr(sweep, "compose_run", lambda point: asked.append(tuple(point)) or compose_run(point))
    found = Sweep(["experiment=mnist,demo", "solver=pgdm,ddrm", "task=half"])
    list(found.runs())
    assert ("experiment=demo", "solver=ddrm", "task=half") in asked


def test_results_lie_in_one_folder(tmp_path):
    assert Sweep(["experiment=demo", f"results_dir={tmp_path}"]).results_dir == tmp_path
    with pytest.raises(ConfigError, match="results_dir takes one folder"):
        Sweep(["results_dir=a,b"])


def test_a_glob_is_the_choices_it_matches():
    assert [run.names["task"] for run in runs(["task=glob(box*)"])] == ["box25", "box50"]
    assert runs(["task=glob([box*,half],exclude=box25)", "seed=1,2"]) == runs(["task=box50,half", "seed=1,2"])
    with pytest.raises(ConfigError, match=r"task=glob\(zz\*\): nothing of that name; choose among altlines, box25"):
        runs(["task=glob(zz*)"])


@pytest.mark.parametrize(
    ("overrides", "places", "said"),
    [
        (["seed=1,1"], {1}, "seed=1 and seed=1 are one run"),
        (["seed=1,2,01"], {2}, "seed=1 and seed=01 are one run"),
        (["schedule.rho=7,6,7.0", "seed=1,2"], {4, 5}, "schedule.rho=7 and schedule.rho=7.0 are one run"),
        (["batch_size=1,2"], {1}, "batch_size=1 and batch_size=2 are one run"),
        (["seed=1,2"], set(), ""),
    ],
)
def test_points_that_are_one_run_are_said(caplog, overrides, places, said):
    found = Sweep(overrides)
    assert found.repeats(found.all()) == places
    assert said in caplog.text and len(caplog.records) == len(places)


def test_points_that_differ_in_where_images_lie_alone_are_refused():
    found = Sweep(["dataset=image_folder", "dataset.root=a,b", "prior=none", "solver=pinv"])
    with pytest.raises(
        ConfigError, match=r"dataset\.root=a and dataset\.root=b are one run, image_folder-.*results_dir of its own"
    ):
        found.repeats(found.all())


def test_of_a_key_that_is_given_twice_the_last_counts():
    assert runs(["seed=1,2", "seed=3"]) == runs(["seed=3"])


@pytest.mark.parametrize("values", ["range(0)", "range(5,1)", "range(1,5,0)", "range(0,1000000000)"])
def test_an_axis_has_some_values_and_not_endlessly_many(values):
    with pytest.raises(ConfigError, match=re.escape(f"seed={values}")):
        Sweep([f"seed={values}"])


def test_runs_that_differ_in_metrics_alone_are_refused_by_name():
    found = Sweep(["metrics=basic,digits", "seed=1,2"])
    with pytest.raises(ConfigError, match=r"metrics=basic and metrics=digits are one run, .*mapga score"):
        found.repeats(found.all())
