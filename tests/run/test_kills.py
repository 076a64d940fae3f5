"""kill -9 at random moments, again and again: the end is the same byte for byte, and nothing finished is done twice."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path

import pytest

from helpers.forks import forked, killed, waited
from helpers.runs import TinyImages, run_quietly, tiny_job, what_lasts
from mapga.run import runner
from mapga.run.job import Job
from mapga.schedules import Karras
from mapga.solvers import MAPGA

KILLS, IMAGES = 20, 80
MOST = 9  # rows that a child may record at most before it is killed,
LATE = 0.004  # and seconds that the kill may come later: about a batch


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    monkeypatch.setattr(runner, "provenance", lambda device, packages: {"device": device})


def job(results: Path, shard: str = "0/1") -> Job:
    return tiny_job(results, dataset=TinyImages(IMAGES), solver=MAPGA(Karras(steps=6)), batch_size=2, shard=shard)


def started(results: Path, shard: str = "0/1") -> int:
    return forked(lambda: run_quietly(job(results, shard)))


def batches(results: Path) -> list[list[int]]:
    """Rows of every batch that was ever finished, in order."""
    return [cost["rows"] for cost in job(results).folder.costs()]


def rows(results: Path) -> int:
    """How many rows the journals of a run hold."""
    return sum(path.read_bytes().count(b"\n") for path in results.glob("*/journal*.jsonl"))


def test_twenty_kills_and_as_many_restarts(tmp_path):
    run_quietly(job(tmp_path / "plain"))  # here, so that children find everything imported
    expected = what_lasts(job(tmp_path / "plain"))
    dice = random.Random(6)
    kills = folders = 0
    while kills < KILLS:
        results = tmp_path / f"killed{folders}"
        folders += 1
        finished: list[tuple[int, set[int]]] = []  # batches and recorded rows at each restart
        while kills < KILLS:
            due = rows(results) + dice.randrange(MOST)  # at once, or a few batches further on
            code = killed(
                started(results), lambda results=results, due=due: rows(results) >= due, late=dice.uniform(0.0, LATE)
            )
            if code == 0:
                break  # it was done before it was killed
            assert code == -signal.SIGKILL
            kills += 1
            recorded = set(job(results).folder.recorded(IMAGES).rows)
            finished.append((len(batches(results)), recorded))
        assert waited(started(results)) == 0
        assert what_lasts(job(results)) == expected
        for count, recorded in finished:
            again = {row for batch in batches(results)[count:] for row in batch} & recorded
            assert not again, f"computed again: {sorted(again)}"


def test_kills_of_two_shards_at_work_together(tmp_path):
    assert waited(started(tmp_path / "plain")) == 0
    results, dice = tmp_path / "killed", random.Random(7)
    for due in sorted(dice.sample(range(1, IMAGES - MOST), 4)):
        for child in [started(results, shard) for shard in ("0/2", "1/2")]:
            killed(child, lambda due=due: rows(results) >= due, late=dice.uniform(0.0, LATE))
    children = [started(results, shard) for shard in ("0/2", "1/2")]
    assert [waited(child) for child in children] == [0, 0]
    assert what_lasts(job(results)) == what_lasts(job(tmp_path / "plain"))


def test_the_summary_of_a_killed_run_differs_in_its_seconds_alone(tmp_path):
    assert waited(started(tmp_path / "plain")) == 0
    killed(started(tmp_path / "killed"), lambda: rows(tmp_path / "killed") > 0)
    assert waited(started(tmp_path / "killed")) == 0
    plain, late = (
        json.loads((job(tmp_path / name).folder.path / "metrics.json").read_text()) for name in ("plain", "killed")
    )
    for summary in (plain, late):
        for key in ("seconds", "seconds_network"):
            assert summary["compute"].pop(key) > 0
    assert late == plain
