"""A folder of pictures as a dataset: grey or RGB, of one size, or made so where that is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mapga.card import DatasetCard
from mapga.datasets.base import Dataset, Item, UnreadableImageError
from mapga.datasets.one_size import OneSize
from mapga.datasets.pictures import pictures_below, to_bytes
from mapga.datasets.preparation import square
from mapga.datasets.selection import choose
from mapga.files.need import Need

__all__ = ["ImageFolder"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")


class ImageFolder(Dataset):
    """The pictures below a folder, at any depth, ordered by their paths.

    They must have one size, or be made so by ``size``: nothing is resized or cropped behind your back.
    ``mapga.datasets.pictures`` says what of a
    file becomes which pixel, and what is refused; pictures are turned as their EXIF orientation says.

    Args:
        root: The folder.
        channels: 1 (grey) or 3 (RGB) of all pictures; a picture with another number is refused.
        limit: Only the first ``limit`` pictures; None for all.
        skip: Leave out so many pictures at the beginning; 0 for none.
        size: Side of the square that is made of each picture (``mapga.datasets.preparation.square``): its short side
            resized by bicubic interpolation without aliasing, its middle cut out; None for pictures as they are.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: No pictures, pictures of several sizes or smaller than ``size``, of another channel count, an
            unreadable picture, or a limit or skip outside the pictures.
    """

    card = DatasetCard(
        places=("root",),
        choosing=("limit", "skip"),
        absent=("size",),
        count=lambda a: a.limit,
        files=lambda a: [Need.of_place("dataset.root", a.root)],
    )

    def __init__(
        self, root: str, channels: int = 3, limit: int | None = None, skip: int = 0, size: int | None = None
    ) -> None:
        sizes = OneSize(channels, size)
        folder = Path(root).expanduser()
        if not folder.is_dir():
            what = "a file, no folder" if folder.exists() else "no such folder"
            raise FileNotFoundError(f"dataset.root={root}: {what}; give a folder that holds pictures")
        self.root, self.channels, self.size = folder, channels, size
        paths = pictures_below(folder, SUFFIXES)
        if not paths:
            raise ValueError(f"dataset.root={root}: no pictures in it; it reads {', '.join(SUFFIXES)}")
        self._chosen = choose(len(paths), limit, skip=skip)
        self._paths = [paths[index] for index in self._chosen]
        self._look(sizes)
        self.image_shape = sizes.image_shape

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
        return Item(self.index(position), pixels if self.size is None else square(pixels, self.size))

    def index(self, position: int) -> int:
        return int(self._chosen[position])

    def source(self, position: int) -> bytes:
        return self._paths[position].read_bytes()

    def training(self) -> np.ndarray:
        """Refused: a folder does not say which of its pictures are for priors and which for testing."""
        raise ValueError(
            f"dataset.root={self.root}: a folder has no training split to fit a prior on; choose one that "
            "needs none: prior=patches, prior=diffusers, a network of `mapga train`, or prior=none solver=pinv"
        )

    def _look(self, sizes: OneSize) -> None:
        """At the headers of all pictures."""
        from PIL import Image, UnidentifiedImageError

        for path in self._paths:
            try:
                with Image.open(path) as picture:
                    sizes.add(str(path), picture)
            except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
                raise ValueError(f"{path}: unreadable picture ({error}); remove or replace it") from None
