"""What each image adds to a score of a whole set, kept with the run: by it two runs' scores are compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mapga.files.durable import replacing
from mapga.identity import digest

__all__ = ["keep_influence", "read_influence"]


def keep_influence(folder: Path, key: str, total: int, rows: Sequence[int], added: np.ndarray) -> None:
    """Write what the images of some rows add to the score of a key, for all ``total`` rows of a run."""
    every = np.full(total, np.nan)
    every[list(rows)] = added
    with replacing(_path(folder, key)) as neighbour, neighbour.open("wb") as file:
        np.save(file, every, allow_pickle=False)


def read_influence(folder: Path, key: str) -> np.ndarray | None:
    """What each row adds to the score of a key, NaN where it was lost; None if that is not known."""
    try:
        found = np.load(_path(folder, key), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return np.asarray(found, dtype=np.float64) if found.ndim == 1 else None


def _path(folder: Path, key: str) -> Path:
    return folder / f"influence-{digest(key)}.npy"
