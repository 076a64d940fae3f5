"""Numbers beside solving: what was restored and not scored is scored by whoever comes next, and solved by nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.runs import Killed, run_quietly, tiny_job, what_lasts
from mapga.metrics import PSNR, DataConsistency
from mapga.records.scores import ScoreLog
from mapga.run import runner


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    monkeypatch.setattr(runner, "provenance", lambda device, packages: {"device": device})


def _dying_after(monkeypatch, batches: int):
    """Have scores be killed before they are written, once so many batches are."""
    left, whole = [None] * batches, ScoreLog.add_images

    def add(log, *arguments):
        if not left:
            raise Killed
        left.pop()
        whole(log, *arguments)

    monkeypatch.setattr(ScoreLog, "add_images", add)


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_killed_between_a_row_and_its_numbers_nothing_is_solved_again(tmp_path, monkeypatch, batches):
    plain, job = tiny_job(tmp_path / "plain"), tiny_job(tmp_path / "killed")
    run_quietly(plain)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        _dying_after(patched, batches)
        run_quietly(job)
    restored = set((job.folder.path / "journal.jsonl").read_text().splitlines())
    assert len(restored) == min(3 * (batches + 1), 8)
    job.dataset.read.clear()
    run_quietly(job)
    assert len(job.dataset.read) == 8 - len(restored)  # those that were not restored
    assert what_lasts(job) == what_lasts(plain)


def test_a_shard_that_was_killed_before_it_had_scored_is_scored_by_the_last(tmp_path, monkeypatch):
    plain = tiny_job(tmp_path / "plain")
    run_quietly(plain)
    first, last = (tiny_job(tmp_path / "parts", shard=f"{k}/2", batch_size=4) for k in range(2))
    with monkeypatch.context() as patched, pytest.raises(Killed):
        _dying_after(patched, 0)
        run_quietly(first)
    summary = run_quietly(last)
    assert {name: cell["n"] for name, cell in summary["metrics"].items()} == {"psnr": 8, "consistency": 8}
    assert what_lasts(last)["numbers"].keys() == set(range(8))
    assert (last.folder.path / "scores.jsonl").read_text().count('"row": ') == 8


def test_a_begun_run_that_is_asked_for_another_metric_has_it_of_every_image(tmp_path, monkeypatch):
    job = replace(tiny_job(tmp_path), metrics=[PSNR()])
    with monkeypatch.context() as patched, pytest.raises(Killed):
        _dying_after(patched, 2)
        run_quietly(job)
    cells = run_quietly(replace(job, metrics=[DataConsistency()]))["metrics"]
    assert {name: cell["n"] for name, cell in cells.items()} == {"consistency": 8}  # the other one is not of all
    assert "psnr" in (job.folder.path / "scores.jsonl").read_text()


def test_consistency_is_of_the_measurement_that_the_solver_had(tmp_path):
    """The scorer measures the stored truth again: the same noise, in the same precision."""
    seen = []

    class Listening(DataConsistency):
        def __call__(self, batch):
            seen.append(batch.problem.y)
            return super().__call__(batch)

    job = replace(tiny_job(tmp_path), metrics=[PSNR(), Listening()])
    solved, whole = [], type(job.solver).iterate

    class Solver(type(job.solver)):
        def iterate(self, problem, prior, noise):
            solved.append(problem.y)
            yield from whole(self, problem, prior, noise)

    run_quietly(replace(job, solver=Solver(job.solver.schedule)))
    assert len(seen) == len(solved) == 3
    assert all((y == exact).all() for y, exact in zip(solved, seen, strict=True))
