"""A folder of pictures as a dataset: any images of one size, grey or RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapga.card import DatasetCard
from mapga.datasets.base import Dataset, Item, UnreadableImageError
from mapga.datasets.pictures import bands, objection, pictures_below, to_bytes, upright_size
from mapga.datasets.selection import choose
from mapga.files.need import Need

__all__ = ["ImageFolder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")
CHANNELS = (1, 3)


class ImageFolder(Dataset):
    """The pictures below a folder, at any depth, ordered by their paths.

    They must have one size: nothing is resized or cropped behind your back. ``mapga.datasets.pictures`` says what of a
    file becomes which pixel, and what is refused; pictures are turned as their EXIF orientation says.

    Args:
        root: The folder.
        channels: 1 (grey) or 3 (RGB) of all pictures; a picture with another number is refused.
        limit: Only the first ``limit`` pictures; None for all.
        skip: Leave out so many pictures at the beginning; 0 for none.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: No pictures, pictures of several sizes or of another channel count, an unreadable picture,
            or a limit or skip outside the pictures.
    """

    card = DatasetCard(
        places=("root",),
        choosing=("limit", "skip"),
        count=lambda a: a.limit,
        files=lambda a: [Need.of_place("dataset.root", a.root)],
    )

    def __init__(self, root: str, channels: int = 3, limit: int | None = None, skip: int = 0) -> None:
        if channels not in CHANNELS:
            raise ValueError(f"dataset.channels={channels}: choose 1 (grey) or 3 (RGB)")
        folder = Path(root).expanduser()
        if not folder.is_dir():
            what = "a file, no folder" if folder.exists() else "no such folder"
            raise FileNotFoundError(f"dataset.root={root}: {what}; give a folder that holds pictures")
        self.root, self.channels = folder, channels
        paths = pictures_below(folder, SUFFIXES)
        if not paths:
            raise ValueError(f"dataset.root={root}: no pictures in it; it reads {', '.join(SUFFIXES)}")
        self._chosen = choose(len(paths), limit, skip=skip)
        self._paths = [paths[index] for index in self._chosen]
        width, height = self._check()
        self.image_shape = (channels, height, width)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, position: int) -> Item:
        from PIL import Image

        path = self._paths[position]
        try:
            with Image.open(path) as picture:
                pixels = to_bytes(picture, self.channels, upright=True)
        except (OSError, SyntaxError) as error:
            if getattr(error, "errno", None) is not None:  # the disk's trouble, not the picture's
                raise
            raise UnreadableImageError(f"{path}: unreadable picture ({error}); replace the file") from None
        return Item(self.index(position), pixels)

    def index(self, position: int) -> int:
        return int(self._chosen[position])

    def source(self, position: int) -> bytes:
        return self._paths[position].read_bytes()

    def training(self) -> np.ndarray:
        """Refused: a folder does not say which of its pictures are for priors and which for testing."""
        raise ValueError(
            f"dataset.root={self.root}: a folder has no training split to fit a prior on; train a network on "
            "another folder with `mapga train`, or use prior=gaussian or prior=mixture with dataset=mnist"
        )

    def _check(self) -> tuple[int, int]:
        """(width, height) that all pictures share; reads their headers only."""
        from PIL import Image, UnidentifiedImageError

        first: tuple[int, int] | None = None
        for path in self._paths:
            try:
                with Image.open(path) as picture:
                    size, found, wrong = upright_size(picture), bands(picture.mode), objection(picture)
            except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
                raise ValueError(f"{path}: unreadable picture ({error}); remove or replace it") from None
            first = first or size
            if size != first:
                raise ValueError(
                    f"{path} has {size[0]}x{size[1]} pixels, {self._paths[0].name} {first[0]}x{first[1]}; "
                    "resize or crop the pictures of the folder to one size"
                )
            if found != self.channels:
                raise ValueError(
                    f"{path} has {found} channels, expected dataset.channels={self.channels}; convert it, or "
                    f"set dataset.channels to {'1 or 3' if found not in CHANNELS else found}"
                )
            if wrong:
                raise ValueError(f"{path}: {wrong}, or remove it")
        assert first is not None
        return first
