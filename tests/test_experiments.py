"""The paper's tables: each sweep is the paper's, and its smoke mode takes the path of the real one to a report."""

from __future__ import annotations

import csv
import importlib.util
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from mapga.cli import main
from mapga.config.compose import compose_run, spec_of
from mapga.config.files import options
from mapga.config.sweep import runs as runs_of
from mapga.node import SCHEDULE, SOLVER
from mapga.operators import Diagonal
from mapga.priors.wrapped import WrappedPrior
from mapga.problem import Problem
from mapga.rng import NoiseSource, standard_normal
from mapga.spec import RunSpec
from mapga.testing.exact import gaussian, standard

TABLES = [f"table{k}" for k in range(1, 6)]
DIGITS = ["dataset=mnist", "prior=mixture", "prior.components=5", "prior.ode_steps=2"]
BUDGETS = {(20, 50), (50, 20), (100, 10), (200, 5), (250, 4), (500, 2), (1000, 1)}
SMOKE = {  # tasks are few so that the tests are quick; the solvers are all there
    "table1": (["task=box50,supres4x"], 14),
    "table2": (["task=deblur"], 7),
    "table3": (["task=half"], 5),
    "table4": (["task=expand"], 6),
    "table5": ([], 7),
}


@pytest.mark.parametrize(("table", "count"), zip(TABLES, (392, 392, 210, 252, 7), strict=True))
def test_the_sweep_is_the_papers(table, count):
    params = compose_run([f"experiment={table}"]).hydra.sweeper.params
    assert math.prod(len(str(values).split(",")) for values in params.values()) == count


@pytest.mark.parametrize("table", ["table1", "table4"])
def test_budgets_meet_only_the_solvers_that_have_them(table):
    runs = runs_of([f"experiment={table}", "task=half"])
    settings = {(run.steps, getattr(run.node(SOLVER).namespace, "num_iter", None)) for run in runs}
    assert {pair for pair in settings if pair[1] is not None} == BUDGETS
    assert {steps for steps, iterations in settings if iterations is None} == {steps for steps, _ in BUDGETS}
    cells = Counter((run.names["task"], run.names["solver"], run.sigma_y) for run in runs)
    assert set(cells.values()) == {7} and len(cells) == (7 if table == "table1" else 6)


def _one(table: str) -> RunSpec:
    return spec_of(compose_run([f"experiment={table}"]))


def test_what_the_paper_leaves_open_is_named():
    run = _one("table1")
    assert run.config["dataset"]["list"] == "val_1k" and run.config["prior"]["consistency"] == "ct_imagenet64"
    assert run.config["prior"]["labels"] == "truth" and {"fid_clean", "lpips_alex"} <= set(run.metrics)
    assert (run.names["dataset"], run.names["prior"]) == ("imagenet64", "imagenet64")
    dataset = _one("table2").config["dataset"]
    assert (dataset["limit"], dataset["subset_seed"]) == (100, 0)
    assert (_one("table3").start, _one("table3").config["schedule"]["sigma_max"]) == ("truth", 0.5)
    assert _one("table4").sigma_y_unit == "[-1,1]"
    assert (_one("table5").batch_size, _one("table5").images, _one("table5").steps) == (50, 50, 50)


def test_overlays_name_what_there_is():
    """``assumed/<protocol>-<dataset>`` and ``tuned/<experiment>-<solver>`` are found by name; a misspelt one is not."""
    for overlay, groups in (("assumed", ("protocol", "dataset")), ("tuned", ("experiment", "solver"))):
        for name in options(overlay):
            first, _, second = name.partition("-")
            assert first in options(groups[0]) and second in options(groups[1])


@pytest.mark.parametrize("solver", options("solver"))
def test_a_budget_reaches_the_solvers_that_ascend(solver):
    run = spec_of(compose_run([f"solver={solver}", "budget=20x50"]))
    assert run.steps == 20 and getattr(run.node(SOLVER).namespace, "num_iter", 50) == 50


