"""The library and ``mapga run`` with the same names, settings and seed: the same pixels and the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml

import mapga
from helpers.commands import mapga as command
from mapga.pixels import to_uint8
from mapga.records import Journal
from mapga.records.collect import collect
from mapga.records.image_scores import read_scores


class Case(NamedTuple):
    """A run's overrides, and what the library is told instead; it is told nothing else."""

    overrides: str
    prior: tuple[str, dict[str, Any]]
    task: tuple[str, dict[str, Any]]
    solver: tuple[str, dict[str, Any]]
    images: dict[str, Any]
    seed: int = 0
    from_truth: bool = False


FEW = ("mixture", {"components": 20, "ode_steps": 4})
CASES = {
    "num_iter and steps, images that are skipped": Case(
        "dataset.skip=5 prior=mixture prior.components=20 prior.ode_steps=4 task.sigma_y=0.05 solver=map_ga_np "
        "num_iter=2 schedule.steps=3 seed=7",
        FEW, ("box50", {"sigma_y": 0.05}), ("map_ga_np", {"num_iter": 2, "steps": 3}), {"skip": 5}, seed=7,
    ),
    "another schedule, a unit, an operator's argument": Case(
        "prior=mixture prior.components=20 prior.ode_steps=4 task=deblur task.operator.size=5 task.sigma_y=0.1 "
        "'task.sigma_y_unit=\"[0,1]\"' solver=ddrm solver.eta=0.5 schedule=linear "
        "schedule.steps=4 schedule.sigma_max=20",
        FEW, ("deblur", {"size": 5, "sigma_y": 0.1, "sigma_y_unit": "[0,1]"}),
        ("ddrm", {"eta": 0.5, "schedule": "linear", "steps": 4, "sigma_max": 20}), {},
    ),
    "from the noised truth": Case(
        "prior=mixture prior.components=20 prior.ode_steps=4 task=supres4x task.sigma_y=0.05 solver=pgdm "
        "schedule.steps=3 start=truth",
        FEW, ("supres4x", {"sigma_y": 0.05}), ("pgdm", {"steps": 3}), {}, from_truth=True,
    ),
    "double precision, a task's own noise": Case(
        "prior=mixture prior.components=20 prior.ode_steps=4 task=denoise solver=ct_zsie "
        "schedule.steps=4 dtype=float64",
        FEW, ("denoise", {}), ("ct_zsie", {"steps": 4}), {"dtype": torch.float64},
    ),
    "the shipped networks": Case(
        "prior=mnist task=half solver=map_ga_d_np schedule.steps=2",
        ("mnist", {}), ("half", {}), ("map_ga_d_np", {"steps": 2}), {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_same_seed_gives_the_pixels_of_a_run(name: str, tmp_path: Path, capsys):
    case = CASES[name]
    overrides = [part.strip("'") for part in case.overrides.split()]
    said = command(capsys, "run", f"results_dir={tmp_path}", "device=cpu", "dataset.limit=3", *overrides)
    assert said.code == 0, said.err
    (folder,) = tmp_path.glob("mnist-*")

    truth = mapga.load_images("mnist", limit=3, **case.images)
    prior = mapga.load_prior(case.prior[0], **case.prior[1])
    problem = mapga.load_task(case.task[0], **case.task[1]).measure(truth, seed=case.seed)
    solver = mapga.load_solver(case.solver[0], **case.solver[1])
    restored = solver.restore(problem, prior, seed=case.seed, start=truth if case.from_truth else None)

    assert np.array_equal(to_uint8(restored), np.load(folder / "images.npy"))
    numbers = mapga.load_metrics("basic")(restored, truth, problem=problem)
    rows = sorted(Journal(folder / "journal.jsonl").rows(), key=lambda row: row.row)
    assert [row.index for row in rows] == list(truth.numbers) and [row.label for row in rows] == truth.labels.tolist()
    (run,), _ = collect(tmp_path)
    scores, _ = read_scores(run)
    for key, values in numbers.items():
        assert values == pytest.approx(scores.values[key], rel=1e-6)


def test_what_a_config_does_not_state_has_the_default_that_a_run_has():
    """``config.schema`` holds it for Hydra, which the library does without."""
    from mapga.config.schema import RootConfig, TaskConfig

    run = yaml.safe_load((Path(__file__).parents[2] / "conf/run.yaml").read_text())
    task = mapga.load_task("half")
    assert task.sigma_y == TaskConfig.sigma_y and TaskConfig.sigma_y_unit == "[-1,1]"
    assert mapga.load_solver("map_ga").num_iter == run["num_iter"] == RootConfig.num_iter
    assert type(mapga.load_solver("map_ga").schedule).__name__.lower() == "karras"
