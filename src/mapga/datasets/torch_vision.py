"""A dataset of torchvision, by the name of its class, from a folder where it lies already."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from mapga.card import DatasetCard
from mapga.datasets.base import Dataset, Item, UnreadableImageError
from mapga.datasets.one_size import OneSize
from mapga.datasets.pictures import bands, to_bytes
from mapga.datasets.preparation import square
from mapga.datasets.selection import choose
from mapga.errors import closest, first_line
from mapga.files.need import Need

__all__ = ["TorchVision"]

_SPLITS = ("split", "image_set")  # what torchvision calls a split where it is a word
_PICKLED = {"LSUN": "dataset=lsun", "LSUNClass": "dataset=lsun"}  # it would read a pickle from the working folder


class TorchVision(Dataset):
    """Pictures of a class of ``torchvision.datasets``. Nothing is downloaded.

    CIFAR's published files are pickles, which torchvision opens only where their MD5 sums are the published ones.

    Args:
        name: The class: ``"CIFAR10"``, ``"SVHN"``, ``"Flowers102"``.
        root: The folder that torchvision calls ``root``.
        split: ``"train"`` or ``"test"``, or the words that the class knows; None where it has no splits.
        channels: 1 (grey) or 3 (RGB) of all pictures; None for those of the first.
        size: As for ``ImageFolder``.
        limit: Only the first ``limit`` pictures; None for all.
        skip: Leave out so many pictures at the beginning; 0 for none.

    Raises:
        ValueError: torchvision is not installed or has no such class; one that cannot be made of a folder and a split;
            data that is not there; what is no picture; pictures as ``ImageFolder`` refuses them; or a limit or skip
            outside the pictures.
    """

    card = DatasetCard(
        places=("root",),
        words=("name", "split"),
        choosing=("limit", "skip"),
        count=lambda a: a.limit,
        files=lambda a: [Need.of_place("dataset.root", a.root)],
    )

    def __init__(
        self,
        name: str,
        root: str,
        split: str | None = "test",
        channels: int | None = None,
        size: int | None = None,
        limit: int | None = None,
        skip: int = 0,
    ) -> None:
        self.name, self.split, self.size = name, split, size
        self._pairs = _made(name, root, split)
        self._chosen = choose(len(self._pairs), limit, skip=skip)
        self.n_classes = len(self._pairs.classes) if hasattr(self._pairs, "classes") else None
        self.channels = bands(self._picture(0).mode) if channels is None else channels
        self.image_shape = self._looked_at(OneSize(self.channels, size))

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, position: int) -> Item:
        picture, target = self._pair(position)
        pixels = to_bytes(picture, self.channels, upright=True)
        known = self.n_classes is not None and not hasattr(target, "shape")  # a tensor is no class
        return Item(
            self.index(position),
            pixels if self.size is None else square(pixels, self.size),
            int(target) if known else None,
        )

    def index(self, position: int) -> int:
        return int(self._chosen[position])

    def _pair(self, position: int) -> tuple[Any, Any]:
        """A picture and what torchvision says of it."""
        try:
            picture, target = self._pairs[self.index(position)][:2]
        except (OSError, SyntaxError) as error:
            reason = first_line(error).split(" <_io")[0]
            raise UnreadableImageError(f"{self._called(position)}: unreadable picture ({reason}); mend it") from None
        return picture, target

    def _picture(self, position: int) -> Any:
        from PIL.Image import Image

        picture = self._pair(position)[0]
        if not isinstance(picture, Image):
            raise ValueError(f"dataset.name={self.name}: its items are {type(picture).__name__}, no pictures")
        return picture

    def _looked_at(self, sizes: OneSize) -> tuple[int, int, int]:
        """The shape of all pictures; those that cannot be read are left to whoever asks for them."""
        for position in range(len(self)):
            try:
                sizes.add(self._called(position), self._picture(position))
            except UnreadableImageError:
                if position == 0:
                    raise
        return sizes.image_shape

    def _called(self, position: int) -> str:
        return f"{self.name}, {self.split or 'picture'}[{self.index(position)}]"


def _made(name: str, root: str, split: str | None) -> Any:
    """torchvision's own dataset."""
    make = _class(name)
    asked = inspect.signature(make).parameters
    word = next((key for key in _SPLITS if key in asked), None)
    if split is None:
        part: dict[str, Any] = {}
    elif "train" in asked and word is None:
        if split not in ("train", "test"):
            raise ValueError(f"dataset.split={split}: {name} has train and test")
        part = {"train": split == "train"}
    elif word is not None:
        part = {word: split}
    else:
        raise ValueError(f"dataset.split={split}: {name} has no splits; set dataset.split=null")
    try:
        return make(root=str(Path(root).expanduser()), **part)
    except (RuntimeError, ValueError, OSError, TypeError, ImportError) as error:
        get = f"; its files come by torchvision.datasets.{name}({root!r}, download=True)" if "download" in asked else ""
        raise ValueError(
            f"dataset.name={name} dataset.root={root}: torchvision says: {first_line(error)}{get}"
        ) from None


def _class(name: str) -> Any:
    if name in _PICKLED:
        raise ValueError(f"dataset.name={name}: torchvision reads it by way of pickles; use {_PICKLED[name]}")
    try:
        from torchvision import datasets
    except ImportError:
        raise ValueError(
            'the library "torchvision" is not installed; it comes with: pip install "mapga[torchvision]"'
        ) from None
    found = {key: getattr(datasets, key) for key in datasets.__all__}
    able = [key for key, one in found.items() if isinstance(one, type) and "root" in inspect.signature(one).parameters]
    if name not in able:
        raise ValueError(
            f"dataset.name={name}: no class of torchvision.datasets{closest(name, able)} there are CIFAR10, SVHN, ..."
        )
    return found[name]
