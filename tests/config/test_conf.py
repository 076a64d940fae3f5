"""Every file of conf/ composes, names classes of ours with arguments they take, and holds nothing twice."""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from helpers.runs import TinyImages, tiny_prior
from mapga.card import Card
from mapga.config.compose import compose_run, spec_of
from mapga.config.files import conf_dir, options
from mapga.config.groups import stated_by
from mapga.config.sweep import Sweep
from mapga.node import DATASET, OPERATOR, PRIOR, SCHEDULE, SOLVER, Node, metric, resolved
from mapga.run.assemble import make_prior
from mapga.schedules import Karras
from mapga.slot import card_of
from mapga.spec import RunSpec

FILES = sorted(path.relative_to(conf_dir()).as_posix() for path in conf_dir().rglob("*.yaml"))
OVERLAYS = {"assumed", "hydra", "tuned"}  # chosen by the names of other choices, never by a person
GROUPS = sorted({Path(name).parts[0] for name in FILES if "/" in name} - {"train"} - OVERLAYS)


@cache  # several tests ask for the same choice
def spec(*overrides: str) -> RunSpec:
    return spec_of(compose_run(overrides))


def _left_open(group: str, name: str) -> list[str]:
    """Something for every key that a file leaves to whoever chooses it."""
    node = yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text()) or {}
    return [f"{group}.{key}=data" for key, value in node.items() if value == "???"]


def _file_card(prior: str) -> Card:
    """The card of what a prior's file names; nothing is composed, since tests are collected by it."""
    node = yaml.safe_load((conf_dir() / "prior" / f"{prior}.yaml").read_text())
    return card_of(resolved(PRIOR, node)[0])


class _Strict(yaml.SafeLoader):
    """Refuses a key that is written twice."""


