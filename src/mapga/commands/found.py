"""How runs ended that others worked on, from their folders."""

from __future__ import annotations

import json
from pathlib import Path

from mapga.commands.outcome import Outcome, ended
from mapga.records import RunFolder
from mapga.records.collect import collect
from mapga.records.documents import read_summary
from mapga.records.protocol import unscored
from mapga.spec import RunSpec

__all__ = ["done_elsewhere", "found", "trials", "wordless"]


def done_elsewhere(spec: RunSpec) -> Outcome | None:
    """How a run ended, if it has its marker and every number that is asked for; None if it has not."""
    run = RunFolder(spec)
    return ended(run) if run.done and not unscored(read_summary(run.path), spec.metrics) else None


def found(spec: RunSpec, error: Exception) -> Outcome:
    """How a run ended whose process may have died."""
    if (done := done_elsewhere(spec)) is not None:
        return done
    folder = spec.folder
    if (folder / "skipped.json").exists():
        reason = json.loads((folder / "skipped.json").read_text(encoding="utf-8"))["reason"]
        return Outcome("skipped", str(folder), str(reason))
    if (folder / "error.txt").exists():
        return Outcome("failed", str(folder), f"traceback in {folder / 'error.txt'}")
    return Outcome("failed", str(folder), wordless(error))


def trials(results: Path, objective: str) -> list[Outcome]:
    """The trials that lie in a results folder; the sweeper noted the best in ``optimization_results.yaml``."""
    own = [run for run in collect(results)[0] if run.spec.objective == objective]
    return [
        ended(RunFolder(run.spec, run.folder, run.problem_folder))
        if run.status == "done"
        else Outcome("failed", str(run.folder), run.reason)
        for run in own
    ]


def wordless(error: Exception) -> str:
    """What is said of a process that has ended without saying why."""
    reason = str(error).strip().partition("\n")[0]
    return f"its process ended without a word ({type(error).__name__}: {reason})"
