"""The studies of experiments/: their index says what they say, and what they share keeps what it has made."""

from __future__ import annotations

import csv
import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mapga.errors import ConfigError
from mapga.metrics import Flicker
from mapga.operators import CentralBox
from mapga.operators.masks import Identity
from mapga.pixels import from_uint8
from mapga.problem import Problem
from mapga.schedules import Geometric
from mapga.testing.exact import standard

ROOT = Path(__file__).parents[1]
INTERVAL = re.compile(
    r"(?<![\w.,\[-])(-?\d[\d,.]*(?:e-?\d+)?)(?:\*\*)?( %)? \[(-?\d[\d,.]*(?:e-?\d+)?), (-?\d[\d,.]*(?:e-?\d+)?)\]"
)
RUNS = sorted(path.parent.name for path in (ROOT / "experiments").glob("*/run.py"))


@pytest.fixture(autouse=True)
def _root(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "experiments"]:
        del sys.modules[name]


def test_the_index_is_what_the_studies_say():
    index = importlib.import_module("experiments.index")
    assert (ROOT / "experiments" / "README.md").read_text() == index.page(), "python -m experiments.index writes it"
    rows = [line for line in index.page().splitlines() if "/figure.png) |" in line]
    assert rows and all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows), "three cells each"
    assert set(index.studies()) <= {path.name for path in (ROOT / "experiments").iterdir()}


def _rounds_to(text: str, value: float) -> bool:
    """Whether a number is written like that, "1,014" or "12.5" or "1.8e-6"."""
    said, decimals = float(text.replace(",", "")), len(text.partition(".")[2])
    return abs(said - value) <= (0.05 * said if "e" in text else 0.5 * 10.0**-decimals + 1e-9)


@pytest.mark.parametrize("name", RUNS)
def test_every_interval_of_a_page_is_a_row_of_its_tables(name: str):
    folder, rows = ROOT / "experiments" / name, []
    for table in folder.glob("*.csv"):
        with table.open(newline="") as file:
            rows += [
                [float(row[key]) for key in ("mean", "low", "high")] for row in csv.DictReader(file) if row["mean"]
            ]
    said = INTERVAL.findall(" ".join((folder / "README.md").read_text().split()))
    assert said, "a finding carries its intervals"
    for mean, percent, low, high in said:
        scale = 100 if percent else 1
        written = [(mean, 0), (low, 1), (high, 2)]
        assert any(all(_rounds_to(text, scale * row[k]) for text, k in written) for row in rows), (
            f"{mean} [{low}, {high}]"
        )


@pytest.mark.parametrize("name", RUNS)
def test_a_study_can_be_read_and_its_page_has_its_command(name: str):
    assert importlib.import_module(f"experiments.{name}.run").HERE.name == name
    page = (ROOT / "experiments" / name / "README.md").read_text()
    assert f"python -m experiments.{name}.run" in page
    for word in ("**Question.**", "**Expected.**", "**Finding.**"):
        assert word in page
    assert all((ROOT / "experiments" / name / file).exists() for file in re.findall(r"\]\((\w+\.(?:csv|png))\)", page))


def test_cells_that_a_table_has_are_not_made_again(tmp_path: Path):
    common, made = importlib.import_module("experiments.common"), []

    def work(cell):
        made.append(cell["k"])
        yield {"twice": 2 * cell["k"]}

    cells = [{"k": k} for k in range(4)]
    common.run(tmp_path / "t.csv", cells[:2], work, 1)
    rows = common.run(tmp_path / "t.csv", cells, work, 1)
    assert made == [0, 1, 2, 3]
    assert [(row["k"], row["twice"]) for row in rows] == [("0", "0"), ("1", "2"), ("2", "4"), ("3", "6")]


def test_a_budget_buys_the_most_steps(monkeypatch):
    common, asked = importlib.import_module("experiments.common"), []
    from mapga.solvers import PGDM
    from mapga.testing.exact import standard

    monkeypatch.setattr(PGDM, "restore", lambda self, *rest, **more: asked.append(self.schedule.steps))
    problem = common.Problem(torch.zeros(1, 1, 4, 4), CentralBox((1, 4, 4), 0.5), 0.0)
    common.solve("pgdm", problem, standard((1, 4, 4)), 9)
    assert asked == [4]


@pytest.mark.parametrize("task", ["box50", "supres4x", "deblur"])
@pytest.mark.parametrize(("prior", "dtype"), [("digits", torch.float64), ("network", torch.float32)])
def test_what_a_study_measures_is_in_the_dtype_of_its_prior(prior, dtype, task):
    truth, problem = importlib.import_module("experiments.common").drawn(prior, task, 0.05, range(2))
    assert truth.dtype == problem.y.dtype == dtype
    torch.testing.assert_close(problem.operator.apply(truth), problem.y, rtol=0, atol=0.4)


def test_each_image_is_seen_through_its_own_operator():
    operators = [CentralBox((1, 8, 8), width) for width in (0.25, 0.75)]
    together, x = importlib.import_module("experiments.each").Each(operators), torch.randn(2, 1, 8, 8).double()
    for answer in ("apply", "adjoint", "pinv", "restrict"):
        alone = [getattr(operator, answer)(x[i : i + 1]) for i, operator in enumerate(operators)]
        torch.testing.assert_close(getattr(together, answer)(x), torch.cat(alone))
    solved = [operator.solve_gram(x[i : i + 1], 0.3) for i, operator in enumerate(operators)]
    torch.testing.assert_close(together.solve_gram(x, 0.3), torch.cat(solved))


