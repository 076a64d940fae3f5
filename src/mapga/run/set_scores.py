"""Distances of a run's whole set, from features that are kept image by image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mapga.files.durable import replacing
from mapga.metrics.base import SetMetric
from mapga.metrics.reference import halves
from mapga.metrics.references import reference_for, too_few
from mapga.records.folder import Recorded, RunFolder
from mapga.records.influence import keep_influence
from mapga.records.store import ImageStore

__all__ = ["score_sets"]

_BATCH = 64


def score_sets(
    folder: RunFolder,
    recorded: Recorded,
    training: Callable[[], np.ndarray],
    metrics: Sequence[SetMetric],
    on_batch: Callable[[int], object] = lambda images: None,
) -> dict[str, dict[str, Any]]:
    """Each metric's value over the restored images, with n, its protocol's key, notes, its bootstrap interval, and as
    its floor what the truths in the place of the restored images score. Failed images are left out, on both sides.

    Features are streamed in batches from ``images.npy`` and kept as ``features-<flavour>.npy``; those of the truth lie
    with the problem, for all its runs. What each image adds to a score is kept as ``influence-<hash of the key>.npy``.
    ``on_batch`` is told before each batch how many images it has.
    """
    done = [row for row in recorded.rows.values() if row.status == "done"]
    rows, indices = [row.row for row in done], [row.index for row in done]
    restored: dict[str, np.ndarray] = {}
    cells: dict[str, dict[str, Any]] = {}
    for metric in metrics:
        if note := too_few(metric, rows):
            cells[metric.name] = {"mean": None, "sem": None, "n": len(rows), "notes": [note]}
            continue
        if metric.flavour not in restored:
            restored[metric.flavour] = _features(metric, ImageStore.open(folder.path / "images.npy"), rows, on_batch)
            with replacing(folder.path / f"features-{metric.flavour}.npy") as neighbour, neighbour.open("wb") as file:
                np.save(file, restored[metric.flavour], allow_pickle=False)
        features = restored[metric.flavour]
        truths = _truth_features(metric, folder.problem_path, recorded.total)[rows]
        reference = reference_for(
            metric,
            truth_features=truths,
            restored_indices=indices,
            truth_indices=indices,
            training=training,
            first=halves(rows),
        )
        score, interval = metric.compare(features, reference), metric.interval(features, reference)
        cells[metric.name] = {
            "mean": score.value,
            "sem": None,
            "n": score.n,
            "key": score.key,
            "notes": list(score.notes),
            "interval": [interval.low, interval.high],
            "floor": metric.compare(truths, reference).value,
        }
        keep_influence(folder.path, score.key, recorded.total, rows, metric.influence(features, reference))
    return cells


def _truth_features(metric: SetMetric, problem: Path, total: int) -> np.ndarray:
    """Features of all true images of a problem, computed once for all its runs, and anew where an image has changed
    since or the file is damaged."""
    truth = ImageStore.open(problem / "truth.npy")
    checksums = np.array(list(truth.checksums(range(total)).values()), dtype=np.uint32)
    kept = problem / f"features-{metric.flavour}-{metric.extractor_hash()[:12]}.npz"
    try:
        with np.load(kept, allow_pickle=False) as found:
            if np.array_equal(found["checksums"], checksums):
                return np.asarray(found["features"])
    except (OSError, ValueError, LookupError, EOFError, BadZipFile):
        pass
    features = _features(metric, truth, range(total), lambda images: None)
    with replacing(kept) as neighbour, neighbour.open("wb") as file:
        np.savez(file, features=features, checksums=checksums)  # a zip: what was changed in it is not read
    return features


def _features(
    metric: SetMetric, images: ImageStore, rows: Sequence[int], on_batch: Callable[[int], object]
) -> np.ndarray:
    parts = []
    for begin in range(0, len(rows), _BATCH):
        batch = rows[begin : begin + _BATCH]
        on_batch(len(batch))
        parts.append(metric.features(images.read(batch)))
    return np.concatenate(parts)