@pytest.mark.parametrize("table", TABLES)
def test_smoke(tmp_path, table, capsys):
    extra, count = SMOKE[table]
    budget = [] if table == "table5" else ["budget=20x50"]
    overrides = [f"experiment={table}", *DIGITS, *extra, *budget, "mode=smoke", f"results_dir={tmp_path}", "device=cpu"]
    assert main(["run", "-m", *overrides]) == 0
    folders = [path.parent for path in tmp_path.glob("*/done")]
    assert len(folders) == count
    for folder in folders:
        found = json.loads((folder / "metrics.json").read_text())
        assert found["n_images"] == 2 and found["n_failed"] == 0
        config = yaml.safe_load((folder / "config.yaml").read_text())
        assert config["schedule"]["steps"] == 2 and config["solver"].get("num_iter", 1) == 1
    assert main(["report", str(tmp_path), "--images", "1"]) == 0
    text = (tmp_path / "report" / "table.md").read_text()
    assert "map\\_ga" in text or "map_ga" in text
    assert ("runtime, beside the paper's Table 5" in text) == (table == "table5")
    capsys.readouterr()


def test_the_levels_in_the_document_are_those_that_were_measured():
    folder = Path(__file__).parents[1] / "experiments" / "paired_tests"
    with (folder / "levels.csv").open(newline="") as file:
        measured = {(line["gaps"], int(line["n"])): line for line in csv.DictReader(file)}
    lines = [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("| ")]
    kinds = [cell.strip() for cell in lines[0].split("|")[2:-1]]
    cells = {}
    for line in lines[2:]:
        n, *texts = (cell.strip() for cell in line.split("|")[1:-1])
        cells |= {(kind, int(n)): text for kind, text in zip(kinds, texts, strict=True)}
    parts = ("sign_flips", "bootstrap_t", "larger")
    assert cells == {
        place: "{} / {} / **{}**".format(*(f"{100 * float(line[part]):.1f}" for part in parts))
        + f" [{100 * float(line['called_skewed']):.0f}]"
        for place, line in measured.items()
    }


def test_the_simulation_of_levels_runs(tmp_path, monkeypatch, capsys):
    simulate = _script("paired_tests/simulate.py")
    monkeypatch.setattr(
        "sys.argv", ["simulate.py", "--draws", "25", "--resamples", "99", "--to", str(tmp_path / "x.csv")]
    )
    assert simulate.main() == 0
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 1 + 4 * 7
    capsys.readouterr()


def test_only_the_start_is_drawn_around_the_truth():
    around = torch.full((2, 1, 4, 4), 3.0)
    noise, plain = NoiseSource(0, [5, 6], (1, 4, 4), around=around), NoiseSource(0, [5, 6], (1, 4, 4))
    drawn = standard_normal(0, "start", [5, 6], (1, 4, 4))
    torch.testing.assert_close(noise.start(7.0), 7.0 * drawn + 3.0)
    assert torch.equal(noise.step(0), plain.step(0))


def test_a_start_from_the_truth_is_nearly_done(tmp_path, capsys):
    """At sigma = 0.01 the start is all but the answer, and the solver's first image is too; from noise it is not."""
    found = {}
    for start, levels in (("truth", "schedule.sigma_max=0.01"), ("null", "schedule.sigma_max=80")):
        overrides = ["solver=map_ga_d_np", "task=half", *DIGITS, "mode=smoke", levels, f"start={start}", "device=cpu"]
        assert main(["run", *overrides, f"results_dir={tmp_path}"]) == 0
        folder = capsys.readouterr().out.split()[-1]
        found[start] = json.loads((Path(folder) / "metrics.json").read_text())["metrics"]["psnr"]["mean"]
    assert found["truth"] > 35 and found["truth"] > found["null"] + 10


class Asked(WrappedPrior):
    """A prior that notes what it is asked."""

    def __init__(self, prior):
        super().__init__(prior)
        self.asked = []

    def denoise(self, x, sigma):
        self.asked.append((x.detach(), float(sigma)))
        return self.prior.denoise(x, sigma)

    def consistency(self, x, sigma):
        self.asked.append((x.detach(), float(sigma)))
        return self.prior.consistency(x, sigma)


