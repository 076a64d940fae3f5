"""SLURM's arrays with a stand-in for submitit's executor; tests/slurm has the real one."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from helpers.runs import tiny_spec
from mapga.commands.outcome import Outcome
from mapga.errors import ConfigError
from mapga.run.signals import InterruptedRun, listening

pytest.importorskip("submitit")

from submitit.core.utils import FailedJobError

from mapga.commands import slurm

LAUNCHER = {"_target_": "a.Launcher", "submitit_folder": "logs", "max_num_timeout": 7, "name": "mapga", "mem_gb": None,
            "partition": "gpu", "setup": ["module load cuda"]}  # fmt: skip


class Job:
    """Done as soon as somebody asks; of the one with seed 3 the process was killed."""

    def __init__(self, function, specs, job_id: str = "") -> None:
        self.function, self.specs, self.job_id = function, specs, job_id

    def results(self):
        if any(spec.seed == 3 for spec in self.specs):
            raise RuntimeError("killed")
        return [self.function(self.specs)]


class Executor:
    """Takes ``room`` arrays and refuses the next."""

    room = 100

    def __init__(self, **made) -> None:
        self.made, self.parameters, self.arrays = made, {}, []
        Executor.last = self

    def update_parameters(self, **parameters) -> None:
        self.parameters |= parameters

    def map_array(self, function, tasks):
        if len(self.arrays) == self.room:
            print("sbatch: error: twice", file=sys.stderr)  # as submitit does
            raise FailedJobError(
                "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed"
            )
        self.arrays.append(len(tasks))
        return [Job(function, task, f"{len(self.arrays)}_{place}") for place, task in enumerate(tasks)]


@pytest.fixture
def submitted(tmp_path, monkeypatch):
    """Submits runs of many seeds to a cluster that answers ``scontrol show config`` so."""

    def submit(n: int, config: str = "MaxArraySize            = 1000\n", room: int = 100, **more) -> list[Outcome]:
        monkeypatch.setattr(slurm, "AutoExecutor", Executor)
        monkeypatch.setattr(slurm, "_ask", lambda *command: config)
        monkeypatch.setattr(Executor, "room", room)
        specs = [tiny_spec(tmp_path, seed=seed) for seed in range(n)]
        return slurm.launch(
            LAUNCHER,
            specs,
            lambda spec: Outcome("done", str(spec.seed)),
            lambda spec, error: Outcome("failed", str(spec.seed), str(error)),
            **more,
        )

    return submit


def test_a_sweep_is_as_few_arrays_as_the_cluster_takes(submitted):
    outcomes = submitted(2500)
    assert Executor.last.arrays == [1000, 1000, 500]
    assert [outcome.folder for outcome in outcomes] == [str(seed) for seed in range(2500)]  # in their order
    assert [outcome.folder for outcome in outcomes if outcome.status != "done"] == ["3"]
    assert outcomes[3] == Outcome("failed", "3", "killed")


def test_several_runs_are_one_task(submitted):
    outcomes = submitted(12, config="MaxArraySize = 2\n", runs_per_task=5)
    assert Executor.last.arrays == [2, 1]
    assert [outcome.folder for outcome in outcomes] == [str(seed) for seed in range(12)]
    assert [outcome.status for outcome in outcomes] == ["failed"] * 5 + ["done"] * 7  # those of a killed task are lost
    outcomes = submitted(12, config="MaxArraySize = 2\n", room=1, runs_per_task=5)
    assert [outcome.status for outcome in outcomes[10:]] == ["refused"] * 2


def test_a_task_that_is_asked_to_stop_begins_no_further_run(tmp_path):
    """The run at work hears it, the later ones are asked at their start, and then who submitted it requeues it."""
    begun, heard = [], []

    def work(spec) -> Outcome:
        with listening() as notice:
            if not notice.signals:
                begun.append(spec)
            if spec == 1:
                signal.raise_signal(signal.SIGUSR1)
            return Outcome("interrupted" if notice.signals else "done", "")

    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(list(begun)))
    try:
        outcomes = slurm._Job(work)([0, 1, 2, 3])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [outcome.status for outcome in outcomes] == ["done", *["interrupted"] * 3]
    assert begun == [0, 1] and heard == [[0, 1]]


def test_who_no_longer_waits_is_told_how_to_follow_and_how_to_end_what_was_submitted(submitted, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Job, "results", interrupted)
    with pytest.raises(InterruptedRun, match=r"waiting; all jobs go on: `mapga status` .* `scancel 1 2 3` ends"):
        submitted(2500)
    with pytest.raises(
        InterruptedRun, match=r"1000 of 2500 jobs were submitted, .* `scancel 1` ends them; .*QOSMaxSub"
    ):
        submitted(2500, room=1)


def test_who_interrupts_the_submitting_is_told_of_what_was_submitted(submitted, monkeypatch):
    submit = Executor.map_array

    def second_is_interrupted(self, function, tasks):
        if self.arrays:
            raise KeyboardInterrupt
        return submit(self, function, tasks)

    monkeypatch.setattr(Executor, "map_array", second_is_interrupted)
    with pytest.raises(InterruptedRun, match=r"1000 of 2500 jobs were submitted, .* `scancel 1` ends them$"):
        submitted(2500)


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
