"""The studies of experiments/: their index says what they say, and what they share keeps what it has made."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

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
