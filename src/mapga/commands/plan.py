"""``mapga plan``: the runs of a sweep, how far each is, and what is left to do. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from mapga.commands.status import Standing, standing
from mapga.config.expansion import resolved_runs
from mapga.config.passes import passes_per_image
from mapga.datasets.lists import list_path, read_list
from mapga.records import RunFolder
from mapga.records.collect import run_of

__all__ = ["Planned", "plan", "plan_view"]


@dataclass(frozen=True)
class Planned:
    """A run of a sweep.

    Attributes:
        folder: Where it is, or will be.
        images: Its images, or None where only the data can tell.
        passes: Network passes an image, or None if unknown.
        standing: How far it is; None if it was never begun.
    """

    folder: Path
    images: int | None
    passes: int | None
    standing: Standing | None

    @property
    def state(self) -> str:
        return "pending" if self.standing is None else self.standing.state

    @property
    def images_left(self) -> int | None:
        if self.state in ("done", "skipped"):
            return 0
        total = self.images if self.standing is None else self.standing.total or self.images
        return None if total is None else total - (0 if self.standing is None else self.standing.images)


def plan(overrides: Sequence[str]) -> list[Planned]:
    """Every run of a sweep, in launch order.

    Raises:
        ConfigError: A sweep that cannot be composed.
    """
    return [_planned(config, names) for config, names in resolved_runs(overrides)]


def _planned(config: Mapping[str, Any], names: Mapping[str, str]) -> Planned:
    folder = RunFolder(Path(config["results_dir"]).expanduser(), config, names).path
    return Planned(
        folder,
        _images(config["dataset"]),
        passes_per_image(config["solver"], config["schedule"]),
        standing(run_of(folder, names, config)) if (folder / "config.yaml").exists() else None,
    )


def _images(dataset: Mapping[str, Any]) -> int | None:
    """How many images a config chooses; None where only the data can tell."""
    limit, listed = dataset.get("limit"), list_path(dataset.get("list"))
    if listed is None or (total := _length(listed)) is None:
        return limit
    left = total - (dataset.get("skip") or 0)
    return left if limit is None else min(limit, left)


@cache
def _length(listed: Path) -> int | None:
    try:
        return len(read_list(listed))
    except (OSError, ValueError):  # the run will say so
        return None


def plan_view(runs: Sequence[Planned]) -> Group:
    """A plan for a terminal: a line a run, then what is left in passes and, from runs that are done, in hours."""
    table = Table("run", "state", "images left", "passes an image", pad_edge=False)
    for run in runs:
        left = "?" if run.images_left is None else str(run.images_left)
        table.add_row(escape(run.folder.name), run.state, left, "?" if run.passes is None else str(run.passes))
    counts = Counter(run.state for run in runs)
    lines = [f"{len(runs)} runs: " + ", ".join(f"{n} {state}" for state, n in counts.items())]
    known = [(run.images_left, run.passes) for run in runs if run.images_left is not None and run.passes is not None]
    passes = sum(left * each for left, each in known)
    unknown = len(runs) - len(known)
    lines.append(f"{passes:,} network passes left" + (f", besides {unknown} runs of unknown size" if unknown else ""))
    if (second := seconds_per_pass(runs)) is not None:
        lines.append(
            f"about {passes * second / 3600:.2f} hours on one device at {1000 * second:.2f} ms a pass, as measured"
        )
    else:
        lines.append("no run is done yet, so there is no measured time of a pass")
    return Group(table, *lines)


def seconds_per_pass(runs: Sequence[Planned]) -> float | None:
    """Seconds of a network pass of one image, over the runs that are done; None if none is."""
    seconds, passes = 0.0, 0.0
    for run in runs:
        if run.standing is not None and run.state == "done":
            compute = run.standing.run.metrics["compute"]
            seconds += compute["seconds"]
            passes += (compute["forward"] + compute["vjp"]) * run.standing.images
    return seconds / passes if passes else None
