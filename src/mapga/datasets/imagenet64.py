"""ImageNet at 64x64 for the published networks: three sources, one output.

* ``jpeg``: full-size JPEGs, prepared as for the networks' training (``preparation.imagenet_square``)
* ``downsampled``: the ``.npz`` of downsampled ImageNet: ``data`` uint8, planar (N, 12288) or (N, 64, 64, 3), and
  ``labels`` 1..1000 in the order of the challenge's development kit
* ``reference``: a reference batch of guided-diffusion, ``arr_0`` uint8 (N, 64, 64, 3), labels in ``arr_1`` if any

The three differ in their resizing, so the variant is part of a run's identity. Labels come out in the networks' order:
0..999 over the sorted WordNet ids.

Sources: Russakovsky et al., "ImageNet large scale visual recognition challenge", 2015, arXiv 1409.0575; Chrabaszcz et
al., "A downsampled variant of ImageNet", 2017, arXiv 1707.08819; Dhariwal, Nichol, 2021, arXiv 2105.05233.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mapga.card import DatasetCard
from mapga.datasets.arrays import PixelArrays
from mapga.datasets.base import Dataset, Item
from mapga.datasets.lists import chosen_of_list, hash_of_list, list_path, read_list
from mapga.datasets.pictures import pictures_below
from mapga.datasets.preparation import decode, imagenet_square
from mapga.datasets.selection import choose
from mapga.files.fetch import RemoteFile
from mapga.files.need import Need

__all__ = ["ImageNet64", "development_labels", "fetched_file", "wordnet_labels"]

SIDE = 64
CLASSES = 1000
_DATA = Path(__file__).parent / "data"
_SUFFIXES = (".jpeg", ".jpg", ".png")


@cache
def _label_map() -> list[tuple[int, str, int]]:
    with (_DATA / "imagenet64_label_map.csv").open(newline="", encoding="utf-8") as file:
        return [(int(row["npz_label"]), row["wnid"], int(row["model_label"])) for row in csv.DictReader(file)]


def development_labels() -> np.ndarray:
    """int64 (1001,): the networks' label of each label 1..1000 of the development kit; -1 at place 0."""
    labels = np.full(CLASSES + 1, -1, dtype=np.int64)
    for npz_label, _, model_label in _label_map():
        labels[npz_label] = model_label
    return labels


def wordnet_labels() -> dict[str, int]:
    """The networks' label of each WordNet id: its place among the sorted ids."""
    return {wnid: model_label for _, wnid, model_label in _label_map()}


class ImageNet64(Dataset):
    """ImageNet images, uint8 (64, 64, 3), with labels in the networks' order.

    Args:
        root: A folder of JPEGs (flat, or in folders named by WordNet id), or an ``.npz`` file; None for the one fetched
            from ``source``.
        variant: ``jpeg``, ``downsampled`` or ``reference``.
        list: For ``jpeg``: a CSV (``file,model_label``) of the images and their order, or ``val_1k`` for the shipped
            list of one validation image a class; None for every picture below the folder, by path.
        limit: Only so many images; None for all.
        subset_seed: None for the first ``limit``; else the seed of a random choice.
        skip: Leave out so many images at the beginning; 0 for none.
        list_sha256: SHA-256 that the list must have; None for any.
        source: Address that ``mapga prefetch`` fetches the ``.npz`` file from.

    Raises:
        FileNotFoundError: No such folder, file or list, or a list that names absent files.
        ValueError: Another content than the variant's, labels out of range, or a limit or skip outside the images.
    """

    card = DatasetCard(
        places=("root", "list", "source"),
        pinned={"list": "list_sha256"},
        pin=hash_of_list,
        choosing=("limit", "subset_seed", "skip"),
        count=chosen_of_list,
        files=lambda a: _files(a),
    )

    image_shape = (3, SIDE, SIDE)

    def __init__(
        self,
        root: str | None,
        variant: Literal["jpeg", "downsampled", "reference"] = "jpeg",
        list: str | None = None,
        limit: int | None = None,
        subset_seed: int | None = None,
        list_sha256: str | None = None,
        source: str | None = None,
        skip: int = 0,
    ) -> None:
        if root is None and (variant == "jpeg" or source is None):
            raise ValueError(f"dataset.root is null and variant={variant} is not fetched; give dataset.root")
        self.root = fetched_file(str(source)).path() if root is None else Path(root).expanduser()
        if list is not None and variant != "jpeg":
            raise ValueError(f"dataset.list={list}: lists are for dataset.variant=jpeg, not {variant}")
        if self.root.exists() and self.root.is_dir() != (variant == "jpeg"):
            raise ValueError(
                f"dataset.root={root}: a {'folder' if self.root.is_dir() else 'file'}, and dataset.variant={variant}; "
                "jpeg reads a folder of pictures, downsampled and reference an .npz file"
            )
        self._paths: tuple[Path, ...] = ()
        self._labels: np.ndarray | None
        self._arrays: PixelArrays | None = None
        if variant == "jpeg":
            paths, labels = _pictures(self.root, list_path(list, list_sha256))
            self._paths, self._labels = tuple(paths), labels
            total = len(paths)
        else:
            keys = ("data", "labels") if variant == "downsampled" else ("arr_0", "arr_1")
            self._arrays = PixelArrays(self.root, *keys, SIDE)
            self._labels = self._arrays.labels()
            total = len(self._arrays)
            if self._labels is not None:
                self._labels = _in_order(self._labels, variant, self.root)
        self._chosen = choose(total, limit, subset_seed, skip)
        self.n_classes = None if self._labels is None else CLASSES

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, position: int) -> Item:
        index = self.index(position)
        if self._arrays is not None:
            return Item(index, self._arrays[index], self._label(index))
        path = self._paths[index]
        return Item(index, imagenet_square(decode(path.read_bytes(), str(path)), SIDE), self._label(index))

    def index(self, position: int) -> int:
        return int(self._chosen[position])

    def source(self, position: int) -> bytes:
        if self._arrays is not None:
            return super().source(position)
        index = self.index(position)
        return self._paths[index].read_bytes() + repr(self._label(index)).encode()

    def _label(self, index: int) -> int | None:
        return None if self._labels is None else int(self._labels[index])


