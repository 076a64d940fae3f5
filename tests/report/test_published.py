"""Beside the paper: every published number is there, and ours stands next to it only where the protocol is the same."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest

from helpers.tables import measured
from mapga.records.collect import collect
from mapga.report import write_report
from mapga.report.boards import Board, boards
from mapga.report.csvs import beside_csv
from mapga.report.published import beside, kendall_tau, orders, published_dir, published_runtime
from mapga.report.sheets import beside_tables, order_table, runtime_table
from mapga.report.studies import studies

DRAW = np.random.default_rng(0)


def _run(
    root, solver: str, fid: float, *, n: int = 1000, dataset: str = "imagenet64", task: str = "box50", **more: Any
):
    cell = {"mean": fid, "n": n, "key": f"fid_clean|n={n}|reference=truth", "interval": [fid - 1, fid + 1]}
    numbers = {"lpips_alex": DRAW.normal(0.1, 0.01, n).tolist()}
    names = {"dataset": dataset, "task": task}
    return measured(root, solver, numbers, lower=True, sets={"fid_clean": cell}, names=names, **more)


def _boards(root) -> list[Board]:
    found = [boards(study)[0] for study in studies(collect(root)[0])]
    return [board for made in found for board in made]


def _fid(root) -> Board:
    return next(board for board in _boards(root) if (board.metric, board.selection) == ("fid_clean", "best"))


def _value(table: int, task: str, method: str, metric: str) -> float:
    with (published_dir() / "reported_quality.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (row["table"], row["task"]) == (str(table), task)]
    return next(float(row["value"]) for row in rows if (row["method"], row["metric"]) == (method, metric))


def test_the_published_numbers_are_complete():
    with (published_dir() / "reported_quality.csv").open() as file:
        tables = [row["table"] for row in csv.DictReader(file)]
    assert {table: tables.count(table) for table in "1234"} == {"1": 112, "2": 112, "3": 60, "4": 72}
    assert published_runtime()["map_ga"] == 603


def test_ours_beside_theirs_and_every_cell_that_was_not_run(tmp_path):
    _run(tmp_path, "map_ga", 30.0)
    found = {(one.task, one.method): one for one in beside(_fid(tmp_path))}
    assert len(found) == 56
    one = found["box50", "MAP-GA"]
    assert one.table == 1 and one.value == _value(1, "box50", "MAP-GA", "fid")
    assert one.difference == pytest.approx(30.0 - one.value)
    others = [other for key, other in found.items() if key != ("box50", "MAP-GA")]
    assert {other.reason for other in others} == {"not run"} and all(other.difference is None for other in others)
    text = beside_tables(_boards(tmp_path))[0].markdown()
    assert text.count("not run") >= 55


def test_another_number_of_images_is_not_put_beside(tmp_path):
    _run(tmp_path, "map_ga", 30.0, n=50)
    one = next(one for one in beside(_fid(tmp_path)) if one.ours.run is not None)
    assert one.difference is None and one.reason == "N=50, published N=1000"
    rows = list(csv.DictReader(io.StringIO(beside_csv(_boards(tmp_path)))))
    assert {row["published"] for row in rows if row["run_id"]} == {""}


def test_another_flavour_or_dataset_is_not_put_beside(tmp_path):
    cell = {"mean": 30.0, "n": 40, "key": "fid_legacy|n=40|reference=truth", "interval": [29, 31]}
    measured(tmp_path, "map_ga", {"psnr": [20.0] * 40}, sets={"fid_legacy": cell}, names={"dataset": "imagenet64"})
    _run(tmp_path, "map_ga", 30.0, n=40, dataset="mnist")
    assert beside_tables(_boards(tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "table"),
    [
        ({"start": "truth"}, 3),
        ({"task": "half", "noise": 0.1}, 4),
        ({"dataset": "lsun_cat", "n": 100}, 2),
    ],
)
def test_each_table_has_its_start_noise_and_dataset(tmp_path, changes, table):
    more = dict(changes)
    noise, task = more.pop("noise", 0.0), more.pop("task", "box50")
    folder = _run(tmp_path, "pgdm", 30.0, task=task, **more)
    config = folder.path / "config.yaml"
    config.write_text(config.read_text().replace("sigma_y: 0.0", f"sigma_y: {noise}"))
    found = beside(_fid(tmp_path))
    assert {one.table for one in found} == {table}
    assert next(one for one in found if one.ours.run is not None).difference is not None


def test_noise_of_another_unit_is_not_theirs(tmp_path):
    folder = _run(tmp_path, "pgdm", 30.0)
    config = folder.path / "config.yaml"
    config.write_text(
        config.read_text()
        .replace("sigma_y: 0.0", "sigma_y: 0.05")
        .replace("'[-1,1]'", "'[0,1]'")
        .replace("[-1,1]", "[0,1]")
    )
    assert beside(_fid(tmp_path)) == []


def test_a_stated_difference_shows_what_won_and_the_one_setting_for_all(tmp_path):
    for steps, fid in ((20, 30.0), (50, 28.0)):
        _run(tmp_path, "pgdm", fid, steps=steps)
    table = beside_tables([board for board in _boards(tmp_path) if board.metric == "fid_clean"])[0]
    line = next(
        [cell.text for cell in line] for line in table.lines if line[1].text == "PGDM" and line[0].text == "box50"
    )
    assert line[2:6] == ["steps=50", "100", "28.00", "[27.00, 29.00]"]
    assert line[6] == f"{_value(1, 'box50', 'PGDM', 'fid'):.2f}" and line[10] in ("28.00", "30.00")


def test_kendall_tau_by_hand():
    assert kendall_tau([1, 2, 3], [10, 20, 30]) == 1 and kendall_tau([1, 2, 3], [3, 2, 1]) == -1
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    # ties: 4 concordant pairs, none discordant, one pair tied on each side
    assert kendall_tau([1, 1, 2, 3], [1, 2, 3, 3]) == pytest.approx(4 / 5)
    assert math.isnan(kendall_tau([1, 1], [1, 2]))


def test_orders_are_compared_beyond_the_dataset_and_say_so(tmp_path):
    theirs = {solver: _value(1, "box50", name, "fid") for solver, name in (("pgdm", "PGDM"), ("ddrm", "DDRM"))}
    theirs["map_ga"] = _value(1, "box50", "MAP-GA", "fid")
    for solver, value in theirs.items():
        _run(tmp_path, solver, value / 7, n=40, dataset="mnist")
    found = [one for one in orders(_fid(tmp_path)) if one.table == 1]
    assert [(one.tau, one.methods, one.dataset) for one in found] == [(1.0, 3, "imagenet64")]
    text = order_table(_boards(tmp_path)).markdown()
    assert "imagenet64" in text and "lsun_cat" in text


def test_runtime_beside_theirs(tmp_path):
    for solver, seconds in (("ddrm", 1.0), ("pgdm", 2.0)):
        run = measured(tmp_path, solver, {"psnr": [1.0] * 50}, steps=10, names={"experiment": "table5"}, batch_size=50)
        metrics = run.path / "metrics.json"
        metrics.write_text(metrics.read_text().replace('"seconds": 1.0', f'"seconds": {seconds}'))
    (study,) = studies(collect(tmp_path)[0])
    lines = {line[0].text: [cell.text for cell in line[1:]] for line in runtime_table(study).lines}
    assert lines["ddrm"] == ["20", "100.0", "1.00", "150", "1.00"]
    assert lines["pgdm"] == ["20", "200.0", "2.00", "304", "2.03"]
    assert lines["map_ga"] == ["–", "not run", "–", "603", "4.02"]


def test_the_report_writes_it_all_down(tmp_path):
    _run(tmp_path, "map_ga", 30.0)
    folder = write_report(tmp_path)
    text = (folder / "table.md").read_text()
    assert "beside the paper's Table 1" in text
    rows = list(csv.DictReader((folder / "published.csv").open()))
    assert len(rows) == 2 * 2 * 56
