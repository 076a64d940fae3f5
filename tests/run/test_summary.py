"""``metrics.json``: means over what was restored, and costs that count every image once."""

from __future__ import annotations

import json

import pytest

from helpers.folders import unfinished
from helpers.runs import tiny_spec
from mapga.records import Recorded, Row, RunFolder
from mapga.run.summary import summarise


def _recorded(*values: float | None, diverged: int = 0) -> Recorded:
    rows = {k: Row(k, k, None, "done", None, {"psnr": value}) for k, value in enumerate(values)}
    n = len(values)
    rows |= {k: Row(k, k, None, "diverged", 1, {}) for k in range(n, n + diverged)}
    return Recorded(rows, n + diverged)


@pytest.fixture
def folder(tmp_path):
    return unfinished(tmp_path, rounding="round", seed=7)


def _psnr(folder, recorded, ceiling: float | None = None) -> dict:
    return summarise(folder, recorded, {"psnr": False}, {}, {"psnr": ceiling})["metrics"]["psnr"]


def test_mean_and_standard_error(folder):
    cell = _psnr(folder, _recorded(10.0, 20.0, 30.0))
    assert cell == {"mean": 20.0, "sem": pytest.approx(10 / 3**0.5), "n": 3, "lower_is_better": False}


@pytest.mark.parametrize("counted", [12, 13, 0])
def test_passes_that_are_not_those_of_the_card_are_said(tmp_path, counted, caplog):
    folder = RunFolder(tiny_spec(tmp_path))
    folder.open()
    folder.spent({"rows": [0, 1], "forward": counted, "vjp": 0, "seconds": 1.0, "seconds_network": 1.0})
    notes = summarise(folder, _recorded(10.0, 20.0), {"psnr": False}, {}, {}).get("notes", [])
    said = f"{counted} passes per image were counted, and the solver's card states 12: mend the card"
    assert notes == ([] if counted == 12 else [said])
    assert caplog.messages == [f"{folder.run_id}: {note}" for note in notes]


def test_failed_images_are_counted_and_left_out(folder):
    summary = summarise(folder, _recorded(10.0, 20.0, diverged=3), {"psnr": False}, {}, {})
    assert [summary[key] for key in ("n_images", "n_failed", "n_diverged", "n_unreadable")] == [5, 3, 3, 0]
    assert (summary["metrics"]["psnr"]["mean"], summary["metrics"]["psnr"]["n"]) == (15.0, 2)


def test_infinite_values_count_as_the_ceiling_and_are_said(folder):
    cell = _psnr(folder, _recorded(10.0, None, None), 70.0)
    assert (cell["mean"], cell["n"], cell["n_infinite"], cell["ceiling"]) == (50.0, 3, 2, 70.0)
    assert cell["sem"] == pytest.approx(20.0)
    cell = _psnr(folder, _recorded(None, None), 70.0)
    assert (cell["mean"], cell["n"], cell["n_infinite"]) == (70.0, 2, 2)


def test_a_value_that_is_no_number_is_not_in_n(folder):
    cell = _psnr(folder, _recorded(10.0, None, 20.0))
    assert (cell["mean"], cell["n"]) == (15.0, 2) and "n_infinite" not in cell


@pytest.mark.parametrize(("values", "mean"), [((10.0,), 10.0), ((), None), ((None,), None)])
def test_too_few_values_have_no_error(folder, values, mean):
    cell = _psnr(folder, _recorded(*values, diverged=1))
    assert cell["mean"] == mean and cell["sem"] is None
    json.dumps(cell, allow_nan=False)


def test_set_metrics_are_taken_as_they_are(folder):
    given = {"fid": {"mean": 3.0, "sem": None, "n": 2, "key": "fid|n=2"}}
    cells = summarise(folder, _recorded(1.0, 2.0), {"psnr": False, "fid": True}, given, {})["metrics"]
    assert list(cells) == ["psnr", "fid"] and cells["fid"] == given["fid"] | {"lower_is_better": True}


def test_costs_are_an_image_and_an_attempt_that_was_lost_does_not_count(folder):
    cost = {"forward": 6, "vjp": 2, "seconds": 4.0, "seconds_network": 3.0}
    folder.spent({"rows": [0, 1], **cost, "seconds": 100.0})  # solved, then killed before it was recorded
    folder.spent({"rows": [0, 1], **cost})
    folder.spent({"rows": [2], **cost})
    compute = summarise(folder, _recorded(1.0, 2.0, 3.0), {"psnr": False}, {}, {})["compute"]
    assert compute == {"forward": 6.0, "vjp": 2.0, "seconds": 8.0, "seconds_network": 6.0}


def test_what_was_run_is_said(folder):
    summary = summarise(folder, _recorded(1.0), {"psnr": False}, {}, {})
    assert summary["run_id"] == folder.run_id and summary["seed"] == 7
    assert (summary["dataset"], summary["task"], summary["solver"]) == ("tiny", "half", "alpha")
    assert (summary["schedule"], summary["sigma_y_unit"]) == ("karras", "[-1,1]")


def test_images_of_unknown_cost_are_said(folder):
    folder.spent({"rows": [0, 1], "forward": 6, "vjp": 2, "seconds": 4.0, "seconds_network": 3.0})
    said = summarise(folder, _recorded(1.0, 2.0, 3.0), {"psnr": False}, {}, {})
    assert said["compute"]["forward"] == 6.0
    assert said["notes"][0] == "what 1 images cost is not known: batches.jsonl was damaged"
