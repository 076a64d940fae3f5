"""``metrics.json``: means over what was restored, and costs that count every image once."""

from __future__ import annotations

import json

import pytest

from helpers.folders import unfinished
from helpers.runs import tiny_spec
from mapga.records import Recorded, Row, RunFolder
from mapga.records.protocol import Protocol
from mapga.records.scores import Numbers
from mapga.run.summary import summarise, told


def _recorded(*values: float | None, diverged: int = 0) -> Recorded:
    rows = {k: Row(k, k, None, "done", None) for k in range(len(values))}
    n = len(values)
    rows |= {k: Row(k, k, None, "diverged", 1) for k in range(n, n + diverged)}
    return Recorded(rows, n + diverged)


def _numbers(*values: float | None, ceiling: float | None = None, sets: dict | None = None) -> Numbers:
    psnr = Protocol("psnr", {}, {}, False, ceiling)
    found = Numbers(rows=frozenset(range(len(values))))
    found.protocols[psnr.key], found.images[psnr.key] = psnr, dict(enumerate(values))
    for name, cell in (sets or {}).items():
        protocol = Protocol(name, {}, {}, True)
        found.protocols[protocol.key], found.sets[protocol.key] = protocol, cell
    return found


def _summary(folder, *values: float | None, diverged: int = 0) -> dict:
    return summarise(folder, _recorded(*values, diverged=diverged), _numbers(*values))


@pytest.fixture
def folder(tmp_path):
    return unfinished(tmp_path, rounding="round", seed=7)


def _psnr(*values: float | None, ceiling: float | None = None) -> dict:
    return told(_numbers(*values, ceiling=ceiling))["metrics"]["psnr"]


def test_mean_and_standard_error():
    cell = _psnr(10.0, 20.0, 30.0)
    assert cell.pop("protocol").startswith("psnr@")
    assert cell == {"mean": 20.0, "sem": pytest.approx(10 / 3**0.5), "n": 3, "lower_is_better": False}


@pytest.mark.parametrize("counted", [12, 13, 0])
def test_passes_that_are_not_those_of_the_card_are_said(tmp_path, counted, caplog):
    folder = RunFolder(tiny_spec(tmp_path))
    folder.open()
    folder.spent({"rows": [0, 1], "forward": counted, "vjp": 0, "seconds": 1.0, "seconds_network": 1.0})
    notes = _summary(folder, 10.0, 20.0).get("notes", [])
    said = f"{counted} passes per image were counted, and the solver's card states 12: mend the card"
    assert notes == ([] if counted == 12 else [said])
    assert caplog.messages == [f"{folder.run_id}: {note}" for note in notes]


def test_failed_images_are_counted_and_left_out(folder):
    summary = _summary(folder, 10.0, 20.0, diverged=3)
    assert [summary[key] for key in ("n_images", "n_failed", "n_diverged", "n_unreadable")] == [5, 3, 3, 0]
    assert (summary["metrics"]["psnr"]["mean"], summary["metrics"]["psnr"]["n"]) == (15.0, 2)


def test_infinite_values_count_as_the_ceiling_and_are_said():
    cell = _psnr(10.0, None, None, ceiling=70.0)
    assert (cell["mean"], cell["n"], cell["n_infinite"], cell["ceiling"]) == (50.0, 3, 2, 70.0)
    assert cell["sem"] == pytest.approx(20.0)
    cell = _psnr(None, None, ceiling=70.0)
    assert (cell["mean"], cell["n"], cell["n_infinite"]) == (70.0, 2, 2)


def test_a_value_that_is_no_number_is_not_in_n():
    cell = _psnr(10.0, None, 20.0)
    assert (cell["mean"], cell["n"]) == (15.0, 2) and "n_infinite" not in cell


@pytest.mark.parametrize(("values", "mean"), [((10.0,), 10.0), ((None,), None)])
def test_too_few_values_have_no_error(values, mean):
    cell = _psnr(*values)
    assert cell["mean"] == mean and cell["sem"] is None
    json.dumps(cell, allow_nan=False)


def test_set_metrics_are_taken_as_they_are():
    given = {"fid": {"mean": 3.0, "sem": None, "n": 2, "key": "fid|n=2"}}
    cells = told(_numbers(1.0, 2.0, sets=given))["metrics"]
    assert list(cells) == ["psnr", "fid"]
    assert cells["fid"] == given["fid"] | {"lower_is_better": True, "protocol": cells["fid"]["protocol"]}


def test_of_two_protocols_of_one_name_the_first_has_the_name():
    found = _numbers(1.0, 2.0)
    other = Protocol("psnr", {"peak": 1}, {}, False)
    found.protocols[other.key], found.images[other.key] = other, {0: 5.0, 1: 7.0}
    summary = told(found)
    assert {name: cell["mean"] for name, cell in summary["metrics"].items()} == {"psnr": 1.5, other.key: 6.0}
    assert summary["protocols"][other.key]["science"] == {"peak": 1}
    found.images[other.key].pop(1)
    assert list(told(found)["metrics"]) == ["psnr"]  # numbers that are not all there yet are none


def test_costs_are_an_image_and_an_attempt_that_was_lost_does_not_count(folder):
    cost = {"forward": 6, "vjp": 2, "seconds": 4.0, "seconds_network": 3.0}
    folder.spent({"rows": [0, 1], **cost, "seconds": 100.0})  # solved, then killed before it was recorded
    folder.spent({"rows": [0, 1], **cost})
    folder.spent({"rows": [2], **cost})
    compute = _summary(folder, 1.0, 2.0, 3.0)["compute"]
    assert compute == {"forward": 6.0, "vjp": 2.0, "seconds": 8.0, "seconds_network": 6.0}


def test_what_was_run_is_said(folder):
    summary = _summary(folder, 1.0)
    assert summary["run_id"] == folder.run_id and summary["seed"] == 7
    assert (summary["dataset"], summary["task"], summary["solver"]) == ("tiny", "half", "alpha")
    assert (summary["schedule"], summary["sigma_y_unit"]) == ("karras", "[-1,1]")


def test_images_of_unknown_cost_are_said(folder):
    folder.spent({"rows": [0, 1], "forward": 6, "vjp": 2, "seconds": 4.0, "seconds_network": 3.0})
    said = _summary(folder, 1.0, 2.0, 3.0)
    assert said["compute"]["forward"] == 6.0
    assert said["notes"][0] == "what 1 images cost is not known: batches.jsonl was damaged"
