"""How far runs are, told from their folders: who is at work, by lock, whatever the clocks say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from helpers.commands import mapga
from helpers.folders import finished, unfinished
from mapga.commands.status import status_view
from mapga.records.holder import signature


def _locked(folder, name="lock", *, silent=0.0, **changes):
    (folder.path / name).write_text(json.dumps({**signature("theirs"), **changes}))
    os.utime(folder.path / name, (time.time() - silent,) * 2)


def test_a_process_of_this_machine_is_running_or_it_is_not(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    folder = unfinished(tmp_path)
    _locked(folder)
    assert status_view(tmp_path)[1] == {"running": 1}
    _locked(folder, pid=child.pid, born=None)  # killed a moment ago
    assert status_view(tmp_path)[1] == {"stopped": 1}
    _locked(folder, "lock-1-of-2")
    assert status_view(tmp_path)[1] == {"running": 1}


@pytest.mark.parametrize(
    ("silent", "state"), [(60, "running"), (-60, "running"), (7200, "stopped"), (-7200, "stopped")]
)
def test_a_lock_of_the_future_is_as_old_as_it_is_far(tmp_path, capsys, silent, state):
    """`--watch` waits as long as a run is running; one that is dated ahead of the clock was so for ever."""
    _locked(unfinished(tmp_path), silent=silent, host="elsewhere")
    assert status_view(tmp_path)[1] == {state: 1}


def test_what_a_person_looks_for_comes_first_and_finished_runs_have_a_number(tmp_path, capsys):
    finished(tmp_path, "alpha")
    finished(tmp_path / "w", "alpha")
    unfinished(tmp_path, "beta").fail("Traceback\nOSError: disk")
    _locked(unfinished(tmp_path, "gamma"))
    unfinished(tmp_path, "delta")
    lines = mapga(capsys, "status", str(tmp_path)).out.splitlines()
    rows = [line.replace("│", " ").split() for line in lines if "half-" in line]
    assert [row[1] for row in rows] == ["running", "failed", "stopped", "done", "done"]
    assert rows[3][0].startswith("tiny-half-alpha-") and rows[4][0].startswith("w/tiny-half-alpha-")
    assert "psnr 20.00 +- 0.50 dB" in " ".join(rows[3])
