"""``mapga sync``: finished runs mirrored to Weights & Biases afterwards, from their journals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mapga.config.build import Slot, build
from mapga.errors import ConfigError
from mapga.records import Journal
from mapga.records.collect import Run, collect
from mapga.tracking.trackers import WandbTracker

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
        ConfigError: No such folder, or a key that is refused.
    """
    if not root.is_dir():
        raise ConfigError(f"{root} is not a folder; name the results_dir of your runs")
    runs, troubles = collect(root)
    before = fresh = 0
    for run in runs:
        if run.status != "done":
            continue
        tracker = _tracker(run, mode)
        if tracker.mirrored(run.folder, run.metrics):
            before += 1
            continue
        try:
            tracker.check()
        except ValueError as error:  # it would be said of every run
            raise ConfigError(str(error)) from error
        try:
            _tell(tracker, run)
        except Exception as error:  # whatever wandb raises; the next run may go through
            troubles.append(f"{run.folder.name}: {type(error).__name__}: {error}")
            continue
        fresh += 1
        say(run.folder.name)
    say(f"{fresh} runs mirrored, {before} were before")
    return troubles


def _tracker(run: Run, mode: str | None) -> WandbTracker:
    """The tracker of the run's own config, if it had one."""
    node = dict(run.config.get("tracker", {}).get("wandb") or {"_target_": "mapga.tracking.trackers.WandbTracker"})
    if mode is not None:
        node["mode"] = mode
    tracker: WandbTracker = build(Slot("tracker.wandb", "mapga.tracking", "Tracker"), node)
    return tracker


def _tell(tracker: WandbTracker, run: Run) -> None:
    told = {key: value for key, value in run.config.items() if key != "problem"} | {"names": dict(run.names)}
    try:
        tracker.start(run.folder.name, told, run.folder)
        for row in _rows(run.folder):
            tracker.row(row)
        tracker.finish(run.metrics)
    finally:
        tracker.close()


def _rows(folder: Path) -> Iterator[dict[str, object]]:
    return (row.as_dict() for row in Journal(folder / "journal.jsonl").rows())
