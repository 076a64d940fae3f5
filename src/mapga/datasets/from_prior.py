r"""Truths drawn from an exact prior itself, so that p(x | y) is known and calibration means something.

Stored truths have 8 bits. Rounding moves a value by an error of standard deviation 2/255 / sqrt(12) = 0.0023 in [-1, 1]
units, and y is measured from the rounded image. Beside a posterior standard deviation of 0.1 that adds 0.05 % to the
variance, beside 0.02 it adds 1.3 %. Values beyond [-1, 1] would be cut off, which is another matter: a prior that draws
more than two in a thousand there is refused, and its ``contrast`` is what to lower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mapga.card import DatasetCard
from mapga.datasets.base import Dataset, Item
from mapga.datasets.selection import choose
from mapga.files.need import Need
from mapga.pixels import to_uint8

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FromPrior"]

_LOOKED_AT = 32  # draws
_CUT_OFF = 2e-3  # of their values may lie beyond [-1, 1]


class Drawn(Protocol):
    """The part of a prior that truths need."""

    image_shape: tuple[int, int, int]

    def sample(self, indices: Sequence[int], *, seed: int) -> Tensor:
        """Draws (len(indices), C, H, W), functions of (seed, index) alone."""


def _files(a: Any) -> list[Need]:
    return [need for part in (a.base, a.prior) for need in part.card.files(part.namespace)]


class FromPrior(Dataset):
    """Draws of a prior.

    Args:
        base: The dataset on whose training images the prior is fitted.
        prior: What is drawn from.
        size: How many draws there are.
        limit: Only the first ``limit`` draws; None for all.
        skip: Leave out so many draws at the beginning; 0 for none.
        seed: Of the draws.

    Raises:
        ValueError: A limit or skip outside the draws, a prior without exact draws, or draws that 8 bits cannot hold.
    """

    card = DatasetCard(
        parts={"base": "dataset", "prior": "prior"},
        choosing=("limit", "skip"),
        count=lambda a: a.limit,
        files=_files,
    )

    def __init__(
        self, base: Dataset, prior: Drawn, size: int = 10_000, limit: int | None = None, skip: int = 0, seed: int = 0
    ) -> None:
        self._chosen = choose(size, limit, skip=skip)
        self.base, self.prior, self.seed = base, prior, seed
        self.image_shape = prior.image_shape
        share = float((prior.sample(range(min(size, _LOOKED_AT)), seed=seed).abs() > 1).double().mean())
        if share > _CUT_OFF:
            raise ValueError(
                f"dataset.prior: {share:.1%} of the values it draws lie beyond [-1, 1], where 8 bits cut them off; "
                "lower prior.contrast or prior.std"
            )

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, position: int) -> Item:
        index = self.index(position)
        return Item(index, to_uint8(self.prior.sample([index], seed=self.seed))[0])

    def index(self, position: int) -> int:
        return int(self._chosen[position])

    def training(self) -> np.ndarray:
        return self.base.training()
