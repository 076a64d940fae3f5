"""Every file of conf/ composes, names classes of ours with arguments they take, and holds nothing twice."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from helpers.runs import TinyImages, tiny_prior
from mapga.config.build import Slot, build, check
from mapga.config.compose import compose_run, conf_dir, resolve
from mapga.config.expansion import axes_of
from mapga.records import run_identity
from mapga.run.assemble import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, build_metrics
from mapga.schedules import Karras

FILES = sorted(path.relative_to(conf_dir()).as_posix() for path in conf_dir().rglob("*.yaml"))
OVERLAYS = {"ascent", "assumed", "hydra", "tuned"}  # chosen by the names of other choices, never by a person
GROUPS = sorted({Path(name).parts[0] for name in FILES} - {"run.yaml", "train"} - OVERLAYS)


def _names(group: str) -> list[str]:
    return [Path(name).stem for name in FILES if name.startswith(f"{group}/")]


class _Strict(yaml.SafeLoader):
    """Refuses a key that is written twice."""


def _once(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"twice: {keys}"
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Strict.add_constructor("tag:yaml.org,2002:map", _once)


def test_the_known_groups_are_there():
    assert set(GROUPS) <= {Path(name).parts[0] for name in FILES} and "run.yaml" in FILES


@pytest.mark.parametrize("name", FILES)
def test_no_key_is_written_twice_and_a_comment_says_what_it_is(name):
    text = (conf_dir() / name).read_text()
    yaml.load(text, Loader=_Strict)
    assert text.startswith("# ")
    comments = [line for line in text.splitlines() if line.startswith("# ") and "@package" not in line]
    assert comments, f"{name} does not say what it is"


@pytest.mark.parametrize("group", GROUPS)
def test_no_two_files_of_a_group_are_the_same(group):
    loaded = {}
    for name in _names(group):
        text = repr(yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text()))
        assert text not in loaded, f"{group}/{name} repeats {loaded.get(text)}"
        loaded[text] = name


@pytest.mark.parametrize(
    "choice", [f"{group}={name}" for group in GROUPS if group != "experiment" for name in _names(group)]
)
def test_every_choice_composes(choice):
    root = ["dataset.root=data"] if choice == "dataset=image_folder" else []
    config, names = resolve(compose_run([choice, *root]))
    group, _, name = choice.partition("=")
    if group in names:
        assert names[group] == name
    check(DATASET, config["dataset"])
    check(PRIOR, config["prior"], ("images", "seed", "dataset_classes", "image_shape"))
    check(SCHEDULE, config["schedule"])
    check(SOLVER, config["solver"], ("schedule",))
    check(OPERATOR, config["task"]["operator"], ("image_shape",))
    assert set(config["task"]) == {"operator", "sigma_y", "sigma_y_unit"}
    for key, node in config["metrics"].items():
        check(Slot(f"metrics.{key}", "mapga.metrics", "Metric"), node)
    for key, node in config["tracker"].items():
        check(Slot(f"tracker.{key}", "mapga.tracking", "Tracker"), node)


@pytest.mark.parametrize("name", _names("schedule"))
def test_every_schedule_is_built(name):
    schedule = build(SCHEDULE, resolve(compose_run([f"schedule={name}"]))[0]["schedule"])
    levels = schedule.levels(schedule.steps + 1).tolist()
    assert len(levels) == schedule.steps + 1 and levels == sorted(levels, reverse=True)


@pytest.mark.parametrize("name", _names("task"))
def test_every_task_is_built(name):
    node = resolve(compose_run([f"task={name}"]))[0]["task"]["operator"]
    operator = build(OPERATOR, node, {"image_shape": (1, 32, 32)})
    assert operator.n_measurements >= 1


@pytest.mark.parametrize("name", _names("solver"))
def test_every_solver_is_built_and_says_what_it_supports(name):
    solver = build(SOLVER, resolve(compose_run([f"solver={name}"]))[0]["solver"], {"schedule": Karras(steps=3)})
    operator = build(OPERATOR, {"_target_": "mapga.operators.HalfMask"}, {"image_shape": (1, 8, 8)})
    verdicts = [solver.supports(operator, sigma_y, tiny_prior()) for sigma_y in (0.0, 0.05)]
    assert None in verdicts


@pytest.mark.parametrize("name", ["gaussian", "mixture"])
def test_every_fitted_prior_is_built(name):
    from mapga.run.assemble import make_prior

    overrides = ["prior.components=5"] if name == "mixture" else []
    prior = make_prior(resolve(compose_run([f"prior={name}", *overrides]))[0]["prior"], TinyImages())
    assert prior.image_shape == (1, 8, 8)


@pytest.mark.parametrize("name", _names("metrics"))
def test_every_metric_is_built_under_the_name_it_has(name):
    config = resolve(compose_run([f"metrics={name}"]))[0]
    metrics = build_metrics(config)
    names = [metric.name for metric in metrics]
    assert len(set(names)) == len(names)
    assert names == list(config["metrics"])


@pytest.mark.parametrize("name", _names("tracker"))
def test_every_tracker_is_built(name):
    config = resolve(compose_run([f"tracker={name}"]))[0]
    for key, node in config["tracker"].items():
        build(Slot(f"tracker.{key}", "mapga.tracking", "Tracker"), node)


@pytest.mark.parametrize("name", _names("experiment"))
def test_every_experiment_is_a_sweep_whose_runs_compose(name, tmp_path):
    overrides = [f"experiment={name}", f"results_dir={tmp_path}"]
    points = itertools.islice(itertools.product(*axes_of(overrides)), 3)
    runs = [resolve(compose_run(point)) for point in points]
    assert len(runs) == 3 and len({run_identity(config) for config, _ in runs}) == 3
    assert all(names["experiment"] == name for _, names in runs)


@pytest.mark.parametrize("dataset", _names("dataset"))
def test_a_dataset_brings_a_prior_unless_one_is_named(dataset):
    root = ["dataset.root=data"] if dataset == "image_folder" else []
    own = resolve(compose_run([f"dataset={dataset}", *root]))[1]["prior"]
    assert own in _names("prior")
    assert resolve(compose_run([f"dataset={dataset}", "prior=none", *root]))[1]["prior"] == "none"


def test_the_smoke_mode_makes_any_run_tiny():
    config, _ = resolve(compose_run(["mode=smoke"]))
    assert (config["dataset"]["limit"], config["schedule"]["steps"]) == (2, 2)


def test_presets_of_map_ga_are_the_papers_four():
    flags = {
        name: tuple(resolve(compose_run([f"solver={name}"]))[0]["solver"][key] for key in ("consistency", "use_prior"))
        for name in ("map_ga", "map_ga_np", "map_ga_d", "map_ga_d_np")
    }
    assert flags == {
        "map_ga": (True, True),
        "map_ga_np": (True, False),
        "map_ga_d": (False, True),
        "map_ga_d_np": (False, False),
    }
