"""kill -9 at random moments, again and again: the end is the same byte for byte, and nothing finished is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from helpers.forks import forked, waited
from helpers.runs import TinyImages, run_quietly, tiny_job, what_lasts
from mapga.run import job as runner
from mapga.run.job import Job
from mapga.schedules import Karras
from mapga.solvers import MAPGA

KILLS, IMAGES, LIMIT = 20, 80, 100.0


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    monkeypatch.setattr(runner, "provenance", lambda device: {"device": device})


def job(results: Path, shard: str = "0/1") -> Job:
    return tiny_job(results, dataset=TinyImages(IMAGES), solver=MAPGA(Karras(steps=6)), batch_size=2, shard=shard)


def started(results: Path, shard: str = "0/1") -> int:
    return forked(lambda: run_quietly(job(results, shard)))


def batches(results: Path) -> list[list[int]]:
    """Rows of every batch that was ever finished, in order."""
    return [cost["rows"] for cost in job(results).folder.costs()]


def test_twenty_kills_and_as_many_restarts(tmp_path):
    run_quietly(job(tmp_path / "plain"))  # here, so that children find everything imported
    begun = time.monotonic()
    assert waited(started(tmp_path / "measured")) == 0
    whole = time.monotonic() - begun
    expected = what_lasts(job(tmp_path / "plain"))
    dice = random.Random(6)
    kills = folders = 0
    inside = 0  # kills that fell between the first image and the last
    while kills < KILLS:
        results = tmp_path / f"killed{folders}"
        folders += 1
        finished: list[tuple[int, set[int]]] = []  # batches and recorded rows at each restart
        while True:
            assert time.monotonic() - begun < LIMIT, f"only {kills} kills in time"
            child = started(results)
            if kills < KILLS:
                time.sleep(dice.uniform(0.0, whole / 8))
                os.kill(child, signal.SIGKILL)
            code = waited(child)
            if code == 0:
                break
            assert code == -signal.SIGKILL
            kills += 1
            recorded = set(job(results).folder.progress(IMAGES).rows)
            inside += 0 < len(recorded) < IMAGES
            finished.append((len(batches(results)), recorded))
        assert what_lasts(job(results)) == expected
        for count, recorded in finished:
            again = {row for rows in batches(results)[count:] for row in rows} & recorded
            assert not again, f"computed again: {sorted(again)}"
    assert inside >= KILLS // 2


def test_kills_of_two_shards_at_work_together(tmp_path):
    assert waited(started(tmp_path / "plain")) == 0
    dice = random.Random(7)
    for _ in range(4):
        children = [
            forked(lambda shard=shard: run_quietly(job(tmp_path / "killed", shard))) for shard in ("0/2", "1/2")
        ]
        time.sleep(dice.uniform(0.05, 0.2))
        for child in children:
            os.kill(child, signal.SIGKILL)
            waited(child)
    children = [started(tmp_path / "killed", shard) for shard in ("0/2", "1/2")]
    assert [waited(child) for child in children] == [0, 0]
    assert what_lasts(job(tmp_path / "killed")) == what_lasts(job(tmp_path / "plain"))


def test_the_summary_of_a_killed_run_differs_in_its_seconds_alone(tmp_path):
    assert waited(started(tmp_path / "plain")) == 0
    child = started(tmp_path / "killed")
    while not job(tmp_path / "killed").folder.progress(IMAGES).rows:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert waited(child) == -signal.SIGKILL
    assert waited(started(tmp_path / "killed")) == 0
    plain, killed = (
        json.loads((job(tmp_path / name).folder.path / "metrics.json").read_text()) for name in ("plain", "killed")
    )
    for summary in (plain, killed):
        for key in ("seconds", "seconds_network"):
            assert summary["compute"].pop(key) > 0
    assert killed == plain
