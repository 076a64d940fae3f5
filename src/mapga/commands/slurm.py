"""SLURM as a launcher: what must hold before a sweep is submitted, its arrays, and how their jobs are followed.

Needs submitit; imported only for ``hydra/launcher=slurm``.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from submitit import AutoExecutor, Job, SlurmJob
from submitit.core.utils import FailedJobError, FailedSubmissionError
from submitit.helpers import Checkpointable
from submitit.slurm.slurm import SlurmInfoWatcher

from mapga.commands.outcome import Outcome
from mapga.errors import ConfigError, closest
from mapga.run.signals import InterruptedRun, listening
from mapga.spec import RunSpec

__all__ = ["check_taken", "launch", "prepare"]

_Item = TypeVar("_Item")
_PATIENCE = 20.0  # seconds that a controller may take to answer
_POLL = 30  # most seconds between two looks at the queue
_MAX_ARRAY = 1001  # SLURM's own MaxArraySize, where the cluster does not say
_ANYWHERE = ("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "name",
             "stderr_to_stdout")  # fmt: skip  # what submitit calls by one name on all clusters


def prepare(launcher: Mapping[str, Any]) -> None:
    """Make sure that the cluster can take a sweep, and make the folder of its logs: SLURM does not.

    Args:
        launcher: The config's ``hydra.launcher``.

    Raises:
        ConfigError: No SLURM here, a controller that does not answer, a partition that there is not.
    """
    if absent := [name for name in ("sbatch", "srun", "squeue", "scontrol") if shutil.which(name) is None]:
        raise ConfigError(f"hydra/launcher=slurm: {absent[0]} is not on this machine; submit from a login node")
    controller = _ask("scontrol", "ping")
    if "is UP" not in controller:
        said = " ".join(controller.split()) or "no answer"
        raise ConfigError(f"hydra/launcher=slurm: the controller cannot be reached ({said}); try again when it is up")
    partitions = _ask("sinfo", "--noheader", "--format=%R").split()
    wanted = launcher.get("partition")
    if wanted is not None and (unknown := [name for name in str(wanted).split(",") if name not in partitions]):
        raise ConfigError(
            f"hydra.launcher.partition={unknown[0]}: there is none of that name{closest(unknown[0], partitions)} "
            f"choose {', '.join(partitions)}"
        )
    Path(str(launcher["submitit_folder"])).expanduser().mkdir(parents=True, exist_ok=True)
    SlurmJob.watcher = Queue(delay_s=_POLL)


def launch(
    launcher: Mapping[str, Any],
    specs: Sequence[RunSpec],
    work: Callable[[RunSpec], Outcome],
    lost: Callable[[RunSpec, Exception], Outcome],
    *,
    runs_per_task: int = 1,
) -> list[Outcome]:
    """Submit runs in as few arrays as the cluster takes, and wait for all of them.

    Args:
        launcher: The config's ``hydra.launcher``.
        specs: The runs.
        work: What becomes of a run in its job; pickled.
        lost: How a run ended whose job did not say.
        runs_per_task: How many are one job, one after the other.

    Raises:
        ConfigError: The cluster refuses the first array. Runs of one that it refuses later are refused, and those that
            were submitted go on.
        InterruptedRun: Ctrl-C, which jobs do not hear.
    """
    executor, tasks = _executor(launcher), list(_parts(specs, runs_per_task))
    jobs: list[Job[list[Outcome]]] = []
    refusal = ""
    try:
        for part in _parts(tasks, _max_array()):
            try:
                with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what it raises
                    jobs += executor.map_array(_Job(work), part)
            except (FailedJobError, FailedSubmissionError) as error:
                refusal = _refusal(error)
                if not jobs:
                    raise ConfigError(refusal) from error
                break
        outcomes = [end for job, task in zip(jobs, tasks, strict=False) for end in _outcomes(job, task, lost)]
    except KeyboardInterrupt:
        if not jobs:
            raise
        raise InterruptedRun(_going_on(jobs, len(tasks), refusal)) from None
    return outcomes + [Outcome("refused", str(spec.folder), refusal) for spec in specs[len(outcomes) :]]


def check_taken(error: Exception) -> None:
    """Do nothing unless an error of submitit is a refusal.

    Raises:
        ConfigError: The cluster did not take what was submitted, with sbatch's reason.
    """
    if isinstance(error, FailedJobError | FailedSubmissionError):
        raise ConfigError(_refusal(error)) from error


@dataclass(frozen=True)
class _Job(Checkpointable):
    """Runs as a job, which is submitted again, as it is, when its time is up; those that are done answer at once."""

    work: Callable[[RunSpec], Outcome]

    def __call__(self, specs: Sequence[RunSpec]) -> list[Outcome]:
        with listening():  # all of it: once asked to stop, none of the later ones is begun
            return [self.work(spec) for spec in specs]


class Queue(SlurmInfoWatcher):
    """Follows jobs by ``squeue``, which every cluster has; submitit asks ``sacct``, which needs accounting."""

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        text = string if isinstance(string, str) else string.decode()
        queued = set(text.split())
        return {job: {"JobID": job, "State": "RUNNING" if job in queued else "COMPLETED"} for job in self._registered}

    def _make_command(self) -> list[str] | None:
        return ["squeue", "--noheader", "--array", "--format=%i"] if self._registered - self._finished else None


def _executor(launcher: Mapping[str, Any]) -> AutoExecutor:
    given = {key: value for key, value in launcher.items() if key != "_target_"}
    folder, timeouts = str(given.pop("submitit_folder")), given.pop("max_num_timeout")
    executor = AutoExecutor(folder=Path(folder).expanduser(), cluster="slurm", slurm_max_num_timeout=timeouts)
    executor.update_parameters(**{key if key in _ANYWHERE else f"slurm_{key}": value for key, value in given.items()})
    return executor


def _parts(whole: Sequence[_Item], most: int) -> Iterator[Sequence[_Item]]:
    return (whole[start : start + most] for start in range(0, len(whole), most))


def _max_array() -> int:
    """How many jobs an array may have."""
    said = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config"), re.MULTILINE)
    return max(1, int(said[1]) if said else _MAX_ARRAY)


def _outcomes(
    job: Job[list[Outcome]], specs: Sequence[RunSpec], lost: Callable[[RunSpec, Exception], Outcome]
) -> list[Outcome]:
    try:
        return job.results()[0]
    except Exception as error:  # killed, cancelled, or raised by the job itself
        return [lost(spec, error) for spec in specs]


def _going_on(jobs: Sequence[Job[list[Outcome]]], tasks: int, refusal: str) -> str:
    """What who no longer waits should know."""
    arrays = " ".join(dict.fromkeys(job.job_id.partition("_")[0] for job in jobs))
    submitted = "all jobs" if len(jobs) == tasks else f"{len(jobs)} of {tasks} jobs were submitted, which"
    line = f"interrupted, and no longer waiting; {submitted} go on: `mapga status` of the results folder follows them"
    return f"{line}, `scancel {arrays}` ends them" + (f"; {refusal}" if refusal else "")


def _refusal(error: Exception) -> str:
    reason = " ".join(str(error).split()).removeprefix("sbatch: error: ")
    return f"hydra/launcher=slurm: sbatch refused the sweep: {reason}"


def _ask(*command: str) -> str:
    """What a command says, on either stream."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout + done.stderr
