"""SIGTERM and SIGUSR1: the batch at work is finished, the lock released, and the same command continues."""

from __future__ import annotations

import builtins
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from helpers.commands import mapga, tiny
from helpers.runs import TinyImages, run_quietly, tiny_job, what_lasts
from mapga.run import batch as restore
from mapga.run import runner
from mapga.run.signals import EXIT_CODE, InterruptedRun, listening
from mapga.schedules import Karras
from mapga.solvers import MAPGA


@pytest.fixture(autouse=True)
def _no_git(monkeypatch):
    monkeypatch.setattr(runner, "provenance", lambda device, packages: {"device": device})


@pytest.fixture(autouse=True)
def _in_the_foreground():
    """As a command that a shell waits for: one in the background starts with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Asked(MAPGA):
    """A solver whose process is sent a signal in the middle of the batch that holds image 4."""

    number = signal.SIGTERM

    def iterate(self, problem, prior, noise):
        for state in super().iterate(problem, prior, noise):
            if 4 in noise.indices and state.step == 2:
                os.kill(os.getpid(), self.number)
            yield state


def _asked(number: int) -> Asked:
    solver = Asked(Karras(steps=3))
    solver.number = number
    return solver


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_the_batch_is_finished_and_the_rest_is_done_later(tmp_path, number):
    plain, before = tiny_job(tmp_path / "plain"), signal.getsignal(number)
    run_quietly(plain)
    job = tiny_job(tmp_path / "asked", solver=_asked(number))
    with pytest.raises(InterruptedRun, match=f"{number.name}; the same command continues"):
        run_quietly(job)
    assert sorted(job.folder.recorded(8).rows) == [0, 1, 2, 3, 4, 5]
    assert not (job.folder.path / "lock").exists() and not (job.folder.path / "error.txt").exists()
    assert signal.getsignal(number) == before
    dataset = TinyImages()
    run_quietly(tiny_job(tmp_path / "asked", dataset=dataset))
    assert dataset.read == [6, 7]
    assert what_lasts(job) == what_lasts(plain)


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt), listening():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_not_for_a_command_in_the_background():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with listening() as notice:
        os.kill(os.getpid(), signal.SIGINT)
    assert notice.signals == []


def test_asked_in_the_last_batch_the_run_is_finished(tmp_path):
    job = tiny_job(tmp_path, solver=_asked(signal.SIGTERM), batch_size=8)
    run_quietly(job)
    assert job.folder.done


def test_who_waited_for_the_signal_before_is_called_when_the_lock_is_free(tmp_path):
    """As submitit does, whose handler requeues the job and leaves."""
    job = tiny_job(tmp_path, solver=_asked(signal.SIGUSR2))
    seen = []

    def checkpoint(number, frame):
        seen.append((number, len(job.folder.recorded(8).rows), (job.folder.path / "lock").exists()))
        raise SystemExit(3)

    before = signal.signal(signal.SIGUSR2, checkpoint)
    try:
        with pytest.raises(SystemExit):
            run_quietly(job)
        assert signal.getsignal(signal.SIGUSR2) is checkpoint
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert seen == [(signal.SIGUSR2, 6, False)]


def test_blocks_within_blocks_share_what_is_heard():
    with listening() as outer:
        with listening() as inner:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert inner is outer and inner.signals == [signal.SIGUSR1]
        with pytest.raises(InterruptedRun, match="SIGUSR1"):
            outer.check()
    with listening() as later:
        later.check()


def _handler(connection) -> None:
    connection.send(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)


def test_worker_processes_have_sigterm_at_its_default():
    """Within submitit, whose handler passes over SIGTERM, a worker that inherited it could not be ended."""
    bypass = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        ours, theirs = multiprocessing.Pipe()
        with listening():
            worker = multiprocessing.get_context("fork").Process(target=_handler, args=(theirs,))
            worker.start()
            assert ours.poll(120) and ours.recv() is True
            worker.join()
    finally:
        signal.signal(signal.SIGTERM, bypass)


def _ask_once(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The first measurement that is made brings a signal with it."""
    original, asked = restore.measure, []

    def measure(*args, **kwargs):
        if not asked:
            asked.append(os.kill(os.getpid(), number))
        return original(*args, **kwargs)

    monkeypatch.setattr(restore, "measure", measure)


def test_a_command_that_was_asked_to_stop_exits_with_75(tmp_path, capsys, monkeypatch):
    _ask_once(monkeypatch, signal.SIGTERM)
    said = mapga(capsys, "run", *tiny(tmp_path, "batch_size=1"))
    assert said.code == EXIT_CODE == 75
    assert "asked to stop by SIGTERM; the same command continues" in said.err and "Traceback" not in said.err
    said = mapga(capsys, "run", *tiny(tmp_path, "batch_size=1"))
    assert said.code == 0 and (Path(said.last) / "done").exists()


def test_a_sweep_that_was_asked_to_stop_begins_no_other_run(tmp_path, capsys, monkeypatch):
    _ask_once(monkeypatch, signal.SIGUSR1)
    overrides = tiny(tmp_path, "seed=0,1,2", "batch_size=1")
    said = mapga(capsys, "run", "-m", *overrides)
    assert said.code == EXIT_CODE and "3 runs: 3 interrupted" in said.err
    assert len(list(tmp_path.glob("*/journal.jsonl"))) == 1
    said = mapga(capsys, "run", "-m", *overrides)
    assert said.code == 0 and len(list(tmp_path.glob("*/done"))) == 3


@pytest.mark.parametrize("sweep", [[], ["-m"]], ids=["run", "sweep"])
def test_asked_while_libraries_are_imported_it_begins_nothing(tmp_path, capsys, monkeypatch, sweep):
    """The first seconds of a command, before anything of ours could hear."""
    real = builtins.__import__

    def importing(name, *args, **kwargs):
        if name in ("mapga.config.compose", "mapga.commands.sweep") and args[0]["__name__"] == "mapga.terminal.runs":
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL, "it would die of it"
            os.kill(os.getpid(), signal.SIGTERM)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", importing)
    said = mapga(capsys, "run", *sweep, *tiny(tmp_path / "results"))
    assert said.code == EXIT_CODE and said.err == "mapga: asked to stop by SIGTERM; the same command continues\n"
    assert said.out == "" and not (tmp_path / "results").exists()
