"""Whether the images of today are those that a run was begun with, by the pixels that it has stored of them."""

from __future__ import annotations

import numpy as np

from mapga.datasets.base import Dataset, UnreadableImageError
from mapga.records import RunFolder
from mapga.records.store import ImageStore

__all__ = ["same_truth"]


def same_truth(folder: RunFolder, dataset: Dataset) -> bool:
    """Whether all true images stored with a run's problem are the dataset's, and its recorded rows have their indices.

    For fingerprints that cannot be compared, those of another version: every stored image is decoded once more. A row
    of zeros that is not recorded was never written.
    """
    recorded = {key: row for key, row in folder.recorded(len(dataset)).rows.items() if row.status != "failed"}
    if any(row.index != dataset.index(key) for key, row in recorded.items()):
        return False
    path = folder.problem_path / "truth.npy"
    if not path.exists():
        return not recorded
    stored = ImageStore.open(path)
    return len(stored) == len(dataset) and all(
        _same(dataset, row, truth)
        for row in range(len(stored))
        if (truth := stored.read([row])[0]).any() or row in recorded
    )


def _same(dataset: Dataset, row: int, truth: np.ndarray) -> bool:
    try:
        return np.array_equal(dataset[row].image, truth)
    except UnreadableImageError:
        return False
