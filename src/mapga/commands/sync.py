"""``mapga sync``: finished runs mirrored to Weights & Biases afterwards, from their journals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mapga.errors import ConfigError
from mapga.node import Node, tracker
from mapga.records import Journal
from mapga.records.collect import Run, check_folder, collect, no_runs
from mapga.records.scores import read_numbers
from mapga.tracking.wandb_run import WandbTracker

__all__ = ["sync"]


def sync(root: Path, *, mode: str | None = None, say: Callable[[str], None]) -> list[str]:
    """Mirror every finished run below a folder that is not mirrored yet; runs keep the id they would have had live.

    Args:
        root: A results folder.
        mode: ``online`` or ``offline``; None: as the runs' own config says, else automatic.
        say: Told of each run that was mirrored, and of the sum.

    Returns:
        What could not be mirrored, a line each.

    Raises:
        ConfigError: No such folder, no run in it, or a key that is refused.
    """
    check_folder(root)
    runs, troubles = collect(root)
    if not runs and not troubles:
        raise no_runs(root)
    before = fresh = 0
    for run in runs:
        if run.status != "done":
            continue
        mirror = _tracker(run, mode)
        if mirror.mirrored(run.folder, run.metrics):
            before += 1
            continue
        try:
            mirror.check()
        except ValueError as error:  # it would be said of every run
            raise ConfigError(str(error)) from error
        try:
            _tell(mirror, run)
        except Exception as error:  # whatever wandb raises; the next run may go through
            troubles.append(f"{run.folder.name}: {type(error).__name__}: {error}")
            continue
        fresh += 1
        say(run.folder.name)
    say(f"{fresh} runs mirrored, {before} were before")
    return troubles


def _tracker(run: Run, mode: str | None) -> WandbTracker:
    """The tracker of the run's own config, if it had one."""
    stated = (run.spec.config.get("tracker") or {}).get("wandb") or {}
    node = {**stated, "_target_": "mapga.tracking.WandbTracker"} | ({} if mode is None else {"mode": mode})
    found: WandbTracker = Node.read(tracker("wandb"), node).build()
    return found


def _tell(mirror: WandbTracker, run: Run) -> None:
    told = {**run.spec.config, "names": dict(run.names)}
    try:
        mirror.begin_run(run.folder.name, told, run.folder)
        for row in _rows(run):
            mirror.row(row)
        mirror.end_run(run.metrics)
    finally:
        mirror.close()


def _rows(run: Run) -> Iterator[dict[str, object]]:
    rows = list(Journal(run.folder / "journal.jsonl").rows())
    numbers = read_numbers(run.folder, rows).by_row()
    return ({**row.as_dict(), "metrics": numbers.get(row.row, {})} for row in rows)
