"""A SLURM cluster of one node, in a folder of its own: munged, slurmctld and slurmd, without accounting."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

__all__ = ["Cluster", "absent", "until"]

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
_PATIENCE = 300.0


def absent() -> str:
    """Why no cluster can be started here; empty if one can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if missing := [name for name in _PROGRAMS if shutil.which(name, path=path) is None]:
        return f"{missing[0]} is not installed (.ci/services installs it)"
    return "" if os.getuid() == 0 else "slurmd wants to be root"


class Cluster:
    """Daemons on free ports, and the environment in which SLURM's commands find them.

    Args:
        folder: For all that they write.
        cpus: Of the node.
        most: Tasks that an array may have.

    Attributes:
        environment: ``SLURM_CONF`` and whatever this process has.
    """

    def __init__(self, folder: Path, *, cpus: int = 4, most: int = 5) -> None:
        self.folder = folder
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (folder / "munge.key").chmod(0o400)
        (folder / "cgroup.conf").write_text("")
        (folder / "slurm.conf").write_text(self._conf(cpus, most))
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        }
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the daemons and wait until the node takes jobs."""
        of = self.folder
        munge = ["munged", "--foreground", "--force", f"--socket={of / 'munge.sock'}", f"--key-file={of / 'munge.key'}"]
        munge += [f"--{kind}-file={of / f'munge.{kind}'}" for kind in ("pid", "log", "seed")]
        self._spawn(munge)
        until((of / "munge.sock").exists, "munged")
        self._spawn(["slurmctld", "-D", "-i"])
        self._spawn(["slurmd", "-D", "-N", "node"])
        until(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T"), "the node")

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def ask(self, *command: str) -> str:
        """What a command of SLURM says."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=_PATIENCE).stdout

    def queue(self) -> dict[str, str]:
        """Jobs that are queued or running, array tasks one by one, and their states."""
        lines = self.ask("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def hurry(self, job: str) -> None:
        """Have a requeued job start soon: SLURM lets it wait for two minutes. At once it would not take it."""
        starts = re.search(r"JobState=PENDING .*StartTime=([\dT:-]+)", self.ask("scontrol", "show", "job", job), re.S)
        if starts and timedelta(0, 5) < datetime.fromisoformat(starts[1]) - datetime.now() < timedelta(0, 116):
            self.ask("scontrol", "update", f"JobId={job}", "StartTime=now")

    def _spawn(self, command: list[str]) -> None:
        log = (self.folder / f"{command[0]}.out").open("ab")
        self._daemons.append(subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT))

    def _conf(self, cpus: int, most: int) -> str:
        of, host = self.folder, socket.gethostname()
        controller, node = free_ports(2)
        return f"""
ClusterName=mapga
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={of}/munge.sock
CredType=cred/munge
StateSaveLocation={of}/state
SlurmdSpoolDir={of}/spool
SlurmctldPidFile={of}/slurmctld.pid
SlurmdPidFile={of}/slurmd.pid
SlurmctldLogFile={of}/slurmctld.log
SlurmdLogFile={of}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=20
RequeueExit=75
MaxArraySize={most}
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=node Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def until(met: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It did not come true.
    """
    deadline = time.monotonic() + patience
    while not met():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s for {what}")
        time.sleep(0.1)
