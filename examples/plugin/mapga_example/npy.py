"""Images of a .npy file."""

import numpy as np

from mapga.card import DatasetCard
from mapga.datasets.base import Dataset, Item
from mapga.files.need import Need


class NpyFile(Dataset):
    """uint8 (N, H, W, C), the first ``limit`` of them."""

    card = DatasetCard(places=("path",), choosing=("limit",), files=lambda a: [Need.of_place("dataset.path", a.path)])

    def __init__(self, path: str, limit: int | None = None) -> None:
        self.images = np.load(path, allow_pickle=False)[:limit]
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(f"dataset.path={path}: want uint8 (N, H, W, C), got {self.images.dtype}")
        height, width, channels = self.images.shape[1:]
        self.image_shape = (channels, height, width)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, position: int) -> Item:
        return Item(position, self.images[position])
