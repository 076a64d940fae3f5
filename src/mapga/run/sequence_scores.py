"""Numbers of sequences, each of frames that lie in order in the dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mapga.metrics.sequence import SequenceMetric, sequences
from mapga.records.folder import Recorded, RunFolder
from mapga.records.influence import keep_influence
from mapga.records.store import ImageStore

__all__ = ["score_sequences"]


def score_sequences(
    folder: RunFolder,
    recorded: Recorded,
    metrics: Sequence[SequenceMetric],
    on_batch: Callable[[int], object] = lambda images: None,
) -> dict[str, dict[str, Any]]:
    """Each metric's mean over the sequences that have all their frames, with n, key, notes and its interval. What each
    sequence adds to it is kept at its first row in ``influence-<hash of the key>.npy``.

    Args:
        folder: The run's.
        recorded: Its rows.
        metrics: What is asked for.
        on_batch: Told before each metric how many images it looks at.
    """
    done = [row for row in recorded.rows.values() if row.status == "done"]
    restored, truth = ImageStore.open(folder.path / "images.npy"), ImageStore.open(folder.problem_path / "truth.npy")
    cells: dict[str, dict[str, Any]] = {}
    for metric in metrics:
        whole = [[done[place].row for place in one] for one in sequences([row.index for row in done], metric.frames)]
        on_batch(len(whole) * metric.frames)
        if not whole:
            note = f"{metric.name}: no sequence has all of its {metric.frames} frames"
            cells[metric.name] = {"mean": None, "sem": None, "n": 0, "notes": [note]}
            continue
        numbers = [metric.number(restored.read(rows), truth.read(rows)) for rows in whole]
        found, n = metric.interval(numbers), len(whole) * metric.frames
        key = f"{metric.name}|n={n}|frames={metric.frames}"
        cells[metric.name] = {"mean": found.mean, "sem": None, "n": n, "key": key, "notes": []}
        cells[metric.name]["interval"] = [found.low, found.high]
        keep_influence(folder.path, key, recorded.total, [rows[0] for rows in whole], np.array(numbers) - found.mean)
    return cells
