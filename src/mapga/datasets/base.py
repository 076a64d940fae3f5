"""What a dataset is: an ordered, finite, re-readable list of uint8 images with stable indices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

__all__ = ["Dataset", "Item", "UnreadableImageError"]


class UnreadableImageError(ValueError):
    """One image that cannot be read; the others can. The message is one line with its path and the remedy."""


@dataclass(frozen=True)
class Item:
    """One image of a dataset.

    Attributes:
        index: Its place in the whole dataset. Noise and records are keyed by it.
        image: uint8 array (H, W, C), C = 1 or 3, range 0..255.
        label: Class in the order the priors use, or None.
    """

    index: int
    image: np.ndarray
    label: int | None = None


class Dataset(ABC):
    """An ordered list of images of one shape. Knows no torch, no range but 0..255, no solver.

    Attributes:
        image_shape: (C, H, W) of every image.
        n_classes: Number of classes, or None without labels.
    """

    image_shape: tuple[int, int, int]
    n_classes: int | None = None

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def __getitem__(self, position: int) -> Item:
        """The image at ``position`` in 0..len-1.

        Raises:
            UnreadableImageError: It is damaged.
        """

    def index(self, position: int) -> int:
        """The ``Item.index`` of the image at ``position``, without reading it."""
        return position

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of what the images depend on, cheap to compute; a run refuses to continue on other data."""

    def training(self) -> np.ndarray:
        """All images of the split that priors are made from, uint8 (N, H, W, C), disjoint from the items.

        Raises:
            ValueError: The dataset has no such split.
        """
        raise ValueError(
            f"{type(self).__name__} has no training split to fit a prior on; "
            "use prior=gaussian or prior=mixture with dataset=mnist, or a network prior"
        )
