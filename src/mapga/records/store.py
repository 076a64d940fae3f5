"""Images of many rows in one file: a preallocated .npy, opened as a memory map."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from mapga.files.durable import creating

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
            OSError: It cannot be written, or the disk has no room for all of it.
        """
        if not path.exists():
            try:
                with creating(path) as neighbour:
                    np.lib.format.open_memmap(neighbour, mode="w+", dtype=np.uint8, shape=shape).flush()
                    if hasattr(os, "posix_fallocate"):  # macOS has none
                        with neighbour.open("r+b") as file:
                            os.posix_fallocate(file.fileno(), 0, neighbour.stat().st_size)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from error
        images = np.load(path, mmap_mode="r+", allow_pickle=False)
        if images.shape != shape or images.dtype != np.uint8:
            raise ValueError(f"{path} holds {images.dtype} {images.shape}, this run needs uint8 {shape}; move it away")
        return cls(path, images)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing store for reading."""
        return cls(path, np.load(path, mmap_mode="r", allow_pickle=False))

    def write(self, rows: Sequence[int], images: np.ndarray) -> None:
        """Put images (B, H, W, C) into rows, and return when they are on disk.

        Not through the memory map: there a full disk kills the process, here it is an error.

        Raises:
            ValueError: Images of another shape, a row that there is not, or a store that was opened for reading.
            OSError: They cannot be written.
        """
        shape = self._images.shape
        if not self._images.flags.writeable or images.shape != (len(rows), *shape[1:]) or images.dtype != np.uint8:
            raise ValueError(
                f"{self.path}: {images.dtype} {images.shape} cannot be written into {len(rows)} rows of it"
            )
        if wrong := [row for row in rows if not 0 <= row < len(self)]:
            raise ValueError(f"{self.path}: there is no row {wrong[0]}")
        size = int(np.prod(shape[1:]))
        offset = self.path.stat().st_size - len(self) * size
        descriptor = os.open(self.path, os.O_WRONLY)
        try:
            for row, image in zip(rows, images, strict=True):
                written = os.pwrite(descriptor, image.tobytes(), offset + row * size)
                if written != size:
                    raise OSError(errno.ENOSPC, f"the disk took {written} of {size} bytes", str(self.path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, rows: Sequence[int]) -> np.ndarray:
        """A copy of some rows, (B, H, W, C)."""
        return np.array(self._images[list(rows)])

    def __len__(self) -> int:
        return len(self._images)
