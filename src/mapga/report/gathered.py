"""The runs of one results folder, or of several, to be reported together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mapga.errors import ConfigError
from mapga.records.collect import Run, check_folder, collect, no_runs
from mapga.records.columns import columns

__all__ = ["gathered", "name_of"]


def gathered(roots: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Every run below the folders, each once, and a line for each that cannot be read and for what is of which folder.

    Raises:
        ConfigError: A folder that is none, no run in any, or a run that two of them have with different numbers.
    """
    runs: dict[str, tuple[Path, Run]] = {}
    troubles: list[str] = []
    for root in roots:
        check_folder(root)
        found, lines = collect(root)
        troubles += lines
        for run in found:
            before, same = runs.setdefault(str(run.folder if len(roots) == 1 else run.folder.name), (root, run))
            if before != root and _numbers(same) != _numbers(run):
                raise ConfigError(
                    f"{run.folder.name} is in {before} and in {root}, with different numbers; "
                    f"'mapga compare {before} {root}' shows them, or report each by itself"
                )
    if not runs and not troubles:
        raise no_runs(roots[0])
    if len(roots) > 1:
        of_root = {root: sum(before == root for before, _ in runs.values()) for root in roots}
        troubles.append("runs of " + ", ".join(f"{root}: {n}" for root, n in of_root.items()))
    return columns([run for _, run in runs.values()]), troubles


def name_of(roots: Sequence[Path]) -> str:
    """What a report of these folders is called."""
    return " + ".join(root.resolve().name for root in roots)


def _numbers(run: Run) -> Any:
    """What must be the same of one run in two folders."""
    return run.status, run.metrics.get("metrics")
