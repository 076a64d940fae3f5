"""Every image of a dataset several times in a row, to be restored with independent noise of the solver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mapga.datasets.base import Dataset, Item

__all__ = ["Repeated"]


class Repeated(Dataset):
    """Row i ``samples`` + k is for sample k of image i; all of an image's rows have its index, and so the same y.

    Args:
        images: What is repeated.
        samples: How often, >= 1.
    """

    def __init__(self, images: Dataset, samples: int) -> None:
        self.images, self.samples = images, samples
        self.image_shape, self.n_classes, self.prior = images.image_shape, images.n_classes, images.prior

    def __len__(self) -> int:
        return len(self.images) * self.samples

    def __getitem__(self, position: int) -> Item:
        image, sample = divmod(position, self.samples)
        return replace(self.images[image], sample=sample)

    def index(self, position: int) -> int:
        return self.images.index(position // self.samples)

    def fingerprint(self) -> str:
        return self.images.fingerprint()

    def training(self) -> np.ndarray:
        return self.images.training()