def test_flicker_is_of_the_error_and_not_of_the_content():
    study = importlib.import_module("experiments.time_varying.run")
    truth = torch.randn(4, 1, 8, 8)
    assert study.flicker(truth + 0.3, truth) < 1e-6, "an error that stays does not flicker"
    swings = torch.tensor([0.1, -0.1, 0.1, -0.1]).reshape(4, 1, 1, 1)
    assert study.flicker(truth + swings, truth) == pytest.approx(0.2, rel=1e-4)


def test_the_studys_flicker_is_the_suites_of_images_that_need_no_rounding():
    study = importlib.import_module("experiments.time_varying.run")
    restored, truth = np.random.default_rng(0).integers(0, 256, (2, 4, 8, 8, 1), dtype=np.uint8)
    found = study.flicker(from_uint8(restored).double(), from_uint8(truth).double())
    assert found == pytest.approx(Flicker(frames=4).number(restored, truth))


def test_a_sequence_with_one_frame_is_refused_by_name():
    study = importlib.import_module("experiments.time_varying.run")
    study.check(2)
    with pytest.raises(ConfigError, match="frames=1: a sequence has two"):
        study.check(1)


def test_a_band_is_drawn_of_the_rows_that_have_a_mean():
    common = importlib.import_module("experiments.common")
    rows = [{"x": x, "mean": m, "low": m, "high": m} for x, m in (("10", "2.0"), ("9", "1.0"), ("11", ""))]
    _, axes = common.canvas(1, 1, 2, 2)
    common.band(axes[0, 0], rows, "x")
    assert axes[0, 0].lines[0].get_xydata().tolist() == [[9.0, 1.0], [10.0, 2.0]]


def test_a_noisy_image_beside_the_measurement_is_one_more_measurement():
    told = importlib.import_module("experiments.noise_schedule.told")
    operator, y, z = Identity((1, 4, 4)).to("cpu", torch.float64), *torch.randn(2, 3, 1, 4, 4).double()
    posterior = told.beside(Problem(y, operator, 0.5), standard((1, 4, 4)), y, z, 0.2)
    precision = 1 + 1 / 0.25 + 1 / 0.04
    torch.testing.assert_close(posterior.mean(), (y / 0.25 + z / 0.04) / precision)
    torch.testing.assert_close(posterior.mmse(), torch.full((3,), 1 / precision).double())


def test_levels_that_the_posterior_tells_share_the_variance_and_have_the_least_bound():
    told = importlib.import_module("experiments.noise_schedule.told")
    table = ROOT / "experiments" / "noise_schedule" / "levels.csv"
    for prior, task in (("digits", "box50"), ("digits", "supres4x"), ("patches", "box50")):
        grid, m = told.variances(told.read(table), prior, task)
        levels = told.told("equal_variance", prior, task, table, 20).levels(21)
        at = np.interp(-levels.log().numpy(), -grid.log().numpy(), m.numpy())
        np.testing.assert_allclose(-np.diff(at), (m[0] - m[-1]).item() / 20, rtol=0.05)
        bounds = [
            float(told.bound(schedule.levels(21), grid, m[None], 256))
            for schedule in (told.told("equal_error", prior, task, table, 20), Geometric(20))
        ]
        assert bounds[0] < bounds[1] / 2


def test_the_bound_of_a_gaussian_is_the_integral_by_hand():
    told = importlib.import_module("experiments.noise_schedule.told")
    grid = torch.logspace(1, -2, 2001, dtype=torch.float64)
    m = grid.square() / (1 + grid.square())  # of x ~ N(0, 1)
    found = float(told.bound(torch.tensor([2.0, 0.5]), grid, m[None], 1))
    low, high = 0.5, 2.0  # integral of (m(2) - m(u)) u^{-3}: m(2) / 2 [u^{-2}] and 1/2 log((1 + u^-2))
    wanted = 0.8 / 2 * (low**-2 - high**-2) - 0.5 * np.log((1 + low**-2) / (1 + high**-2))
    assert found == pytest.approx(wanted, rel=1e-4)


def test_a_study_of_another_dataset_asks_where_to_write(monkeypatch, capsys, tmp_path):
    common = importlib.import_module("experiments.common")
    monkeypatch.setattr("sys.argv", ["run.py", "--dataset", "mnist"])
    with pytest.raises(SystemExit) as ended:
        common.options(data="pictures")
    assert ended.value.code == 2 and "say --to FOLDER as well" in capsys.readouterr().err
    for more, absent in ((["--dataset", "lsun_cat"], "dataset.root"), (["--prior", "lsun_cat256"], "prior.denoiser")):
        monkeypatch.setattr("sys.argv", ["run.py", "--dataset", "mnist", "--to", str(tmp_path), *more])
        with pytest.raises(SystemExit) as ended:
            common.options(data="pictures", prior="none")
        assert ended.value.code == 2 and absent in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["run.py", "--dataset", "mnist", "--to", str(tmp_path)])
    data = common.options(data="pictures", prior="none").data
    assert data == ("mnist", "", "none") and data.images(2, skip=3).shape == (2, 1, 32, 32)
    tiny, moving = (importlib.import_module(f"experiments.{name}.run") for name in ("tiny_data", "time_varying"))
    parts = [tiny.pictures(part, 2, data) for part in ("test", "validation", "train")]
    assert all(part.shape == (2, 1, 32, 32) for part in parts) and not torch.equal(parts[0], parts[1])
    assert moving.frames_of("mnist", 1, 3, data).shape == (3, 1, 32, 32)
    for kind in moving.OPERATORS:
        assert {operator.image_shape for operator in moving.operators_of(kind, 3, (3, 8, 8))} == {(3, 8, 8)}
