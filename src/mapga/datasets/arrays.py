"""Arrays in ``.npy`` and ``.npz`` files, read once a process and never as pickles; square RGB images in an ``.npz``."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mapga.errors import first_line

__all__ = ["PixelArrays", "array_of", "headers_of"]


class PixelArrays:
    """The images of an ``.npz`` file. Holds no pixels itself, so that it travels to workers cheaply.

    Args:
        path: The file.
        pixels: Name of the array of pixels: uint8 (N, 3 side^2) with a red, a green and a blue plane after another,
            or (N, side, side, 3).
        labels: Name of the array of labels, which may be absent.
        side: Side of an image.

    Raises:
        FileNotFoundError: No such file.
        ValueError: No ``.npz``, a cut one, or one without such an array; the keys found are named.
    """

    def __init__(self, path: Path, pixels: str, labels: str, side: int) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"dataset.root={path}: no such file; give an .npz file")
        self.path, self.side = path, side
        self._pixels, self._label_key = pixels, labels
        found = headers_of(path)
        if pixels not in found:
            raise ValueError(
                f"{path}: no array {pixels} in it, it holds {', '.join(found)}; choose the file's dataset.variant"
            )
        self._shape, dtype = found[pixels]
        if dtype != np.uint8:
            raise ValueError(f"{path}: {pixels} holds {dtype}, expected uint8 pixels 0..255")
        if self._shape[1:] not in ((3 * side * side,), (side, side, 3)) or self._shape[0] < 1:
            raise ValueError(
                f"{path}: {pixels} has shape {self._shape}; expected (N, {3 * side * side}) or (N, {side}, {side}, 3)"
            )

    def __len__(self) -> int:
        return self._shape[0]

    def __getitem__(self, index: int) -> np.ndarray:
        """Image ``index``, uint8 (side, side, 3)."""
        raw = array_of(self.path, self._pixels)[index]
        if raw.ndim == 1:
            raw = raw.reshape(3, self.side, self.side).transpose(1, 2, 0)
        return np.ascontiguousarray(raw)

    def labels(self) -> np.ndarray | None:
        """Labels as the file has them, int64 (N,), or None.

        Raises:
            ValueError: Not one whole number an image.
        """
        if self._label_key not in headers_of(self.path):
            return None
        labels = array_of(self.path, self._label_key)
        if labels.shape != (len(self),) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"{self.path}: {self._label_key} is {labels.dtype} of shape {labels.shape}; expected {len(self)} labels"
            )
        return labels.astype(np.int64)


def headers_of(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and dtype of every array in a file, by name, without reading its numbers; that of an ``.npy`` is ``""``.

    Raises:
        ValueError: Cut, damaged, neither, or with an array of objects, which would be a pickle.
    """
    try:
        if path.suffix == ".npy":
            with path.open("rb") as file:
                return {"": _header(file)}
        with zipfile.ZipFile(path) as archive:
            found = {}
            for name in (name for name in archive.namelist() if name.endswith(".npy")):
                with archive.open(name) as member:
                    found[name.removesuffix(".npy")] = _header(member)
            return found
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise _damaged(path, error) from None


def array_of(path: Path, key: str = "") -> np.ndarray:
    """An array of a file, read-only; of an ``.npy`` file its pages are read when they are looked at.

    Raises:
        ValueError: It cannot be read.
    """
    status = path.stat()
    return _array(path, key, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _array(path: Path, key: str, size: int, modified: int) -> np.ndarray:
    try:
        if path.suffix == ".npy":
            mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            return mapped
        with np.load(path, allow_pickle=False) as content:
            array: np.ndarray = content[key]
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise _damaged(path, error) from None
    array.setflags(write=False)
    return array


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(file)
    if dtype.hasobject:
        raise ValueError("an array of objects, which is a pickle and never read")
    return shape, dtype


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path}: cut, damaged or no {path.suffix or '.npz'} file ({first_line(error)}); make or fetch it again"
    )