def fetched_file(source: str) -> RemoteFile:
    """The ``.npz`` file that is fetched from an address."""
    name = Path(source).name
    return RemoteFile("imagenet64", f"datasets/{name}", source, None, command="mapga prefetch dataset=imagenet64")


def _files(a: Any) -> list[Need]:
    """The place of the data: what a person names, else the ``.npz`` file that is fetched."""
    if a.root is not None:
        return [Need.of_place("dataset.root", a.root)]
    fetched = a.source is not None and a.variant != "jpeg"
    return [Need.of_file("dataset", fetched_file(a.source))] if fetched else []  # the dataset says what it wants


def _pictures(root: Path, listed: Path | None) -> tuple[list[Path], np.ndarray | None]:
    """The pictures in order, and their labels: from the list, else from folders named by WordNet id."""
    if not root.is_dir():
        raise FileNotFoundError(f"dataset.root={root}: no such folder; give one that holds ImageNet's JPEGs")
    if listed is None:
        paths = pictures_below(root, _SUFFIXES)
        if not paths:
            raise FileNotFoundError(f"dataset.root={root}: no pictures in it ({', '.join(_SUFFIXES)})")
        known = [wordnet_labels().get(path.parent.name) for path in paths]
        return paths, None if None in known else np.array(known, dtype=np.int64)
    entries = read_list(listed, CLASSES)
    found = [_find(root, entry.file) for entry in entries]
    absent = [entry.file for entry, path in zip(entries, found, strict=True) if path is None]
    if absent:
        raise FileNotFoundError(
            f"dataset.list={listed}: {len(absent)} of its {len(entries)} files are not below {root}, the first is "
            f"{absent[0]}; mend dataset.root or the list"
        )
    labels = [entry.label for entry in entries]
    return [path for path in found if path], None if None in labels else np.array(labels, dtype=np.int64)


def _find(root: Path, name: str) -> Path | None:
    """A listed file at its path below the root, or, where all lie in one folder, by its name."""
    for path in (root / name, root / Path(name).name):
        if path.is_file():
            return path
    return None


def _in_order(labels: np.ndarray, variant: str, root: Path) -> np.ndarray:
    first, last = (1, CLASSES) if variant == "downsampled" else (0, CLASSES - 1)
    if labels.min() < first or labels.max() > last:
        raise ValueError(
            f"{root}: labels {labels.min()}..{labels.max()} where dataset.variant={variant} has {first}..{last}; "
            "mend the file or choose its variant"
        )
    return development_labels()[labels] if variant == "downsampled" else labels
