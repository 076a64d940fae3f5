"""Trackers mirror a run and cannot harm it, whatever they do."""

from __future__ import annotations

import csv
import logging
import threading

import pytest

from helpers.runs import run_quietly, tiny_job, what_lasts
from mapga.run import runner
from mapga.tracking.base import Tracker
from mapga.tracking.csv_file import CSVTracker
from mapga.tracking.mirror import Mirror


class Listening(Tracker):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple] = []

    def begin_run(self, run_id, config, folder) -> None:
        self.heard.append(("begin_run", run_id, config["names"]["solver"], folder))

    def row(self, row) -> None:
        self.heard.append(("row", row["row"]))

    def end_run(self, summary) -> None:
        self.heard.append(("end_run", summary["n_images"], (self.heard[0][3] / "done").exists()))

    def close(self) -> None:
        self.heard.append(("close",))


class Raising(Listening):
    """Fails at every call."""

    def __getattribute__(self, name):
        if name in ("begin_run", "row", "end_run", "close"):
            raise ConnectionError(f"no {name} today")
        return super().__getattribute__(name)


def test_a_run_is_told_in_order_and_its_end_after_the_marker(tmp_path):
    tracker = Listening()
    job = tiny_job(tmp_path, trackers=[tracker])
    run_quietly(job)
    assert tracker.heard == [
        ("begin_run", job.folder.run_id, "map_ga", job.folder.path),
        *(("row", k) for k in range(8)),
        ("end_run", 8, True),
        ("close",),
    ]


def test_the_last_of_several_shards_tells_all_in_order(tmp_path):
    first, last = Listening(), Listening()
    run_quietly(tiny_job(tmp_path, shard="0/2", trackers=[first]))
    run_quietly(tiny_job(tmp_path, shard="1/2", trackers=[last]))
    assert not [event for event in first.heard if event[0] in ("begin_run", "row", "end_run")]
    assert [event[1] for event in last.heard if event[0] == "row"] == list(range(8))


def test_results_do_not_depend_on_trackers(tmp_path, caplog):
    plain = tiny_job(tmp_path / "plain")
    run_quietly(plain)
    calm = Listening()
    job = tiny_job(tmp_path / "told", trackers=[Raising(), CSVTracker(), calm])
    with caplog.at_level(logging.WARNING):
        run_quietly(job)
    assert what_lasts(job) == what_lasts(plain)
    assert caplog.text.count("ConnectionError") == 1 and "the run goes on" in caplog.text
    assert ("end_run", 8, True) in calm.heard and (job.folder.path / "images.csv").exists()


def test_a_tracker_that_never_returns_is_left_behind(tmp_path, monkeypatch, caplog):
    """Acceptance: results and marker are there before, and the job ends with a note."""
    release = threading.Event()

    class Endless(Listening):
        def end_run(self, summary) -> None:
            release.wait()

    monkeypatch.setattr(runner, "Mirror", lambda trackers: Mirror(trackers, patience=0.3))
    job = tiny_job(tmp_path, trackers=[Endless()])
    with caplog.at_level(logging.WARNING):
        summary = run_quietly(job)
    release.set()
    assert job.folder.done and summary["n_images"] == 8
    assert "did not finish within 0.3 s" in caplog.text


def test_a_failing_run_closes_its_trackers(tmp_path, monkeypatch):
    tracker = Listening()
    job = tiny_job(tmp_path, trackers=[tracker])

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(runner, "summarise", broken)
    with pytest.raises(ZeroDivisionError):
        run_quietly(job)
    assert tracker.heard[-1] == ("close",) and not any(event[0] == "end_run" for event in tracker.heard)


def test_the_table_has_a_line_an_image(tmp_path):
    job = tiny_job(tmp_path, trackers=[CSVTracker()])
    run_quietly(job)
    rows = list(csv.DictReader((job.folder.path / "images.csv").open()))
    assert [int(row["index"]) for row in rows] == list(range(8))
    assert all(float(row["psnr"]) > 0 and row["status"] == "done" for row in rows)
