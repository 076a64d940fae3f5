"""Repeats: runs that differ in their seed alone, which are one row of a table, a mean over images and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mapga.records.collect import Run
from mapga.report.coverage import Coverage, cell_of

__all__ = ["coverage_of", "interval_of", "mean_of", "repeats", "seeds_text", "spread_of"]


def repeats(runs: Sequence[Run], setting_of: Mapping[Path, str]) -> list[tuple[Run, ...]]:
    """Runs of one method on one task by their settings, a run a seed, in the order of the seeds."""
    groups: dict[str, dict[int, Run]] = {}
    for run in sorted(runs, key=lambda one: (one.spec.seed, one.folder.name)):
        groups.setdefault(setting_of[run.folder], {}).setdefault(run.spec.seed, run)
    return [tuple(group.values()) for group in groups.values()]


def mean_of(runs: Sequence[Run], metric: str) -> float:
    """The mean over images and seeds."""
    weights = [max(1, Coverage.of(run, metric).n) for run in runs]
    return float(np.average([cell_of(run, metric)["mean"] for run in runs], weights=weights))


def spread_of(runs: Sequence[Run], metric: str) -> float | None:
    """The standard deviation between the means of the seeds; None of one seed."""
    means = [cell_of(run, metric)["mean"] for run in runs]
    return float(np.std(means, ddof=1)) if len(means) > 1 else None


def interval_of(runs: Sequence[Run], metric: str) -> tuple[float | None, float | None]:
    """The interval that a single run was stored with, if it was."""
    low, high = cell_of(runs[0], metric).get("interval") or (None, None)
    return (low, high) if len(runs) == 1 else (None, None)


def coverage_of(runs: Sequence[Run], metric: str) -> Coverage:
    """The images behind the mean, once for each seed."""
    found = [Coverage.of(run, metric) for run in runs]
    return Coverage(*(sum(getattr(one, part) for one in found) for part in ("n", "total", "perfect")))


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds in words, neighbours as a range."""
    known = sorted(set(seeds))
    neighbours = len(known) > 2 and known == list(range(known[0], known[-1] + 1))
    said = f"{known[0]} to {known[-1]}" if neighbours else ", ".join(map(str, known))
    return f"seed{'s' if len(known) > 1 else ''} {said}"
