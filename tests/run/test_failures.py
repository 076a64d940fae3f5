"""What goes wrong on clusters: survived, or refused with one clear line; never anything corrupted."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import torch

from helpers.commands import mapga, tiny
from helpers.forks import forked, waited
from helpers.runs import TinyImages, run_quietly, tiny_job, what_lasts
from mapga.records import holder as holder_module
from mapga.records import lock as lock_module
from mapga.records.lock import Lock, LockedError
from mapga.run import runner
from mapga.run.batch import Restorer
from mapga.schedules import Karras
from mapga.solvers import MAPGA


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    monkeypatch.setattr(runner, "provenance", lambda device, packages: {"device": device})


class Meddled(MAPGA):
    """Does something in the middle of the batch that holds image 4."""

    def __init__(self, meddle) -> None:
        super().__init__(Karras(steps=3))
        self.meddle = meddle

    def iterate(self, problem, prior, noise):
        for state in super().iterate(problem, prior, noise):
            if 4 in noise.indices and state.step == 2:
                self.meddle()
            yield state


def continued(results: Path, plain: Path, left: list[int]) -> None:
    """The same command, once things are mended: it restores what was left, and all is as if nothing had been."""
    dataset = TinyImages()
    job = tiny_job(results, dataset=dataset)
    run_quietly(job)
    run_quietly(tiny_job(plain))
    assert dataset.read == left
    assert what_lasts(job) == what_lasts(tiny_job(plain))


@pytest.mark.parametrize("taken", [0, 10])
def test_a_disk_that_fills_while_rows_are_written(tmp_path, taken):
    """The disk takes some bytes of the second batch's rows, or none."""
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if taken:
            return real(descriptor, data[:taken])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        job = tiny_job(tmp_path / "full", solver=Meddled(lambda: patch.setattr(os, "write", full)))
        with pytest.raises(OSError, match=r"No space left|the disk took 10 of \d+ bytes"):
            run_quietly(job)
    assert sorted(job.folder.recorded(8).rows) == [0, 1, 2]
    continued(tmp_path / "full", tmp_path / "plain", [3, 4, 5, 6, 7])


