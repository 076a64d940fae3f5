"""Numbers beside solving: what was restored and not scored is scored by whoever comes next, and solved by nobody."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.runs import Killed, TinyImages, run_quietly, tiny_job, what_lasts
from mapga.card import Needs, SolverCard
from mapga.metrics import PSNR, DataConsistency
from mapga.operators import PhaseRetrieval
from mapga.pixels import from_uint8
from mapga.records.scores import ScoreLog
from mapga.records.trace import read_trace
from mapga.run import runner
from mapga.schedules import Karras
from mapga.solvers.base import Solver, State


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


class Knowing(Solver):
    """Answers with the true images, a little brighter, and turned by 180 degrees if wanted."""

    card = SolverCard(needs=lambda a, steps: Needs(operator="any"))

    def __init__(self, *, turned: bool) -> None:
        super().__init__(Karras(1))
        self.turned = turned

    def iterate(self, problem, prior, noise):
        x = from_uint8(np.stack([TinyImages()[k].image for k in problem.numbers])) + 0.02
        x = x.flip(-2, -1) if self.turned else x
        yield State(1, 0.0, x, x)


def test_of_phase_retrieval_the_better_of_a_picture_and_its_rotation_is_scored(tmp_path):
    numbers, traced = [], []
    for turned in (False, True):
        job = tiny_job(tmp_path / str(turned), solver=Knowing(turned=turned), trace=True)
        summary = run_quietly(replace(job, operator=PhaseRetrieval((1, 8, 8))))
        numbers.append(summary["metrics"]["psnr"]["mean"])
        traced.append(read_trace(job.folder.path)[1])
    assert numbers[0] == numbers[1] > 35
    assert np.array_equal(*traced) and traced[0].min() > 35
