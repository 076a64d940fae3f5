"""How a run has ended, in words: its numbers, what they cost, and what to type next. Reads files, imports no torch."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mapga.errors import ConfigError
from mapga.records.collect import UNREADABLE, Run, read_run, trouble
from mapga.records.columns import card_of, columns, estimate, metric_names
from mapga.records.losses import Losses
from mapga.records.origins import command_of, origins
from mapga.units import duration

if TYPE_CHECKING:
    from mapga.commands.following import Ended

__all__ = ["ended_line", "shown", "summary"]


def summary(folder: Path, *, before: bool) -> list[str]:
    """How a run has ended that is finished, perhaps ``before`` it was asked for; and the next command."""
    (run,) = columns([read_run(folder)])
    known = origins(folder) if before else []
    date = f", begun on {str(known[0]['date'])[:10]}" if known and known[0].get("date") else ""
    first = [f"finished before{date}: nothing was to be done; redo=true runs it again"] if before else []
    return [*first, *_numbers(run), f"next: {shlex.join(['mapga', 'report', str(folder.parent)])}"]


def shown(folder: Path) -> list[str]:
    """What a run is, in whatever state: its numbers, its choices, when and by what it was begun.

    Raises:
        ConfigError: It is no run's folder, or cannot be read.
    """
    try:
        (run,) = columns([read_run(folder)])
    except UNREADABLE as error:
        known = (folder / "config.yaml").exists()
        raise ConfigError(
            trouble(folder, error)
            if known
            else f"{folder} is no run's folder; mapga ls lists those of a results folder"
        ) from error
    begun = origins(folder)
    about = {
        "state": " ".join(filter(None, [run.status, run.reason])),
        "begun": str(begun[0].get("date", "")) if begun else "",
        "command": command_of(folder),
        "folder": str(folder),
        "problem": str(run.problem_folder),
    }
    lines = _numbers(run) if run.status == "done" else [run.folder.name]
    names = " ".join(f"{key}={value}" for key, value in run.names.items() if value != "none")
    return [*lines, names, *(f"{key}: {value}" for key, value in about.items() if value)]


def _numbers(run: Run) -> list[str]:
    """Of a finished run its metrics, a line each, with standard errors; n, passes, seconds."""
    losses, compute = Losses.told(run.metrics), run.metrics["compute"]
    restored = losses.total - losses.lost
    passes = compute["forward"] + compute["vjp"]
    cost = f"{passes:g} passes each, {duration(compute['seconds'])}"
    lines = [f"{run.folder.name}: {restored} image{'s' if restored != 1 else ''}, {cost}"]
    found = list(_estimates(run))
    width = max((len(name) for name, _, _ in found), default=0)
    for name, text, n in found:
        lines.append(f"  {name:<{width}}  {text}" + (f"  (n = {n})" if n not in (None, restored) else ""))
    return lines


def ended_line(ended: Ended) -> str:
    """One run of a sweep: ``[7/28] mnist-half-ddrm  psnr 15.83 +- 0.56 dB  4.1 s  about 3 min left``."""
    parts = [f"[{ended.place}/{ended.total}] {ended.name}"]
    if ended.outcome.status in ("done", "lossy"):
        (run,) = columns([read_run(Path(ended.outcome.folder))])
        parts += [f"{name} {text}" for name, text, _ in list(_estimates(run))[:1]]
        parts.append(duration(run.metrics["compute"]["seconds"]))
    if ended.outcome.status != "done":
        parts.append(ended.outcome.status)
    if ended.left is not None:
        parts.append(f"about {duration(ended.left)} left")
    return "  ".join(parts)


def _estimates(run: Run) -> Iterator[tuple[str, str, int | None]]:
    """Of each metric its name, its number as text, and n; those first that a reader looks for first."""
    for name in metric_names([run]):
        cell = run.metrics["metrics"][name]
        yield name, estimate(cell, card_of(run, name)), cell.get("n")
