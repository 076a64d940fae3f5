"""Passes per image stand in every table, and a study of equal passes does not rank unequal ones."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.tables import measured
from mapga.files.durable import write_json
from mapga.records.collect import collect
from mapga.report import write_report
from mapga.report.boards import boards
from mapga.report.passes import passes_of, passes_text
from mapga.report.sheets import board_table
from mapga.report.studies import studies
from mapga.report.table import make_table
from mapga.solvers import MAPGAPGDM, PGDM, PseudoInverse

NUMBERS = np.random.default_rng(0).normal(20, 1, 30)
BOX = {"_target_": "mapga.operators.CentralBox", "width": 0.5}
NOTE = "a study of equal passes, 100 ± 5 % per image; not compared, and never the best: "


def _equal(root, solver: str, steps: int, shift: float = 0.0, **more):
    return measured(root, solver, {"psnr": (NUMBERS + shift).tolist()}, steps=steps, passes=100, **more)


@pytest.fixture
def unequal(tmp_path):
    _equal(tmp_path, "alpha", 50, equal_passes=0.05)
    _equal(tmp_path, "beta", 48, -1.0, equal_passes=0.05)
    _equal(tmp_path, "gamma", 100, 5.0)  # twice the passes, and by far the best
    return tmp_path


def test_unequal_passes_are_not_ranked_and_said_in_one_line(unequal):
    runs, _ = collect(unequal)
    (study,) = studies(runs)
    board = boards(study)[0][0]
    assert {m: cell.best for (_, m), cell in board.cells.items()} == {"alpha": True, "beta": False, "gamma": False}
    assert [(first, second) for first, second, _ in board.pairs["half"]] == [("alpha", "beta")]
    for table in (board_table(board), make_table(runs)):
        assert [note for note in table.notes if "equal passes" in note] == [NOTE + "gamma (200)"]
    bold = [line[1].text for line in make_table(runs).lines if any(cell.best for cell in line)]
    assert bold == ["alpha"]


def test_without_such_a_study_all_are_ranked(tmp_path):
    for solver, steps, shift in (("alpha", 50, 0.0), ("gamma", 100, 5.0)):
        _equal(tmp_path, solver, steps, shift)
    (study,) = studies(collect(tmp_path)[0])
    board = boards(study)[0][0]
    assert board.cells["half", "gamma"].best and not study.left_out


def test_budgets_that_differ_are_unequal_too(tmp_path):
    _equal(tmp_path, "alpha", 50, equal_passes=0.05)
    measured(tmp_path, "beta", {"psnr": NUMBERS.tolist()}, steps=25, passes=50, equal_passes=0.05)
    (study,) = studies(collect(tmp_path)[0])
    assert study.left_out == [NOTE + "beta (50)"]


def test_passes_are_those_that_were_counted_or_else_the_cards(tmp_path):
    folder = _equal(tmp_path, "alpha", 7)
    config = folder.path / "config.yaml"
    config.write_text(config.read_text().replace("mapga.solvers.PseudoInverse", "mapga.solvers.DDRM"))
    assert passes_text(collect(tmp_path)[0]) == "14"
    told = json.loads((folder.path / "metrics.json").read_text())
    write_json(folder.path / "metrics.json", told | {"compute": told["compute"] | {"forward": 0, "vjp": 0}})
    (run,) = collect(tmp_path)[0]
    assert passes_of(run) == 7
    assert passes_text([None]) == "–"


def test_several_tasks_have_a_span(tmp_path):
    _equal(tmp_path, "alpha", 50)
    _equal(tmp_path, "alpha", 20, names={"task": "box"}, task={"operator": BOX})
    _equal(tmp_path, "beta", 50)
    (study,) = studies(collect(tmp_path)[0])
    board = boards(study)[0][0]
    assert [board.passes(method) for method in ("alpha", "beta")] == ["40 – 100", "100"]


def test_every_table_has_a_column_of_them(unequal, monkeypatch):
    monkeypatch.setattr("mapga.report.write._figures", lambda *_: None)
    names = {"experiment": "table5"}
    measured(unequal, "ddrm", {"psnr": NUMBERS.tolist()}, seed=4, names=names)
    for steps in (4, 5):
        metrics = {"stlpips_alex": {"_target_": "mapga.metrics.ShiftTolerantLPIPS"}}
        for solver in ("ddrm", "pgdm", "map_ga"):
            numbers = {"stlpips_alex": (NUMBERS * steps + len(solver)).tolist()}
            names = {"dataset": "imagenet64", "task": "box50"}
            measured(unequal, solver, numbers, steps=steps, lower=True, names=names, task={"operator": BOX}, seed=5,
                     metrics=metrics)  # fmt: skip
    measured(unequal, "trial", {"psnr": NUMBERS.tolist()}, objective="psnr")
    folder = write_report(unequal)
    text = (folder / "table.md").read_text()
    heads = [line for line in text.splitlines() if line.startswith("| ") and ("---" not in line)]
    tables = text.count("\n| --- |") + text.startswith("| --- |")
    assert tables >= 6 and sum("NFE" in line for line in heads) == tables
    assert (folder / "table.tex").read_text().count("& NFE") >= tables
    page = (folder / "index.html").read_text()
    assert page.count(">NFE</button>") >= page.count("<thead>") - 3  # not those of dialogs
    assert {"passes"} <= set(next(csv.reader((folder / "table.csv").open())))
    assert {"passes"} <= set(next(csv.reader((folder / "published.csv").open())))
    assert {"first_passes", "second_passes"} <= set(next(csv.reader((folder / "pairs.csv").open())))


def test_a_table_says_what_a_reader_must_know_of_a_method(tmp_path, monkeypatch):
    """As that the second half of Algorithm 3 is not what pgdm is."""
    assert "full shift" in MAPGAPGDM.card.remark and not PGDM.card.remark
    monkeypatch.setattr(PseudoInverse, "card", replace(PseudoInverse.card, remark="is not what it seems"))
    _equal(tmp_path, "alpha", 50)
    assert not studies(collect(tmp_path)[0])[0].remarks, "alone in its table"
    _equal(tmp_path, "beta", 50)
    (study,) = studies(collect(tmp_path)[0])
    assert study.remarks == ["alpha: is not what it seems"]
    assert board_table(boards(study)[0][0]).notes[-1] == "alpha: is not what it seems"
