"""What several samples of each measurement come to, beside as many exact ones in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mapga.metrics.sampled import Sampled, SpreadMetric, SpreadScore
from mapga.records.folder import RunFolder
from mapga.records.influence import keep_influence
from mapga.records.journal import Row

__all__ = ["score_spread"]


def score_spread(
    folder: RunFolder,
    measurements: Sequence[Sequence[Row]],
    total: int,
    metrics: Sequence[SpreadMetric],
    sampled: Callable[[Sequence[Row]], Sampled],
    on_batch: Callable[[int], object] = lambda images: None,
) -> dict[str, dict[str, Any]]:
    """Each metric's value over the measurements, with n, key, notes, its interval, and as its floor what as many exact
    samples score. What each measurement adds to a mean is kept at its first row in ``influence-<hash of the key>.npy``.

    Args:
        folder: The run's.
        measurements: Of each the rows of all its samples.
        total: Rows of the run.
        metrics: What is asked for.
        sampled: Reads one measurement.
        on_batch: Told before each measurement how many images it has.
    """
    samples = folder.spec.samples
    numbers: dict[str, list[Sequence[float]]] = {metric.name: [] for metric in metrics}
    floors: dict[str, list[Sequence[float]]] = {metric.name: [] for metric in metrics}
    for rows in measurements:
        on_batch(len(rows))
        one = sampled(rows)
        for metric in metrics:
            numbers[metric.name].append(metric.number(one))
            floors[metric.name].append(metric.number(one.faultless))
    cells: dict[str, dict[str, Any]] = {}
    for metric in metrics:
        key = f"{metric.name}|n={len(measurements)}|samples={samples}"
        if not measurements:
            note = f"{metric.name}: no measurement has all of its {samples} samples"
            cells[metric.name] = {"mean": None, "sem": None, "n": 0, "notes": [note]}
            continue
        found, floor = (metric.score(np.array(one[metric.name]), samples) for one in (numbers, floors))
        cells[metric.name] = {**_cell(found), "n": samples * len(measurements), "key": key}
        if cells[metric.name]["mean"] is not None:
            cells[metric.name]["floor"] = floor.value
        if found.added is not None:
            firsts = [rows[0].row for rows in measurements]
            keep_influence(folder.path, key, total, firsts, found.added)
    return cells


def _cell(found: SpreadScore) -> dict[str, Any]:
    notes = list(found.notes)
    if not np.isfinite(found.value):
        return {"mean": None, "sem": None, "notes": notes}
    return {"mean": found.value, "sem": None, "notes": notes, "interval": [found.low, found.high], **found.more}
