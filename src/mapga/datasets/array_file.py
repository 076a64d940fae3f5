"""Images in an array of NumPy: an ``.npy`` file, or an ``.npz`` file with labels beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from mapga.card import DatasetCard
from mapga.datasets.arrays import array_of, headers_of
from mapga.datasets.base import Dataset, Item
from mapga.datasets.selection import choose
from mapga.files.need import Need

__all__ = ["ArrayFile"]

_CHANNELS = (1, 3)


class ArrayFile(Dataset):
    """uint8 images of one size: (N, H, W, C), (N, C, H, W) or, grey, (N, H, W); C = 1 or 3.

    Args:
        path: The file, ``.npy`` or ``.npz``; nothing in it is ever read as a pickle.
        layout: ``NHWC`` or ``NCHW``; None where only one of the two axes can be the channels.
        images: Name of the array of images in an ``.npz`` file; None for the only one that can be it.
        labels: Name of the array of labels in an ``.npz`` file, whole numbers (N,) from 0; none if it is not there.
        limit: Only the first ``limit`` images; None for all.
        skip: Leave out so many images at the beginning; 0 for none.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Damaged, no such array, another kind of array, or a limit or skip outside the images.
    """

    card = DatasetCard(
        places=("path",),
        words=("images", "labels"),
        choosing=("limit", "skip"),
        count=lambda a: a.limit,
        files=lambda a: [Need.of_place("dataset.path", a.path)],
    )

    def __init__(
        self,
        path: str,
        layout: Literal["NHWC", "NCHW"] | None = None,
        images: str | None = None,
        labels: str = "labels",
        limit: int | None = None,
        skip: int = 0,
    ) -> None:
        self.path, self.labels = Path(path).expanduser(), labels
        if not self.path.is_file():
            what = "a folder, no file" if self.path.exists() else "no such file"
            raise FileNotFoundError(f"dataset.path={path}: {what}; give an .npy or .npz file")
        self.images = _images(self.path, images)
        shape, dtype = headers_of(self.path)[self.images]
        if dtype != np.uint8:
            raise ValueError(f"dataset.path={path}: {dtype} numbers, expected uint8 pixels 0..255; convert them")
        if len(shape) not in (3, 4) or not all(shape):
            raise ValueError(f"dataset.path={path}: shape {shape}, expected (N, H, W, C), (N, C, H, W) or (N, H, W)")
        self.layout = None if len(shape) == 3 else layout or _layout(path, shape)
        sides = (
            (1, *shape[1:]) if self.layout is None else shape[1:] if self.layout == "NCHW" else (shape[3], *shape[1:3])
        )
        if sides[0] not in _CHANNELS:
            raise ValueError(
                f"dataset.path={path}: {sides[0]} channels, expected 1 (grey) or 3 (RGB); mend dataset.layout"
            )
        self.image_shape = (sides[0], sides[1], sides[2])
        self._chosen = choose(shape[0], limit, skip=skip)
        self._labels = self._read_labels(shape[0])
        self.n_classes = None if self._labels is None else int(self._labels.max()) + 1

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, position: int) -> Item:
        index = self.index(position)
        image = array_of(self.path, self.images)[index]
        if self.layout == "NCHW":
            image = image.transpose(1, 2, 0)
        label = None if self._labels is None else int(self._labels[index])
        return Item(index, np.array(image).reshape(*self.image_shape[1:], self.image_shape[0]), label)

    def index(self, position: int) -> int:
        return int(self._chosen[position])

    def _read_labels(self, count: int) -> np.ndarray | None:
        found = headers_of(self.path)
        if self.labels not in found:
            return None
        shape, dtype = found[self.labels]
        if shape != (count,) or dtype.kind not in "iu":
            raise ValueError(f"{self.path}: {self.labels} is {dtype} of shape {shape}; expected {count} whole numbers")
        labels = array_of(self.path, self.labels).astype(np.int64)
        if labels.min() < 0:
            raise ValueError(f"{self.path}: {self.labels} begins at {labels.min()}; labels are 0, 1, ...")
        return labels


def _images(path: Path, name: str | None) -> str:
    """The name of the array of images."""
    found = headers_of(path)
    if name is not None and path.suffix == ".npy":
        raise ValueError(f"dataset.images={name}: an .npy file holds one array without a name; leave it out")
    if name is None:
        able = [key for key, (shape, _) in found.items() if len(shape) in (3, 4)]
        if len(able) == 1:
            return able[0]
        what = "none" if not able else " and ".join(able)
        raise ValueError(f"{path}: of its arrays ({', '.join(found)}) {what} may be images; give dataset.images")
    if name not in found:
        raise ValueError(f"dataset.images={name}: {path} holds {', '.join(found)}; choose one of them")
    return name


def _layout(path: str, shape: tuple[int, ...]) -> Literal["NHWC", "NCHW"]:
    last, first = shape[3] in _CHANNELS, shape[1] in _CHANNELS
    if last == first:
        raise ValueError(
            f"dataset.path={path}: shape {shape}, of which {'either' if last else 'neither'} axis may be the channels "
            "(1 or 3); give dataset.layout=NHWC or NCHW"
        )
    return "NHWC" if last else "NCHW"
