"""Images of many rows in one file: a preallocated .npy, whose pixels are compared with what a journal says of them."""

from __future__ import annotations

import errno
import math
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Self

import numpy as np

from mapga.errors import DamagedError
from mapga.files.durable import creating
from mapga.files.system import BINARY, claim, read_at, write_at

__all__ = ["ImageStore", "checksum"]

_SAMPLE_BYTES = 16_000_000
_REMEDY = "the run's own command restores what is lost"


def checksum(image: np.ndarray) -> int:
    """CRC-32 of an image's bytes in row-major order."""
    return zlib.crc32(image.tobytes())


class ImageStore:
    """uint8 (N, H, W, C) on disk; rows are written in any order, by any number of processes.

    One file a run: a table of hundreds of runs of 50,000 images must not eat a cluster's inodes. Nothing is mapped into
    memory: a file that is cut, or a disk that is full, is an error here and no signal that kills the process.

    Attributes:
        path: Where it lies.
        shape: (N, H, W, C).
    """

    def __init__(self, path: Path, shape: tuple[int, ...], offset: int, *, writable: bool) -> None:
        self.path, self.shape = path, shape
        self._offset, self._size, self._writable = offset, math.prod(shape[1:]), writable

    @classmethod
    def create(cls, path: Path, shape: tuple[int, int, int, int]) -> Self:
        """Open the store for writing, made first if it is not there; of processes that race, one makes it.

        One that was cut or lengthened gets its size back: what is lost reads as zeros, which no checksum takes for
        what was recorded.

        Raises:
            DamagedError: There is another file in its place.
            OSError: It cannot be written, or the disk has no room for all of it.
        """
        if not path.exists():
            try:
                with creating(path) as neighbour:
                    np.lib.format.open_memmap(neighbour, mode="w+", dtype=np.uint8, shape=shape).flush()
                    claim(neighbour, neighbour.stat().st_size)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from error
        found, offset = _header(path)
        if found != shape:
            raise DamagedError(f"{path} holds uint8 {found}, this run needs {shape}; move it away, and {_REMEDY}")
        whole = offset + math.prod(shape)
        if path.stat().st_size != whole:
            os.truncate(path, whole)
            claim(path, whole)
        return cls(path, shape, offset, writable=True)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing store for reading.

        Raises:
            DamagedError: It is no store, or not whole.
            OSError: It cannot be read.
        """
        shape, offset = _header(path)
        size, whole = path.stat().st_size, offset + math.prod(shape)
        if size != whole:
            raise DamagedError(f"{path} is damaged: {size} bytes instead of {whole}; {_REMEDY}")
        return cls(path, shape, offset, writable=False)

    def write(self, rows: Sequence[int], images: np.ndarray) -> None:
        """Put images (B, H, W, C) into rows, and return when they are on disk.

        Raises:
            ValueError: Images of another shape, a row that there is not, or a store that was opened for reading.
            OSError: They cannot be written.
        """
        if not self._writable or images.shape != (len(rows), *self.shape[1:]) or images.dtype != np.uint8:
            raise ValueError(
                f"{self.path}: {images.dtype} {images.shape} cannot be written into {len(rows)} rows of it"
            )
        if wrong := [row for row in rows if not 0 <= row < len(self)]:
            raise ValueError(f"{self.path}: there is no row {wrong[0]}")
        descriptor = os.open(self.path, os.O_WRONLY | BINARY)
        try:
            for row, image in zip(rows, images, strict=True):
                written = write_at(descriptor, image.tobytes(), self._offset + row * self._size)
                if written != self._size:
                    raise OSError(errno.ENOSPC, f"the disk took {written} of {self._size} bytes", str(self.path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, rows: Sequence[int]) -> np.ndarray:
        """A copy of some rows, (B, H, W, C).

        Raises:
            DamagedError: There is no such row.
        """
        images = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        for image, data in zip(images, self._bytes(rows), strict=True):
            image[:] = np.frombuffer(data, dtype=np.uint8).reshape(self.shape[1:])
        return images

    def checksums(self, rows: Sequence[int]) -> dict[int, int]:
        """For each of some rows the ``checksum`` of what is stored there."""
        return {row: zlib.crc32(data) for row, data in zip(rows, self._bytes(rows), strict=True)}

    @property
    def blank(self) -> int:
        """The ``checksum`` of an image that was never written."""
        return zlib.crc32(bytes(self._size))

    def sample(self) -> range:
        """The rows that are looked at where time is short: all of at most 16 MB, else every k-th of as much."""
        return range(0, len(self), max(1, math.ceil(len(self) * self._size / _SAMPLE_BYTES)))

    def __len__(self) -> int:
        return self.shape[0]

    def _bytes(self, rows: Sequence[int]) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            for row in rows:
                data = read_at(file.fileno(), self._size, self._offset + row * self._size) if row < len(self) else b""
                if len(data) != self._size:
                    raise DamagedError(f"{self.path} has no row {row}, only 0 to {len(self) - 1}; {_REMEDY}")
                yield data


def _header(path: Path) -> tuple[tuple[int, ...], int]:
    """Shape of the images in a file, and where they begin in it.

    Raises:
        DamagedError: It holds anything else.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(file)
            offset = file.tell()
    except (ValueError, SyntaxError, TypeError, TokenError):  # numpy tokenizes what it cannot parse
        raise DamagedError(f"{path} is damaged: its header cannot be read; remove it, and {_REMEDY}") from None
    if dtype != np.uint8 or fortran or len(shape) != 4:
        order = " in Fortran order" if fortran else ""
        raise DamagedError(f"{path} holds {dtype} {shape}{order}, no images; remove it, and {_REMEDY}")
    return shape, offset
