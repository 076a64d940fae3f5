"""What a dataset is: an ordered, finite, re-readable list of uint8 images with stable indices."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mapga.shown import Shown

__all__ = ["Dataset", "Item", "UnreadableImageError"]

_VERSION = 2  # of what a fingerprint is made of; those of version 1 bear no number


class UnreadableImageError(ValueError):
    """One image that cannot be read; the others can. The message is one line with its path and the remedy."""


@dataclass(frozen=True)
class Item:
    """One image of a dataset.

    Attributes:
        index: Its place in the whole dataset. Noise and records are keyed by it.
        image: uint8 array (H, W, C), C = 1 or 3, range 0..255.
        label: Class in the order the priors use, or None.
        sample: Which of several restorations of the image it is for.
    """

    index: int
    image: np.ndarray
    label: int | None = None
    sample: int = 0


class Dataset(Shown, ABC):
    """An ordered list of images of one shape. Knows no torch, no range but 0..255, no solver.

    Attributes:
        image_shape: (C, H, W) of every image.
        n_classes: Number of classes, or None without labels.
        prior: The exact prior that its images are drawn from; None of pictures.
    """

    image_shape: tuple[int, int, int]
    n_classes: int | None = None
    prior: Any = None

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

    def source(self, position: int) -> bytes:
        """What the item at ``position`` is made of: other bytes wherever its image or its label is another.

        Here the pixels, none of an image that cannot be read; a dataset of encoded pictures gives their files' bytes,
        so that nothing has to be decoded.
        """
        try:
            item = self[position]
        except UnreadableImageError:
            return b""
        return item.image.tobytes() + repr(item.label).encode()

    def fingerprint(self) -> str:
        """``<version>:<SHA-256>`` of the indices and sources of all chosen images; a run refuses to go on with others.

        Every chosen image is read, and no other. A file's size and time say nothing, since a picture may be replaced
        without a change of either; so nothing is kept but by this object. 1,000 JPEGs of 500x375, 74 MB, take 0.1 s.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        total = hashlib.sha256(repr(self.image_shape).encode())
        for position in range(len(self)):
            total.update(self.index(position).to_bytes(8) + hashlib.sha256(self.source(position)).digest())
        return f"{_VERSION}:{total.hexdigest()}"

    def training(self) -> np.ndarray:
        """All images of the split that priors are made from, uint8 (N, H, W, C), disjoint from the items.

        Raises:
            ValueError: The dataset has no such split.
        """
        raise ValueError(
            f"{type(self).__name__} has no training split to fit a prior on; "
            "choose one that needs none: a network, prior=patches, or prior=none solver=pinv"
        )