def test_a_file_system_without_room(tmp_path):
    """Room for images is claimed at the start: a store with holes in it would kill its process when it is filled."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(disk)], capture_output=True)
    if made.returncode:
        pytest.skip("a file system can be mounted by root alone")
    try:
        (disk / "ballast").write_bytes(bytes(140 * 1024))
        with pytest.raises(OSError) as caught:
            run_quietly(tiny_job(disk / "results", dataset=TinyImages(100)))
        assert caught.value.errno == errno.ENOSPC and str(caught.value.filename).endswith(".npy")
        (disk / "ballast").unlink()
        job = tiny_job(disk / "results", dataset=TinyImages(100))
        run_quietly(job)
        run_quietly(tiny_job(tmp_path / "plain", dataset=TinyImages(100)))
        assert what_lasts(job) == what_lasts(tiny_job(tmp_path / "plain"))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)  # its stores are still mapped


def test_a_limit_on_file_sizes_is_one_line(tmp_path, capsys):
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        said = mapga(capsys, "run", *tiny(tmp_path / "results"))
        assert said.code == 1 and said.err.count("\n") == 1, said.err
        assert "File too large; mend that, and the same command continues" in said.err

    assert waited(forked(limited)) == 0
    said = mapga(capsys, "run", *tiny(tmp_path / "results"))
    assert said.code == 0 and (Path(said.last) / "done").exists()


def _as_nobody(work) -> None:
    """In a child, because there is no way back; root may write anywhere."""

    def unprivileged() -> None:
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        work()

    assert waited(forked(unprivileged)) == 0


def test_a_folder_that_turns_read_only(tmp_path):
    """The error names the file; the lock stays behind and is no obstacle."""
    root = Path(tempfile.mkdtemp(prefix="mapga-test-"))
    root.chmod(0o777)
    folder = tiny_job(root / "results").folder.path

    def frozen() -> None:
        for path in (*folder.iterdir(), folder):
            path.chmod(0o555)

    def turned(solver: MAPGA) -> None:
        with pytest.raises(PermissionError, match=str(folder)):
            run_quietly(tiny_job(root / "results", solver=solver))

    try:
        _as_nobody(lambda: turned(Meddled(frozen)))
        assert sorted(tiny_job(root / "results").folder.recorded(8).rows) == [0, 1, 2]
        _as_nobody(lambda: turned(MAPGA(Karras(steps=3))))
        for path in (folder, *folder.iterdir()):
            path.chmod(0o777)
        continued(root / "results", tmp_path / "plain", [3, 4, 5, 6, 7])
    finally:
        shutil.rmtree(root)


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_jumps_takes_no_lock_from_a_living_owner(tmp_path, monkeypatch, jump):
    path = tmp_path / "lock"
    monkeypatch.setattr(lock_module, "_BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lock_module, "_WATCH_SECONDS", 120.0)  # but no longer than until a beat
    with Lock(path):
        owner = json.loads(path.read_text())
        path.write_text(json.dumps(owner | {"host": "elsewhere"}))
        now = time.time
        monkeypatch.setattr(lock_module.time, "time", lambda: now() + jump)
        with pytest.raises(LockedError, match="on elsewhere"), Lock(path):
            pytest.fail("taken from a living owner")
    assert not path.exists()


def test_a_clock_that_jumps_while_a_run_is_at_work_changes_nothing(tmp_path, monkeypatch):
    now, jumped = time.time, []
    monkeypatch.setattr(time, "time", lambda: now() + (-1e6 if jumped else 0.0))
    run_quietly(tiny_job(tmp_path / "jumped", solver=Meddled(lambda: jumped.append(True))))
    monkeypatch.undo()
    run_quietly(tiny_job(tmp_path / "plain"))
    one, other = what_lasts(tiny_job(tmp_path / "jumped")), what_lasts(tiny_job(tmp_path / "plain"))
    assert one == other


def test_a_lock_of_another_host_is_refused_in_one_line_while_it_is_fresh(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(lock_module, "_WATCH_SECONDS", 0.5)
    monkeypatch.setattr(holder_module, "_STALE_SECONDS", 3600.0)  # fresh, however slow this machine is
    folder = Path(mapga(capsys, "run", *tiny(tmp_path)).last)
    (folder / "done").unlink()
    lock = folder / "lock"
    lock.write_text(json.dumps({"host": "node17", "pid": 4, "born": 1, "time": 0.0, "token": "theirs"}))
    said = mapga(capsys, "run", *tiny(tmp_path))
    assert said.code == 75 and said.err.count("\n") == 1
    assert re.search(
        r"is being worked on by process 4 on node17 \(lock, last sign of life \d+ s ago\); wait for it, or remove",
        said.err,
    )
    os.utime(lock, (1000, 1000))
    said = mapga(capsys, "run", *tiny(tmp_path))
    assert said.code == 0 and not lock.exists() and (folder / "done").exists()


def test_a_process_that_was_given_up_writes_nothing_more(tmp_path):
    """It slept, another host took its lock over, and it wakes up."""
    job = tiny_job(tmp_path)

    def taken_over() -> None:
        (job.folder.path / "lock").write_text(json.dumps({"host": "node17", "pid": 4, "token": "theirs"}))

    with pytest.raises(LockedError, match="was taken over by process 4 on node17"):
        run_quietly(tiny_job(tmp_path, solver=Meddled(taken_over)))
    assert sorted(job.folder.recorded(8).rows) == [0, 1, 2]
    assert json.loads((job.folder.path / "lock").read_text())["token"] == "theirs"


def test_out_of_memory_halves_the_batch_and_no_result(tmp_path, monkeypatch):
    """A device that holds no more than two images at a time."""
    run_quietly(tiny_job(tmp_path / "plain", batch_size=8))
    real = Restorer.restore

    def small(self, rows, on_step):
        if len(rows) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(self, rows, on_step)

    monkeypatch.setattr(Restorer, "restore", small)
    job = tiny_job(tmp_path / "small", batch_size=8)
    summary = run_quietly(job)
    costs = job.folder.costs()
    assert [cost["going_on_with"] for cost in costs if "going_on_with" in cost] == [4, 2]
    assert [cost["rows"] for cost in costs if cost["rows"]] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert summary["notes"] == [
        "out of memory with 8 images at a time, went on with 4",
        "out of memory with 4 images at a time, went on with 2",
    ]
    one, other = what_lasts(job), what_lasts(tiny_job(tmp_path / "plain"))
    del one["metrics"]["notes"]
    assert one == other


def test_out_of_memory_with_a_single_image_is_an_error(tmp_path, monkeypatch):
    def never(self, rows, on_step):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Restorer, "restore", never)
    job = tiny_job(tmp_path, batch_size=4)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        run_quietly(job)
    assert [cost["going_on_with"] for cost in job.folder.costs()] == [2, 1]
    assert "CUDA out of memory" in (job.folder.path / "error.txt").read_text()
