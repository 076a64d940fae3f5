"""SLURM as a launcher: what must hold before a sweep is submitted, and how its jobs are followed.

Needs submitit; imported only for ``hydra/launcher=slurm``.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from submitit import SlurmJob
from submitit.core.utils import FailedSubmissionError
from submitit.slurm.slurm import SlurmInfoWatcher

from mapga.errors import ConfigError, closest

__all__ = ["prepare", "wait"]

_PATIENCE = 20.0  # seconds that a controller may take to answer
_POLL = 30  # most seconds between two looks at the queue


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


def wait(error: RuntimeError) -> None:
    """After one job was lost, wait until the others have left the queue.

    Raises:
        ConfigError: The sweep was not taken at all.
    """
    if isinstance(error, FailedSubmissionError):
        raise ConfigError(f"hydra/launcher=slurm: sbatch refused the sweep: {' '.join(str(error).split())}") from error
    while isinstance(SlurmJob.watcher, Queue) and SlurmJob.watcher.busy():
        time.sleep(1.0)


class Queue(SlurmInfoWatcher):
    """Follows jobs by ``squeue``, which every cluster has; submitit asks ``sacct``, which needs accounting."""

    def busy(self) -> bool:
        """Whether a job is still queued or running."""
        return any(not self.is_done(job) for job in self._registered)

    def read_info(self, string: bytes | str) -> dict[str, dict[str, str]]:
        text = string if isinstance(string, str) else string.decode()
        queued = set(text.split())
        return {job: {"JobID": job, "State": "RUNNING" if job in queued else "COMPLETED"} for job in self._registered}

    def _make_command(self) -> list[str] | None:
        return ["squeue", "--noheader", "--array", "--format=%i"] if self._registered - self._finished else None


def _ask(*command: str) -> str:
    """What a command says, on either stream."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout + done.stderr
