"""``mapga verify``: whether what runs have stored is what they recorded and, on request, what comes out again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mapga.errors import ConfigError
from mapga.records.audit import damages, unsealed
from mapga.records.collect import UNREADABLE, Run, check_folder, no_runs, read_run, trouble
from mapga.records.documents import read_json, rows_text
from mapga.records.origins import command_of
from mapga.records.recorded import read_recorded
from mapga.records.store import ImageStore
from mapga.spec import REPLACED, RunSpec

__all__ = ["verify"]

_LEVELS = 1  # grey levels by which an image that is solved again may differ, where another device rounds otherwise
_LEFTOVER = re.compile(r"\..+\.[^/]*\d")  # what a killed process may leave: mapga.files.durable
_REMEDY = "its own command, started again, makes what is lost again"


@dataclass(frozen=True)
class _Verdict:
    """What was found of a run.

    Attributes:
        folder: Where it lies.
        standing: How far it is, in words.
        damaged: A line for each thing that is wrong.
        remarks: A line for each thing that could not be looked at, or is no damage.
    """

    folder: Path
    standing: str
    damaged: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = f"DAMAGED: {'; '.join(self.damaged)}" if self.damaged else "sound"
        return f"{self.folder.name}: {said} ({', '.join([self.standing, *self.remarks])})"


def verify(root: Path, replay: int, say: Callable[[str], object]) -> int:
    """Look at every run at or below a folder, a line each, and sum up; how many are damaged. Nothing is written.

    Args:
        root: A results folder, or a run's.
        replay: Images of each finished run that are solved again, spread over it, and compared with those stored.
        say: Told of every line.

    Raises:
        ConfigError: No such folder, or no run in it.
    """
    check_folder(root)
    if replay < 0:
        raise ConfigError(f"--replay={replay}: solve 0 images again, or more")
    marks = ("config.yaml", "images.npy", "journal*.jsonl", "done")
    folders = sorted({path.parent for mark in marks for path in root.rglob(mark)})
    folders = [folder for folder in folders if REPLACED not in str(folder.relative_to(root))]
    if not folders:
        raise no_runs(root)
    damaged = []
    for folder in folders:
        verdict = _looked_at(folder, replay)
        damaged += [folder] if verdict.damaged else []
        say(str(verdict))
    say(f"{len(folders)} runs: {len(folders) - len(damaged)} sound, {len(damaged)} damaged")
    if damaged:
        say(f"of each that is damaged: {_REMEDY}")
        for command in dict.fromkeys(filter(None, map(command_of, damaged))):
            say(f"  {command}")
    return len(damaged)


def _looked_at(folder: Path, replay: int) -> _Verdict:
    try:
        run = read_run(folder)
        problem = run.problem_folder
    except UNREADABLE as error:
        return _Verdict(folder, "nothing else was looked at", [trouble(folder, error)])
    verdict = _Verdict(folder, run.status, damages(folder, problem) + _documents(run))
    if run.status == "incomplete" and (folder / "done").exists():
        verdict.damaged.append(run.reason)
    if run.status != "skipped" and not verdict.damaged and (folder / "images.npy").exists():
        verdict.remarks.extend(_remarks(run))
        if replay and run.status == "done":
            verdict.remarks.append(_replayed(run, replay, verdict.damaged))
    return verdict


def _documents(run: Run) -> list[str]:
    """Whether the config is that of the folder's name, and provenance can be read."""
    found = []
    try:
        if run.folder.name not in (run.spec.run_id, run.spec.former_id):
            found.append(f"config.yaml is that of {run.spec.run_id}")
    except UNREADABLE as error:
        found.append(f"config.yaml is no config of this version ({' '.join(str(error).split())})")
    for path in (run.folder / "provenance.json", run.problem_folder / "provenance.json"):
        try:
            if path.exists():
                read_json(path, "remove it, and the run's own command writes what is known today")
        except ConfigError as error:
            found.append(str(error))
    return found


def _remarks(run: Run) -> list[str]:
    total = len(ImageStore.open(run.folder / "images.npy"))
    recorded = read_recorded(run.folder, total, quick=True)
    said = [f"{len(recorded.rows)} of {total} images"]
    if n := unsealed(recorded):
        said.append(f"{n} of an older version, without checksums")
    if left := [path.name for path in run.folder.iterdir() if _LEFTOVER.fullmatch(path.name)]:
        said.append(f"left over by a killed process: {', '.join(left)}")
    return said


def _replayed(run: Run, n: int, damaged: list[str]) -> str:
    """Solve some images again, in the run's own config, device and precision; what became of it."""
    from mapga.run.assemble import make_job
    from mapga.run.batch import Worker

    store = ImageStore.open(run.folder / "images.npy")
    rows = [row for row, one in read_recorded(run.folder, len(store)).rows.items() if one.status == "done"]
    chosen = rows[:: max(1, len(rows) // n)][:n]
    here = {"results_dir": str(run.folder.parent), "tracker": {}, "shard": "0/1"}
    try:
        job = make_job(RunSpec({**run.spec.config, **here}, run.names))
    except UNREADABLE as error:
        damaged.append(f"it cannot be solved again: {' '.join(str(error).split())}")
        return "none solved again"
    worker = Worker(job)
    levels: dict[int, int] = {}
    for begin in range(0, len(chosen), job.batch_size):
        for row, image in worker.again(chosen[begin : begin + job.batch_size]).items():
            levels[row] = int(abs(image.astype(int) - store.read([row])[0]).max())
    if wrong := [row for row, most in levels.items() if most > _LEVELS]:
        most = max(levels.values())
        damaged.append(f"{rows_text(wrong)} solved again on {job.device}: other pixels, by up to {most} levels")
    same = sum(most == 0 for most in levels.values())
    return f"{len(levels)} solved again on {job.device}, {same} of them identical"
