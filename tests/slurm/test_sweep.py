"""A sweep on a real SLURM: cancelled, killed, out of time, launched again; the table is an undisturbed sweep's."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from helpers.cluster import Cluster, until
from mapga.cli import main
from mapga.records import Journal
from mapga.records.collect import collect
from mapga.report.table import csv_text

pytestmark = pytest.mark.slurm

IMAGES = 16
SWEEP = (
    *("task=half,box50", "seed=0,1", "solver=map_ga_np,gentle,ddrm", f"dataset.limit={IMAGES}", "schedule.steps=5"),
    *("prior=mixture", "prior.components=20", "prior.ode_steps=4", "device=cpu", "batch_size=1"),
)
ON_SLURM = (
    "allow_code_change=true",  # the checkout may be worked on while the tests run
    *("hydra/launcher=slurm", "hydra.launcher.partition=main", "hydra.launcher.cpus_per_task=1"),
    *("hydra.launcher.timeout_min=10", "hydra.launcher.signal_delay_s=30", "hydra.launcher.array_parallelism=3"),
)
PATIENCE = 300.0


def mapga(cluster: Cluster, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mapga.cli", *argv],
        env=cluster.environment | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def at_work(results: Path) -> dict[Path, int]:
    """Runs of which some images are recorded and some are not, and their processes."""
    found = {}
    for lock in results.glob("*/lock"):
        try:
            owner = json.loads(lock.read_text())["pid"]
        except (OSError, ValueError):
            continue  # just being written, or gone
        if 0 < len(list(Journal(lock.parent / "journal.jsonl").rows())) < IMAGES - 1:
            found[lock.parent] = owner
    return found


def stopped(pid: int) -> bool:
    """Hold a process; whether it was still there."""
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    return True


def job_of(pid: int) -> str:
    values = dict(item.split("=", 1) for item in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in item)
    return f"{values['SLURM_ARRAY_JOB_ID']}_{values['SLURM_ARRAY_TASK_ID']}"


def table(results: Path) -> str:
    """The final table without what is never the same twice: seconds."""
    runs, troubles = collect(results)
    assert not troubles
    frame = pd.read_csv(io.StringIO(csv_text(runs)))
    return frame[[name for name in frame if not name.startswith("seconds")]].to_csv(index=False)


@pytest.fixture
def own(tmp_path) -> str:
    """A folder of a person's own configs, by the option that has jobs look into it."""
    (tmp_path / "own/solver").mkdir(parents=True)
    (tmp_path / "own/solver/gentle.yaml").write_text("# No noise.\n_target_: mapga.solvers.PGDM\neta: 0.0\n")
    return f"--config-dir={tmp_path / 'own'}"


@pytest.mark.timeout(900)
def test_a_sweep_that_is_cancelled_killed_and_out_of_time(cluster, own, tmp_path, capsys):
    results, victims = tmp_path / "disturbed", {}
    sweep = mapga(cluster, "run", "-m", *SWEEP, *ON_SLURM, own, f"results_dir={results}")
    deadline = time.monotonic() + PATIENCE
    late, held, requeued = "", 0, False
    while sweep.poll() is None:
        assert time.monotonic() < deadline, cluster.queue()
        for folder, pid in at_work(results).items():
            if len(victims) == 3 or folder in victims.values() or not stopped(pid):
                continue
            job, role = job_of(pid), ("out of time", "killed", "cancelled")[len(victims)]
            victims[role] = folder
            if role == "out of time":
                late, held = job, pid
                cluster.ask("scontrol", "update", f"JobId={job}", "TimeLimit=1")
            elif role == "killed":
                os.kill(pid, signal.SIGKILL)
            else:
                cluster.ask("scancel", job)
        if late and not requeued and not Path(f"/proc/{held}").exists():  # SLURM wakes whom it warns
            requeued = True
            cluster.ask("scontrol", "update", f"JobId={late}", "TimeLimit=10")
        if requeued and len(victims) == 3:
            cluster.hurry(late)
            time.sleep(1.0)
        time.sleep(0.02)
    said = sweep.communicate()[0]
    assert requeued and len(victims) == 3
    log = (results / ".submitit" / f"{late}_0_log.out").read_text()
    assert log.count("Starting with JobEnvironment") == 2  # requeued, told or not: to be requeued ends the asking
    arrays = {path.name.split("_")[0] for path in (results / ".submitit").glob("*_log.out")}
    assert len(arrays) == 3  # the cluster takes five tasks in one
    assert sweep.returncode == 75, said
    assert sorted(re.search("12 runs: (.*)", said)[1].split(", ")) == ["1 failed", "1 interrupted", "10 done"]
    assert "Traceback" not in said
    done = {path.parent for path in results.glob("*/done")}
    assert len(done) == 10 and victims["out of time"] in done
    for role, ended in (("killed", "failed"), ("cancelled", "interrupted")):
        assert victims[role] not in done and f"{ended} {victims[role].name}" in said
    assert not (victims["cancelled"] / "lock").exists()  # it heard, and finished its image

    again = mapga(cluster, "run", "-m", *SWEEP, *ON_SLURM, own, f"results_dir={results}")
    said = again.communicate(timeout=PATIENCE)[0]
    assert again.returncode == 0 and "12 runs: 12 done (10 were finished before)" in said, said
    assert main(["run", "-m", *SWEEP, own, f"results_dir={tmp_path / 'plain'}"]) == 0
    assert table(results) == table(tmp_path / "plain")
    for path in (tmp_path / "plain").glob("*/images.npy"):
        assert (results / path.parent.name / path.name).read_bytes() == path.read_bytes()
    capsys.readouterr()


