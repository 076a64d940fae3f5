"""SLURM's arrays with a stand-in for submitit's executor; tests/slurm has the real one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers.runs import tiny_spec
from mapga.commands.outcome import Outcome
from mapga.errors import ConfigError

pytest.importorskip("submitit")

from submitit.core.utils import FailedJobError

from mapga.commands import slurm

LAUNCHER = {"_target_": "a.Launcher", "submitit_folder": "logs", "max_num_timeout": 7, "name": "mapga", "mem_gb": None,
            "partition": "gpu", "setup": ["module load cuda"]}  # fmt: skip


class Job:
    """Done as soon as somebody asks; of seed 3 the process was killed."""

    def __init__(self, function, spec) -> None:
        self.function, self.spec = function, spec

    def results(self):
        if self.spec.seed == 3:
            raise RuntimeError("killed")
        return [self.function(self.spec)]


class Executor:
    """Takes ``room`` arrays and refuses the next."""

    room = 100

    def __init__(self, **made) -> None:
        self.made, self.parameters, self.arrays = made, {}, []
        Executor.last = self

    def update_parameters(self, **parameters) -> None:
        self.parameters |= parameters

    def map_array(self, function, specs):
        if len(self.arrays) == self.room:
            print("sbatch: error: twice", file=sys.stderr)  # as submitit does
            raise FailedJobError(
                "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed"
            )
        self.arrays.append(len(specs))
        return [Job(function, spec) for spec in specs]


@pytest.fixture
def submitted(tmp_path, monkeypatch):
    """Submits runs of many seeds to a cluster that answers ``scontrol show config`` so."""

    def submit(n: int, config: str = "MaxArraySize            = 1000\n", room: int = 100) -> list[Outcome]:
        monkeypatch.setattr(slurm, "AutoExecutor", Executor)
        monkeypatch.setattr(slurm, "_ask", lambda *command: config)
        monkeypatch.setattr(Executor, "room", room)
        specs = [tiny_spec(tmp_path, seed=seed) for seed in range(n)]
        return slurm.launch(
            LAUNCHER,
            specs,
            lambda spec: Outcome("done", str(spec.seed)),
            lambda spec, error: Outcome("failed", str(spec.seed), str(error)),
        )

    return submit


def test_a_sweep_is_as_few_arrays_as_the_cluster_takes(submitted):
    outcomes = submitted(2500)
    assert Executor.last.arrays == [1000, 1000, 500]
    assert [outcome.folder for outcome in outcomes] == [str(seed) for seed in range(2500)]  # in their order
    assert [outcome.folder for outcome in outcomes if outcome.status != "done"] == ["3"]
    assert outcomes[3] == Outcome("failed", "3", "killed")


def test_where_the_cluster_does_not_say_its_limit_is_slurms_own(submitted):
    submitted(1500, config="slurm_load_ctl_conf error")
    assert Executor.last.arrays == [1001, 499]


def test_what_is_set_reaches_sbatch(submitted):
    submitted(1)
    assert Executor.last.made == {"folder": Path("logs"), "cluster": "slurm", "slurm_max_num_timeout": 7}
    asked = {"name": "mapga", "mem_gb": None, "slurm_partition": "gpu", "slurm_setup": ["module load cuda"]}
    assert Executor.last.parameters == asked


def test_a_sweep_that_is_refused_is_one_line(submitted, capsys):
    with pytest.raises(ConfigError, match="sbatch refused the sweep: QOSMaxSubmitJobPerUserLimit sbatch: error: Batch"):
        submitted(3, room=0)
    assert capsys.readouterr().err == ""


def test_arrays_that_were_taken_go_on_when_a_later_one_is_refused(submitted):
    outcomes = submitted(2500, room=1)
    assert [outcome.status for outcome in outcomes].count("done") == 999
    assert {outcome.status for outcome in outcomes[1000:]} == {"refused"}
    assert "QOSMaxSubmitJobPerUserLimit" in outcomes[-1].message
