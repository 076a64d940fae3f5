"""``mapga check``: a line a check, and an exit code."""

from __future__ import annotations

import pytest

from helpers.commands import mapga
from helpers.foreign import PULL, installed

ENTRIES = {"mapga.solvers/Pull": "mypackage.solver:Pull", "mapga.conf/mypackage": "mypackage.conf"}
PRIOR = ("prior=mixture", "prior.components=20", "prior.ode_steps=4")
YAML = {"conf/solver/pull.yaml": "# Pulls.\n_target_: mapga.solvers.Pull\nfactor: 1.0\n"}


def test_components_of_ours_pass(capsys):
    said = mapga(capsys, "check", "solver=pinv", "task=box50", "dataset=mnist", *PRIOR, "metrics=basic")
    lines = said.out.splitlines()
    assert said.code == 0 and "WRONG" not in said.out and lines[-1] == f"{len(lines) - 1} checks, none failed", said.out
    assert {line.partition(":")[0] for line in lines[:-1]} == {
        *("solver=pinv", "task=box50", "dataset=mnist", "prior=mixture"),
        *("metrics.psnr", "metrics.ssim", "metrics.consistency"),
    }
    assert "task=box50: adjointness: ok" in lines


def test_what_is_wrong_is_said_and_the_exit_code_is_1(tmp_path, capsys):
    broken = PULL.replace("passes=lambda a, steps: 0", "passes=lambda a, steps: 3 * steps")
    broken = broken.replace("x = self.factor", "x = prior.nothing if len(problem.y) == 5 else self.factor")
    with installed(tmp_path, {**YAML, "solver.py": broken}, ENTRIES):
        said = mapga(capsys, "check", "solver=pull", "schedule.steps=2")
    assert said.code == 1 and "solver=pull: states: ok" in said.out
    assert "solver=pull: counted passes: WRONG: its card states 6 passes for 2 steps, it made 0" in said.out
    assert "solver=pull: batch independence: WRONG: AttributeError: " in said.out
    assert said.out.splitlines()[-1].endswith("2 failed")


@pytest.mark.parametrize(
    "given", [[], ["seed=3"], ["solver=nothing"], ["task=box50", "prior=trained", "prior.denoiser=x"]]
)
def test_bad_input(capsys, given):
    said = mapga(capsys, "check", *given)
    assert said.code == 2 and said.err.count("\n") == 1