def _once(loader, node):
    keys = [loader.construct_object(key) for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"twice: {keys}"
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Strict.add_constructor("tag:yaml.org,2002:map", _once)


def test_every_group_is_one_that_a_run_composes():
    """A folder that run.yaml does not name would never be read, and its files never be tested."""
    defaults = yaml.safe_load((conf_dir() / "run.yaml").read_text())["defaults"]
    named = {re.sub(r"^optional |@.*$", "", key) for line in defaults if isinstance(line, dict) for key in line}
    assert {*GROUPS, *OVERLAYS - {"hydra"}} == {key for key in named if not key.startswith("override")}


@pytest.mark.parametrize("name", FILES)
def test_no_key_is_written_twice_and_a_comment_says_what_it_is(name):
    text = (conf_dir() / name).read_text()
    yaml.load(text, Loader=_Strict)
    assert text.startswith("# ")
    comments = [line for line in text.splitlines() if line.startswith("# ") and "@package" not in line]
    assert comments, f"{name} does not say what it is"


@pytest.mark.parametrize("group", [*GROUPS, "assumed"])
def test_no_two_files_of_a_group_are_the_same(group):
    loaded = {}
    for name in options(group):
        text = repr(yaml.safe_load((conf_dir() / group / f"{name}.yaml").read_text()))
        assert text not in loaded, f"{group}/{name} repeats {loaded.get(text)}"
        loaded[text] = name


@pytest.mark.parametrize(
    "choice", [f"{group}={name}" for group in GROUPS if group != "experiment" for name in options(group)]
)
def test_every_choice_composes(choice):
    group, _, name = choice.partition("=")
    run = spec(choice, *_left_open(group, name))
    if group in run.names:
        assert run.names[group] == name
    for slot in (DATASET, PRIOR, SCHEDULE, SOLVER, OPERATOR):
        run.node(slot)
    assert set(run.config["task"]) == {"operator", "sigma_y", "sigma_y_unit"}
    assert list(run.metrics) == list(run.config["metrics"]) and list(run.trackers) == list(run.config["tracker"])


@pytest.mark.parametrize("group", ["dataset", "task", "solver", "prior", "schedule", "step"])
def test_every_choice_has_a_title_and_no_two_the_same(group):
    stated = {name: stated_by(group, name) for name in options(group)}
    titles = [(one["operator"] if group == "task" else one).get("title", "") for one in stated.values()]
    assert all(titles) and len(set(titles)) == len(titles), sorted(zip(stated, titles, strict=True))


def test_every_metric_has_a_title_and_no_two_the_same():
    stated = {key: node for name in options("metrics") for key, node in stated_by("metrics", name).items()}
    titles = {
        key: card_of(resolved(metric(key), node)[0]).titles.get(key)
        for key, node in stated.items()
        if key != "defaults"
    }
    assert all(titles.values()) and len(set(titles.values())) == len(titles), titles


@pytest.mark.parametrize("name", options("schedule"))
def test_every_schedule_is_built(name):
    schedule = spec(f"schedule={name}").node(SCHEDULE).build()
    levels = schedule.levels(schedule.steps + 1).tolist()
    assert len(levels) == schedule.steps + 1 and levels == sorted(levels, reverse=True)


@pytest.mark.parametrize("name", options("task"))
def test_every_task_is_built(name):
    operator = spec(f"task={name}").node(OPERATOR).build({"image_shape": (1, 32, 32)})
    assert operator.n_measurements >= 1


@pytest.mark.parametrize("name", options("solver"))
def test_every_solver_is_built_and_says_what_it_supports(name):
    solver = spec(f"solver={name}").node(SOLVER).build({"schedule": Karras(steps=3)})
    operator = Node.read(OPERATOR, {"_target_": "mapga.operators.HalfMask"}).build({"image_shape": (1, 8, 8)})
    verdicts = [solver.supports(operator, sigma_y, tiny_prior()) for sigma_y in (0.0, 0.05)]
    assert None in verdicts


@pytest.mark.parametrize("name", [name for name in options("prior") if "images" in _file_card(name).given])
def test_every_fitted_prior_is_built(name):
    overrides = ["prior.components=5"] if name in ("mixture", "overlapping") else []
    assert make_prior(spec(f"prior={name}", *overrides), TinyImages()).image_shape == (1, 8, 8)


@pytest.mark.parametrize("name", options("metrics"))
def test_every_metric_is_built_under_the_name_it_has(name):
    metrics = spec(f"metrics={name}").metrics
    assert [node.build().name for node in metrics.values()] == list(metrics)


@pytest.mark.parametrize("name", options("tracker"))
def test_every_tracker_is_built(name):
    for node in spec(f"tracker={name}").trackers.values():
        node.build()


@pytest.mark.parametrize("name", options("experiment"))
def test_every_experiment_is_a_sweep_whose_runs_compose(name, tmp_path):
    points = itertools.islice(Sweep([f"experiment={name}", f"results_dir={tmp_path}"]).points, 3)
    runs = [spec(*point) for point in points]
    assert len(runs) == 3 and len({run.run_id for run in runs}) == 3
    assert all(run.names["experiment"] == name for run in runs)


@pytest.mark.parametrize("dataset", options("dataset"))
def test_a_dataset_brings_a_prior_unless_one_is_named(dataset):
    given = _left_open("dataset", dataset)
    assert spec(f"dataset={dataset}", *given).names["prior"] in options("prior")
    assert spec(f"dataset={dataset}", "prior=none", *given).names["prior"] == "none"


def test_the_smoke_mode_makes_any_run_tiny():
    run = spec("mode=smoke")
    assert (run.images, run.steps) == (2, 2)


def test_presets_of_map_ga_are_the_papers_four_and_ours_that_weigh_the_prior():
    presets = {name: spec(f"solver={name}").node(SOLVER).namespace for name in options("solver") if "map_ga" in name}
    ours = {name: a for name, a in presets.items() if name.endswith(("_capped", "_annealed"))}
    assert {name: (a.consistency, a.use_prior, a.prior_weight) for name, a in ours.items()} == {
        f"map_ga{d}_{weight}": (not d, True, weight) for d in ("", "_d") for weight in ("capped", "annealed")
    }
    presets = {name: a for name, a in presets.items() if name not in ours}
    flags = {name: (a.consistency, a.use_prior) for name, a in presets.items() if "pgdm" not in name}
    assert flags == {
        "map_ga": (True, True),
        "map_ga_np": (True, False),
        "map_ga_d": (False, True),
        "map_ga_d_np": (False, False),
    }


def test_the_readme_lists_every_choice():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for group in GROUPS:
        (line,) = re.findall(rf"^\| `{group}` \| (.*) \|$", readme, re.MULTILINE) or [""]
        named = set(re.findall(r"[\w]+", line))
        ranges = re.findall(r"`([a-z]+)(\d+)` \.\.\. `[a-z]+(\d+)`", line)
        named |= {f"{stem}{k}" for stem, first, last in ranges for k in range(int(first), int(last) + 1)}
        assert line, f"README's table of choices has no line for {group}"
        assert not (missing := [name for name in options(group) if name not in named]), f"{group}: {missing}"


def test_the_default_solver_brings_its_levels_and_a_step_the_solver_that_takes_it():
    step = "step=line_search"
    names = [spec_of(compose_run(given)).names for given in ([], [step], [step, "solver=map_ga_d_np"])]
    assert [(one["solver"], one["schedule"]) for one in names] == [
        ("map_gn_fast", "few"),
        ("map_ga_np", "karras"),
        ("map_ga_d_np", "karras"),
    ]