def test_a_partition_that_there_is_not(cluster, tmp_path):
    said = mapga(
        cluster, "run", "-m", "seed=0,1", *ON_SLURM, "hydra.launcher.partition=mian", f"results_dir={tmp_path}"
    )
    out = said.communicate(timeout=PATIENCE)[0]
    assert said.returncode == 2 and out.count("\n") == 1
    assert "hydra.launcher.partition=mian: there is none of that name; did you mean 'main'? choose main" in out
    assert not list(tmp_path.glob("mnist*"))


def test_what_sbatch_refuses_is_its_own_reason(cluster, tmp_path):
    refused = mapga(
        cluster, "run", "-m", "seed=0,1", *ON_SLURM, "hydra.launcher.constraint=a100", f"results_dir={tmp_path}"
    )
    out = refused.communicate(timeout=PATIENCE)[0]
    assert refused.returncode == 2 and out.count("\n") == 1
    assert "hydra/launcher=slurm: sbatch refused the sweep: " in out and "Invalid feature specification" in out
    assert not list(tmp_path.glob("mnist*")) and not cluster.queue()


def test_a_controller_that_cannot_be_reached(cluster, tmp_path):
    conf = tmp_path / "slurm.conf"
    conf.write_text((cluster.folder / "slurm.conf").read_text().replace("SlurmctldPort=", "SlurmctldPort=1 #"))
    away = Cluster.__new__(Cluster)
    away.environment = cluster.environment | {"SLURM_CONF": str(conf)}
    said = mapga(away, "run", "-m", "seed=0,1", *ON_SLURM, f"results_dir={tmp_path / 'results'}")
    out = said.communicate(timeout=PATIENCE)[0]
    assert said.returncode == 2 and "the controller cannot be reached" in out and out.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_a_batch_job_that_hears_a_signal_is_requeued_by_its_exit_code(cluster, tmp_path):
    """`RequeueExit=75` in slurm.conf, and a script without any handling of its own."""
    results = tmp_path / "results"
    script = tmp_path / "job.sh"
    script.write_text(
        "#!/bin/bash\n#SBATCH --requeue --output=/dev/null\n"
        f"srun {sys.executable} -m mapga.cli run {' '.join(SWEEP[3:])} solver=map_ga_np results_dir={results}\n"
    )
    job = cluster.ask("sbatch", "--parsable", str(script)).strip()
    found: dict[Path, int] = {}
    until(lambda: found.update(at_work(results)) or found, "the first image", PATIENCE)
    (folder,) = found
    cluster.ask("scancel", "--signal=USR1", job)  # to the step, as --signal does
    until(lambda: "Restarts=1" in cluster.ask("scontrol", "show", "job", job), "the job to be requeued", PATIENCE)
    assert not (folder / "done").exists() and not (folder / "lock").exists()

    def done() -> bool:
        cluster.hurry(job)
        return (folder / "done").exists()

    until(done, "the requeued job", PATIENCE)
