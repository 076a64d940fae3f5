"""Images of many rows in one file: a preallocated .npy, opened as a memory map."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

__all__ = ["ImageStore"]


class ImageStore:
    """uint8 (N, H, W, C) on disk; rows are written in any order, by any number of processes.

    One file a run: a table of hundreds of runs of 50,000 images must not eat a cluster's inodes.
    """

    def __init__(self, path: Path, images: np.ndarray) -> None:
        self.path, self._images = path, images

    @classmethod
    def create(cls, path: Path, shape: tuple[int, int, int, int]) -> Self:
        """Open the store, made first if it is not there; of processes that race, one makes it.

        Raises:
            ValueError: There is one of another shape.
        """
        if not path.exists():
            neighbour = path.with_name(f".{path.name}.{os.getpid()}")
            np.lib.format.open_memmap(neighbour, mode="w+", dtype=np.uint8, shape=shape).flush()
            try:
                os.link(neighbour, path)  # fails if another process was first, unlike a rename
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                neighbour.rename(path)
            finally:
                neighbour.unlink(missing_ok=True)
        images = np.load(path, mmap_mode="r+", allow_pickle=False)
        if images.shape != shape or images.dtype != np.uint8:
            raise ValueError(f"{path} holds {images.dtype} {images.shape}, this run needs uint8 {shape}; move it away")
        return cls(path, images)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing store for reading."""
        return cls(path, np.load(path, mmap_mode="r", allow_pickle=False))

    def write(self, rows: Sequence[int], images: np.ndarray) -> None:
        """Put images (B, H, W, C) into rows, and return when they are on disk."""
        self._images[list(rows)] = images
        self._images.flush()  # type: ignore[attr-defined]

    def read(self, rows: Sequence[int]) -> np.ndarray:
        """A copy of some rows, (B, H, W, C)."""
        return np.array(self._images[list(rows)])

    def __len__(self) -> int:
        return len(self._images)
