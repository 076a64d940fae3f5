"""The reference that a metric names, in the metric's own features; those of a training split are kept in the cache."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mapga.files.durable import replacing
from mapga.files.fetch import cache_folder
from mapga.metrics.base import SetMetric
from mapga.metrics.moments import Moments, check_features
from mapga.metrics.reference import (
    CROSSED,
    Reference,
    crossed_reference,
    halves,
    statistics_file,
    statistics_reference,
)

__all__ = ["reference_for", "too_few", "training_reference"]

_BATCH = 64
_log = logging.getLogger(__name__)


def training_reference(metric: SetMetric, images: np.ndarray) -> Reference:
    """Statistics of a training split, uint8 (N, H, W, C), kept in the cache.

    They are found again by the hashes of the images, the metric's flavour and its extractor: an altered
    pixel or another network is another entry, the same images elsewhere are not.
    """
    protocol = f"{metric.flavour}/{metric.extractor_hash()}/{images.shape}/{images.dtype}"
    key = hashlib.sha256(protocol.encode())
    for image in images:
        key.update(hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest())
    name = f"training@{key.hexdigest()[:8]}"
    kept = cache_folder() / "statistics" / f"{metric.flavour}-{key.hexdigest()[:32]}.npz"
    if metric.needs_features:
        kept = kept.with_suffix(".features.npz")
    arrays = _read_kept(kept)
    if arrays is None:
        batches = _batches(metric, images)
        if metric.needs_features:
            arrays = {"features": np.concatenate(list(batches))}
        else:
            moments = Moments.stream(batches)
            arrays = {"mean": moments.mean, "covariance": moments.covariance}
        _keep(kept, arrays)
    if metric.needs_features:
        features = check_features(arrays["features"])
        return Reference(name, len(images), features.mean(axis=0), features)
    return Reference(name, len(images), arrays["mean"], covariance=arrays["covariance"])


def too_few(metric: SetMetric, rows: Sequence[int]) -> str | None:
    """Why some rows are too few images for a metric, in one line; None if they are enough."""
    first = halves(rows)
    sizes = [first.sum(), (~first).sum()] if metric.reference == CROSSED else [len(rows)]
    if min(sizes) >= 2:
        return None
    needed = "two images in each half" if metric.reference == CROSSED else "two images"
    return f"{metric.name}: a distance of sets by reference={metric.reference} needs {needed}, got {len(rows)} in all"


def reference_for(
    metric: SetMetric,
    *,
    truth_features: np.ndarray,
    restored_indices: Sequence[int],
    truth_indices: Sequence[int],
    training: Callable[[], np.ndarray],
    first: np.ndarray | None = None,
) -> Reference:
    """What ``metric.reference`` names.

    Args:
        metric: The metric that will compare.
        truth_features: Features (N, D) of the true images, used by ``reference="crossed"``.
        restored_indices: Dataset indices of the restored images.
        truth_indices: Dataset indices of the true images.
        training: Gives the images of the training split, used by ``reference="training"``.
        first: Which rows are the first of crossed halves, bool (N,); ``halves`` of them all by default.

    Raises:
        ValueError: What the three kinds of reference refuse.
        FileRefusedError: The statistics file is not there.
    """
    if metric.reference == CROSSED:
        return crossed_reference(
            truth_features, restored_indices=restored_indices, truth_indices=truth_indices, first=first
        )
    if metric.reference == "training":
        return training_reference(metric, training())
    return statistics_reference(statistics_file(metric.reference).verified())


def _batches(metric: SetMetric, images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), _BATCH):
        yield metric.features(images[start : start + _BATCH])


def _read_kept(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        return None  # absent or cut short: computed anew


def _keep(path: Path, arrays: Mapping[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as neighbour, neighbour.open("wb") as file:
            np.savez(file, **arrays)
    except OSError as error:
        _log.warning("%s: the statistics cannot be kept (%s); they are computed anew each time", path, error)
