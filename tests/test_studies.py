"""The studies of experiments/: their index says what they say, and what they share keeps what it has made."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from mapga.errors import ConfigError
from mapga.operators import CentralBox

ROOT = Path(__file__).parents[1]
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
    problem = common.Problem(torch.zeros(1, 1, 4, 4), None, 0.0)
    common.solve("pgdm", problem, standard((1, 4, 4)), 9)
    assert asked == [4]


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
