"""What may stand at the cursor; and bash, which asks for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.commands import mapga
from helpers.folders import finished
from mapga.terminal.completion import SCRIPTS, candidates


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["repo"], ["report"]),
        (["comple"], ["completion"]),
        (["run", "--mul"], ["--multirun"]),
        (["run", "sol"], ["solver="]),
        (["run", "-m", "results_"], ["results_dir="]),
        (["run", "solver=pi"], ["solver=pinv"]),
        (["run", "-m", "solver=pinv,pg"], ["solver=pinv,pgdm"]),
        (["list", "sol"], ["solvers"]),
        (["show", "task=box2"], ["task=box25"]),
        (["dance", ""], []),
    ],
)
def test_what_may_stand_at_the_cursor(words, found):
    assert candidates(words) == found


def test_folders_of_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = finished(Path("here"), "alpha").path
    (tmp_path / "empty").mkdir()
    assert candidates(["report", ""]) == ["here/"]
    assert candidates(["export", "here/"]) == candidates(["show", "here/ti"]) == [f"here/{run.name}"]
    assert candidates(["report", f"{tmp_path}/he"]) == [f"{tmp_path}/here/"]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_a_shell(capsys, shell):
    assert mapga(capsys, "completion", shell).out == SCRIPTS[shell]
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=SCRIPTS[shell], text=True, check=False).returncode == 0


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_bash_completes_what_is_after_the_equals_sign(tmp_path):
    command = tmp_path / "mapga"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m mapga.cli "$@"\n')
    command.chmod(0o755)
    line = "mapga run -m task=half solver=pinv,pg"
    asked = f"""PATH={tmp_path}:$PATH
    {SCRIPTS["bash"]}
    COMP_LINE='{line}' COMP_POINT={len(line)}
    _mapga
    echo "${{COMPREPLY[@]}}"
    """
    answer = subprocess.run(["bash", "-c", asked], capture_output=True, text=True)
    assert answer.stdout == "pinv,pgdm\n", answer
