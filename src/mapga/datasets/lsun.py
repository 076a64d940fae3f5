"""LSUN at 256x256 for the published networks: an LMDB as published, or a folder of pictures.

Source: Yu et al., "LSUN: construction of a large-scale image dataset using deep learning with humans in the loop",
2015, arXiv 1506.03365. The preparation is that of the networks' training (``preparation.lsun_square``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from mapga.card import DatasetCard
from mapga.datasets.base import Dataset, Item
from mapga.datasets.lists import chosen_of_list, hash_of_list, list_path, read_list
from mapga.datasets.lmdb_reader import LMDBReader
from mapga.datasets.pictures import pictures_below
from mapga.datasets.preparation import decode, lsun_square
from mapga.datasets.selection import choose
from mapga.files.need import Need

__all__ = ["LSUN"]

SIDE = 256
_SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")


class LSUN(Dataset):
    """Pictures of one LSUN category, uint8 (256, 256, 3), ordered by key; no labels.

    Args:
        root: The folder of an LMDB (``.../cat``, with ``data.mdb`` in it), or of pictures at any depth.
        variant: ``lmdb`` or ``folder``.
        list: CSV with the column ``file``: the keys, or paths below the folder, to take, in this order; None for all.
        limit: Only so many images; None for all.
        subset_seed: None for the first ``limit``; else the seed of a random choice.
        skip: Leave out so many images at the beginning; 0 for none.
        list_sha256: SHA-256 that the list must have; None for any.

    Raises:
        FileNotFoundError: No such folder or list, or a list that names absent pictures.
        ValueError: A cut or damaged database, no pictures, or a limit or skip outside the images.
        ImportError: The extra ``lsun`` is not installed.
    """

    card = DatasetCard(
        places=("root", "list"),
        pinned={"list": "list_sha256"},
        pin=hash_of_list,
        choosing=("limit", "subset_seed", "skip"),
        count=chosen_of_list,
        files=lambda a: [Need.of_place("dataset.root", a.root)],
    )

    image_shape = (3, SIDE, SIDE)

    def __init__(
        self,
        root: str,
        variant: Literal["lmdb", "folder"] = "lmdb",
        list: str | None = None,
        limit: int | None = None,
        subset_seed: int | None = None,
        list_sha256: str | None = None,
        skip: int = 0,
    ) -> None:
        self.root, self.variant = Path(root).expanduser(), variant
        if not self.root.exists():
            raise FileNotFoundError(f"dataset.root={root}: no such folder; give one with LSUN's pictures or LMDB")
        database = self.root.is_file() or (self.root / "data.mdb").is_file()
        if variant == "lmdb" and not database and pictures_below(self.root, _SUFFIXES):
            raise ValueError(f"dataset.root={root}: pictures and no data.mdb; dataset.variant=folder reads pictures")
        self._reader = LMDBReader(self.root) if variant == "lmdb" else None
        listed = list_path(list, list_sha256)
        keys = self._every() if listed is None else [entry.file for entry in read_list(listed)]
        total = len(self._reader) if self._reader is not None and keys is None else len(keys or ())
        if not total:
            hint = "; dataset.variant=lmdb reads its data.mdb" if database and variant == "folder" else ""
            raise FileNotFoundError(f"dataset.root={root}: no pictures in it ({', '.join(_SUFFIXES)}){hint}")
        self._chosen = choose(total, limit, subset_seed, skip)
        self._keys = self._found(keys, listed)

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, position: int) -> Item:
        key = self._keys[position]
        name = str(self.root / key) if self._reader is None else f"{self.root}: key {key}"
        return Item(self.index(position), lsun_square(decode(self.source(position), name), SIDE))

    def index(self, position: int) -> int:
        return int(self._chosen[position])

    def source(self, position: int) -> bytes:
        key = self._keys[position]
        return (self.root / key).read_bytes() if self._reader is None else self._reader[key.encode()]

    def _every(self) -> Sequence[str] | None:
        """The paths of all pictures, sorted; None for a database, whose keys are read when it is known which."""
        if self._reader is not None:
            return None
        return sorted(path.relative_to(self.root).as_posix() for path in pictures_below(self.root, _SUFFIXES))

    def _found(self, keys: Sequence[str] | None, listed: Path | None) -> tuple[str, ...]:
        """The chosen keys, each of them there."""
        if keys is None:
            assert self._reader is not None
            return tuple(key.decode() for key in self._reader.keys_at(self._chosen))
        taken = [keys[place] for place in np.asarray(self._chosen).tolist()]
        if listed is not None:
            absent = (
                [key for key in taken if not (self.root / key).is_file()]
                if self._reader is None
                else [key.decode() for key in self._reader.missing([key.encode() for key in taken])]
            )
            if absent:
                raise FileNotFoundError(
                    f"dataset.list={listed}: {len(absent)} of {len(taken)} pictures are not in {self.root}, the first "
                    f"is {absent[0]}; mend dataset.root or the list"
                )
        return tuple(taken)
