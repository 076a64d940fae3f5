"""Distances of a run's whole set, from features that are kept image by image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mapga.files.durable import replacing
from mapga.identity import digest
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
    code: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """One by one each metric's name, and its value over the restored images, with n, its protocol's key, notes, its
    bootstrap interval, and as its floor what the truths in the place of the restored images score. Failed images are
    left out, on both sides.

    Features of the restored images are kept as ``features-<flavour>.npy``; those of the truth lie with the problem, for
    all its runs. What each image adds to a score is kept as ``influence-<hash of the key>.npy``.

    Args:
        folder: The run's.
        recorded: Its rows.
        training: The dataset's training images, for the metrics that compare with them.
        metrics: What is asked for.
        on_batch: Told before each batch how many images it has: of a flavour all restored ones, and all truths. What it
            raises ends the work, and the features that are made by then are kept.
        code: That makes the features: what other code has begun is not gone on with.
    """
    done = [row for row in recorded.rows.values() if row.status == "done"]
    rows, indices = [row.row for row in done], [row.index for row in done]
    restored: dict[str, np.ndarray] = {}
    for metric in metrics:
        if note := too_few(metric, rows):
            yield metric.name, {"mean": None, "sem": None, "n": len(rows), "notes": [note]}
            continue
        if metric.flavour not in restored:
            restored[metric.flavour] = _restored_features(metric, folder.path, rows, digest(code or {}), on_batch)
        features = restored[metric.flavour]
        truth, made_by = folder.problem_path / "truth.npy", metric.extractor_hash()[:12]
        kept = folder.problem_path / f"features-{metric.flavour}-{made_by}.npz"
        truths = _features(metric, ImageStore.open(truth), range(recorded.total), kept, on_batch)[rows]
        reference = reference_for(
            metric,
            truth_features=truths,
            restored_indices=indices,
            truth_indices=indices,
            training=training,
            first=halves(rows),
        )
        score, interval = metric.compare(features, reference), metric.interval(features, reference)
        keep_influence(folder.path, score.key, recorded.total, rows, metric.influence(features, reference))
        yield (
            metric.name,
            {
                "mean": score.value,
                "sem": None,
                "n": score.n,
                "key": score.key,
                "notes": list(score.notes),
                "interval": [interval.low, interval.high],
                "floor": metric.compare(truths, reference).value,
            },
        )


def _restored_features(
    metric: SetMetric, run: Path, rows: Sequence[int], code: str, on_batch: Callable[[int], object]
) -> np.ndarray:
    """Features of a run's restored images, kept when they are whole, and until then with what they are of."""
    begun = run / f"features-{metric.flavour}-{metric.extractor_hash()[:12]}-{code}.npz"
    features = _features(metric, ImageStore.open(run / "images.npy"), rows, begun, on_batch)
    with replacing(run / f"features-{metric.flavour}.npy") as neighbour, neighbour.open("wb") as file:
        np.save(file, features, allow_pickle=False)
    for path in run.glob(f"features-{metric.flavour}-*.npz"):  # of other code as well
        path.unlink()
    return features


def _features(
    metric: SetMetric, images: ImageStore, rows: Sequence[int], kept: Path, on_batch: Callable[[int], object]
) -> np.ndarray:
    """Features of some rows. They are kept in a file with the checksums of their images, whatever ends the work; those
    that it holds are not made again, up to the first image that has changed since."""
    checksums = np.array(list(images.checksums(rows).values()), dtype=np.uint32)
    parts = _kept(kept, checksums)
    before = sum(map(len, parts))
    if before:
        on_batch(before)
    try:
        for begin in range(before, len(rows), _BATCH):
            batch = rows[begin : begin + _BATCH]
            on_batch(len(batch))
            parts.append(metric.features(images.read(batch)))
    finally:
        made = sum(map(len, parts))
        if made > before:
            # A zip, of which what was changed is not read.
            with replacing(kept) as neighbour, neighbour.open("wb") as file:
                np.savez(file, features=np.concatenate(parts), checksums=checksums[:made])
    return np.concatenate(parts)


def _kept(path: Path, checksums: np.ndarray) -> list[np.ndarray]:
    """What a file holds of the features of images with these checksums, from the first one on."""
    try:
        with np.load(path, allow_pickle=False) as found:
            features, of = np.asarray(found["features"]), found["checksums"]
    except (OSError, ValueError, LookupError, EOFError, BadZipFile):
        return []
    shared = min(len(of), len(checksums), len(features))
    other = np.flatnonzero(of[:shared] != checksums[:shared])
    whole = int(other[0]) if len(other) else shared
    return [features[:whole]] if whole else []
