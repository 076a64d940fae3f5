"""A killed run continues: nothing finished is done again, and the end is the same byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.runs import Killed, TinyImages, restored, run_quietly, tiny_job, what_lasts
from mapga.errors import ConfigError
from mapga.records import Journal, Lock, LockedError, RunFolder, lock
from mapga.records import folder as folder_module
from mapga.records.scores import ScoreLog
from mapga.records.store import ImageStore
from mapga.run import runner, truth
from mapga.schedules import Karras
from mapga.solvers import MAPGA

# Every place where something becomes durable.
PLACES = [
    (ImageStore, "write"),
    (Journal, "append"),
    (RunFolder, "open"),
    (RunFolder, "spent"),
    (RunFolder, "finish"),
    (folder_module, "write_text"),
    (folder_module, "write_json"),
    (truth, "write_json"),
    (ScoreLog, "begin"),
    (ScoreLog, "add_images"),
    (ScoreLog, "merge"),
]


class Axe:
    """Kills before or after the ``at``-th durable write."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.count = at, after, 0

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for owner, name in PLACES:
            patch.setattr(owner, name, self._armed(getattr(owner, name)))

    def _armed(self, function):
        def armed(*args, **kwargs):
            fatal = self.count == self.at
            self.count += 1
            if fatal and not self.after:
                raise Killed
            value = function(*args, **kwargs)
            if fatal:
                raise Killed
            return value

        return armed


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    monkeypatch.setattr(runner, "provenance", lambda device, packages: {"device": device})


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_the_end_is_the_same(tmp_path, after):
    plain = tiny_job(tmp_path / "plain")
    run_quietly(plain)
    expected = what_lasts(plain)
    at, survived = 0, False
    while not survived:
        axe, results = Axe(at, after=after), tmp_path / str(at)
        with pytest.MonkeyPatch.context() as patch:
            axe.install(patch)
            try:
                run_quietly(tiny_job(results))
                survived = True
            except Killed:
                pass
        dataset = TinyImages()
        job = tiny_job(results, dataset=dataset)
        recorded = set(job.folder.recorded(8).rows)
        run_quietly(job)
        assert what_lasts(job) == expected, f"killed at write {at}"
        assert set(dataset.read).isdisjoint(recorded), f"killed at write {at}: images were restored again"
        at += 1
    assert at > 20


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_killed_inside_a_solver(tmp_path, batches):
    class Dying(MAPGA):
        left = batches

        def iterate(self, problem, prior, noise):
            for state in super().iterate(problem, prior, noise):
                if self.left == 0 and state.step == 2:
                    raise Killed
                yield state
            self.left -= 1

    plain, job = tiny_job(tmp_path / "plain"), tiny_job(tmp_path / "killed", solver=Dying(Karras(steps=3)))
    run_quietly(plain)
    with pytest.raises(Killed):
        run_quietly(job)
    assert len(job.folder.recorded(8).rows) == 3 * batches and not job.folder.done
    dataset = TinyImages()
    # another batch size after the kill: other images meet in a batch
    job = tiny_job(tmp_path / "killed", dataset=dataset, batch_size=2)
    run_quietly(job)
    assert what_lasts(job) == what_lasts(plain)
    assert sorted(dataset.read) == list(range(3 * batches, 8))


def test_a_torn_last_line_is_restored_again(tmp_path):
    plain = tiny_job(tmp_path / "plain")
    run_quietly(plain)
    job = tiny_job(tmp_path / "torn")
    run_quietly(job)
    (job.folder.path / "done").unlink()
    journal = job.folder.path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    dataset = TinyImages()
    run_quietly(tiny_job(tmp_path / "torn", dataset=dataset))
    assert dataset.read == [7]
    assert what_lasts(job) == what_lasts(plain)


def test_a_finished_run_is_not_touched(tmp_path):
    job = tiny_job(tmp_path)
    run_quietly(job)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in job.folder.path.iterdir()}
    dataset = TinyImages()
    assert run_quietly(tiny_job(tmp_path, dataset=dataset)) is None
    assert dataset.read == []
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in job.folder.path.iterdir()}


def test_nothing_is_left_beside_the_results(tmp_path):
    job = tiny_job(tmp_path)
    run_quietly(job)
    assert {path.name for path in job.folder.path.iterdir()} == {
        *(
            "config.yaml",
            "provenance.json",
            "images.npy",
            "journal.jsonl",
            "scores.jsonl",
            "batches.jsonl",
            "metrics.json",
            "done",
        )
    }
    assert {path.name for path in job.folder.problem_path.iterdir()} == {
        *("truth.npy", "measurement.npy", "unseen.npy", "checksums.jsonl", "provenance.json")
    }


def test_an_error_leaves_its_traceback_and_a_rerun_removes_it(tmp_path):
    class Failing(MAPGA):
        def iterate(self, problem, prior, noise):
            raise ArithmeticError("a fault that is told apart")
            yield

    job = tiny_job(tmp_path, solver=Failing(Karras(steps=3)))
    with pytest.raises(ArithmeticError):
        run_quietly(job)
    text = (job.folder.path / "error.txt").read_text()
    assert "Traceback" in text and text.rstrip().endswith("ArithmeticError: a fault that is told apart")
    assert not job.folder.done and not (job.folder.path / "lock").exists()
    run_quietly(tiny_job(tmp_path))
    assert not (job.folder.path / "error.txt").exists() and job.folder.done


