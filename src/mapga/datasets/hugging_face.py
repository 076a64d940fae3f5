"""A dataset of Hugging Face: a folder that its library can read, or a repository of the hub at one revision."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from mapga.card import DatasetCard
from mapga.datasets.base import Dataset, Item, UnreadableImageError
from mapga.datasets.one_size import OneSize
from mapga.datasets.pictures import to_bytes
from mapga.datasets.preparation import square
from mapga.datasets.selection import choose
from mapga.errors import first_line
from mapga.files.download import Told
from mapga.files.fetch import FileRefusedError, cache_folder
from mapga.files.hub import is_hub_id, snapshot
from mapga.files.need import Need

__all__ = ["HuggingFace"]

_ALL = ["*"]


def _needs(a: Any) -> list[Need]:
    if not is_hub_id(a.path):
        return [Need.of_place("dataset.path", a.path)]

    def fetch(told: Told) -> Path:  # the hub's own client tells
        return snapshot(a.path, _ALL, revision=a.revision, kind="dataset", fetched=False)

    try:
        snapshot(a.path, _ALL, revision=a.revision, kind="dataset", fetched=True)
        problem = None
    except (FileNotFoundError, FileRefusedError) as error:
        given = f"dataset=hf dataset.path={a.path} dataset.revision={a.revision}"
        problem = f"{error}; fetch it with `mapga prefetch {given}`"
    return [Need("dataset", f"{a.path} from hub:{a.path}", problem, fetch)]


class HuggingFace(Dataset):
    """Pictures of a column of a dataset of Hugging Face.

    Their bytes are decoded as those of files (``mapga.datasets.pictures``), turned as their EXIF orientation says.

    Args:
        path: A folder, as ``save_to_disk`` wrote it or with Parquet files or pictures in it; or a hub id
            ``owner/name``.
        split: Which split.
        column: The column of pictures.
        labels: The column of labels, whole numbers from 0; none if it is not there.
        name: Which configuration of the dataset; None for the only one.
        revision: Commit, tag or branch of a hub id, which must be given; a commit stays the same for ever.
        channels: 1 (grey) or 3 (RGB) of all pictures.
        size: As for ``ImageFolder``.
        limit: Only the first ``limit`` pictures; None for all.
        skip: Leave out so many pictures at the beginning; 0 for none.

    Raises:
        FileNotFoundError: No such folder, or a hub id that was not fetched.
        ValueError: The library is not installed; no such split or column; pictures as ``ImageFolder`` refuses them; or
            a limit or skip outside the pictures.
    """

    card = DatasetCard(
        places=("path",),
        words=("split", "column", "labels", "name", "revision"),
        choosing=("limit", "skip"),
        count=lambda a: a.limit,
        files=_needs,
    )

    def __init__(
        self,
        path: str,
        split: str = "test",
        column: str = "image",
        labels: str = "label",
        name: str | None = None,
        revision: str | None = None,
        channels: int = 3,
        size: int | None = None,
        limit: int | None = None,
        skip: int = 0,
    ) -> None:
        sizes = OneSize(channels, size)
        self.path, self.split, self.column, self.labels = path, split, column, labels
        self.name, self.revision, self.channels, self.size = name, revision, channels, size
        table = self._table()
        self._chosen = choose(len(table), limit, skip=skip)
        self._rows = table.select(self._chosen)
        self._look(sizes)
        self.image_shape = sizes.image_shape
        self._labels = self._read_labels(table)
        self.n_classes = None if self._labels is None else max(self._labels) + 1

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, position: int) -> Item:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self._bytes(position))) as picture:
                pixels = to_bytes(picture, self.channels, upright=True)
        except (OSError, SyntaxError) as error:
            raise UnreadableImageError(f"{self._called(position)}: unreadable picture ({error}); mend it") from None
        return Item(
            self.index(position), pixels if self.size is None else square(pixels, self.size), self._label(position)
        )

    def index(self, position: int) -> int:
        return int(self._chosen[position])

    def source(self, position: int) -> bytes:
        return self._bytes(position) + repr(self._label(position)).encode()

    def _table(self) -> Any:
        """The split, its pictures left encoded."""
        try:
            from datasets import Image, load_dataset, load_from_disk
        except ImportError:
            raise ValueError(
                'the library "datasets" is not installed; it comes with: pip install "mapga[hf]"'
            ) from None
        folder = Path(self.path).expanduser()
        if is_hub_id(self.path):
            if self.revision is None:
                raise ValueError(
                    f"dataset.path={self.path}: give dataset.revision, best a commit of the hub; without it the same "
                    "words mean other pictures tomorrow"
                )
            folder = snapshot(self.path, _ALL, revision=self.revision, kind="dataset", fetched=True)
        if not folder.is_dir():
            raise FileNotFoundError(f"dataset.path={self.path}: no such folder; give one, or a hub id owner/name")
        try:
            if (folder / "dataset_dict.json").is_file():
                table = load_from_disk(str(folder))[self.split]
            elif (folder / "state.json").is_file():  # one split, whose name is not kept
                table = load_from_disk(str(folder))
            else:
                table = load_dataset(str(folder), self.name, split=self.split, cache_dir=str(cache_folder() / "hf"))
        except (KeyError, ValueError, OSError) as error:
            where = f"dataset.path={self.path} dataset.split={self.split}"
            raise ValueError(f"{where}: {first_line(error)}; mend either") from None
        if type(table.features.get(self.column)).__name__ != "Image":
            kinds = ", ".join(f"{key} ({type(kind).__name__})" for key, kind in table.features.items())
            raise ValueError(f"dataset.column={self.column}: no column of pictures; there are {kinds}")
        return table.cast_column(self.column, Image(decode=False))

    def _look(self, sizes: OneSize) -> None:
        """At the headers of all pictures."""
        from PIL import Image

        for position in range(len(self)):
            try:
                with Image.open(io.BytesIO(self._bytes(position))) as picture:
                    sizes.add(self._called(position), picture)
            except (OSError, Image.DecompressionBombError) as error:
                raise ValueError(f"{self._called(position)}: unreadable picture ({error}); mend it") from None

    def _bytes(self, position: int) -> bytes:
        picture = self._rows[int(position)][self.column]
        content: bytes = picture["bytes"] or Path(picture["path"]).read_bytes()
        return content

    def _read_labels(self, table: Any) -> list[int] | None:
        """Those of the whole split, so that a choice of rows has as many classes."""
        if self.labels not in table.features:
            return None
        found = list(table[self.labels])
        if not all(isinstance(label, int) and label >= 0 for label in found):
            raise ValueError(f"dataset.labels={self.labels}: labels are whole numbers from 0; name another column")
        return found

    def _label(self, position: int) -> int | None:
        return None if self._labels is None else int(self._labels[self.index(position)])

    def _called(self, position: int) -> str:
        return f"{self.path}, {self.split}[{self.index(position)}]"