@pytest.mark.parametrize("schedule", ["karras", "ddpm"])
@pytest.mark.parametrize("solver", ["map_ga_d_np", "pgdm", "map_ga_pgdm"])
def test_the_truth_stands_whole_in_the_start_whatever_levels_are_visited(solver, schedule):
    """The first image asked of the prior is truth + sigma n, at the level sigma that it is asked at."""
    overrides = [f"solver={solver}", f"schedule={schedule}", "schedule.steps=3", "task.sigma_y=0.5", *DIGITS]
    spec = spec_of(compose_run(overrides))
    solver = spec.node(SOLVER).build({"schedule": spec.node(SCHEDULE).build()})
    prior, truth = Asked(standard((1, 8, 8))), torch.full((1, 1, 8, 8), 0.5, dtype=torch.float64)
    operator = Diagonal(torch.ones(8, 8, dtype=torch.float64), image_shape=(1, 8, 8))
    noise = NoiseSource(0, [5], (1, 8, 8), dtype=torch.float64, around=truth)
    next(iter(solver.iterate(Problem(truth, operator, 0.5), prior, noise)))
    x, sigma = prior.asked[0]
    drawn = standard_normal(0, "start", [5], (1, 8, 8)).double()
    torch.testing.assert_close(x, truth + sigma * drawn, rtol=0, atol=1e-9)


@pytest.mark.parametrize("solver", ["ddrm", "ct_zsie"])
def test_a_solver_that_starts_from_the_measurement_has_no_start_from_the_truth(tmp_path, capsys, solver):
    assert main(["run", f"solver={solver}", *DIGITS, "mode=smoke", "start=truth", f"results_dir={tmp_path}"]) == 2
    assert "start=truth" in capsys.readouterr().err
    assert main(["run", "start=elsewhere", *DIGITS, "mode=smoke", f"results_dir={tmp_path}"]) == 2
    assert "choose null or truth" in capsys.readouterr().err


def test_images_of_a_table_are_the_same_for_all_its_methods(tmp_path, capsys):
    overrides = ["experiment=table1", *DIGITS, "task=box50", "budget=20x50", "mode=smoke", f"results_dir={tmp_path}"]
    assert main(["run", "-m", *overrides, "solver=pgdm,ddrm"]) == 0
    capsys.readouterr()
    problems = list((tmp_path / "problems").iterdir())
    assert len(problems) == 1 and np.load(problems[0] / "truth.npy").shape == (2, 32, 32, 1)


def _script(name: str):
    path = Path(__file__).parents[1] / "experiments" / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def flow():
    return _script("mnist/flow.py")


def test_the_flow_in_the_place_of_c_is_the_exact_consistency_function(flow):
    exact = gaussian((1, 4, 4))[0]
    for sigma in (0.002, 0.5, 80.0):
        x = exact.consistency(torch.zeros(2, 1, 4, 4).double(), 80.0) + sigma * torch.randn(2, 1, 4, 4).double()
        errors = [
            float((flow.Flow(exact, steps).consistency(x, sigma) - exact.consistency(x, sigma)).abs().max())
            for steps in (20, 80)
        ]
        assert errors[1] <= max(errors[0] / 10, 1e-8) and errors[1] < 0.01


def test_the_script_that_looks_for_the_cause_runs(flow, tmp_path, capsys, monkeypatch):
    command = ["flow.py", str(tmp_path), "--limit", "2", "--tasks", "half", "--steps", "2", "--heun", "4"]
    for _ in range(2):  # the second time from the runs that are there
        monkeypatch.setattr("sys.argv", command)
        flow.main()
        said = capsys.readouterr().out
        assert [line.split(" | ")[:2] for line in said.splitlines()[2:5]] == [["| half", n] for n in ("D", "C", "flow")]
        assert 'half flow: {"80"' in said


def test_entropies_and_shares_in_the_document_are_those_that_were_measured():
    folder = Path(__file__).parents[1] / "experiments" / "exactness"
    lines = [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("| ")]
    tables = {}
    for name, kind, value, form in [
        ("entropy", "task", "entropy", lambda x: f"{x:.2f}"),
        ("astray", "steps", "astray", lambda x: f"{100 * x:.1f} %"),
    ]:
        with (folder / f"{name}.csv").open(newline="") as file:
            for line in csv.DictReader(file):
                tables.setdefault(line["std"], {}).setdefault(line[kind], []).append(form(float(line[value])))
    for std, cells in tables.items():
        written = [line for line in lines if line.startswith(f"| {std} |")]
        texts = [", ".join(parts) for parts in cells.values()]
        assert written == [f"| {std} | {' | '.join(texts[:5])} |", f"| {std} | {' | '.join(texts[5:])} |"]


def test_tables_of_solvers_and_of_the_lag_are_of_what_was_measured():
    text = (Path(__file__).parents[1] / "experiments/exactness/README.md").read_text()
    tables = _script("exactness/tables.py")
    made = [*tables.tables(), *tables.lags()]
    assert len(made) == 14
    for table in made:
        assert table in text, table