def test_other_images_are_refused(tmp_path):
    class Dying(MAPGA):
        def iterate(self, problem, prior, noise):
            raise Killed
            yield

    with pytest.raises(Killed):
        run_quietly(tiny_job(tmp_path, solver=Dying(Karras(steps=3))))
    other = tiny_job(tmp_path, dataset=TinyImages(seed=1))
    with pytest.raises(ConfigError, match="other images"):
        run_quietly(other)
    assert not (other.folder.path / "error.txt").exists()


def test_a_problem_is_not_shared_by_other_images(tmp_path):
    """Another solver on the same task, but the data was replaced in between."""
    first = tiny_job(tmp_path)
    run_quietly(first)
    truth = (first.folder.problem_path / "truth.npy").read_bytes()
    second = tiny_job(tmp_path, dataset=TinyImages(seed=1))
    second.folder.path = tmp_path / "another-run"
    with pytest.raises(ConfigError, match="problems/"):
        run_quietly(second)
    assert (first.folder.problem_path / "truth.npy").read_bytes() == truth


def test_a_refused_run_goes_on_once_its_images_are_back(tmp_path):
    run_quietly(tiny_job(tmp_path))
    for seed in (1, 0):  # other images under the problem, then its own again
        job = tiny_job(tmp_path, dataset=TinyImages(seed=seed))
        job.folder.path = tmp_path / "another-run"
        if seed:
            with pytest.raises(ConfigError, match="problems/"):
                run_quietly(job)
            assert not (job.folder.path / "provenance.json").exists()
        else:
            assert run_quietly(job) is not None


def test_a_run_in_work_is_locked(tmp_path):
    class Intruding(MAPGA):
        def iterate(self, problem, prior, noise):
            with pytest.raises(LockedError, match="is being worked on by process"):
                run_quietly(tiny_job(tmp_path, shard="2/2"))
            run_quietly(tiny_job(tmp_path, shard="1/2"))  # another shard is free
            yield from super().iterate(problem, prior, noise)

    job = tiny_job(tmp_path, solver=Intruding(Karras(steps=3)), shard="0/2", batch_size=8)
    run_quietly(job)
    assert job.folder.done


@pytest.mark.parametrize(("first", "second"), [("0/1", "1/2"), ("1/2", "0/1"), ("1/2", "1/3")])
def test_a_run_in_work_takes_no_other_division(tmp_path, first, second):
    """The whole run and its shards, and shards of two and three, would restore images twice."""

    class Intruding(MAPGA):
        def iterate(self, problem, prior, noise):
            with pytest.raises(LockedError, match=rf"is being worked on by process {os.getpid()} .*\(lock"):
                run_quietly(tiny_job(tmp_path, shard=second))
            yield from super().iterate(problem, prior, noise)

    job = tiny_job(tmp_path, solver=Intruding(Karras(steps=3)), shard=first)
    run_quietly(job)
    assert not list(job.folder.path.glob("lock*"))
    assert len(job.folder.recorded(8).rows) == len(job.shard.rows(8))


def test_divisions_one_after_the_other_restore_nothing_twice(tmp_path):
    read: list[int] = []
    for shard in ("1/2", "1/3", "0/1"):
        dataset = TinyImages()
        run_quietly(tiny_job(tmp_path, dataset=dataset, shard=shard))
        read += dataset.read
    assert sorted(read) == list(range(8))


def test_what_another_division_recorded_meanwhile_is_left_out(tmp_path, monkeypatch):
    """Where locks were seen too late, what is done twice are the batches in flight."""
    monkeypatch.setattr(RunFolder, "lock", lambda self, shard: Lock(self.path / f"lock-{shard}"))

    class Interrupted(MAPGA):
        def iterate(self, problem, prior, noise):
            if 0 in noise.indices:
                run_quietly(tiny_job(tmp_path, shard="1/2"))  # rows 1, 3, 5, 7
            yield from super().iterate(problem, prior, noise)

    dataset = TinyImages()
    run_quietly(tiny_job(tmp_path, solver=Interrupted(Karras(steps=3)), dataset=dataset, batch_size=2))
    assert dataset.read == [0, 1, 2, 4, 6]


CHILD = """
import signal, sys
from pathlib import Path
from helpers.runs import run_quietly, tiny_job
from mapga.schedules import Karras
from mapga.solvers import MAPGA

class Waiting(MAPGA):
    def iterate(self, problem, prior, noise):
        for state in super().iterate(problem, prior, noise):
            if 4 in noise.indices and state.step == 2:
                print("second batch", flush=True)
                signal.pause()
            yield state

run_quietly(tiny_job(Path(sys.argv[1]), solver=Waiting(Karras(steps=3))))
"""


def test_a_real_kill(tmp_path, monkeypatch):
    plain = tiny_job(tmp_path / "plain")
    run_quietly(plain)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "killed")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],  # where the helpers lie
        text=True,
    )
    assert child.stdout is not None and child.stdout.readline() == "second batch\n"
    job = tiny_job(tmp_path / "killed", dataset=TinyImages())
    with pytest.raises(LockedError, match=f"process {child.pid}"):
        run_quietly(job)
    child.kill()
    child.wait()
    child.stdout.close()
    assert (job.folder.path / "lock").exists() and not job.folder.done
    monkeypatch.setattr(lock, "_beats", lambda path: pytest.fail("a dead owner on this host was watched"))
    run_quietly(job)
    assert job.dataset.read == [3, 4, 5, 6, 7]
    assert what_lasts(job) == what_lasts(plain)
    assert np.array_equal(restored(job), restored(plain))
