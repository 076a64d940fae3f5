"""``mapga status``: how far the runs below a folder are, from their files alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from mapga.commands import submission
from mapga.errors import DamagedError
from mapga.records.audit import broken_stores
from mapga.records.collect import Run, collect, no_runs
from mapga.records.columns import card_of, columns, estimate, metric_names
from mapga.records.holder import Holder
from mapga.records.journal import Journal
from mapga.records.losses import Losses
from mapga.records.origins import mixtures, origins
from mapga.records.store import ImageStore

__all__ = ["Standing", "standing", "status_view"]

_FIRST = ("running", "failed", "stopped", "skipped", "done")  # what a person looks for comes first


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Attributes:
        run: What is known of it.
        state: ``done``, ``running``, ``failed``, ``skipped``, ``stopped`` (begun, nobody at work).
        images: Recorded images.
        total: Images of the run, or None where its store is not made yet.
        holder: Of the processes that hold the run, or held it when they died, the one heard of last; or None.
        losses: What became of its images, of a run that is done.
    """

    run: Run
    state: str
    images: int
    total: int | None
    holder: Holder | None
    losses: Losses | None = None

    @property
    def shown(self) -> str:
        """Its state, and what it lost."""
        if self.losses is None or not self.losses.lost:
            return self.state
        return f"{self.state}, {self.losses.lost} of {self.losses.total} lost"


def standing(run: Run) -> Standing:
    """Read how far a run is."""
    if run.status == "done":
        n = int(run.metrics["n_images"])
        return Standing(run, "done", n, n, None, Losses.told(run.metrics))
    if run.status == "skipped":
        return Standing(run, "skipped", 0, None, None)
    rows = {row.row for path in run.folder.glob("journal*.jsonl") for row in Journal(path).rows()}
    found = [holder for lock in run.folder.glob("lock*") if (holder := Holder.of(lock)) is not None]
    last = min(found, key=lambda holder: (not holder.alive, abs(holder.silent)), default=None)
    alive = last is not None and last.alive
    state = "running" if alive else "failed" if run.status == "failed" else "stopped"
    return Standing(run, state, len(rows), _total(run.folder), last)


def status_view(root: Path) -> tuple[Group, Counter[str]]:
    """A picture of all runs below a folder for a terminal, and how many are in which state.

    Raises:
        ConfigError: It holds none, and none was submitted to it.
    """
    runs, troubles = collect(root)
    troubles += dict.fromkeys(line for run in runs for line in broken_stores(run.folder, run.problem_folder))
    standings = [standing(run) for run in runs]
    counts = Counter(one.state for one in standings)
    shown = {one.run.folder: number for one, number in zip(standings, _numbers(standings), strict=True)}
    table = Table("run", "state", "images", "heartbeat", "number", "last line", pad_edge=False)
    for one in sorted(standings, key=lambda one: _FIRST.index(one.state)):
        beat = "" if one.holder is None else one.holder.heard
        images = f"{one.images}/{'?' if one.total is None else one.total}" if one.state != "skipped" else ""
        said = one.run.reason if one.losses is None else one.losses.reasons
        name = str(one.run.folder.relative_to(root)) if one.run.folder != root else root.name
        table.add_row(escape(name), one.shown, images, beat, shown[one.run.folder], escape(said[:90]))
    for spec in submission.latest(root):
        if not (root / spec.run_id / "config.yaml").exists():
            table.add_row(
                escape(spec.run_id), "pending", f"0/{'?' if spec.images is None else spec.images}", "", "", ""
            )
            counts["pending"] += 1
    if not counts and not troubles:
        raise no_runs(root, "runs")
    lossy = sum(one.losses is not None and one.losses.lost > 0 for one in standings)
    line = ", ".join(f"{n} {state}" for state, n in counts.items()) or "no runs"
    line += f" ({lossy} of them lost images)" if lossy else ""
    notes = troubles + mixtures({run.folder.name: origins(run.folder) for run in runs if run.status == "done"})
    return Group(table, line, *map(escape, notes)), counts


def _numbers(standings: Sequence[Standing]) -> list[str]:
    """Of each run its number by the metric that a reader looks for first; "" where it has none."""
    runs = columns([one.run for one in standings])
    first = metric_names(runs)[:1]
    cells = [run.metrics.get("metrics", {}).get(first[0]) if first else None for run in runs]
    return [
        "" if cell is None else escape(f"{first[0]} {estimate(cell, card_of(run, first[0]))}")
        for run, cell in zip(runs, cells, strict=True)
    ]


def _total(folder: Path) -> int | None:
    try:
        return len(ImageStore.open(folder / "images.npy"))
    except (OSError, DamagedError):
        return None
