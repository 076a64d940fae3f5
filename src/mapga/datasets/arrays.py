"""Square RGB images in an ``.npz`` file, planar or not, read once a process."""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["PixelArrays"]


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
        self._shape = _header(path, pixels)
        if self._shape[1:] not in ((3 * side * side,), (side, side, 3)) or self._shape[0] < 1:
            raise ValueError(
                f"{path}: {pixels} has shape {self._shape}; expected (N, {3 * side * side}) or (N, {side}, {side}, 3)"
            )

    def __len__(self) -> int:
        return self._shape[0]

    def __getitem__(self, index: int) -> np.ndarray:
        """Image ``index``, uint8 (side, side, 3)."""
        raw = _array(self.path, self._pixels)[index]
        if raw.ndim == 1:
            raw = raw.reshape(3, self.side, self.side).transpose(1, 2, 0)
        return np.ascontiguousarray(raw)

    def labels(self) -> np.ndarray | None:
        """Labels as the file has them, int64 (N,), or None.

        Raises:
            ValueError: Not one whole number an image.
        """
        if self._label_key not in _keys(self.path):
            return None
        labels = _array(self.path, self._label_key)
        if labels.shape != (len(self),) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"{self.path}: {self._label_key} is {labels.dtype} of shape {labels.shape}; expected {len(self)} labels"
            )
        return labels.astype(np.int64)


def _keys(path: Path) -> list[str]:
    try:
        with np.load(path, allow_pickle=False) as content:
            if not isinstance(content, np.lib.npyio.NpzFile):
                raise ValueError("a single array, no .npz")
            return list(content.files)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: cut, damaged or no .npz file ({reason}); fetch it again") from None


def _header(path: Path, key: str) -> tuple[int, ...]:
    """The shape of an array, without reading its numbers."""
    keys = _keys(path)
    if key not in keys:
        raise ValueError(f"{path}: no array {key} in it, it holds {', '.join(keys)}; choose the file's dataset.variant")
    with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as member:
        stream: Any = member
        version = np.lib.format.read_magic(stream)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reader(stream)
    if dtype != np.uint8:
        raise ValueError(f"{path}: {key} holds {dtype}, expected uint8 pixels 0..255")
    return shape


@lru_cache(maxsize=4)
def _array(path: Path, key: str) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as content:
            array: np.ndarray = content[key]
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path}: {key} cannot be read ({error}); fetch the file again") from None
    array.setflags(write=False)
    return array
