"""Every command under a full disk, a closed pipe, an error nobody foresaw, a module that cannot be read: one line."""

from __future__ import annotations

import errno
import os
import re
import resource
import tempfile
from pathlib import Path

import pytest

from helpers.commands import mapga, tiny
from helpers.folders import finished
from helpers.forks import forked, waited
from mapga import catalogue, solvers

INNER = {  # of each command something that it calls
    "run": "mapga.config.typed.compose_run",
    "run -m": "mapga.commands.sweep.Sweep",
    "plan": "mapga.commands.plan.Sweep",
    "status": "mapga.commands.status.collect",
    "report": "mapga.report.gathered.collect",
    "export": "mapga.report.export.ImageStore.open",
    "sync": "mapga.commands.sync.collect",
    "train": "mapga.commands.train.compose_training",
    "prefetch": "mapga.commands.prefetch.runs",
    "doctor": "mapga.commands.prefetch.runs",
}


@pytest.fixture(params=INNER)
def failing(request, monkeypatch, tmp_path, capsys):
    """A command, with an error to come from its inside."""
    words = request.param.split()
    folders = {"status": tmp_path / "done", "report": tmp_path / "done", "sync": tmp_path / "done"}
    if words[0] in ("status", "report", "sync", "export"):
        run = finished(tmp_path / "done").path
        words.append(str(folders.get(words[0], run)))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fail(error: Exception):
        def raising(*_, **__):
            raise error

        monkeypatch.setattr(INNER[request.param], raising)
        return mapga(capsys, *words)

    return fail


def test_what_nobody_foresaw_is_one_line_and_a_file(failing):
    said = failing(RuntimeError("told apart"))
    assert said.code == 1 and said.err.count("\n") == 1 and "Traceback" not in said.err + said.out
    found = re.fullmatch(
        r"mapga: unexpected: RuntimeError: told apart; the traceback is in (\S+), please report it\n", said.err
    )
    assert found and "RuntimeError: told apart" in Path(found[1]).read_text()


@pytest.mark.parametrize(
    ("number", "code", "remedy"),
    [
        (errno.ENOSPC, 1, "; free some, and the same command continues"),
        (errno.EACCES, 1, "; mend that, and the same command continues"),
        (errno.EIO, 1, ""),
        (errno.ENAMETOOLONG, 2, ""),
    ],
)
def test_an_error_of_the_machine_is_its_path_and_reason(failing, number, code, remedy):
    said = failing(OSError(number, os.strerror(number), "/the/file"))
    assert (said.code, said.err) == (code, f"mapga: /the/file: {os.strerror(number)}{remedy}\n")


def test_who_reads_no_further_is_told_nothing(failing):
    said = failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert (said.code, said.err) == (1, "")


@pytest.mark.parametrize("argv", ["run", "run -m", "report", "export"])
def test_a_disk_that_takes_nothing(tmp_path, capsys, argv):
    """As a limit on the size of files: every write fails, at the first file that a command makes."""
    run = finished(tmp_path / "done").path
    given = {"report": [str(tmp_path / "done")], "export": [str(run)]}
    words = [*argv.split(), *given.get(argv, tiny(tmp_path / "new"))]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        said = mapga(capsys, *words)
        lines = said.err.splitlines()
        assert said.code == 1 and "Traceback" not in said.err + said.out, said.err
        assert any(str(tmp_path) in line and "File too large; mend that" in line for line in lines), said.err

    assert waited(forked(limited)) == 0


def test_a_finished_run_needs_no_folder_that_can_be_written(tmp_path, capsys, monkeypatch):
    folder = mapga(capsys, "run", *tiny(tmp_path, "solver=pinv")).last

    def refuse(*_, **__):
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    said = mapga(capsys, "run", *tiny(tmp_path, "solver=pinv"))
    assert said.code == 0 and said.last == folder


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """A finished run's folder, and a module in the room of solvers that cannot be read."""
    run = finished(tmp_path / "done").path
    (tmp_path / "room").mkdir()
    (tmp_path / "room/unfinished.py").write_text("x = 1\ndef (:\n")
    monkeypatch.setattr(solvers, "__path__", [*solvers.__path__, str(tmp_path / "room")])
    for cached in (catalogue.exported, catalogue.kinds):
        cached.cache_clear()
    yield run
    for cached in (catalogue.exported, catalogue.kinds):
        cached.cache_clear()


@pytest.mark.parametrize("argv", ["run", "run -m", "plan", "prefetch", "doctor"])
def test_a_module_that_cannot_be_read_is_named(broken, tmp_path, capsys, argv):
    said = mapga(capsys, *argv.split(), *tiny(tmp_path / "results"))
    assert said.code == 2 and said.err.count("\n") == 1, said.err
    assert re.search(
        r"mapga\.solvers\.unfinished cannot be imported: SyntaxError: .*unfinished\.py, line 2\)", said.err
    )


@pytest.mark.parametrize("argv", ["status", "report", "export"])
def test_who_needs_no_solver_does_without(broken, tmp_path, capsys, argv):
    said = mapga(capsys, argv, str(broken if argv == "export" else broken.parent))
    assert said.code == 0, said.err
